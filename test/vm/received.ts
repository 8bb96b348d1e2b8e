/** Which numbered lines of a machine arrived at a collector. */

/** What became of the lines of one run. */
export interface Arrived {
  /** Numbers that should be there and are not, the first ten. */
  readonly missing: readonly number[];
  readonly missingCount: number;
  /** Different numbers. */
  readonly received: number;
  /** Arrivals beyond the first of their number. */
  readonly duplicates: number;
}

/** Looks for `RUN 000000000` … in `text`; the first `count` numbers must be there, more may. */
export function arrived(text: string, run: string, count: number): Arrived {
  const seen = new Set<number>();
  let arrivals = 0;
  for (const [, digits] of text.matchAll(new RegExp(`${run} (\\d{9}) `, "g"))) {
    seen.add(Number(digits));
    arrivals++;
  }
  const missing = Array.from({ length: count }, (_, i) => i).filter((i) => !seen.has(i));
  return {
    missing: missing.slice(0, 10),
    missingCount: missing.length,
    received: seen.size,
    duplicates: arrivals - seen.size,
  };
}
