/** What lies beside a file: where rotation moved it, and what may be an earlier content of it. */
import { basename, dirname, join } from "node:path";
import { type Discovery, type FoundPath, realPath, statIfThere } from "./discovery.ts";
import { fileKey, type FileMark, isContentOf } from "./identity.ts";
import { isRotatedName } from "./rotated_name.ts";

/** The folders around the files of one source. */
export class Surroundings {
  readonly #discovery: Discovery;

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

  /** Whether a pattern leaves `path` out. */
  isExcluded(path: string): boolean {
    return this.#discovery.isExcluded(path);
  }

  /** Path of inode `key` in the folder of `location`: names of rotation first, then all others. */
  locate(key: string, path: string, location: string): string | undefined {
    const folder = dirname(location);
    const names = this.#discovery.list(folder).filter(({ isFile }) => isFile).map(({ name }) => name);
    const likely = names.filter((name) => isRotatedName(path, name) || name === basename(location));
    for (const name of [...likely, ...names.slice(0, maxLocateNames)]) {
      const candidate = join(folder, name);
      const info = statIfThere(candidate);
      if (info !== undefined && fileKey(info) === key) return candidate;
    }
    return undefined;
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
    const places = path === undefined || info === undefined ? [] : [{ path, info }];
    return [...places, ...this.siblings(mark.path, dirname(location))].find((place) =>
      place.info.size >= mark.offset && holds(place.path, mark)
    );
  }
}

/** Whether the content of `mark` is in the file at `path`. */
export function holds(path: string, mark: FileMark): boolean {
  try {
    using file = Deno.openSync(path);
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

const maxLocateNames = 10_000;
