/**
 * What is kept of a path whose file is gone and was read to its end: when that content was last written to. Without it a
 * position would know nothing of the path, and a start could not tell a content that came there and was rotated out of
 * the patterns since (nobody watched, or a kill was faster than its note) from an archive that lay beside it all the time.
 * With it the difference is plain: what is younger than what was read last was not read.
 *
 * Most paths of a machine that starts containers never come back. So a folder that is gone with its file leaves nothing,
 * and of the rest the newest are kept, for so long as the source runs without seeing the path again. No clock of the
 * machine is asked: a start counts from anew.
 */
import type { Position, PositionValue } from "../../pipeline/checkpoint.ts";

/** What is kept of one path. */
interface Tombstone {
  readonly writtenMs: number;
  /** When it was set or read, on the clock of `performance.now()`. */
  readonly sinceMs: number;
}

/** The tombstones of one position. */
export class Tombstones {
  /** By path, the oldest first. */
  readonly #stones = new Map<string, Tombstone>();
  readonly #isWatched: (path: string) => boolean;
  readonly #change: (key: string, value: PositionValue) => void;

  /**
   * @param isWatched whether the patterns find a path, if something is there: beside others nothing is ours
   * @param change told of every key of the position that is another one now; null: it is to be forgotten
   */
  constructor(
    from: Position | undefined,
    nowMs: number,
    isWatched: (path: string) => boolean,
    change: (key: string, value: PositionValue) => void,
  ) {
    this.#isWatched = isWatched;
    this.#change = change;
    for (const [key, value] of Object.entries(from ?? {})) {
      if (!isTombstoneKey(key)) continue;
      const path = key.slice(prefix.length);
      const writtenMs = decodeTombstone(value);
      if (writtenMs !== undefined && isWatched(path)) this.#stones.set(path, { writtenMs, sinceMs: nowMs });
      else change(key, null);
    }
  }

  /** The paths that have one. */
  get paths(): Iterable<string> {
    return this.#stones.keys();
  }

  /** When the youngest content that was read from `path` and is gone was last written to, milliseconds since 1970. */
  writtenMs(path: string): number | undefined {
    return this.#stones.get(path)?.writtenMs;
  }

  /** What was read from `path` is gone; it was last written to at `writtenMs`. */
  set(path: string, writtenMs: number, nowMs: number): void {
    if (!this.#isWatched(path)) return;
    const youngestMs = Math.max(writtenMs, this.writtenMs(path) ?? 0);
    this.#stones.delete(path); // to be the newest
    this.#stones.set(path, { writtenMs: youngestMs, sinceMs: nowMs });
    this.#change(prefix + path, { writtenMs: youngestMs });
    for (const oldest of this.#stones.keys()) {
      if (this.#stones.size <= maxTombstones) break;
      this.#forget(oldest);
    }
  }

  /** Forgets those that were set before `beforeMs`. */
  expire(beforeMs: number): void {
    for (const [path, { sinceMs }] of this.#stones) {
      if (sinceMs >= beforeMs) break;
      this.#forget(path);
    }
  }

  #forget(path: string): void {
    this.#stones.delete(path);
    this.#change(prefix + path, null);
  }
}

/** Whether a key of a position is that of a path without a file, and not that of a file. */
export function isTombstoneKey(key: string): boolean {
  return key.startsWith(prefix);
}

/** Undefined for what is damaged: that costs the one path. */
function decodeTombstone(value: PositionValue): number | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { writtenMs } = value as Record<string, PositionValue>;
  return typeof writtenMs === "number" && Number.isSafeInteger(writtenMs) && writtenMs >= 0 ? writtenMs : undefined;
}

/** No inode has such a key. */
const prefix = "gone:";
/** A position is copied with every commit: 10 µs for so many. */
const maxTombstones = 200;
