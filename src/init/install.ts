/** Puts the files of a service in their places, and takes them away again: never one that is somebody else's. */
import { dirname, join } from "node:path";
import { failure } from "../pipeline/errors.ts";
import { removeIfThere, writeFileAtomic } from "../system/atomic_file.ts";
import { initSystems } from "./mod.ts";
import { type InitSystem, mark, type ServiceSpec, type UnitFile } from "./unit.ts";

/** The init system of the machine below `root`. @throws when none is known there */
export function detectInitSystem(root: string): InitSystem {
  const found = initSystems.find((one) => one.isHere((path) => exists(join(root, path))));
  if (found !== undefined) return found;
  throw new Error(
    `Cannot tell which init system runs "${root}"\nTry: --init ${initSystems.map(({ name }) => name).join("|")}`,
  );
}

/**
 * Writes the files below `root`.
 * @returns paths of those that were not there, or were different
 * @throws when one of them is there and not ours; then nothing is written
 */
export function writeFiles(init: InitSystem, spec: ServiceSpec, root: string): readonly string[] {
  const files = init.files(spec);
  for (const file of files) refuseForeign(join(root, file.path), files, root);
  const link = init.link?.(spec);
  if (link !== undefined) refuseForeignLink(join(root, link.path), link.target);
  const changed = files.filter(({ path, content }) => readText(join(root, path)) !== content);
  for (const { path, content, mode } of changed) {
    const target = join(root, path);
    try {
      Deno.mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    } catch (error) {
      throw failure("make", `folder "${dirname(target)}"`, error, "run it as root");
    }
    writeFileAtomic(target, content, { mode });
  }
  if (link !== undefined && !exists(join(root, link.path))) {
    Deno.mkdirSync(dirname(join(root, link.path)), { recursive: true });
    Deno.symlinkSync(link.target, join(root, link.path));
    return [...changed.map(({ path }) => path), link.path];
  }
  return changed.map(({ path }) => path);
}

/** Removes what is ours of the service's files, and folders that are empty then. @returns paths of what was removed */
export function removeFiles(init: InitSystem, spec: ServiceSpec, root: string): readonly string[] {
  const files = init.files(spec);
  const removed: string[] = [];
  const link = init.link?.(spec);
  if (link !== undefined && linkTarget(join(root, link.path)) === link.target) {
    Deno.removeSync(join(root, link.path));
    removed.push(link.path);
  }
  const ours = files.filter(({ path }) => isOurs(join(root, path), files, root));
  for (const { path } of ours) {
    removeIfThere(join(root, path));
    removed.push(path);
  }
  for (const { path } of ours) removeEmptyFolders(join(root, dirname(path)), spec.name);
  return removed;
}

function refuseForeign(path: string, files: readonly UnitFile[], root: string): void {
  if (!exists(path) || isOurs(path, files, root)) return;
  throw new Error(`Cannot write "${path}": there is one that agent did not write\nTry: remove it, or --name OTHER`);
}

function refuseForeignLink(path: string, target: string): void {
  if (!exists(path) || linkTarget(path) === target) return;
  throw new Error(`Cannot link "${path}": something else is there\nTry: remove it, or --name OTHER`);
}

/** Ours bear the mark, or lie beside a file that bears it: some init systems want files of one word. */
function isOurs(path: string, files: readonly UnitFile[], root: string): boolean {
  if (!exists(path)) return false;
  if (readText(path)?.includes(mark) === true) return true;
  return files.some((file) =>
    file.path.endsWith("/.agent") && readText(join(root, file.path))?.includes(mark) === true
  );
}

/** Only folders that are named after the service: `/etc/init.d` is not ours to remove. */
function removeEmptyFolders(folder: string, name: string): void {
  const parts = folder.split("/");
  if (!parts.some((part) => part === name || part === `${name}-log`)) return;
  try {
    Deno.removeSync(folder);
  } catch {
    return; // not empty, or gone already
  }
  removeEmptyFolders(dirname(folder), name);
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw failure("read", `"${path}"`, error);
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
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
