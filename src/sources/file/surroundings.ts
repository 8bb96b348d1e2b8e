/** What lies beside a file: where rotation moved it, and contents that came and went between two looks. */
import { basename, dirname, join } from "node:path";
import { type Discovery, type FoundPath, realPath, statIfThere } from "./discovery.ts";
import { fileKey, type FileMark } from "./identity.ts";
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
    if (known.get(key)?.path === path) return undefined;
    // Several contents of a path may not be done with at a kill: what is older than the youngest of them was not missed.
    let youngestMs: number | undefined;
    for (const [other, mark] of known) {
      if (other === key || mark.path !== path) continue;
      const place = this.locate(other, path, realPath(path));
      const placeInfo = place === undefined ? undefined : statIfThere(place);
      if (placeInfo !== undefined) youngestMs = Math.max(youngestMs ?? 0, timeOf(placeInfo));
    }
    return youngestMs;
  }
}

/** Modification time in milliseconds since 1970. */
export function timeOf(info: Deno.FileInfo): number {
  return info.mtime?.getTime() ?? 0;
}

const maxLocateNames = 10_000;
