/** Compression in streams of bytes (`node:zlib`), with chunks large enough that the pipe costs nothing. */
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { createGunzip, createGzip, gzipSync } from "node:zlib";
import { freeAfter } from "./memory.ts";

/** Compresses; `level` 0..9. Ends with the error of `content` where that fails. */
export function gzip(content: AsyncIterable<Uint8Array>, level: number): AsyncIterable<Uint8Array> {
  return through(content, createGzip({ level, chunkSize: chunkBytes }));
}

/** Expands one or more gzip members. Throws at damage, after what came before it. */
export function gunzip(content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return through(content, createGunzip({ chunkSize: chunkBytes }));
}

/** Compresses what is in memory. */
export function gzipBytes(bytes: Uint8Array, level: number): Uint8Array {
  return gzipSync(bytes, { level });
}

/** The same bytes in chunks of at least 64 KiB but the last. */
export async function* inLargeChunks(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of content) {
    parts.push(chunk);
    length += chunk.length;
    if (length < chunkBytes) continue;
    freeAfter(length);
    yield parts.length === 1 ? parts[0]! : Buffer.concat(parts, length);
    parts = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(parts, length);
}

async function* through(
  content: AsyncIterable<Uint8Array>,
  transform: ReturnType<typeof createGzip>,
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(inLargeChunks(content), { objectMode: true, highWaterMark: 2 });
  source.on("error", (error) => transform.destroy(error));
  source.pipe(transform);
  try {
    for await (const chunk of transform) {
      freeAfter((chunk as Uint8Array).length);
      yield chunk as Uint8Array;
    }
  } finally {
    source.destroy();
    transform.destroy();
  }
}

const chunkBytes = 64 * 1024;
