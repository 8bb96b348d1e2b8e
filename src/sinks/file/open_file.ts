/** One file that lines are appended to: whole writes or none, and never more on disk than its length says. */
import { dirname } from "node:path";
import { failure } from "../../pipeline/errors.ts";
import { syncFolder, writeAllSync } from "../../system/atomic_file.ts";

/** A file of a host, open for appending. */
export class OpenFile {
  readonly path: string;
  /** When it was begun, milliseconds since 1970. */
  readonly begunMs: number;
  /** Length in bytes; what is longer on disk after a failed write is cut off. */
  bytes: number;
  /** Whether it gets no more lines and is to be closed after the next sync. */
  retired = false;
  readonly #file: Deno.FsFile;

  private constructor(path: string, begunMs: number, file: Deno.FsFile, bytes: number) {
    this.path = path;
    this.begunMs = begunMs;
    this.#file = file;
    this.bytes = bytes;
  }

  /** Makes a new file; its name is durable when this returns. @throws when the file is there already */
  static create(path: string, begunMs: number): OpenFile {
    const file = Deno.openSync(path, { write: true, createNew: true, mode: 0o640 });
    syncFolder(dirname(path));
    return new OpenFile(path, begunMs, file, 0);
  }

  /** Opens a file to go on with it. A torn last line is cut off: it was never acknowledged and comes again. */
  static resume(path: string, begunMs: number): OpenFile {
    const file = Deno.openSync(path, { read: true, write: true });
    const bytes = endOfLastLine(file);
    file.truncateSync(bytes);
    file.seekSync(bytes, Deno.SeekMode.Start);
    return new OpenFile(path, begunMs, file, bytes);
  }

  /** Appends all of `chunk`, or nothing. @throws when the disk does not take it */
  append(chunk: Uint8Array): void {
    try {
      writeAllSync(this.#file, chunk);
    } catch (error) {
      this.#file.truncateSync(this.bytes);
      this.#file.seekSync(this.bytes, Deno.SeekMode.Start);
      throw failure("write to", `"${this.path}"`, error);
    }
    this.bytes += chunk.length;
  }

  /** fdatasync(2). After a failure the file must not be used again: the kernel may have forgotten what it could not write. */
  async sync(): Promise<void> {
    try {
      await this.#file.syncData();
    } catch (error) {
      throw failure("sync", `"${this.path}"`, error);
    }
  }

  close(): void {
    this.#file.close();
  }
}

/** Offset behind the last LF of a file. */
function endOfLastLine(file: Deno.FsFile): number {
  const block = new Uint8Array(64 * 1024);
  for (let end = file.statSync().size; end > 0;) {
    const start = Math.max(0, end - block.length);
    file.seekSync(start, Deno.SeekMode.Start);
    const read = file.readSync(block.subarray(0, end - start)) ?? 0;
    const found = block.subarray(0, read).lastIndexOf(10);
    if (found >= 0) return start + found + 1;
    end = start;
  }
  return 0;
}
