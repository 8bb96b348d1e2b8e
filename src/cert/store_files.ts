/**
 * The file operations of the certificate store, one by one: the store uses nothing else, so that a test can end the
 * process before, in the middle of and after each of them.
 */
import { dirname } from "node:path";
import { syncFolder, writeAllSync } from "../system/atomic_file.ts";

/** Each is one step that a crash can fall on either side of. All throw what Deno throws. */
export interface StoreFiles {
  /** Makes a folder, mode 0700, and those above it. */
  makeFolder(path: string): void;
  /** Makes a file that was not there, with `mode` from its first byte, content on disk when it returns. */
  writeNew(path: string, text: string, mode: number): void;
  /** Replaces `to`, which may be a link or a file, in one step; on disk when it returns. */
  rename(from: string, to: string): void;
  /** Makes a symbolic link. */
  link(target: string, path: string): void;
  /** Removes a file, a link or a whole folder; nothing happens where there is none. */
  remove(path: string): void;
  /** Makes what happened in a folder survive a power cut. */
  syncFolder(path: string): void;
}

/** The real ones. */
export const diskFiles: StoreFiles = {
  makeFolder: (path) => Deno.mkdirSync(path, { recursive: true, mode: 0o700 }),

  writeNew(path, text, mode): void {
    using file = Deno.openSync(path, { write: true, createNew: true, mode });
    writeAllSync(file, new TextEncoder().encode(text));
    file.syncSync();
  },

  rename(from, to): void {
    Deno.renameSync(from, to);
    syncFolder(dirname(to));
  },

  link: (target, path) => Deno.symlinkSync(target, path),

  remove(path): void {
    try {
      Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  },

  syncFolder,
};
