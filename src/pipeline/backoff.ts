/** How long to wait before the next try: doubling, capped, with full jitter, so that a fleet does not return in step. */

/** Bounds of the pauses. */
export interface BackoffLimits {
  /** The first pause at the most; > 0. */
  readonly firstMs: number;
  /** Any pause at the most. */
  readonly maxMs: number;
}

/** Pause before try number `attempt` (from 1): between half and all of `first × 2^(attempt−1)`, capped. */
export function backoffMs(limits: BackoffLimits, attempt: number, random: () => number = Math.random): number {
  const ceilingMs = Math.min(limits.maxMs, limits.firstMs * 2 ** Math.min(attempt - 1, 30));
  return ceilingMs * (0.5 + random() / 2);
}

/** Resolves after `ms` or as soon as one of `signals` aborts, whichever is first; never rejects, leaves no timer. */
export function pause(ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    for (const signal of signals) {
      if (signal.aborted) done();
      else signal.addEventListener("abort", done, { once: true });
    }
  });
}
