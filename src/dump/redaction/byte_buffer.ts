/** A growing row of bytes that is used again and again: what is safe is collected in one before it goes on. */

/** Bytes that are appended; `bytes[0..length)` are valid until the next append. */
export class ByteBuffer {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(sizeBytes = 4_096) {
    this.bytes = new Uint8Array(sizeBytes);
  }

  /** Appends `from[start..end)`. */
  append(from: Uint8Array, start = 0, end = from.length): void {
    const size = end - start;
    if (size <= 0) return;
    this.#reserve(size);
    if (size < 48) {
      // A loop is faster than a view for the short pieces between two finds.
      const bytes = this.bytes;
      const shift = this.length - start;
      for (let i = start; i < end; i++) bytes[i + shift] = from[i]!;
    } else {
      this.bytes.set(start === 0 && end === from.length ? from : from.subarray(start, end), this.length);
    }
    this.length += size;
  }

  /** Appends one byte. */
  push(byte: number): void {
    this.#reserve(1);
    this.bytes[this.length++] = byte;
  }

  /** Removes the first `count` bytes. */
  shift(count: number): void {
    this.bytes.copyWithin(0, count, this.length);
    this.length -= count;
  }

  /** A copy of `[start..end)`, the caller's own. */
  copy(start = 0, end = this.length): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(start, end);
  }

  /** Forgets everything; a buffer that became large is given back. */
  clear(): void {
    this.length = 0;
    if (this.bytes.length > largest) this.bytes = new Uint8Array(65_536);
  }

  #reserve(size: number): void {
    const needed = this.length + size;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.bytes.length));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}

const largest = 8 * 1024 * 1024;
