/** One slice: lines that wait, and the file that they go to. Whole members or none, and never more than is confirmed. */
import { dirname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { failure } from "../../pipeline/errors.ts";
import type { BufferPool } from "../../pipeline/buffer_pool.ts";
import { syncFolder, writeAllSync } from "../../system/atomic_file.ts";
import type { KnownFile } from "./slice_journal.ts";

/** Lines of one path, collected until the next flush. */
export class PendingLines {
  readonly #pool: BufferPool;
  #bytes: Uint8Array;
  #length = 0;

  /** @param pool gives buffers, and gets them back */
  constructor(pool: BufferPool) {
    this.#pool = pool;
    this.#bytes = pool.take(firstBytes);
  }

  /** What waits; valid until `release`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Copies `bytes[start..end)` and an LF. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const wanted = this.#length + length + 1;
    if (wanted > this.#bytes.length) {
      const larger = this.#pool.take(Math.max(2 * this.#bytes.length, wanted));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#pool.give(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(start, end), this.#length);
    this.#length = wanted;
    this.#bytes[wanted - 1] = 10;
  }

  /** Nothing waits any more, and nothing is added. */
  release(): void {
    this.#length = 0;
    this.#pool.give(this.#bytes);
  }
}

const firstBytes = 16 * 1024;

/** A file of ours, open. */
export class SliceFile implements Disposable {
  readonly inode: number;
  /** Where the next member begins: all before it is confirmed. */
  confirmedBytes: number;
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #writtenBytes: number;

  private constructor(path: string, file: Deno.FsFile, inode: number, confirmedBytes: number) {
    this.#path = path;
    this.#file = file;
    this.inode = inode;
    this.confirmedBytes = this.#writtenBytes = confirmedBytes;
  }

  /**
   * Opens `path` below `folder`, which is known with `known`; makes it where nothing was written to it yet. What is behind
   * the confirmed bytes is cut off. @throws when it is not what it was
   */
  static open(folder: string, path: string, known: KnownFile): SliceFile {
    const whole = join(folder, path);
    if (known.inode === 0) {
      makeFolders(folder, dirname(whole));
      removeEmpty(whole);
      const file = Deno.openSync(whole, { read: true, write: true, createNew: true, mode: 0o640 });
      syncFolder(dirname(whole));
      return new SliceFile(whole, file, file.statSync().ino ?? 0, 0);
    }
    const complaint = complaintOf(whole, known);
    if (complaint !== undefined) throw new Error(`Cannot go on with "${whole}": ${complaint}`);
    const file = Deno.openSync(whole, { read: true, write: true });
    file.truncateSync(known.bytes);
    return new SliceFile(whole, file, known.inode, known.bytes);
  }

  /** Writes lines behind what is confirmed, as a member of gzip or as they are. @throws when the disk does not take them */
  write(lines: Uint8Array, gzip: boolean, level: number): void {
    const bytes = gzip ? gzipSync(lines, { level }) : lines;
    try {
      this.#file.seekSync(this.confirmedBytes, Deno.SeekMode.Start);
      this.#writtenBytes = this.confirmedBytes + bytes.length;
      writeAllSync(this.#file, bytes);
    } catch (error) {
      throw failure("write to", `"${this.#path}"`, error);
    }
  }

  /** fdatasync(2). @throws when it fails: then what was written does not count */
  async sync(): Promise<void> {
    try {
      await this.#file.syncData();
    } catch (error) {
      throw failure("sync", `"${this.#path}"`, error);
    }
  }

  /** What this file is once the journal says so. */
  known(nowMs: number): KnownFile {
    return { bytes: this.#writtenBytes, inode: this.inode, writtenMs: nowMs };
  }

  /** What was written counts. */
  confirm(): void {
    this.confirmedBytes = this.#writtenBytes;
  }

  /** What was written does not count: it is cut off, which also gives the room back. */
  undo(): void {
    this.#writtenBytes = this.confirmedBytes;
    this.#file.truncateSync(this.confirmedBytes);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Why a file is not the one that is known; undefined when it is. What is longer than known is ours to cut. */
export function complaintOf(whole: string, known: KnownFile): string | undefined {
  try {
    const { isFile, ino, size } = Deno.lstatSync(whole);
    if (!isFile) return "it is no file any more";
    if (ino !== known.inode) return "somebody put another file in its place";
    return size < known.bytes ? `it has ${size} bytes, and ${known.bytes} were written` : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "it is gone";
    throw error;
  }
}

/** A file of ours that a crash left before anything in it was confirmed. */
function removeEmpty(whole: string): void {
  try {
    if (Deno.lstatSync(whole).isFile) Deno.removeSync(whole);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Makes the folders down to `wanted`, each durable in the one above it. */
function makeFolders(root: string, wanted: string): void {
  let at = root;
  for (const name of relative(root, wanted).split("/").filter((part) => part !== "")) {
    const above = at;
    at = join(above, name);
    try {
      Deno.mkdirSync(at, { mode: 0o750 });
      syncFolder(above);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}
