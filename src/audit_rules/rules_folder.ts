/**
 * `/etc/audit/rules.d` as a whole: read, and exchanged in two renames.
 *
 * ```text
 *   rules.d.agent-new   written and synced completely            (a leftover is removed)
 *   rules.d       ──►   rules.d.agent-old                        (killed here: it is renamed back)
 *   rules.d.agent-new ──► rules.d
 *   rules.d.agent-old   kept until the new rules are loaded      (a leftover is removed)
 * ```
 *
 * Between the renames there is no folder at all; augenrules then loads the compiled `audit.rules` of before. So a machine
 * that loses power at any point starts with all old or all new rules.
 */
import { dirname, join } from "node:path";
import { syncFolder, writeAllSync } from "../system/atomic_file.ts";
import type { RuleFiles } from "./default_rules.ts";

/** The folder, and those beside it. */
export interface RulesPaths {
  readonly rules: string;
  /** What was there before the agent. */
  readonly original: string;
  readonly fresh: string;
  readonly old: string;
  /** What was loaded last, as JSON. */
  readonly record: string;
}

/** The paths below `root`. */
export function rulesPaths(root: string): RulesPaths {
  const rules = join(root, "etc/audit/rules.d");
  return {
    rules,
    original: `${rules}.original`,
    fresh: `${rules}.agent-new`,
    old: `${rules}.agent-old`,
    record: `${rules}.agent.json`,
  };
}

/** Files of a folder by name. Undefined when there is no such folder. @throws when a file cannot be read, or is none */
export function readRuleFiles(folder: string): RuleFiles | undefined {
  let names: string[];
  try {
    names = [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".rules")).map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return Object.fromEntries(names.map((name) => [name, readText(join(folder, name))]));
}

/** Whether two sets of files are the same, names and bytes. */
export function sameFiles(a: RuleFiles, b: RuleFiles): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** Puts right what a killed agent left behind: afterwards there is a whole folder, or there never was one. */
export function recoverFolders({ rules, fresh, old }: RulesPaths): void {
  removeFolder(fresh);
  if (!exists(old)) return;
  if (exists(rules)) removeFolder(old);
  else renameFolder(old, rules);
}

/** Keeps what is there as the original, unless one is kept. The folder itself stays where it is. */
export function keepOriginal(paths: RulesPaths): void {
  if (exists(paths.original)) return;
  removeFolder(paths.fresh);
  Deno.mkdirSync(paths.fresh, { mode: folderMode });
  if (exists(paths.rules)) {
    for (const { name, isFile } of Deno.readDirSync(paths.rules)) {
      if (isFile) copyFile(join(paths.rules, name), join(paths.fresh, name));
    }
  }
  syncFolder(paths.fresh);
  renameFolder(paths.fresh, paths.original);
}

/** Makes `files` the rules; what was there is then in `old`. */
export function exchangeFiles(paths: RulesPaths, files: RuleFiles): void {
  removeFolder(paths.fresh);
  Deno.mkdirSync(paths.fresh, { mode: folderMode });
  for (const [name, text] of Object.entries(files)) writeFile(join(paths.fresh, name), new TextEncoder().encode(text));
  syncFolder(paths.fresh);
  exchangeFolder(paths, paths.fresh);
}

/** Makes the folder at `from` the rules; what was there is then in `old`. */
export function exchangeFolder({ rules, old }: RulesPaths, from: string): void {
  removeFolder(old);
  if (exists(rules)) renameFolder(rules, old);
  renameFolder(from, rules);
}

/** Removes a folder and what is in it; nothing happens where there is none. */
export function removeFolder(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
    syncFolder(dirname(path));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether something is at `path`. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Text of a regular file: a pipe would be waited for, a device has no end. */
function readText(path: string): string {
  const info = Deno.statSync(path);
  if (!info.isFile) throw new Error(`"${path}" is not a file`);
  if (info.size > maxFileBytes) throw new Error(`"${path}" is longer than ${maxFileBytes} bytes`);
  return Deno.readTextFileSync(path);
}

function copyFile(from: string, to: string): void {
  writeFile(to, Deno.readFileSync(from), Deno.statSync(from).mode ?? fileMode);
}

function writeFile(path: string, bytes: Uint8Array, mode = fileMode): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: mode & 0o777 });
  writeAllSync(file, bytes);
  file.syncSync();
}

function renameFolder(from: string, to: string): void {
  Deno.renameSync(from, to);
  syncFolder(dirname(to));
}

/** As Debian's package has them: rules tell what is not watched. */
const folderMode = 0o750;
const fileMode = 0o640;
const maxFileBytes = 1024 * 1024;
