/**
 * The first file system of a virtual machine: Debian's busybox, s6 and libc, the kernel's modules for virtio, and the
 * files of a test, as a cpio archive in the kernel's own form (`newc`, Documentation/driver-api/early-userspace/buffer-format.rst).
 */
import { Buffer } from "node:buffer";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";

/** A file of the test's own. */
export interface OwnFile {
  readonly text: string;
  /** Default 0644. */
  readonly mode?: number;
}

/** What drives the machine's disk, network and console. */
const drivers = ["virtio_pci", "virtio_mmio", "virtio_net", "virtio_blk", "virtio_console"];

/**
 * Makes the archive. Modules lie in `/modules`, and `/modules/order` names them in the order of loading.
 * @param root unpacked Debian packages (`scripts/debian_root.ts`)
 * @param own files by their path, without the slash in front
 */
export function makeInitramfs(root: string, own: Readonly<Record<string, OwnFile>>): Uint8Array {
  const archive = new Archive();
  for (const folder of ["bin", "lib", "lib64", "usr/bin", "usr/lib"]) addTree(archive, root, folder);
  const modules = modulesFor(join(root, "lib/modules"), drivers);
  for (const path of modules) archive.file(`modules/${basename(path)}`, Deno.readFileSync(path), 0o644);
  const order = modules.map((path) => basename(path) + "\n").join("");
  archive.file("modules/order", new TextEncoder().encode(order), 0o644);
  for (const folder of ["proc", "sys", "dev", "run", "tmp", "var", "root"]) archive.folder(folder);
  for (const [path, { text, mode = 0o644 }] of Object.entries(own)) {
    archive.file(path, new TextEncoder().encode(text), mode);
  }
  return gzipSync(archive.end(), { level: 1 });
}

function addTree(archive: Archive, root: string, path: string): void {
  if (unneeded.test(path)) return;
  const from = join(root, path);
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(from);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return; // not every architecture has a lib64
    throw error;
  }
  if (info.isSymlink) archive.link(path, Deno.readLinkSync(from));
  else if (info.isFile) archive.file(path, Deno.readFileSync(from), info.mode! & 0o777);
  else {
    archive.folder(path);
    for (const { name } of Deno.readDirSync(from)) addTree(archive, root, join(path, name));
  }
}

/** Paths of the named modules and of those that they depend on, each behind its own; what is built in is left out. */
function modulesFor(folder: string, names: readonly string[]): readonly string[] {
  const paths = new Map<string, string>();
  const search = (path: string): void => {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      if (isDirectory) search(join(path, name));
      else if (name.endsWith(".ko")) paths.set(nameOf(name), join(path, name));
    }
  };
  search(folder);
  const found = new Set<string>();
  const add = (name: string): void => {
    const path = paths.get(name.replaceAll("-", "_"));
    if (path === undefined || found.has(path)) return;
    for (const one of dependenciesOf(path)) add(one);
    found.add(path);
  };
  names.forEach(add);
  return [...found];
}

/** The section `.modinfo` has strings `key=value`, each ended by a zero byte. */
function dependenciesOf(path: string): readonly string[] {
  const text = new TextDecoder("latin1").decode(Deno.readFileSync(path));
  const [, names = ""] = /\0depends=([^\0]*)\0/.exec(text) ?? [];
  return names.split(",").filter((name) => name !== "");
}

function nameOf(file: string): string {
  return file.slice(0, -".ko".length).replaceAll("-", "_");
}

/** A cpio archive in the making; folders above a file must be there before it. */
class Archive {
  readonly #parts: Uint8Array[] = [];
  readonly #folders = new Set<string>();
  #count = 0;

  folder(path: string): void {
    if (path === "." || this.#folders.has(path)) return;
    this.#above(path);
    this.#folders.add(path);
    this.#entry(path, 0o040755, new Uint8Array());
  }

  file(path: string, content: Uint8Array, mode: number): void {
    this.#above(path);
    this.#entry(path, 0o100000 | mode, content);
  }

  link(path: string, target: string): void {
    this.#above(path);
    this.#entry(path, 0o120777, new TextEncoder().encode(target));
  }

  /** The whole archive. */
  end(): Uint8Array {
    this.#entry("TRAILER!!!", 0, new Uint8Array());
    return new Uint8Array(Buffer.concat(this.#parts));
  }

  #above(path: string): void {
    const parts = path.split("/").slice(0, -1);
    parts.forEach((_, i) => this.folder(parts.slice(0, i + 1).join("/")));
  }

  #entry(path: string, mode: number, content: Uint8Array): void {
    const name = new TextEncoder().encode(path + "\0");
    // inode, mode, uid, gid, links, mtime, size, device and special device (two numbers each), length of the name, sum
    const fields = [++this.#count, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
    const header = "070701" + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
    this.#padded(Buffer.concat([new TextEncoder().encode(header), name]));
    this.#padded(content);
  }

  #padded(bytes: Uint8Array): void {
    this.#parts.push(bytes, new Uint8Array(-bytes.length & 3));
  }
}

/** Character sets, auditors and the like, and all modules: those that are needed are chosen one by one. */
const unneeded = /^lib\/modules$|\/gconv$|\/audit$|^usr\/lib\/linux-image|\.(a|o)$/;
