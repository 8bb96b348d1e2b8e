/**
 * Positions on disk: per pair of source and sink a snapshot, replaced atomically, and a log of what came since.
 *
 * ```text
 *   NAME.json        {"version":1,"generation":7,"position":{…}} LF crc32(first line) in hex LF
 *   NAME.json.prev   the snapshot before; used when the newest is damaged
 *   NAME.7.log       one line per commit: crc32(json) in hex SP json LF   (a position: keys to merge, null forgets)
 * ```
 *
 * A commit is one append, without fsync: it survives the death of the process at once, and that of the machine after the
 * next fsync, at most a second later. Losing the end of the log repeats records, never skips one. Whatever is damaged is
 * passed over: garbage in state files never stops a start (invariant 5).
 */
import { join } from "node:path";
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type Checkpoints, mergePosition, type Position } from "../pipeline/checkpoint.ts";
import { readTextIfThere, removeIfThere, syncFolder, writeAllSync, writeFileAtomic } from "./atomic_file.ts";
import { openLog } from "./log.ts";

/** Positions of all pairs in one folder, which the caller has locked. Dispose it to make everything durable. */
export class CheckpointStore implements Checkpoints, AsyncDisposable {
  readonly #folder: string;
  readonly #files = new Map<string, CheckpointFile>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #syncing: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param folder made where it is missing */
  constructor(folder: string) {
    this.#folder = folder;
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  get(id: string): Promise<Position | undefined> {
    return Promise.resolve(this.#file(id).position);
  }

  commit(id: string, position: Position): void {
    this.#file(id).append(position);
    this.#syncSoon();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#syncAll();
    await this.#syncing;
    for (const file of this.#files.values()) file.close();
  }

  #file(id: string): CheckpointFile {
    let file = this.#files.get(id);
    if (file === undefined) {
      file = new CheckpointFile(this.#folder, fileNameOf(id));
      this.#files.set(id, file);
    }
    return file;
  }

  /** A second after a commit; an idle store wakes nobody. What could not be synced is tried again. */
  #syncSoon(): void {
    this.#timer ??= setTimeout(async () => {
      this.#syncAll();
      await this.#syncing;
      this.#timer = undefined;
      if (!this.#closed && [...this.#files.values()].some(({ dirty }) => dirty)) this.#syncSoon();
    }, 1_000);
  }

  #syncAll(): void {
    this.#syncing = this.#syncing.then(async () => {
      for (const file of this.#files.values()) await file.sync();
    });
  }
}

/** The snapshot and log of one pair. */
class CheckpointFile {
  position: Position | undefined;
  readonly #path: string;
  #generation = 0;
  #log: Deno.FsFile | undefined;
  #logBytes = 0;
  #dirty = false;
  /** What could not be written yet (disk full): goes with the next commit. */
  #unsaved: Position | undefined;

  constructor(folder: string, name: string) {
    this.#path = join(folder, name);
    this.#load();
  }

  append(change: Position): void {
    this.position = mergePosition(this.position, change);
    const pending = this.#unsaved === undefined ? change : { ...this.#unsaved, ...change };
    try {
      this.#write(pending);
      if (this.#unsaved !== undefined) log.info(`positions are written again: ${this.#path}`);
      this.#unsaved = undefined;
    } catch (error) {
      if (this.#unsaved === undefined) {
        log.error(
          `Cannot write position "${this.#path}": ${
            (error as Error).message
          }; after a crash records would be repeated from the last one on disk`,
        );
      }
      this.#unsaved = pending;
    }
  }

  /** Whether something is not on disk for sure. */
  get dirty(): boolean {
    return this.#dirty;
  }

  async sync(): Promise<void> {
    if (!this.#dirty || this.#log === undefined) return;
    this.#dirty = false;
    try {
      await this.#log.syncData();
    } catch (error) {
      this.#dirty = true;
      log.error(`Cannot sync "${this.#path}": ${(error as Error).message}`);
    }
  }

  close(): void {
    this.#log?.close();
    this.#log = undefined;
  }

  #write(change: Position): void {
    if (this.#log === undefined || this.#logBytes > maxLogBytes) this.#startGeneration();
    const json = JSON.stringify(change);
    const line = encoder.encode(`${checksum(json)} ${json}\n`);
    try {
      writeAllSync(this.#log!, line);
    } catch (error) {
      this.#log!.truncateSync(this.#logBytes); // half a line would spoil the next one
      this.#log!.seekSync(this.#logBytes, Deno.SeekMode.Start);
      throw error;
    }
    this.#logBytes += line.length;
    this.#dirty = true;
  }

  /** Snapshot, new log, and only then away with what the snapshot before the last one needed. */
  #startGeneration(): void {
    const next = this.#generation + 1;
    const json = JSON.stringify({ version: 1, generation: next, position: this.position ?? {} });
    const current = readTextIfThere(`${this.#path}.json`);
    if (current !== undefined && parseSnapshot(current) !== undefined) {
      writeFileAtomic(`${this.#path}.json.prev`, current, { mode: 0o600 });
    }
    const file = Deno.openSync(`${this.#path}.${next}.log`, { write: true, create: true, truncate: true, mode: 0o600 });
    try {
      writeFileAtomic(`${this.#path}.json`, `${json}\n${checksum(json)}\n`, { mode: 0o600 });
    } catch (error) {
      file.close(); // this is tried with each commit for as long as the disk is full
      throw error;
    }
    this.close();
    this.#log = file;
    this.#logBytes = 0;
    this.#generation = next;
    removeIfThere(`${this.#path}.${next - 2}.log`);
    syncFolder(join(this.#path, ".."));
  }

  #load(): void {
    const texts = [`${this.#path}.json`, `${this.#path}.json.prev`].map((path) => readTextIfThere(path));
    const snapshot = texts.map((text) => text === undefined ? undefined : parseSnapshot(text)).find((found) =>
      found !== undefined
    );
    if (texts[0] !== undefined && parseSnapshot(texts[0]) === undefined) {
      log.warning(
        `"${this.#path}.json" is damaged; ${
          snapshot === undefined ? "beginning anew" : "using the snapshot before it"
        }`,
      );
    }
    if (snapshot === undefined) {
      this.#generation = 0;
      for (let generation = 1; generation <= 2; generation++) this.#replay(generation);
      return;
    }
    this.position = snapshot.position;
    this.#generation = snapshot.generation;
    this.#replay(snapshot.generation);
    if (this.#replay(snapshot.generation + 1)) this.#generation++;
  }

  /** Merges the commits of a log, up to the first damaged line. */
  #replay(generation: number): boolean {
    const text = readTextIfThere(`${this.#path}.${generation}.log`);
    if (text === undefined) return false;
    const lines = text.split("\n");
    lines.pop(); // empty, or the torn end of a commit that nobody counted on
    for (const line of lines) {
      const change = parseCommit(line);
      if (change === undefined) {
        log.warning(`"${this.#path}.${generation}.log" is damaged; going on from the position before the damage`);
        break;
      }
      this.position = mergePosition(this.position, change);
    }
    return true;
  }
}

interface Snapshot {
  readonly version: number;
  readonly generation: number;
  readonly position: Position;
}

function parseSnapshot(text: string): Snapshot | undefined {
  const [json, sum] = text.split("\n");
  if (json === undefined || sum !== checksum(json)) return undefined;
  const snapshot = JSON.parse(json) as Snapshot;
  return snapshot.version === 1 ? snapshot : undefined;
}

function parseCommit(line: string): Position | undefined {
  const json = line.slice(9);
  return line.slice(0, 8) === checksum(json) ? JSON.parse(json) as Position : undefined;
}

/** A file name for an id of any length; different ids have different names. */
function fileNameOf(id: string): string {
  const name = encodeURIComponent(id);
  return name.length <= 150
    ? name
    : `${name.slice(0, 120)}~${createHash("sha256").update(id).digest("hex").slice(0, 16)}`;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

const maxLogBytes = 256 * 1024;
const encoder = new TextEncoder();
const log = openLog("state");
