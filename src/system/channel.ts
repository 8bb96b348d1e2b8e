/** A bounded queue between tasks: giving waits while it is full, taking waits while it is empty. */

/** Values in the order they were given. */
export class Channel<T> {
  readonly #capacity: number;
  readonly #values: T[] = [];
  readonly #givers: (() => void)[] = [];
  #taker: (() => void) | undefined;
  #closed = false;

  /** @param capacity values held at the most, ≥ 1 */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Resolves when the value is in; false when the channel is closed and does not take it. Givers are served in turn. */
  async give(value: T): Promise<boolean> {
    while (this.#values.length >= this.#capacity && !this.#closed) {
      await new Promise<void>((resolve) => this.#givers.push(resolve));
    }
    if (this.#closed) return false;
    this.#values.push(value);
    this.#wakeTaker();
    return true;
  }

  /** Ends the channel: what is in it can still be taken, nothing more goes in. */
  close(): void {
    this.#closed = true;
    for (const giver of this.#givers.splice(0)) giver();
    this.#wakeTaker();
  }

  /** Yields values until the channel is closed and empty. One taker at a time. */
  async *values(): AsyncGenerator<T> {
    for (;;) {
      while (this.#values.length > 0) {
        const value = this.#values.shift()!;
        this.#givers.shift()?.();
        yield value;
      }
      if (this.#closed) return;
      await new Promise<void>((resolve) => this.#taker = resolve);
    }
  }

  #wakeTaker(): void {
    const taker = this.#taker;
    this.#taker = undefined;
    taker?.();
  }
}
