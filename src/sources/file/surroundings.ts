/** What lies beside a file: where rotation moved it, and what may be an earlier content of it. */
import { basename, dirname, join } from "node:path";
import { type Discovery, type FoundPath, openRegular, realPath, statIfThere } from "./discovery.ts";
import { fileKey, type FileMark, isContentOf } from "./identity.ts";
import { isRotatedName } from "./rotated_name.ts";

/** Which inode has which path in one folder. */
interface NameIndex {
  readonly folder: string;
  readonly restsSinceMs: number | undefined;
  readonly madeMs: number;
  readonly paths: ReadonlyMap<string, string>;
}

/** The folders around the files of one source. */
export class Surroundings {
  readonly #discovery: Discovery;
  /** Of the folder that was asked for last. */
  #index: NameIndex | undefined;

  constructor(discovery: Discovery) {
    this.#discovery = discovery;
  }

  /** See {@linkcode Discovery.restsSince}. */
  restsSince(folder: string): number | undefined {
    return this.#discovery.restsSince(folder);
  }

  /** See {@linkcode Discovery.isAsOf}. */
  isAsOf(folder: string, sinceMs: number | undefined): boolean {
    return this.#discovery.isAsOf(folder, sinceMs);
  }

  /** Whether the patterns find `path` when a file is there. */
  isFound(path: string): boolean {
    return this.#discovery.finds(path);
  }

  /** Whether a pattern leaves `path` out. */
  isExcluded(path: string): boolean {
    return this.#discovery.isExcluded(path);
  }

  /** See {@linkcode Discovery.isLocked}. */
  isLocked(folder: string): boolean {
    return this.#discovery.isLocked(folder);
  }

  /** Path of inode `key` in the folder of `location`: names of rotation first, then all others. */
  locate(key: string, path: string, location: string): string | undefined {
    const folder = dirname(location);
    const names = this.#discovery.list(folder).filter(({ isFile }) => isFile).map(({ name }) => name);
    if (names.length <= maxLocateNames) {
      const candidate = this.#indexOf(folder, names).get(key);
      return candidate !== undefined && isAt(candidate, key) ? candidate : undefined;
    }
    const likely = names.filter((name) => isRotatedName(path, name) || name === basename(location));
    return [...likely, ...names.slice(0, maxLocateNames)].map((name) => join(folder, name)).find((candidate) =>
      isAt(candidate, key)
    );
  }

  /** Paths by inode. After a start hundreds of inodes may be asked for: the names are not looked at anew for each. */
  #indexOf(folder: string, names: readonly string[]): ReadonlyMap<string, string> {
    const known = this.#index;
    if (known?.folder === folder && this.#isFresh(known)) return known.paths;
    const restsSinceMs = this.#discovery.restsSince(folder);
    const paths = new Map<string, string>();
    for (const name of names) {
      const info = statIfThere(join(folder, name));
      if (info !== undefined) paths.set(fileKey(info), join(folder, name));
    }
    this.#index = { folder, restsSinceMs, madeMs: performance.now(), paths };
    return paths;
  }

  /** One that was made while names change serves while they do: whoever misses a file then asks again when they rest. */
  #isFresh({ folder, restsSinceMs, madeMs }: NameIndex): boolean {
    if (this.#discovery.isAsOf(folder, restsSinceMs)) return true;
    return this.#discovery.restsSince(folder) === undefined && performance.now() - madeMs < indexMs;
  }

  /** Files in `folder` whose names are those of earlier contents of `path`. */
  siblings(path: string, folder: string): readonly FoundPath[] {
    return this.#discovery.list(folder).flatMap(({ name, isFile }) => {
      if (!isFile || !isRotatedName(path, name)) return [];
      const info = statIfThere(join(folder, name));
      return info === undefined ? [] : [{ path: join(folder, name), info }];
    });
  }

  /** Where a content is now: under its inode, or in a copy beside. */
  placeOf(key: string, mark: FileMark): FoundPath | undefined {
    const location = realPath(mark.path);
    const path = this.locate(key, mark.path, location);
    const info = path === undefined ? undefined : statIfThere(path);
    const isPlace = (place: FoundPath): boolean => place.info.size >= mark.offset && holds(place.path, mark);
    if (path !== undefined && info !== undefined && isPlace({ path, info })) return { path, info };
    return this.siblings(mark.path, dirname(location)).find(isPlace);
  }
}

/** Whether the content of `mark` is in the file at `path`. */
export function holds(path: string, mark: FileMark): boolean {
  try {
    using file = openRegular(path);
    return isContentOf(mark, (offset, length) => {
      const bytes = new Uint8Array(length);
      file.seekSync(offset, Deno.SeekMode.Start);
      return bytes.subarray(0, length === 0 ? 0 : file.readSync(bytes) ?? 0);
    });
  } catch {
    return false; // gone by now, or not for us to read
  }
}

/** Modification time in milliseconds since 1970. */
export function timeOf(info: Deno.FileInfo): number {
  return info.mtime?.getTime() ?? 0;
}

/** Whether inode `key` is at `path`. */
export function isAt(path: string, key: string): boolean {
  const info = statIfThere(path);
  return info !== undefined && fileKey(info) === key;
}

const maxLocateNames = 10_000;
const indexMs = 20;
