/** Events that came before: a bounded memory of the newest ones. Pure. */

/** The keys of the last events. */
export class SeenEvents {
  readonly #limit: number;
  readonly #keys = new Set<number>();

  /** @param limit keys at the most; the oldest goes first */
  constructor(limit: number) {
    this.#limit = limit;
  }

  has(key: number): boolean {
    return this.#keys.has(key);
  }

  add(key: number): void {
    if (this.#limit === 0) return;
    this.#keys.add(key);
    if (this.#keys.size > this.#limit) this.#keys.delete(this.#keys.values().next().value!);
  }
}
