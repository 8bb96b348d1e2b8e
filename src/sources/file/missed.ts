/**
 * Contents that came and were rotated out of the patterns between two looks, or between two runs: beside a path that has
 * another inode now, named like a rotation of it, and younger than the content that was last seen there.
 *
 * A rotation renames file by file. Who looks at the folder meanwhile can see a name before and the other after it was
 * given away, and so miss a file that was there all the time. What is searched for is therefore remembered until a search
 * and the opening of what it found happened while the names rested.
 */
import { dirname } from "node:path";
import { type FoundPath, realPath } from "./discovery.ts";
import { fileKey, type FileMark } from "./identity.ts";
import { holds, type Surroundings, timeOf } from "./surroundings.ts";
import type { TailedFile } from "./tailed_file.ts";

/** A path beside which earlier contents are to be looked for. */
interface Search {
  /** What was being read from the path at the last stop; of the first search of a run only. */
  readonly marks: ReadonlyMap<string, FileMark>;
  /** When the content that was last seen at the path was last written to; Infinity while only `marks` can tell. */
  sinceMs: number;
  readonly folder: string;
  readonly untilMs: number;
  /** Whether the present content waits for the end of the search. */
  holds: boolean;
  /** See `Discovery.restsSince`. */
  restsSinceMs: number | undefined;
  done: boolean;
}

/** The searches of one roster. */
export class MissedContents {
  readonly #surroundings: Surroundings;
  /** By path: which inode was there last, and when it was last written to. */
  readonly #lastAt = new Map<string, { readonly key: string; readonly mtimeMs: number }>();
  readonly #searches = new Map<string, Search>();
  /** When the paths were last compared, on the clock of modification times. */
  #comparedMs: number | undefined;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** Whether the names have to rest before all is found. */
  get searching(): boolean {
    return this.#searches.size > 0;
  }

  /** Whether the present content of `path` waits for the end of a search. */
  isSearching(path: string): boolean {
    return this.#searches.get(path)?.holds === true;
  }

  /** Notes which paths have another inode than at the last look; `known` are the positions that no file has claimed. */
  compare(
    found: readonly FoundPath[],
    files: ReadonlyMap<string, TailedFile>,
    known: ReadonlyMap<string, FileMark>,
    nowMs: number,
  ): void {
    let byPath: ReadonlyMap<string, ReadonlyMap<string, FileMark>> | undefined;
    const comparedBeforeMs = this.#comparedMs;
    this.#comparedMs = Date.now() - clockTickMs;
    for (const { path, info } of found) {
      const key = fileKey(info);
      const last = this.#lastAt.get(path);
      this.#lastAt.set(path, { key, mtimeMs: timeOf(info) });
      if (last?.key === key) continue;
      if (last !== undefined) {
        const before = files.get(last.key)?.look();
        this.#begin(path, new Map(), before === undefined ? last.mtimeMs : timeOf(before), nowMs);
        continue;
      }
      const marks = (byPath ??= marksByPath(known)).get(path);
      const mark = marks?.get(key);
      if (mark !== undefined && holds(path, mark)) continue;
      if (marks !== undefined) this.#begin(path, marks, Infinity, nowMs);
      // Nothing was there at the last look: there may have been others since. That is rare, and nothing waits for it.
      else if (comparedBeforeMs !== undefined) this.#begin(path, new Map(), comparedBeforeMs, nowMs, false);
    }
  }

  /** What was missed and is not among `files` and `known`. */
  search(
    found: readonly FoundPath[],
    files: ReadonlyMap<string, TailedFile>,
    known: ReadonlyMap<string, FileMark>,
    nowMs: number,
  ): readonly FoundPath[] {
    if (this.#searches.size === 0) return [];
    const present = new Map(found.map(({ path, info }) => [path, fileKey(info)]));
    const keys = new Set(present.values());
    return [...this.#searches].flatMap(([path, search]) => {
      search.restsSinceMs = this.#surroundings.restsSince(search.folder);
      if (search.restsSinceMs === undefined && nowMs < search.untilMs) return [];
      const sinceMs = this.#youngest(present.get(path), search.marks) ?? search.sinceMs;
      search.done = true;
      return this.#surroundings.siblings(path, search.folder).filter((place) => {
        const key = fileKey(place.info);
        if (keys.has(key) || files.has(key) || known.has(key)) return false;
        return timeOf(place.info) >= sinceMs && !this.#surroundings.isExcluded(place.path);
      });
    });
  }

  /**
   * To be called when what was found has been opened: searches that nothing disturbed are done with. `settle` is told of
   * their paths at once: what is there now could be truncated before anything else happens. What it gives takes that back,
   * should names have changed meanwhile: what was settled may be younger than a content that nobody saw.
   */
  confirm(nowMs: number, settle: (path: string) => () => void): void {
    for (const [path, search] of [...this.#searches]) {
      const { done, folder, restsSinceMs, untilMs } = search;
      search.done = false;
      const late = nowMs >= untilMs;
      if (!done || !late && !this.#surroundings.isAsOf(folder, restsSinceMs)) continue;
      this.#searches.delete(path);
      const takeBack = settle(path);
      if (late || this.#surroundings.isAsOf(folder, restsSinceMs)) continue;
      takeBack();
      this.#searches.set(path, search);
    }
  }

  /** Forgets paths whose last inode is followed no more. */
  forget(files: ReadonlyMap<string, unknown>): void {
    for (const [path, { key }] of this.#lastAt) if (!files.has(key)) this.#lastAt.delete(path);
  }

  #begin(path: string, marks: ReadonlyMap<string, FileMark>, sinceMs: number, nowMs: number, holds = true): void {
    const search = this.#searches.get(path);
    if (search !== undefined) {
      search.sinceMs = Math.min(search.sinceMs, sinceMs);
      search.holds ||= holds;
      return;
    }
    const folder = dirname(realPath(path));
    const untilMs = nowMs + patienceMs;
    this.#searches.set(path, { marks, sinceMs, folder, untilMs, holds, restsSinceMs: undefined, done: false });
  }

  /**
   * When the youngest content that was being read from `path` at the last stop was last written to, wherever it is now;
   * where it is gone (compressed, removed), at least when it was read; undefined when it is still at `path`. Several may not have been done with at a kill, and what is older than
   * the youngest of them was not missed. An inode proves nothing: it may have been truncated, or be another file's by now.
   */
  #youngest(key: string | undefined, marks: ReadonlyMap<string, FileMark>): number | undefined {
    let youngestMs: number | undefined;
    for (const [other, mark] of marks) {
      const place = this.#surroundings.placeOf(other, mark);
      if (place === undefined && mark.writtenMs === undefined) continue;
      if (place === undefined) {
        youngestMs = Math.max(youngestMs ?? 0, mark.writtenMs!);
        continue;
      }
      if (other === key && fileKey(place.info) === key) return undefined;
      youngestMs = Math.max(youngestMs ?? 0, timeOf(place.info));
    }
    return youngestMs;
  }
}

function marksByPath(known: ReadonlyMap<string, FileMark>): ReadonlyMap<string, ReadonlyMap<string, FileMark>> {
  const byPath = new Map<string, Map<string, FileMark>>();
  for (const [key, mark] of known) {
    if (mark.fingerprint.length === 0) continue;
    const marks = byPath.get(mark.path) ?? new Map<string, FileMark>();
    byPath.set(mark.path, marks.set(key, mark));
  }
  return byPath;
}

/** The kernel's clock of modification times is behind by so much at the most. */
const clockTickMs = 20;
/** Where names never rest, what a search finds is better than nothing. */
const patienceMs = 2_000;
