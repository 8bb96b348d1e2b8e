/** Waiting for something that cannot be cancelled, until a signal aborts. */

/**
 * The value of `promise`, or undefined as soon as `signal` aborts. Leaves no listener behind: to race every read of a loop
 * against one promise of the loop's end would keep something in memory for every read, for ever.
 */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) {
    promise.catch(() => {}); // nobody is left to hear of it
    return Promise.resolve(undefined);
  }
  return new Promise<T | undefined>((resolve, reject) => {
    const onAbort = (): void => resolve(undefined);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
