/**
 * Debian packages unpacked beside the system, for programs that cannot be installed: Debian removes rsyslog for
 * syslog-ng. What is unpacked stays in the cache and is used again.
 */
import { join } from "node:path";
import { say } from "./program.ts";
import { $, lastWords } from "./shell.ts";

/** Folder of a package and of what it needs, as if it were `/`; undefined when it is not unpacked. */
export function asideFolder(name: string): string | undefined {
  const folder = folderOf(name);
  try {
    return Deno.statSync(join(folder, complete)).isFile ? folder : undefined;
  } catch {
    return undefined;
  }
}

/** Folders of an unpacked package in which libraries lie, for LD_LIBRARY_PATH. */
export function libraryFolders(root: string): readonly string[] {
  const found: string[] = [];
  const search = (folder: string): void => {
    const entries = [...Deno.readDirSync(folder)];
    if (entries.some(({ name }) => /\.so(\.\d+)*$/.test(name))) found.push(folder);
    for (const { name, isDirectory } of entries) if (isDirectory) search(join(folder, name));
  };
  search(root);
  return found;
}

/** Downloads and unpacks a package with what it needs that is not installed. Says what it could not get; never throws. */
export async function unpackAside(name: string): Promise<void> {
  if (asideFolder(name) !== undefined) return;
  const folder = folderOf(name);
  const work = `${folder}.${Deno.pid}`;
  try {
    Deno.mkdirSync(work, { recursive: true });
    say(`unpacking ${name}`);
    for (const one of await neededPackages(name)) await $`apt-get download ${one}`.cwd(work);
    for (const { name: file } of [...Deno.readDirSync(work)].filter(({ name }) => name.endsWith(".deb"))) {
      await $`dpkg-deb -x ${file} .`.cwd(work);
      Deno.removeSync(join(work, file));
    }
    Deno.writeTextFileSync(join(work, complete), "");
    Deno.renameSync(work, folder);
  } catch (error) {
    if (asideFolder(name) === undefined) say(`could not unpack "${name}": ${lastWords(error)}`);
    if (existsFolder(work)) Deno.removeSync(work, { recursive: true });
  }
}

/** What an installation would bring; a simulation, which needs no rights. */
async function neededPackages(name: string): Promise<readonly string[]> {
  const plan = await $`apt-get install --simulate --no-install-recommends ${name}`.text();
  const names = [...plan.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]!);
  if (!names.includes(name)) throw new Error("apt-get would not install it");
  return names;
}

/** Where scripts keep what they downloaded, from run to run. */
export function cacheFolder(): string {
  return join(Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "/tmp", ".cache"), "agent-build");
}

function folderOf(name: string): string {
  return join(cacheFolder(), name);
}

function existsFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Its presence says that all is there. */
const complete = ".complete";
