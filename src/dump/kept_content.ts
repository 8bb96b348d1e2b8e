/** Contents as a dump keeps them: each compressed once, as the gzip members that it will be in the bundle. */
import { createHash } from "node:crypto";
import { gunzip, gzip, inLargeChunks } from "./gzip_stream.ts";
import type { KeptBytes, WorkFile } from "./work_file.ts";

/** What a file of the bundle holds, and how it is kept. */
export interface KeptContent {
  /** Size and SHA-256 (lower-case hexadecimal) of the file, as it will be extracted. */
  readonly sizeBytes: number;
  readonly sha256: string;
  /** `plain`: small, as it is. `member`: compressed for the bundle. `packed`: the file itself is a .gz. */
  readonly form: "plain" | "member" | "packed";
  readonly body: KeptBytes;
  /** Of a long `member`, its end: some 16 MiB of text. It unpacks alone. */
  readonly newest?: KeptBytes;
}

/** Where contents are kept. */
export interface KeepOptions {
  readonly work: WorkFile;
  /** gzip level, 1..9. */
  readonly level: number;
}

/** The bytes of the file in the bundle, as extracted. */
export function contentBytes(content: KeptContent): AsyncIterable<Uint8Array> {
  return content.form === "member" ? gunzip(content.body.read()) : content.body.read();
}

/** What a reader of the file wants to see: unpacked where it is a .gz. */
export function contentText(content: KeptContent): AsyncIterable<Uint8Array> {
  return content.form === "plain" ? content.body.read() : gunzip(content.body.read());
}

/** What {@linkcode contentText} gives, of a long one at least the last 16 MiB. */
export function newestPart(content: KeptContent): AsyncIterable<Uint8Array> {
  return content.newest === undefined ? contentText(content) : gunzip(content.newest.read());
}

/** Keeps bytes that are safe; small ones as they are, others compressed. */
export async function keepContent(
  safe: AsyncIterable<Uint8Array>,
  packed: boolean,
  { work, level }: KeepOptions,
): Promise<KeptContent> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const keeper = work.keep();
  const count = (bytes: Uint8Array): void => {
    hash.update(bytes);
    sizeBytes += bytes.length;
  };
  if (packed) {
    for await (const bytes of gzip(safe, level)) {
      count(bytes);
      keeper.write(bytes);
    }
    return { sizeBytes, sha256: hash.digest("hex"), form: "packed", body: keeper.end() };
  }
  const chunks = inLargeChunks(counted(safe, count));
  const first = await chunks.next();
  if (first.done || first.value.length <= maxPlainBytes) { // a chunk below 64 KiB is the last one
    if (!first.done) keeper.write(first.value);
    return { sizeBytes, sha256: hash.digest("hex"), form: "plain", body: keeper.end() };
  }
  const { body, newest } = await keepMembers(resumed(first.value, chunks), { work, level });
  return { sizeBytes, sha256: hash.digest("hex"), form: "member", body, ...(newest === undefined ? {} : { newest }) };
}

/** Compressed as members of 16 MiB of text, so that whoever wants the end need not unpack all of it. */
async function keepMembers(
  content: AsyncIterable<Uint8Array>,
  { work, level }: KeepOptions,
): Promise<{ readonly body: KeptBytes; readonly newest?: KeptBytes }> {
  const members: KeptBytes[] = [];
  for await (const part of inParts(content, memberBytes)) {
    const keeper = work.keep();
    for await (const bytes of gzip(part, level)) keeper.write(bytes);
    members.push(keeper.end());
  }
  const body = inRow(members);
  return members.length < 3 ? { body } : { body, newest: inRow(members.slice(-2)) };
}

/** One after the other. */
function inRow(parts: readonly KeptBytes[]): KeptBytes {
  return {
    sizeBytes: parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    async *read(): AsyncGenerator<Uint8Array> {
      for (const part of parts) yield* part.read();
    },
  };
}

/** Parts of at least `partBytes` but the last; each is to be read to its end before the next one is asked for. */
async function* inParts(
  content: AsyncIterable<Uint8Array>,
  partBytes: number,
): AsyncGenerator<AsyncIterable<Uint8Array>> {
  const iterator = content[Symbol.asyncIterator]();
  try {
    let next = await iterator.next();
    const part = async function* (): AsyncGenerator<Uint8Array> {
      for (let sizeBytes = 0; next.done !== true && sizeBytes < partBytes; next = await iterator.next()) {
        sizeBytes += next.value.length;
        yield next.value;
      }
    };
    while (next.done !== true) yield part();
  } finally {
    await iterator.return?.();
  }
}

async function* counted(
  content: AsyncIterable<Uint8Array>,
  count: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of content) {
    count(bytes);
    yield bytes;
  }
}

async function* resumed(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

/** Smaller ones stay as they are. */
const maxPlainBytes = 32 * 1024;
const memberBytes = 16 * 1024 * 1024;
