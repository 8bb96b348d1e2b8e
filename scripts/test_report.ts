/** What the pretty reporter of `deno test` printed: counts, ignored tests, and the part that matters of a failure. */

/** Numbers of tests. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Counts of a run of `deno test` from its last line, `ok | 3 passed (2 steps) | 0 failed | 1 ignored (12ms)`.
 * A run that ended badly without a failed test of its own (a crash, an unhandled rejection, a deadline) counts as one failed.
 */
export function countsOf(output: string, exitCode: number): Counts {
  const summary = output.split("\n").findLast((line) => /^(ok|FAILED) \| /.test(line)) ?? "";
  const number = (word: string): number => Number(new RegExp(`\\| (\\d+) ${word}`).exec(summary)?.[1] ?? 0);
  const failed = number("failed");
  return { passed: number("passed"), failed: failed === 0 && exitCode !== 0 ? 1 : failed, skipped: number("ignored") };
}

/** Names of the tests that were ignored. */
export function ignoredTests(output: string): readonly string[] {
  return output.split("\n").flatMap((line) => /^(.+) \.\.\. ignored \(/.exec(line)?.[1] ?? []);
}

/** The output without the lines of tests that passed or were ignored. */
export function withoutPassed(output: string): string {
  const lines = output.split("\n").filter((line) => !/ \.\.\. .*(ok|ignored) \([\d.]+(ns|µs|ms|s|m).*\)$/.test(line));
  return lines.join("\n").replace(/\n{3,}/g, "\n\n").trim();
}

/** The sum of all. */
export function sumOf(counts: readonly Counts[]): Counts {
  const sum = (key: keyof Counts): number => counts.reduce((total, one) => total + one[key], 0);
  return { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
}

/** The line that everything ends with. */
export function summaryLine(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}
