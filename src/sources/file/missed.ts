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
import { fileKey, type FileMark, isPlaceholder } from "./identity.ts";
import { liveNamesOf } from "./rotated_name.ts";
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
  /** When the paths were first compared, on the clock of modification times. */
  #beganMs: number | undefined;

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
    const beganMs = this.#beganMs;
    this.#beganMs ??= Date.now() - clockTickMs;
    let byPath = beganMs === undefined ? marksByPath(known) : undefined;
    const present = new Set(found.map(({ path }) => path));
    if (byPath !== undefined) this.#expectAbsent(byPath, present, nowMs);
    else this.#noteVanished(present, nowMs);
    for (const { path, info } of found) {
      const key = fileKey(info);
      const last = this.#lastAt.get(path);
      this.#lastAt.set(path, { key, mtimeMs: timeOf(info) });
      // An inode that was let go of is another file's when it is seen again.
      if (last?.key === key && (files.has(key) || known.has(key))) continue;
      if (last !== undefined) {
        this.#begin(path, new Map(), last.mtimeMs, nowMs);
        continue;
      }
      const marks = (byPath ??= marksByPath(known)).get(path);
      const mark = marks?.get(key);
      if (mark !== undefined && !isPlaceholder(mark) && holds(path, mark)) continue;
      if (marks !== undefined) this.#begin(path, marks, Infinity, nowMs);
      // Nothing was ever there: there may have been others since we look. That is rare, and nothing waits for it.
      else if (beganMs !== undefined) this.#begin(path, new Map(), beganMs, nowMs, false);
    }
  }

  /** Where nothing is any more, others may have come and gone, and no other may come for long. */
  #noteVanished(present: ReadonlySet<string>, nowMs: number): void {
    for (const [path, { key, mtimeMs }] of this.#lastAt) {
      if (key === "" || present.has(path)) continue;
      this.#lastAt.set(path, { key: "", mtimeMs });
      this.#begin(path, new Map(), mtimeMs, nowMs);
    }
  }

  /** Where nothing is now, there was something at the last stop, and others may have come and gone since. */
  #expectAbsent(
    byPath: ReadonlyMap<string, ReadonlyMap<string, FileMark>>,
    present: ReadonlySet<string>,
    nowMs: number,
  ): void {
    for (const [path, marks] of byPath) {
      if (present.has(path)) continue;
      this.#lastAt.set(path, { key: "", mtimeMs: this.#beganMs! });
      this.#begin(path, marks, Infinity, nowMs);
    }
  }

  /** What was missed; `isExpected` tells of inodes that are followed or waited for. */
  search(
    found: readonly FoundPath[],
    isExpected: (key: string) => boolean,
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
        if (keys.has(key) || isExpected(key)) return false;
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
   * where it is gone (compressed, removed), at least when it was seen; undefined when it is still at `path`. Several may
   * not have been done with at a kill, and what is older than the youngest of them was not missed. Those that were only
   * found count where there are no others: it was still being looked for what came before them. An inode proves nothing: it may have been truncated, or be another file's by now.
   */
  #youngest(key: string | undefined, marks: ReadonlyMap<string, FileMark>): number | undefined {
    let youngestMs: number | undefined;
    for (const [other, mark] of marks) {
      if (isPlaceholder(mark)) continue;
      const place = this.#surroundings.placeOf(other, mark);
      if (place === undefined && mark.writtenMs === undefined) continue;
      if (place === undefined) {
        youngestMs = Math.max(youngestMs ?? 0, mark.writtenMs!);
        continue;
      }
      if (other === key && fileKey(place.info) === key) return undefined;
      youngestMs = Math.max(youngestMs ?? 0, timeOf(place.info));
    }
    return youngestMs ?? oldestFound(marks);
  }
}

/**
 * Positions by the path that they are of. One of which only earlier contents are known is that of theirs: the present one
 * may have been truncated, or may have come, since.
 */
function marksByPath(known: ReadonlyMap<string, FileMark>): ReadonlyMap<string, ReadonlyMap<string, FileMark>> {
  const byPath = new Map<string, Map<string, FileMark>>();
  const byLiveName = new Map<string, Map<string, FileMark>>();
  for (const [key, mark] of known) {
    if (isPlaceholder(mark) && mark.writtenMs === undefined) continue;
    note(byPath, mark.path, key, mark);
    for (const name of liveNamesOf(mark.path)) note(byLiveName, name, key, mark);
  }
  for (const [path, marks] of byLiveName) {
    const ofPath = byPath.get(path);
    if (ofPath === undefined || [...ofPath.values()].every(isPlaceholder)) {
      byPath.set(path, new Map([...marks, ...ofPath ?? []]));
    }
  }
  return byPath;
}

/** When the first of those was written to that were only found: what is younger may have been missed since. */
function oldestFound(marks: ReadonlyMap<string, FileMark>): number | undefined {
  const times = [...marks.values()].flatMap((mark) => isPlaceholder(mark) ? mark.writtenMs ?? [] : []);
  return times.length === 0 ? undefined : Math.min(...times);
}

function note(marks: Map<string, Map<string, FileMark>>, path: string, key: string, mark: FileMark): void {
  const ofPath = marks.get(path);
  if (ofPath === undefined) marks.set(path, new Map([[key, mark]]));
  else ofPath.set(key, mark);
}

/** The kernel's clock of modification times is behind by so much at the most. */
const clockTickMs = 20;
/** Where names never rest, what a search finds is better than nothing. */
const patienceMs = 2_000;
