/**
 * Puts a new program in the place of the running one. At every moment the name is that of a whole file, the old or the new one; the
 * old one stays beside it as `NAME.previous`.
 *
 * ```text
 *   NAME.<random>.new ── written, fsynced, checked ──► NAME.previous := old (link, rename) ──► NAME := new (rename) ──► fsync of the folder
 * ```
 */
import { basename, dirname, join } from "node:path";
import { failure } from "../pipeline/errors.ts";
import { removeIfThere, syncFolder, writeAllSync } from "../system/atomic_file.ts";

/** A new program beside the old one, not yet in its place. Dispose it to remove it, if it was not installed. */
export interface StagedProgram extends Disposable {
  readonly path: string;
}

/** Writes `content` beside `program`, executable, and removes what updates that died left there. */
export function stageProgram(program: string, content: Uint8Array): StagedProgram {
  removeStale(program);
  const path = `${program}.${crypto.randomUUID().slice(0, 8)}.new`;
  try {
    using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o700 });
    writeAllSync(file, content);
    Deno.chmodSync(path, 0o755);
    file.syncSync();
  } catch (error) {
    removeIfThere(path);
    throw failure("write", `"${path}"`, error, "make room there, and run it as the owner of the program");
  }
  return { path, [Symbol.dispose]: () => removeIfThere(path) };
}

/** The staged program takes the place; the old one becomes the previous one. */
export function installProgram(program: string, staged: StagedProgram): void {
  try {
    keepPrevious(program);
    Deno.renameSync(staged.path, program);
    syncFolder(dirname(program));
  } catch (error) {
    throw failure("replace", `"${program}"`, error);
  }
}

/** The previous program takes the place again; the present one becomes the previous one. @throws when there is none */
export function rollBackProgram(program: string): void {
  const previous = previousOf(program);
  const middle = `${program}.${crypto.randomUUID().slice(0, 8)}.new`;
  try {
    Deno.linkSync(previous, middle);
    keepPrevious(program);
    Deno.renameSync(middle, program);
    syncFolder(dirname(program));
  } catch (error) {
    removeIfThere(middle);
    throw failure("go back to", `"${previous}"`, error);
  }
}

/** Where the program before this one is. */
function previousOf(program: string): string {
  return `${program}.previous`;
}

/** A second name for the present file, taken over by rename: the first name never goes away meanwhile. */
function keepPrevious(program: string): void {
  const link = `${program}.${crypto.randomUUID().slice(0, 8)}.new`;
  Deno.linkSync(program, link);
  Deno.renameSync(link, previousOf(program));
  removeIfThere(link); // rename(2) does nothing when both are names of one file
}

function removeStale(program: string): void {
  const pattern = new RegExp(`^${basename(program).replace(/[^\w-]/g, "\\$&")}\\.[0-9a-f]{8}\\.new$`);
  for (const { name } of Deno.readDirSync(dirname(program))) {
    if (pattern.test(name)) removeIfThere(join(dirname(program), name));
  }
}
