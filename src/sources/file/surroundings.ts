/** What lies beside a file: where rotation moved it, and contents that came and went between two looks. */
import { basename, dirname, join } from "node:path";
import { type Discovery, type FoundPath, realPath, statIfThere } from "./discovery.ts";
import { fileKey, type FileMark, isContentOf } from "./identity.ts";
import { isRotatedName } from "./rotated_name.ts";
import type { TailedFile } from "./tailed_file.ts";

/** The folders around the files of one source. */
export class Surroundings {
  readonly #discovery: Discovery;
  /** By path: which inode was there last, and when it was last written to. */
  readonly #lastAt = new Map<string, { readonly key: string; readonly mtimeMs: number }>();

  constructor(discovery: Discovery) {
    this.#discovery = discovery;
  }

  /** Remembers which inodes are where, for the next {@linkcode searchMissed}. */
  remember(found: readonly FoundPath[]): void {
    for (const { path, info } of found) this.#lastAt.set(path, { key: fileKey(info), mtimeMs: timeOf(info) });
  }

  /** Forgets paths whose last inode is followed no more. */
  forget(files: ReadonlyMap<string, unknown>): void {
    for (const [path, { key }] of this.#lastAt) if (!files.has(key)) this.#lastAt.delete(path);
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

  /**
   * Contents that came and were rotated out of the patterns between two looks, or between two runs: beside a path that has
   * another inode now, named like a rotation of it, and younger than the content that was last seen there.
   */
  searchMissed(
    found: readonly FoundPath[],
    files: ReadonlyMap<string, TailedFile>,
    known: ReadonlyMap<string, FileMark>,
  ): readonly FoundPath[] {
    const missed: FoundPath[] = [];
    const present = new Set(found.map(({ info }) => fileKey(info)));
    for (const { path, info } of found) {
      const sinceMs = this.#lastWriteBefore(path, fileKey(info), files, known);
      if (sinceMs === undefined) continue;
      for (const place of this.siblings(path, dirname(realPath(path)))) {
        const key = fileKey(place.info);
        if (present.has(key) || files.has(key) || known.has(key)) continue;
        if (timeOf(place.info) < sinceMs || this.#discovery.isExcluded(place.path)) continue;
        missed.push(place);
      }
    }
    return missed;
  }

  /** When the inode that was at `path` before `key` was last written to; undefined when there was none. */
  #lastWriteBefore(
    path: string,
    key: string,
    files: ReadonlyMap<string, TailedFile>,
    known: ReadonlyMap<string, FileMark>,
  ): number | undefined {
    const last = this.#lastAt.get(path);
    if (last !== undefined) {
      if (last.key === key) return undefined;
      const info = files.get(last.key)?.look();
      return info === undefined ? last.mtimeMs : timeOf(info);
    }
    return this.#youngestKnown(path, key, known);
  }

  /**
   * When the youngest content that was being read from `path` at the last stop was last written to, wherever it is now;
   * undefined when it is still at `path`, or nowhere. Several may not have been done with at a kill, and what is older than
   * the youngest of them was not missed. An inode proves nothing: it may have been truncated, or be another file's by now.
   */
  #youngestKnown(path: string, key: string, known: ReadonlyMap<string, FileMark>): number | undefined {
    let youngestMs: number | undefined;
    for (const [other, mark] of known) {
      if (mark.path !== path || mark.fingerprint.length === 0) continue;
      const place = this.#placeOf(other, mark);
      if (place === undefined) continue;
      if (other === key && fileKey(place.info) === key) return undefined;
      youngestMs = Math.max(youngestMs ?? 0, timeOf(place.info));
    }
    return youngestMs;
  }

  /** Where a content is now: under its inode, or in a copy beside. */
  #placeOf(key: string, mark: FileMark): FoundPath | undefined {
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
function holds(path: string, mark: FileMark): boolean {
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
