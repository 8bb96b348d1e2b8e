/**
 * Dead letters: records that a sink's peer refused for good, or that could not be delivered in as many tries as the sink
 * may make. They are kept here, one JSON object a line, for a person to look at and to send again.
 *
 * ```text
 *   STATE/dead/SINK/00000001.jsonl   {"keptAt":…,"cause":"refused","reason":"500 no","source":…,"message":…}
 * ```
 *
 * On disk before the position moves on. Never larger than asked for: the oldest file goes when a new one has no room,
 * which is counted and said. Names of sinks that no folder can have are written with `%XX`.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { parseRecordBytes, recordMembers } from "../formats/record_json.ts";
import type { Batch } from "../pipeline/batch.ts";
import { failure } from "../pipeline/errors.ts";
import { syncFolder, writeAllSync } from "../system/atomic_file.ts";
import { lockFolder } from "../system/lock.ts";
import { openLog } from "../system/log.ts";

/** Why a record is here. `refused`: by the peer. `tries`: given up after `resumeRetryCount` tries. */
export type DeadCause = "refused" | "tries";

/** Where dead letters of one sink are, and how much of them. */
export interface DeadLetterOptions {
  /** Made with mode 0700 when there is something to keep. */
  readonly folder: string;
  /** All files together, ≥ 64 KiB; one batch more is possible when a single batch is larger. */
  readonly maxBytes: number;
  /** Name of the sink, for messages. */
  readonly sink: string;
}

/** One record to keep. */
export interface DeadRecord {
  readonly index: number;
  /** The peer's words, or what went wrong. */
  readonly reason: string;
}

/** Keeps dead letters; opens nothing before the first. Closed by whoever opened it. */
export class DeadLetters implements Disposable {
  readonly #options: DeadLetterOptions;
  #lock: Disposable | undefined;
  #current: { readonly file: Deno.FsFile; readonly number: number; sizeBytes: number } | undefined;
  /** Files of full size behind the current one, oldest first. */
  #older: { readonly number: number; readonly sizeBytes: number }[] = [];
  /** Bytes of dead letters that had to make room for newer ones, since it was opened. */
  removedBytes = 0;

  constructor(options: DeadLetterOptions) {
    this.#options = options;
  }

  /** Keeps records; returns when the disk holds them. @throws when it cannot, and then holds none of them */
  keep(batch: Batch, records: readonly DeadRecord[], cause: DeadCause): void {
    const keptAt = new Date().toISOString();
    const lines = records.map(({ index, reason }) =>
      JSON.stringify({ keptAt, cause, reason, ...recordMembers(batch, index) }) + "\n"
    );
    try {
      this.#append(new TextEncoder().encode(lines.join("")));
    } catch (error) {
      throw failure("keep dead letters in", `"${this.#options.folder}"`, error, "make room, or make it writable");
    }
  }

  [Symbol.dispose](): void {
    this.#current?.file.close();
    this.#current = undefined;
    this.#lock?.[Symbol.dispose]();
    this.#lock = undefined;
  }

  #append(bytes: Uint8Array): void {
    const { maxBytes } = this.#options;
    if (this.#lock === undefined) this.#open();
    const current = this.#current;
    if (current !== undefined && current.sizeBytes > 0 && current.sizeBytes + bytes.length > maxBytes / filesAtMost) {
      this.#older.push(current);
      current.file.close();
      this.#current = undefined;
    }
    this.#makeRoom(bytes.length);
    const { file, sizeBytes } = this.#current ??= this.#create();
    try {
      writeAllSync(file, bytes);
      file.syncDataSync();
    } catch (error) {
      file.truncateSync(sizeBytes); // half a line would be read as damage
      throw error;
    }
    this.#current.sizeBytes += bytes.length;
  }

  #open(): void {
    const { folder } = this.#options;
    this.#lock = lockFolder(folder);
    this.#older = [];
    for (const name of deadLetterFiles(folder)) {
      const sizeBytes = cutTornLine(join(folder, name));
      this.#older.push({ number: parseInt(name), sizeBytes });
    }
  }

  #create(): { file: Deno.FsFile; number: number; sizeBytes: number } {
    const { folder } = this.#options;
    const number = (this.#older.at(-1)?.number ?? 0) + 1;
    const file = Deno.openSync(join(folder, fileName(number)), { append: true, createNew: true, mode: 0o600 });
    syncFolder(folder);
    return { file, number, sizeBytes: 0 };
  }

  /** Removes the oldest files until there is room; the newest records are worth most to whoever looks for a mistake. */
  #makeRoom(newBytes: number): void {
    const { folder, maxBytes, sink } = this.#options;
    const total = (): number =>
      this.#older.reduce((sum, { sizeBytes }) => sum + sizeBytes, this.#current?.sizeBytes ?? 0);
    while (this.#older.length > 0 && total() + newBytes > maxBytes) {
      const { number, sizeBytes } = this.#older.shift()!;
      try {
        Deno.removeSync(join(folder, fileName(number)));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error; // someone took it away by hand
      }
      this.removedBytes += sizeBytes;
      log.warning(`${sink}: ${sizeBytes} bytes of its oldest dead letters are gone, to make room for newer ones`);
    }
  }
}

/** Folder of a sink's dead letters in a state folder. */
export function deadLetterFolder(state: string, sink: string): string {
  return join(state, deadFolder, folderOfSink(sink));
}

/** Folders of dead letters in a state folder, by the names of their sinks. */
export function sinksWithDeadLetters(state: string): readonly { readonly sink: string; readonly folder: string }[] {
  const folder = join(state, deadFolder);
  try {
    return [...Deno.readDirSync(folder)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => ({ sink: sinkOfFolder(name), folder: join(folder, name) }))
      .sort((a, b) => a.sink < b.sink ? -1 : 1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Names of the files in a folder of dead letters, oldest first; none where there is no such folder. */
export function deadLetterFiles(folder: string): readonly string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => /^\d{8,15}\.jsonl$/.test(name))
      .sort((a, b) => parseInt(a) - parseInt(b));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Quick sinks are named by their URLs: neither slashes nor dots at the beginning may leave the folder. */
function folderOfSink(sink: string): string {
  const name = encodeURIComponent(sink).replace(/^\./, "%2E");
  if (name.length <= 200) return name;
  return `${name.slice(0, 180).replace(/%.?$/, "")}~${createHash("sha256").update(sink).digest("hex").slice(0, 16)}`;
}

function sinkOfFolder(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // cut within a character, or not made by us
  }
}

function fileName(number: number): string {
  return `${String(number).padStart(8, "0")}.jsonl`;
}

/** A kept record as its line has it; undefined for a line that is damaged. */
export interface DeadLetter {
  readonly members: Readonly<Record<string, unknown>>;
  /** Its bytes as they were to be sent. */
  readonly message: Uint8Array;
}

/** All kept records of a folder, oldest first, one file in memory at a time; undefined for each damaged line. */
export function* readDeadLetters(folder: string): Generator<DeadLetter | undefined> {
  for (const name of deadLetterFiles(folder)) {
    const lines = Deno.readTextFileSync(join(folder, name)).split("\n");
    if (lines.at(-1) === "") lines.pop();
    for (const line of lines) yield parseDeadLetter(line);
  }
}

function parseDeadLetter(line: string): DeadLetter | undefined {
  try {
    const members = JSON.parse(line) as Record<string, unknown> | null;
    const message = members === null ? undefined : parseRecordBytes(members);
    return members === null || message === undefined ? undefined : { members, message };
  } catch {
    return undefined;
  }
}

/** A crash may have left half a line, of records that were not taken: it goes. @returns the size that is left */
function cutTornLine(path: string): number {
  using file = Deno.openSync(path, { read: true, write: true });
  const size = file.statSync().size;
  const tail = new Uint8Array(4096);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - tail.length);
    file.seekSync(start, Deno.SeekMode.Start);
    const length = readFully(file, tail.subarray(0, end - start));
    const feed = tail.subarray(0, length).lastIndexOf(10);
    if (feed >= 0) {
      if (start + feed + 1 < size) file.truncateSync(start + feed + 1);
      return start + feed + 1;
    }
    end = start;
  }
  if (size > 0) file.truncateSync(0);
  return 0;
}

function readFully(file: Deno.FsFile, into: Uint8Array): number {
  let done = 0;
  while (done < into.length) {
    const got = file.readSync(into.subarray(done));
    if (got === null || got === 0) break;
    done += got;
  }
  return done;
}

const deadFolder = "dead";
/** Of the room for all files, each has an eighth: so much is lost of it at once. */
const filesAtMost = 8;
const log = openLog("dead");
