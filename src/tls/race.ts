/** Several ways to one peer, tried as RFC 8305 ("Happy Eyeballs") says: a dead one costs a moment, not a timeout. Pure. */
import { isIP } from "node:net";

/** One try. Calls `onTcp` when TCP is through: then no other way is begun beside it until it fails. */
export type Attempt<T> = (way: string, onTcp: () => void, signal: AbortSignal) => Promise<T>;

/** What went wrong with every way, in their order. */
export class AllFailedError extends Error {
  override readonly name = "AllFailedError";
  readonly failures: readonly { readonly way: string; readonly error: unknown }[];

  constructor(failures: readonly { readonly way: string; readonly error: unknown }[]) {
    super("every way failed");
    this.failures = failures;
  }
}

/** Addresses in the order to try them: the system's, IPv6 and IPv4 in turns (RFC 8305 section 4). */
export function inTurns(addresses: readonly string[]): readonly string[] {
  const all = [...new Set(addresses)];
  const firstFamily = isIP(all[0] ?? "");
  const same = all.filter((address) => isIP(address) === firstFamily);
  const other = all.filter((address) => isIP(address) !== firstFamily);
  return same.flatMap((address, i) => other[i] === undefined ? [address] : [address, other[i]])
    .concat(other.slice(same.length));
}

/**
 * The result of the first way that works. The next one is begun when one fails, or `delayMs` after the last was begun
 * without TCP; the others are aborted, and what they still give goes to `discard`.
 * @throws {AllFailedError}
 */
export function firstOf<T>(
  ways: readonly string[],
  attempt: Attempt<T>,
  { delayMs, discard, signal }: {
    readonly delayMs: number;
    readonly discard: (late: T) => void;
    readonly signal: AbortSignal;
  },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const failures: { way: string; error: unknown }[] = [];
    const losers = new AbortController();
    const both = AbortSignal.any([signal, losers.signal]);
    let timer: ReturnType<typeof setTimeout> | undefined;
    let begun = 0;
    let failed = 0;
    let over = false;
    const finish = (settle: () => void): void => {
      over = true;
      clearTimeout(timer);
      settle();
      losers.abort();
    };
    const begin = (): void => {
      clearTimeout(timer);
      if (over) return;
      const index = begun++;
      const way = ways[index]!;
      if (begun < ways.length) timer = setTimeout(begin, delayMs);
      attempt(way, () => clearTimeout(timer), both).then((result) => {
        if (over) discard(result);
        else finish(() => resolve(result));
      }, (error) => {
        failures[index] = { way, error };
        failed++;
        if (over) return;
        if (begun < ways.length && !signal.aborted) begin();
        else if (failed === begun) finish(() => reject(new AllFailedError(failures)));
      });
    };
    if (ways.length === 0) finish(() => reject(new AllFailedError([])));
    else begin();
  });
}
