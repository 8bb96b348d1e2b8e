/** Where a new program comes from: a file, or a URL. Sizes and silence are bounded; nothing is believed before its signature. */
import { joinBytes } from "../formats/bytes.ts";
import { errorText, failure, TryLaterError } from "../pipeline/errors.ts";

/** How it is fetched. */
export interface FetchOptions {
  /** Bytes at the most. */
  readonly maxBytes: number;
  /** Longest time in which no byte comes, milliseconds. */
  readonly stallMs: number;
  /** PEM of the CA certificates that are trusted for `https:`; default: the system's. */
  readonly ca?: string;
}

/** Whether `from` is a URL; everything else is a path. */
function isUrl(from: string): boolean {
  return /^https?:\/\//.test(from);
}

/** Reads `from` whole. @throws {TryLaterError} when the server cannot be reached; an Error when there is no such thing */
export async function fetchWhole(from: string, options: FetchOptions, signal: AbortSignal): Promise<Uint8Array> {
  if (!isUrl(from)) return readFile(from, options.maxBytes);
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), options.stallMs);
  using client = options.ca === undefined ? undefined : Deno.createHttpClient({ caCerts: [options.ca] });
  try {
    const response = await fetch(from, {
      signal: AbortSignal.any([signal, stalled.signal]),
      ...(client === undefined ? {} : { client }),
    });
    if (!response.ok) {
      await response.body?.cancel();
      const text = `Cannot fetch "${from}": the server answers ${response.status}`;
      throw response.status >= 500 ? new TryLaterError(text) : new Error(text);
    }
    return await readBody(response, from, options, timer, stalled);
  } catch (error) {
    if (error instanceof TypeError || stalled.signal.aborted) {
      throw new TryLaterError(
        `Cannot fetch "${from}": ${stalled.signal.aborted ? "nothing came for a while" : errorText(error)}`,
      );
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function readBody(
  response: Response,
  from: string,
  { maxBytes, stallMs }: FetchOptions,
  first: ReturnType<typeof setTimeout>,
  stalled: AbortController,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let timer = first;
  try {
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(() => stalled.abort(), stallMs);
      size += chunk.length;
      if (size > maxBytes) throw new Error(`Cannot fetch "${from}": it is larger than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(timer);
  }
  return joinBytes(chunks);
}

function readFile(path: string, maxBytes: number): Uint8Array {
  try {
    const { size, isFile } = Deno.statSync(path);
    if (!isFile) throw new Error("it is not a file");
    if (size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
    return Deno.readFileSync(path);
  } catch (error) {
    throw failure("read", `"${path}"`, error);
  }
}
