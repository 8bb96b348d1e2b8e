/** Positions of files that no pattern finds: rotated out of the patterns while nobody watched, or gone. */
import { dirname } from "node:path";
import { type FoundPath, realPath, statIfThere } from "./discovery.ts";
import { type FileMark, isPlaceholder } from "./identity.ts";
import type { Ledger } from "./ledger.ts";
import { programOf } from "./rotated_name.ts";
import { holds, isAt, type Surroundings } from "./surroundings.ts";

/** Looks for the files of one ledger's positions. */
export class UnclaimedPositions {
  readonly #ledger: Ledger;
  readonly #surroundings: Surroundings;
  readonly #depart: (key: string, mark: FileMark) => void;
  readonly #untilMs: number;
  /** Given up where names never rest: they may turn up all the same. */
  readonly #late = new Set<string>();

  /**
   * @param depart told of contents that are gone, once each
   * @param untilMs until when a file is looked for while names change; on the clock of `performance.now()`
   */
  constructor(
    ledger: Ledger,
    surroundings: Surroundings,
    depart: (key: string, mark: FileMark) => void,
    untilMs: number,
  ) {
    this.#ledger = ledger;
    this.#surroundings = surroundings;
    this.#depart = depart;
    this.#untilMs = untilMs;
  }

  /** Whether a rotation under way may have hidden some of them from the last search. */
  get searching(): boolean {
    return this.#ledger.sought.size > 0;
  }

  /** Where those are that are not at `places`, which are keyed by inode. */
  search(places: ReadonlyMap<string, unknown>, nowMs: number): readonly FoundPath[] {
    const found: FoundPath[] = [];
    this.#ledger.sought.clear();
    for (const [key, mark] of this.#ledger.known) {
      if (places.has(key) || this.#ledger.gone.has(key) && !this.#late.has(key)) continue;
      const location = realPath(mark.path);
      if (this.#surroundings.isLocked(dirname(location))) continue;
      const restsSinceMs = this.#surroundings.restsSince(dirname(location));
      const located = this.#surroundings.locate(key, mark.path, location);
      const path = located !== undefined && isPlaceOf(mark, located, location) ? located : undefined;
      const info = path === undefined ? undefined : statIfThere(path);
      if (path !== undefined && info !== undefined) {
        this.#ledger.gone.delete(key);
        this.#late.delete(key);
        found.push({ path, info });
        continue;
      }
      // Whose inode another file has by now is gone, however names change: what is in that file is for others to find.
      const usedAgain = located !== undefined && path === undefined && isAt(located, key);
      const rests = usedAgain || this.#surroundings.isAsOf(dirname(location), restsSinceMs);
      if (!rests && nowMs < this.#untilMs) {
        this.#ledger.sought.add(key); // a rotation may have moved it past us, name by name
        continue;
      }
      if (rests) this.#late.delete(key);
      else this.#late.add(key);
      this.#giveUp(key, mark);
    }
    return found;
  }

  /** What is noted of a content that is gone is for copies and for the next start alone. */
  #giveUp(key: string, mark: FileMark): void {
    const { gone } = this.#ledger;
    if (gone.has(key)) return;
    gone.add(key);
    this.#depart(key, mark);
    this.#ledger.say(
      "lost",
      "info",
      mark.path,
      `"${mark.path}" as it was at the last run is gone: lines after its offset ${mark.offset}, if any, are out of reach`,
    );
  }
}

/** Whether a file at `path` may be the one of `mark`: its inode may have been used again, for anything. */
function isPlaceOf(mark: FileMark, path: string, location: string): boolean {
  return path === location || programOf(path) === programOf(mark.path) || !isPlaceholder(mark) && holds(path, mark);
}
