/**
 * Files that are replaced as a whole or not at all (invariant 5): temporary file in the same folder, fsync, rename,
 * fsync of the folder. After a crash at any point the old or the new content is there, never a mixture.
 */
import { dirname } from "node:path";
import { failure } from "../pipeline/errors.ts";

/** How a file is written. */
export interface WriteOptions {
  /** Permission bits from the first byte on; default 0o644. */
  readonly mode?: number;
}

/** Replaces `path` by `content`. @throws when it cannot; the old file is then still there and no temporary is left */
export function writeFileAtomic(path: string, content: Uint8Array | string, options: WriteOptions = {}): void {
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    writeNew(
      temporary,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
      options.mode ?? 0o644,
    );
    Deno.renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    removeIfThere(temporary);
    throw failure("write", `"${path}"`, error);
  }
}

/** Makes the entries of a folder (creations, renames, removals) survive a power cut: fsync(2) of the folder. */
export function syncFolder(path: string): void {
  using folder = Deno.openSync(path, { read: true });
  try {
    folder.syncSync();
  } catch (error) {
    throw failure("sync", `folder "${path}"`, error);
  }
}

/** Writes all of `bytes` at the file's position; a short write is continued. */
export function writeAllSync(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

/** Removes a file; nothing happens where there is none. */
export function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Content of a text file, or undefined where there is none. */
export function readTextIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function writeNew(path: string, bytes: Uint8Array, mode: number): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode });
  writeAllSync(file, bytes);
  file.syncSync();
}
