/**
 * What may be removed from a folder of slices, by age and by size. It fails closed: only files that the journal names,
 * that are still exactly what was written, and never the ones that are being written; after a jump of the clock nothing.
 */
import type { KnownFile } from "./slice_journal.ts";

/** How long and how much is kept; what is not given has no limit. */
export interface RetentionLimits {
  /** Time since a slice was last written to. */
  readonly keepForMs?: number;
  /** Bytes of all slices together; the ones written to the longest ago go first. */
  readonly keepBytes?: number;
}

/** Looks at files now and then. */
export class Retention {
  readonly #limits: RetentionLimits;
  #last: { readonly wallMs: number; readonly steadyMs: number } | undefined;

  constructor(limits: RetentionLimits) {
    this.#limits = limits;
  }

  /** Whether anything is ever removed. */
  get active(): boolean {
    return this.#limits.keepForMs !== undefined || this.#limits.keepBytes !== undefined;
  }

  /**
   * Paths of files that may go, oldest first.
   * @param steadyMs a clock that does not jump (`performance.now()`)
   */
  due(
    files: ReadonlyMap<string, KnownFile>,
    busy: (path: string) => boolean,
    wallMs: number,
    steadyMs: number,
  ): readonly string[] {
    const jumped = this.#last !== undefined &&
      Math.abs(wallMs - this.#last.wallMs - (steadyMs - this.#last.steadyMs)) > toleratedJumpMs;
    this.#last = { wallMs, steadyMs };
    if (jumped) return [];
    const { keepForMs = Infinity, keepBytes = Infinity } = this.#limits;
    const oldest = [...files].filter(([, { inode }]) => inode !== 0).sort(([, a], [, b]) => a.writtenMs - b.writtenMs);
    let left = oldest.reduce((sum, [, { bytes }]) => sum + bytes, 0);
    const due: string[] = [];
    for (const [path, { bytes, writtenMs }] of oldest) {
      if (busy(path) || !(wallMs - writtenMs > keepForMs || left > keepBytes)) continue;
      due.push(path);
      left -= bytes;
    }
    return due;
  }
}

const toleratedJumpMs = 10 * 60_000;
