/**
 * Resumable upload: tus 1.0.0 (tus.io, core protocol and creation). Where the upload lies is kept in a file beside the
 * bundle, so that another run goes on where this one was cut off.
 */
import { basename } from "node:path";
import { readTextIfThere, removeIfThere, writeFileAtomic } from "../../system/atomic_file.ts";
import { exchange, type HttpAnswer, type HttpBody, type HttpRequest } from "../http.ts";
import { asBroken, BrokenUpload, errorOfAnswer, readRange, RefusedUpload, type UploadContext } from "./attempt.ts";

/** Sends one file, by one try after the other; each goes on where the server says. */
export class TusUpload {
  readonly #url: URL;
  #chunkBytes = firstChunkBytes;

  constructor(url: URL) {
    this.#url = url;
  }

  /** One try. @throws {RefusedUpload} or {BrokenUpload} */
  async attempt(context: UploadContext): Promise<void> {
    const kept = await this.#readKept(context);
    let location = kept === undefined ? undefined : new URL(kept);
    let offset = location === undefined ? undefined : await this.#askOffset(location, context);
    if (location !== undefined && offset !== undefined && offset > 0) {
      context.note(`going on at byte ${offset} of ${context.sizeBytes}`);
    }
    if (location === undefined || offset === undefined) {
      location = await this.#create(context);
      offset = 0;
    }
    while (offset < context.sizeBytes) offset = await this.#sendChunk(location, offset, context);
    context.onProgress(offset);
    removeIfThere(keptPath(context.path));
  }

  async #create(context: UploadContext): Promise<URL> {
    const name = new TextEncoder().encode(basename(context.path)).toBase64();
    const answer = await this.#ask({
      method: "POST",
      url: this.#url,
      headers: { "Upload-Length": String(context.sizeBytes), "Upload-Metadata": `filename ${name}` },
      body: { sizeBytes: 0, content: ReadableStream.from([]) },
    }, context);
    const location = answer.headers.get("location");
    if (answer.status !== 201 || location === undefined) throw await tusError(answer);
    answer.cancel();
    const url = new URL(location, this.#url);
    if (url.protocol !== this.#url.protocol) throw new RefusedUpload("the server sends us to an address without TLS");
    await this.#writeKept(url, context);
    return url;
  }

  /** Undefined when the server does not have it any more. */
  async #askOffset(url: URL, context: UploadContext): Promise<number | undefined> {
    const answer = await this.#ask({ method: "HEAD", url }, context);
    if ([403, 404, 410].includes(answer.status)) {
      answer.cancel();
      return undefined;
    }
    if (answer.status >= 300) throw await tusError(answer);
    answer.cancel();
    const [offset, length] = [offsetOf(answer), answer.headers.get("upload-length")];
    if (offset === undefined || offset > context.sizeBytes) {
      throw new RefusedUpload("the server names no offset: no tus");
    }
    return length !== undefined && Number(length) !== context.sizeBytes ? undefined : offset;
  }

  /** Sends the next piece; the result is the offset after it. */
  async #sendChunk(url: URL, offset: number, context: UploadContext): Promise<number> {
    const end = Math.min(context.sizeBytes, offset + this.#chunkBytes);
    let sent = offset;
    context.onProgress(offset);
    const answer = await this.#ask({
      method: "PATCH",
      url,
      headers: { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) },
      body: {
        sizeBytes: end - offset,
        content: readRange(context.path, offset, end),
        onSent: (bytes) => context.onProgress(sent += bytes),
      },
    }, context);
    if (answer.status === 413 && this.#chunkBytes > leastChunkBytes) {
      answer.cancel();
      this.#chunkBytes = Math.max(leastChunkBytes, this.#chunkBytes >> 2); // a proxy's limit
      return offset;
    }
    if (answer.status === 409) {
      answer.cancel();
      throw new BrokenUpload("the server holds another number of bytes than we thought");
    }
    if (answer.status !== 204 && answer.status !== 200) throw await tusError(answer);
    answer.cancel();
    const now = offsetOf(answer);
    if (now === undefined || now <= offset || now > end) throw new BrokenUpload("the server took nothing of it");
    return now;
  }

  async #ask(
    request: Pick<HttpRequest, "method" | "url" | "headers"> & { readonly body?: HttpBody },
    context: UploadContext,
  ): Promise<HttpAnswer> {
    // Tokens are for the server that the user named.
    const own = request.url.origin === this.#url.origin ? context.headers : {};
    try {
      return await exchange({
        ...request,
        headers: { "Tus-Resumable": "1.0.0", ...request.headers, ...own },
        ...(context.tls === undefined ? {} : { tls: context.tls }),
        stallMs: context.stallMs,
        signal: context.signal,
      });
    } catch (error) {
      throw asBroken(error);
    }
  }

  /** The upload that was begun for this very file and server. Anything else in that file means to begin anew. */
  async #readKept(context: UploadContext): Promise<string | undefined> {
    try {
      const kept = JSON.parse(readTextIfThere(keptPath(context.path)) ?? "null") as Record<string, unknown> | null;
      const key = await this.#keyOf(context);
      const location = kept?.["key"] === key ? kept["location"] : undefined;
      return typeof location === "string" && URL.canParse(location) ? location : undefined;
    } catch {
      return undefined;
    }
  }

  /** The address may be all that is needed to write there: for us alone. Not being able to keep it stops nothing. */
  async #writeKept(url: URL, context: UploadContext): Promise<void> {
    try {
      const text = JSON.stringify({ version: 1, key: await this.#keyOf(context), location: url.href }) + "\n";
      writeFileAtomic(keptPath(context.path), text, { mode: 0o600 });
    } catch {
      context.note("a broken upload can not be continued by another run: the folder of the file cannot be written");
    }
  }

  async #keyOf({ sizeBytes, modifiedMs }: UploadContext): Promise<string> {
    const text = new TextEncoder().encode(`${this.#url.href}\n${sizeBytes}\n${modifiedMs}`);
    return new Uint8Array(await crypto.subtle.digest("SHA-256", text)).toHex();
  }
}

function keptPath(path: string): string {
  return `${path}.upload`;
}

function offsetOf(answer: HttpAnswer): number | undefined {
  const text = answer.headers.get("upload-offset");
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

async function tusError(answer: HttpAnswer): Promise<Error> {
  if (answer.status < 300) {
    answer.cancel();
    return new RefusedUpload(`the server answered ${answer.status}, which is no tus\nTry: the URL without tus+`);
  }
  if (answer.status === 412) {
    answer.cancel();
    return new RefusedUpload(`the server speaks tus ${answer.headers.get("tus-version") ?? "of another version"}`);
  }
  return await errorOfAnswer(answer);
}

const firstChunkBytes = 64 * 1024 * 1024;
const leastChunkBytes = 256 * 1024;
