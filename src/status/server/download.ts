/** A file as an answer: whole, a range of it (RFC 9110 section 14), or nothing new. */

/** What is sent. */
export interface Download {
  readonly path: string;
  /** Name that the caller's browser keeps it under; letters, digits, `.`, `_`, `-`. */
  readonly name: string;
  readonly contentType: string;
  /** Without quotes; never the same for two contents. */
  readonly version: string;
}

/** What of the request is looked at. */
export interface DownloadHeaders {
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

/** Answers with the file, read as it is sent. @throws when it cannot be opened */
export function fileResponse({ path, name, contentType, version }: Download, asked: DownloadHeaders): Response {
  const etag = `"${version}"`;
  const common = { etag, "accept-ranges": "bytes" };
  if (asked.ifNoneMatch?.split(",").some((one) => one.trim() === etag || one.trim() === "*") === true) {
    return new Response(null, { status: 304, headers: common });
  }
  const file = Deno.openSync(path, { read: true });
  const { size } = file.statSync();
  const wanted = asked.ifRange === undefined || asked.ifRange === etag ? asked.range : undefined;
  const range = parseRange(wanted, size);
  if (range === "unsatisfiable") {
    file.close();
    return new Response(null, { status: 416, headers: { ...common, "content-range": `bytes */${size}` } });
  }
  const { start, end } = range ?? { start: 0, end: size };
  file.seekSync(start, Deno.SeekMode.Start);
  return new Response(pieces(file, end - start), {
    status: range === undefined ? 200 : 206,
    headers: {
      ...common,
      "content-type": contentType,
      "content-length": String(end - start),
      "content-disposition": `attachment; filename="${name}"`,
      ...(range === undefined ? {} : { "content-range": `bytes ${start}-${end - 1}/${size}` }),
    },
  });
}

/**
 * The one range that `text` asks for, `end` exclusive. Undefined: the whole, which is also the answer to several ranges and to what cannot
 * be read, as the standard allows.
 */
export function parseRange(
  text: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | "unsatisfiable" | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(text ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined;
  if (first === "") {
    const length = Math.min(size, Number(last));
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return undefined;
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size : Math.min(size, Number(last) + 1) };
}

function pieces(file: Deno.FsFile, length: number): ReadableStream<Uint8Array> {
  let left = length;
  return new ReadableStream({
    pull: async (controller) => {
      const buffer = new Uint8Array(Math.min(left, 64 * 1024));
      const count = left === 0 ? null : await file.read(buffer);
      if (count !== null) {
        left -= count;
        return controller.enqueue(buffer.subarray(0, count));
      }
      file.close();
      if (left > 0) controller.error(new Error("the file is shorter than it was"));
      else controller.close();
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}
