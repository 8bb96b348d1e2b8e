/**
 * The payload of an age file: STREAM over ChaCha20-Poly1305 in chunks of 64 KiB (age-encryption.org/v1, section Payload).
 * `npm:age-encryption` makes and reads the header; the payload goes through the runtime's own cipher, which is eight times
 * as fast as the library's and needs a tenth of its garbage.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { BundleError } from "./bundle_error.ts";
import { freeAfter } from "./memory.ts";

/** Bytes of plain text in every chunk but the last. */
export const streamChunkBytes: number = 64 * 1024;
/** Bytes that each chunk is longer when encrypted. */
export const streamTagBytes = 16;
/** Bytes of the random value between header and first chunk. */
export const streamNonceBytes = 16;

/** Key of the payload; `nonce` is what stands between header and payload. */
export function deriveStreamKey(fileKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", fileKey, nonce, "payload", 32));
}

/** Encrypts `plain`; memory is two chunks. */
export async function* encryptStream(key: Uint8Array, plain: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const counter = new ChunkCounter();
  for await (const { bytes, last } of inChunks(plain, streamChunkBytes)) {
    const cipher = createCipheriv("chacha20-poly1305", key, counter.next(last), { authTagLength: streamTagBytes });
    freeAfter(bytes.length);
    // Two pieces: joining them would copy everything once more.
    yield cipher.update(bytes);
    cipher.final();
    yield cipher.getAuthTag();
  }
}

/** Inverse of {@linkcode encryptStream}. @throws {BundleError} at the first chunk that is not what was sealed, or is missing */
export async function* decryptStream(key: Uint8Array, sealed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const counter = new ChunkCounter();
  let chunks = 0;
  for await (const { bytes, last } of inChunks(sealed, streamChunkBytes + streamTagBytes)) {
    const plain = decryptChunk(key, counter.next(last), bytes);
    if (plain === undefined || (last && plain.length === 0 && chunks > 0)) {
      const what = last ? "it is cut off, or changed at its end" : "its content was changed";
      throw new BundleError("damaged", `the encrypted data is damaged in chunk ${chunks + 1}: ${what}`);
    }
    chunks++;
    freeAfter(plain.length);
    yield plain;
  }
}

function decryptChunk(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < streamTagBytes) return undefined;
  const cipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: streamTagBytes });
  cipher.setAuthTag(sealed.subarray(sealed.length - streamTagBytes));
  try {
    const plain = cipher.update(sealed.subarray(0, sealed.length - streamTagBytes));
    cipher.final();
    return plain;
  } catch {
    return undefined;
  }
}

/** Pieces of exactly `size` bytes; the last one is shorter or as long, and empty only when there is nothing at all. */
async function* inChunks(
  source: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ readonly bytes: Uint8Array; readonly last: boolean }> {
  const buffer = new Uint8Array(size);
  let used = 0;
  for await (const piece of source) {
    for (let at = 0; at < piece.length;) {
      if (used === size) {
        yield { bytes: buffer, last: false };
        used = 0;
      }
      const taken = piece.subarray(at, at + size - used);
      buffer.set(taken, used);
      used += taken.length;
      at += taken.length;
    }
  }
  yield { bytes: buffer.subarray(0, used), last: true };
}

/** Nonces of the chunks: 11 bytes of a counter, big-endian, and one that marks the last chunk. */
class ChunkCounter {
  readonly #nonce = new Uint8Array(12);
  #count = 0;

  next(last: boolean): Uint8Array {
    const view = new DataView(this.#nonce.buffer);
    view.setUint32(3, Math.floor(this.#count / 2 ** 32));
    view.setUint32(7, this.#count % 2 ** 32);
    this.#nonce[11] = last ? 1 : 0;
    this.#count++;
    return this.#nonce;
  }
}
