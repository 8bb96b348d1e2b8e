/** What was replaced in one artifact, counted by rule. */
import type { RedactionCount } from "../redaction.ts";

/** Counts by name of rule. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(rule: string, times = 1): void {
    this.#counts.set(rule, (this.#counts.get(rule) ?? 0) + times);
  }

  /** All counts, the largest first. */
  list(): readonly RedactionCount[] {
    return [...this.#counts].map(([rule, times]) => ({ rule, times })).sort((a, b) => b.times - a.times);
  }
}
