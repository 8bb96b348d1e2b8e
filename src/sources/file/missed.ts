/**
 * Contents that came and were rotated out of the patterns between two looks, or between two runs: beside a path that has
 * another inode now, named like a rotation of it, and younger than the content that was last seen there.
 *
 * A rotation renames file by file. Who looks at the folder meanwhile can see a name before and the other after it was
 * given away, and so miss a file that was there all the time. What is searched for is therefore remembered until a search
 * and the opening of what it found happened while the names rested.
 */
import { dirname } from "node:path";
import { type FoundPath, realPath, statIfThere } from "./discovery.ts";
import { fileKey, type FileMark, isPlaceholder } from "./identity.ts";
import { liveNamesOf } from "./rotated_name.ts";
import { holds, type Surroundings, timeOf } from "./surroundings.ts";
import type { Ledger } from "./ledger.ts";

/** A path beside which earlier contents are to be looked for. */
interface Search {
  /** What was being read from the path at the last stop; of the first search of a run only. */
  readonly marks: ReadonlyMap<string, FileMark>;
  /** When the youngest content that was read from the path and is gone was last written to; see tombstones.ts. */
  readonly goneMs: number | undefined;
  /** When the content that was last seen at the path was last written to; Infinity while only `marks` can tell. */
  sinceMs: number;
  readonly folder: string;
  /** How long the present content waits where names never rest. */
  untilMs: number;
  /** That is over: looked on for at leisure. */
  late: boolean;
  /** The folder may not be looked at: for so long nothing is over. */
  locked: boolean;
  /** Whether the present content waits for the end of the search. */
  holds: boolean;
  /** See `Discovery.restsSince`. */
  restsSinceMs: number | undefined;
  done: boolean;
}

/** The searches of one roster. */
export class MissedContents {
  readonly #surroundings: Surroundings;
  /** By path: which inode was there at the last look, and when it was last written to. */
  readonly #lastAt = new Map<string, { readonly key: string; readonly mtimeMs: number }>();
  /** Paths where nothing was at the last look, those that went first in front, with when their folder had changed by then. */
  readonly #absent = new Map<string, number>();
  readonly #searches = new Map<string, Search>();
  /** When the paths were first compared, on the clock of modification times. */
  #beganMs: number | undefined;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** Whether the names have to rest before all is found. */
  get searching(): boolean {
    return [...this.#searches.values()].some(({ late, locked }) => !late && !locked);
  }

  /** Whether the present content of `path` waits for the end of a search. */
  isSearching(path: string): boolean {
    return this.#searches.get(path)?.holds === true;
  }

  /** Notes which paths have another inode than at the last look. */
  compare(found: readonly FoundPath[], ledger: Known, nowMs: number): void {
    const { files, known, tombstones } = ledger;
    const beganMs = this.#beganMs;
    this.#beganMs ??= Date.now() - clockTickMs;
    let byPath = beganMs === undefined ? marksByPath(known) : undefined;
    const present = new Set(found.map(({ path }) => path));
    if (byPath !== undefined) this.#expectAbsent(byPath, tombstones, present, nowMs);
    else this.#noteVanished(present, nowMs);
    for (const { path, info } of found) {
      const key = fileKey(info);
      const last = this.#lastAt.get(path);
      this.#lastAt.set(path, { key, mtimeMs: timeOf(info) });
      this.#absent.delete(path);
      // An inode that was let go of is another file's when it is seen again.
      if (last?.key === key && (files.has(key) || known.has(key))) continue;
      if (last !== undefined) {
        this.#begin(path, { sinceMs: last.mtimeMs }, nowMs);
        continue;
      }
      const marks = (byPath ??= marksByPath(known)).get(path);
      const mark = marks?.get(key);
      if (mark !== undefined && !isPlaceholder(mark) && holds(path, mark)) continue;
      const goneMs = tombstones.writtenMs(path);
      if (marks !== undefined || goneMs !== undefined) this.#begin(path, { marks, goneMs }, nowMs);
      // Nothing was ever there: there may have been others since we look. That is rare, and nothing waits for it.
      else if (beganMs !== undefined) this.#begin(path, { sinceMs: beganMs, holds: false }, nowMs);
    }
  }

  /** Where nothing is any more, others may have come and gone, and no other may come for long. */
  #noteVanished(present: ReadonlySet<string>, nowMs: number): void {
    for (const [path, changedMs] of this.#absent) if (!present.has(path)) this.#lookAgain(path, changedMs, nowMs);
    for (const [path, { key, mtimeMs }] of this.#lastAt) {
      if (key === "" || present.has(path)) continue;
      this.#noteAbsent(path, mtimeMs);
      this.#begin(path, { sinceMs: mtimeMs }, nowMs);
    }
  }

  /** Nothing was at `path` at the last look, and nothing is there now: if its folder changed, there may have been something. */
  #lookAgain(path: string, changedMs: number, nowMs: number): void {
    const nowChangedMs = changeOf(path);
    if (nowChangedMs === changedMs) return;
    const last = this.#lastAt.get(path);
    if (last === undefined || nowChangedMs === undefined) {
      this.#absent.delete(path);
      return;
    }
    this.#absent.set(path, nowChangedMs);
    this.#begin(path, { sinceMs: last.mtimeMs }, nowMs);
  }

  #noteAbsent(path: string, mtimeMs: number): void {
    this.#lastAt.set(path, { key: "", mtimeMs });
    const changedMs = changeOf(path);
    if (changedMs === undefined) return; // the folder is gone, too
    this.#absent.set(path, changedMs);
    for (const first of this.#absent.keys()) {
      if (this.#absent.size <= maxAbsent) break;
      this.#absent.delete(first);
    }
  }

  /** Where nothing is now, there was something at the last stop, and others may have come and gone since. */
  #expectAbsent(
    byPath: ReadonlyMap<string, ReadonlyMap<string, FileMark>>,
    tombstones: Known["tombstones"],
    present: ReadonlySet<string>,
    nowMs: number,
  ): void {
    for (const path of new Set([...byPath.keys(), ...tombstones.paths])) {
      if (present.has(path)) continue;
      this.#noteAbsent(path, this.#beganMs!);
      this.#begin(path, { marks: byPath.get(path), goneMs: tombstones.writtenMs(path) }, nowMs);
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
      search.locked = this.#surroundings.isLocked(search.folder);
      if (search.locked) {
        search.untilMs = nowMs + patienceMs;
        return [];
      }
      search.restsSinceMs = this.#surroundings.restsSince(search.folder);
      if (search.restsSinceMs === undefined && nowMs < search.untilMs) return [];
      const sinceMs = this.#sinceMs(search, present.get(path));
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
      if (!done) continue;
      if (!this.#surroundings.isAsOf(folder, restsSinceMs)) {
        if (nowMs >= untilMs) this.#goOnAtLeisure(path, search, nowMs, settle);
        continue;
      }
      this.#searches.delete(path);
      const takeBack = settle(path);
      if (this.#surroundings.isAsOf(folder, restsSinceMs)) continue;
      takeBack();
      this.#searches.set(path, search);
    }
  }

  /** The present content waits no longer; what one look misses where names never rest, another may find. */
  #goOnAtLeisure(path: string, search: Search, nowMs: number, settle: (path: string) => unknown): void {
    search.late = true;
    search.holds = false;
    settle(path);
    if (nowMs >= search.untilMs + leisureMs) this.#searches.delete(path);
  }

  /** Forgets paths whose last inode is followed no more. */
  forget(files: ReadonlyMap<string, unknown>): void {
    for (const [path, { key }] of this.#lastAt) if (!files.has(key)) this.#lastAt.delete(path);
  }

  #begin(
    path: string,
    { marks = noMarks, goneMs, sinceMs = Infinity, holds = true }: Beginning,
    nowMs: number,
  ): void {
    const search = this.#searches.get(path);
    const untilMs = nowMs + patienceMs;
    if (search !== undefined) {
      search.sinceMs = Math.min(search.sinceMs, sinceMs);
      search.holds ||= holds;
      if (search.late) search.untilMs = untilMs;
      search.late = false;
      return;
    }
    const folder = dirname(realPath(path));
    const begun = { restsSinceMs: undefined, done: false, late: false, locked: false };
    this.#searches.set(path, { marks, goneMs, sinceMs, folder, untilMs, holds, ...begun });
  }

  /**
   * What is not older was missed: when the youngest content that was read from the path was last written to. Of those that
   * were being read at the last stop, that is asked wherever they are now; where one is gone (compressed, removed), it is at
   * least when it was seen, and while one is still at the path nothing was missed. Several may not have been done with at a
   * kill, and what is older than the youngest of them was not missed. Those that were only found count where there are no
   * others: it was still being looked for what came before them. An inode proves nothing: it may have been truncated, or
   * be another file's by now.
   */
  #sinceMs({ marks, goneMs, sinceMs }: Search, key: string | undefined): number {
    // A copy may be as old as what is gone, and would come again.
    let youngestMs = goneMs === undefined ? undefined : goneMs + 1;
    for (const [other, mark] of marks) {
      if (isPlaceholder(mark)) continue;
      const place = this.#surroundings.placeOf(other, mark);
      if (place !== undefined && other === key && fileKey(place.info) === key) return sinceMs;
      const writtenMs = place === undefined ? mark.writtenMs : timeOf(place.info);
      if (writtenMs !== undefined) youngestMs = Math.max(youngestMs ?? 0, writtenMs);
    }
    return youngestMs ?? oldestFound(marks) ?? sinceMs;
  }
}

/** What is known of contents: see {@linkcode Ledger}. */
export type Known = Pick<Ledger, "files" | "known" | "tombstones">;

/** What a search begins with. */
type Beginning =
  & { readonly marks?: Search["marks"] | undefined }
  & Partial<Pick<Search, "goneMs" | "sinceMs" | "holds">>;

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

/** When the folder of `path` last changed; undefined where it is gone. */
function changeOf(path: string): number | undefined {
  const info = statIfThere(dirname(path));
  return info === undefined ? undefined : timeOf(info);
}

function note(marks: Map<string, Map<string, FileMark>>, path: string, key: string, mark: FileMark): void {
  const ofPath = marks.get(path);
  if (ofPath === undefined) marks.set(path, new Map([[key, mark]]));
  else ofPath.set(key, mark);
}

const noMarks: Search["marks"] = new Map();
/** The kernel's clock of modification times is behind by so much at the most. */
const clockTickMs = 20;
/** Paths where nothing is, whose folders are asked whether they changed. */
const maxAbsent = 200;
/** Where names never rest, nothing waits for longer than this; */
const patienceMs = 2_000;
/** what is found later is better than nothing, while copies of what was delivered are still known for what they are. */
const leisureMs = 30_000;
