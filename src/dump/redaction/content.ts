/** What kind of bytes an artifact holds: text goes through the rules, gzip is unpacked and packed again, the rest is refused. */
import type { ArtifactKind } from "../collector.ts";
import { gunzip, gzip } from "../gzip_stream.ts";

/** Something that cannot be made safe. The artifact must be dropped. Its message says why, in words of this file alone. */
export class RedactionError extends Error {
  override readonly name = "RedactionError";
}

/** Makes the text safe: gets pieces, gives pieces. */
export interface TextStage {
  push(bytes: Uint8Array): Iterable<Uint8Array>;
  end(): Iterable<Uint8Array>;
}

/** The safe form of a content. `open` starts a text, given its first bytes. @throws RedactionError for what is no text */
export async function* safeContent(
  content: AsyncIterable<Uint8Array>,
  kind: ArtifactKind,
  open: (head: Uint8Array) => TextStage,
  depth = 0,
): AsyncGenerator<Uint8Array> {
  const { head, all } = await peek(content);
  const form = formOf(head);
  if (form === "gzip") {
    if (depth >= maxDepth) throw new RedactionError("it is packed too often");
    const state = { packed: 0 };
    const unpacked = bounded(gunzip(counted(all, state)), state);
    return yield* gzip(safeContent(unpacked, kind === "binary" ? "text" : kind, open, depth + 1), 6);
  }
  if (form !== "text") throw new RedactionError(`it is ${form}`);
  const stage = open(head);
  for await (const chunk of all) {
    for (let at = 0; at < chunk.length; at += pieceBytes) yield* stage.push(chunk.subarray(at, at + pieceBytes));
  }
  yield* stage.end();
}

/** The first bytes, and an iterable that still gives everything. */
export async function peek(
  content: AsyncIterable<Uint8Array>,
): Promise<{ head: Uint8Array; all: AsyncIterable<Uint8Array> }> {
  const chunks: Uint8Array[] = [];
  const iterator = content[Symbol.asyncIterator]();
  let length = 0;
  let done = false;
  while (length < headBytes && !done) {
    const next = await iterator.next();
    if (next.done === true) done = true;
    else {
      chunks.push(next.value.slice());
      length += next.value.length;
    }
  }
  const head = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    head.set(chunk, at);
    at += chunk.length;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (let next = done ? undefined : await iterator.next(); next?.done === false; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { head: head.subarray(0, headBytes), all: all() };
}

/** What the first bytes say. */
export function formOf(head: Uint8Array): string {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  const known = magics.find(([magic]) => magic.every((byte, i) => byte < 0 || head[i] === byte));
  if (known !== undefined) return known[1];
  let controls = 0;
  let nulls = 0;
  for (const byte of head) {
    if (byte === 0) nulls++;
    else if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13 && byte !== 27 && byte !== 12) controls++;
  }
  return controls > head.length / 20 || nulls > head.length / 4 ? "binary" : "text";
}

async function* counted(content: AsyncIterable<Uint8Array>, state: { packed: number }): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    state.packed += chunk.length;
    yield chunk;
  }
}

/** Ends what unpacks to far more than any log does. */
async function* bounded(content: AsyncIterable<Uint8Array>, state: { packed: number }): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > freeBytes && size > maxRatio * state.packed) throw new RedactionError("it unpacks to too much");
    yield chunk;
  }
}

/** Beginnings of files that hold keys, or that nobody can look into here; -1 is any byte. */
const magics: readonly (readonly [readonly number[], string])[] = [
  [[0x30, 0x82, -1, -1, 0x02, 0x01, 0x03], "a PKCS#12 key store"],
  [[0x30, 0x80, 0x02, 0x01, 0x03], "a PKCS#12 key store"],
  [[0x30, 0x82, -1, -1, 0x02, 0x01, 0x00], "a private key in DER"],
  [[0xfe, 0xed, 0xfe, 0xed], "a Java key store"],
  [[0xce, 0xce, 0xce, 0xce], "a Java key store"],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], "packed with xz"],
  [[0x28, 0xb5, 0x2f, 0xfd], "packed with zstd"],
  [[0x42, 0x5a, 0x68, -1, 0x31, 0x41, 0x59], "packed with bzip2"],
  [[0x04, 0x22, 0x4d, 0x18], "packed with lz4"],
  [[0x50, 0x4b, 0x03, 0x04], "a zip archive"],
  [[0x7f, 0x45, 0x4c, 0x46], "a program"],
  [[0xff, 0xfe], "text in UTF-16"],
  [[0xfe, 0xff], "text in UTF-16"],
  [[...new TextEncoder().encode("SQLite format 3")], "a database"],
  [[...new TextEncoder().encode("LPKSHHRH")], "a journal file"],
];
const headBytes = 8_192;
const pieceBytes = 256 * 1024;
const maxDepth = 2;
const freeBytes = 256 * 1024 * 1024;
const maxRatio = 500;
