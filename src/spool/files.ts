/**
 * What the spool asks of the file system, as an interface: the crash tests put a recorder in its place and build from
 * the record every disk that a power cut may leave behind.
 */
import { statfsSync } from "node:fs";
import { join } from "node:path";
import { removeIfThere, writeAllSync } from "../system/atomic_file.ts";

/** An open file. Closed by whoever opened it. */
export interface SpoolFile {
  readonly sizeBytes: number;
  /** Fills `into` from `offset` on; returns how many bytes there were, 0 at the end. */
  readAt(into: Uint8Array, offset: number): number;
  /** Writes all of `bytes` or throws; after a throw any part of them may be in the file. */
  writeAt(bytes: Uint8Array, offset: number): void;
  truncate(sizeBytes: number): void;
  /** Makes what was written before the call survive a power cut: fdatasync(2), off the main thread. */
  sync(): Promise<void>;
  close(): void;
}

/** One folder, flat. */
export interface SpoolFiles {
  /** Makes the folder where it is missing, mode 0700. */
  makeFolder(): void;
  list(): readonly string[];
  /** A new file, mode 0600. @throws where the name is taken */
  create(name: string): SpoolFile;
  /** An existing file, to be read and synced only. */
  open(name: string): SpoolFile;
  /** An existing file, to be written too. */
  openToWrite(name: string): SpoolFile;
  /** Removes a file; nothing happens where there is none. */
  remove(name: string): void;
  /** Makes creations and removals survive a power cut. */
  syncFolder(): Promise<void>;
  /** Room on the file system for us, and its size. */
  space(): { readonly freeBytes: number; readonly totalBytes: number };
}

/** The real thing, in `folder`. */
export class FolderFiles implements SpoolFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  makeFolder(): void {
    Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  list(): readonly string[] {
    return [...Deno.readDirSync(this.#folder)].filter((entry) => entry.isFile).map((entry) => entry.name);
  }

  create(name: string): SpoolFile {
    const path = join(this.#folder, name);
    return new RealFile(Deno.openSync(path, { read: true, write: true, createNew: true, mode: 0o600 }), path);
  }

  open(name: string): SpoolFile {
    return new RealFile(Deno.openSync(join(this.#folder, name), { read: true }));
  }

  openToWrite(name: string): SpoolFile {
    const path = join(this.#folder, name);
    return new RealFile(Deno.openSync(path, { read: true, write: true }), path);
  }

  remove(name: string): void {
    removeIfThere(join(this.#folder, name));
  }

  async syncFolder(): Promise<void> {
    using folder = await Deno.open(this.#folder, { read: true });
    await folder.sync();
  }

  space(): { readonly freeBytes: number; readonly totalBytes: number } {
    const found = statfsSync(this.#folder);
    return { freeBytes: found.bavail * found.bsize, totalBytes: found.blocks * found.bsize };
  }
}

class RealFile implements SpoolFile {
  readonly #file: Deno.FsFile;
  /** A descriptor of its own for fdatasync, so that writing goes on meanwhile. Opened at once: the name may go first. */
  readonly #syncFile: Deno.FsFile | undefined;
  #position = 0;

  constructor(file: Deno.FsFile, syncPath?: string) {
    this.#file = file;
    if (syncPath === undefined) return;
    try {
      this.#syncFile = Deno.openSync(syncPath, { read: true });
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.#file.statSync().size;
  }

  readAt(into: Uint8Array, offset: number): number {
    this.#seek(offset);
    const got = this.#file.readSync(into) ?? 0;
    this.#position += got;
    return got;
  }

  writeAt(bytes: Uint8Array, offset: number): void {
    this.#seek(offset);
    this.#position = -1; // unknown, should the next line throw
    writeAllSync(this.#file, bytes);
    this.#position = offset + bytes.length;
  }

  truncate(sizeBytes: number): void {
    this.#file.truncateSync(sizeBytes);
  }

  async sync(): Promise<void> {
    await (this.#syncFile ?? this.#file).syncData();
  }

  close(): void {
    this.#file.close();
    this.#syncFile?.close();
  }

  #seek(offset: number): void {
    if (this.#position !== offset) this.#file.seekSync(offset, Deno.SeekMode.Start);
    this.#position = offset;
  }
}

/** Whether an error says that there is no room: disk full or quota. */
export function isNoSpace(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT";
}
