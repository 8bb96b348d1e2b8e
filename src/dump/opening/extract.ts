/** Writes the files of a bundle into a new folder: no links, nothing outside of it, nothing over anything, for the owner alone. */
import { join } from "node:path";
import { errorText, failure, UsageError } from "../../pipeline/errors.ts";
import { writeAllSync } from "../../system/atomic_file.ts";
import type { FileTaker } from "./inspect.ts";

/**
 * Makes `folder` (0700) and takes files into it (0600). The folder is new or empty, and no link is ever made in it, so no
 * name can lead out of it. @throws {UsageError} when something is in it
 */
export function openExtraction(folder: string): FileTaker {
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const _ of Deno.readDirSync(folder)) {
      throw new UsageError(`"${folder}" is not empty\nTry: a folder that does not exist`);
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw failure("extract to", `"${folder}"`, error, "a folder that does not exist");
  }
  return {
    folder: (segments) => makeFolders(folder, segments),
    file: (segments, content, modified) => writeFile(folder, segments, content, modified),
  };
}

async function writeFile(
  folder: string,
  segments: readonly string[],
  content: AsyncIterable<Uint8Array>,
  modified: Date,
): Promise<string | undefined> {
  const path = join(folder, ...segments);
  let file: Deno.FsFile;
  try {
    makeFolders(folder, segments.slice(0, -1));
    file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  } catch (error) {
    if (isNameTrouble(error)) return "a file or folder of that name is in its way";
    throw failure("write", `"${path}"`, error);
  }
  using open = file;
  const pieces = content[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await pieces.next(); // what is wrong with the bundle is the reader's to tell
    if (done === true) break;
    try {
      writeAllSync(open, value);
    } catch (error) {
      throw failure("write", `"${path}"`, error, "a disk with more room");
    }
  }
  const time = Math.min(Math.max(0, modified.getTime() || 0), maxTimeMs);
  open.utimeSync(new Date(time), new Date(time));
  return undefined;
}

function makeFolders(folder: string, segments: readonly string[]): void {
  if (segments.length === 0) return;
  try {
    Deno.mkdirSync(join(folder, ...segments), { recursive: true, mode: 0o700 });
  } catch (error) {
    if (!isNameTrouble(error)) throw failure("make", `folder "${join(folder, ...segments)}"`, error);
  }
}

/** A file where a folder should be, or the other way round: the archive contradicts itself. */
function isNameTrouble(error: unknown): boolean {
  if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) return true;
  return /not a directory|is a directory|exists|name too long/i.test(errorText(error));
}

/** The year 2100: some file systems end there. */
const maxTimeMs = 4_102_444_800_000;
