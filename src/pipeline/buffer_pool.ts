/**
 * Buffers that are used again. What the garbage collector frees comes back late, since it counts the memory of buffers
 * less than its own: a pool keeps a busy pipeline at what it needs.
 */
export class BufferPool {
  readonly #maxBytes: number;
  readonly #free: Uint8Array[] = [];
  #freeBytes = 0;

  /** @param maxBytes kept for later at the most */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** A buffer of at least `sizeBytes`, with anything in it. */
  take(sizeBytes: number): Uint8Array {
    for (let i = this.#free.length - 1; i >= 0; i--) {
      const buffer = this.#free[i]!;
      if (buffer.length < sizeBytes) continue;
      this.#free.splice(i, 1);
      this.#freeBytes -= buffer.length;
      return buffer;
    }
    return new Uint8Array(sizeBytes);
  }

  /** Takes back a whole buffer that nobody looks at any more. */
  give(buffer: Uint8Array): void {
    if (this.#freeBytes + buffer.length > this.#maxBytes) return;
    this.#free.push(buffer);
    this.#freeBytes += buffer.length;
  }
}
