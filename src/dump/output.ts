/**
 * The file that a dump ends as. It is opened before anything is gathered, so that a folder that cannot be written is
 * known at once; it has its name only when it is whole and on disk; it never takes the place of another file unasked.
 */
import { statfsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { formatSize } from "../formats/duration.ts";
import { failure, UsageError } from "../pipeline/errors.ts";
import { removeIfThere, syncFolder, writeAllSync } from "../system/atomic_file.ts";

/** Where the sealed bundle goes. Dispose it: what is not finished is removed. */
export interface Output extends Disposable {
  /** Path as the user gave it, or `-`. */
  readonly path: string;
  /** Bytes that are free for it, or undefined where nobody knows. */
  freeBytes(): number | undefined;
  /** Writes all; the file has its name afterwards. `sizeBytes` is what will come, for messages. */
  write(content: AsyncIterable<Uint8Array>, sizeBytes: number, signal: AbortSignal): Promise<number>;
}

/** Opens `path`. @throws {UsageError} when a file is there and `force` is not set */
export function openOutput(path: string, force: boolean): Output {
  if (path === "-") return new StdoutOutput();
  if (!force && exists(path)) {
    throw new UsageError(`Cannot write "${path}": it is there already\nTry: another name, or --force`);
  }
  removeStale(dirname(path));
  return new FileOutput(path, force);
}

class FileOutput implements Output {
  readonly path: string;
  readonly #force: boolean;
  readonly #partial: string;
  #file: Deno.FsFile | undefined;

  constructor(path: string, force: boolean) {
    this.path = path;
    this.#force = force;
    const name = `.agent-dump-${basename(path).slice(0, 60)}.${crypto.randomUUID().slice(0, 8)}.partial`;
    this.#partial = join(dirname(path), name);
    try {
      this.#file = Deno.openSync(this.#partial, { write: true, createNew: true, mode: 0o600 });
      Deno.chmodSync(this.#partial, 0o600);
      this.#file.tryLockSync(true); // a later run tells by it that this one is alive
    } catch (error) {
      this[Symbol.dispose]();
      throw failure("write", `"${path}"`, error, "--output FILE in a folder that can be written, or --output -");
    }
  }

  freeBytes(): number | undefined {
    return freeBytesOf(dirname(this.path));
  }

  async write(content: AsyncIterable<Uint8Array>, sizeBytes: number, signal: AbortSignal): Promise<number> {
    const file = this.#file!;
    let written = 0;
    try {
      for await (const bytes of content) {
        if (signal.aborted) throw new Error("it was stopped");
        writeAllSync(file, bytes);
        written += bytes.length;
      }
      file.syncSync();
    } catch (error) {
      const free = this.freeBytes();
      const room = free === undefined ? "" : `; ${sizeBytes} bytes are needed, ${free + written} were free`;
      this[Symbol.dispose]();
      throw new Error(
        `Cannot write "${this.path}": ${(error as Error).message}${room}` +
          "\nTry: --output FILE on another disk, --output - over SSH, or --max-size",
        { cause: error },
      );
    }
    this.#publish();
    file.close();
    this.#file = undefined;
    return written;
  }

  /** link(2) refuses to replace a file, rename(2) does not; file systems without links get the rename. */
  #publish(): void {
    try {
      if (this.#force) Deno.renameSync(this.#partial, this.path);
      else {
        try {
          Deno.linkSync(this.#partial, this.path);
          removeIfThere(this.#partial);
        } catch (error) {
          if (error instanceof Deno.errors.AlreadyExists) throw error;
          Deno.renameSync(this.#partial, this.path);
        }
      }
      syncFolder(dirname(this.path));
    } catch (error) {
      this[Symbol.dispose]();
      throw failure("write", `"${this.path}"`, error, "another name, or --force");
    }
  }

  [Symbol.dispose](): void {
    if (this.#file === undefined) return;
    this.#file.close();
    this.#file = undefined;
    removeIfThere(this.#partial);
  }
}

class StdoutOutput implements Output {
  readonly path = "-";

  freeBytes(): undefined {
    return undefined;
  }

  async write(content: AsyncIterable<Uint8Array>, _sizeBytes: number, signal: AbortSignal): Promise<number> {
    let written = 0;
    const writer = Deno.stdout.writable.getWriter();
    try {
      for await (const bytes of content) {
        if (signal.aborted) throw new Error("it was stopped");
        await writer.write(bytes);
        written += bytes.length;
      }
    } catch (error) {
      throw failure("write the bundle to", "stdout", error);
    } finally {
      writer.releaseLock();
    }
    return written;
  }

  [Symbol.dispose](): void {}
}

/** Bytes that this user may still write below `folder`. */
export function freeBytesOf(folder: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

/** `1.5MiB (1572864 bytes)` */
export function exactSize(bytes: number): string {
  return `${formatSize(bytes)} (${bytes} bytes)`;
}

/** What a killed run left: nobody holds its lock. */
function removeStale(folder: string): void {
  try {
    for (const { name, isFile } of Deno.readDirSync(folder)) {
      if (!isFile || !/^\.agent-dump-.*\.[0-9a-f]{8}\.partial$/.test(name)) continue;
      const path = join(folder, name);
      using file = Deno.openSync(path, { write: true });
      if (file.tryLockSync(true)) Deno.removeSync(path);
    }
  } catch {
    // Not ours to remove, or not ours to see.
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
