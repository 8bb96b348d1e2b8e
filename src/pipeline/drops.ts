/** What a source could not give, counted by reason: nothing is lost silently. */

/** What was dropped for one reason. */
export interface Drop {
  /** Records; 0 where only their bytes are known. */
  readonly records: number;
  /** Bytes; 0 where only the records are known. */
  readonly bytes: number;
}

/** What was dropped, by reason: one word each, such as `longLine`, for logs and counters. */
export type Drops = ReadonlyMap<string, Drop>;

/** Adds up. */
export class DropCounter {
  readonly #drops = new Map<string, Drop>();

  /** What was added so far; a reason once there stays. */
  get drops(): Drops {
    return this.#drops;
  }

  /** Counts `records` and `bytes` more; nothing happens when both are 0. */
  add(reason: string, records: number, bytes: number): void {
    if (records === 0 && bytes === 0) return;
    const { records: oldRecords, bytes: oldBytes } = this.#drops.get(reason) ?? nothing;
    this.#drops.set(reason, { records: oldRecords + records, bytes: oldBytes + bytes });
  }
}

const nothing: Drop = { records: 0, bytes: 0 };
