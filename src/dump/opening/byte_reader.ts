/** Exact numbers of bytes out of a stream of pieces, read only as far as somebody asks. */

/** Reads a stream in order. The caller closes it, which ends the stream. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next piece, at most `maxBytes`; undefined at the end. */
  async readSome(maxBytes: number): Promise<Uint8Array | undefined> {
    while (this.#piece.length === 0) {
      const { done, value } = await this.#source.next();
      if (done === true) return undefined;
      this.#piece = value;
    }
    const bytes = this.#piece.subarray(0, maxBytes);
    this.#piece = this.#piece.subarray(bytes.length);
    return bytes;
  }

  /** Exactly `count` bytes, or fewer where the stream ends. For small counts: they are held in memory. */
  async readUpTo(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    for (let done = 0; done < count;) {
      const piece = await this.readSome(count - done);
      if (piece === undefined) return bytes.subarray(0, done);
      bytes.set(piece, done);
      done += piece.length;
    }
    return bytes;
  }

  /** Everything that is left. */
  async *rest(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const piece = await this.readSome(Infinity);
      if (piece === undefined) return;
      yield piece;
    }
  }

  /** Ends the stream. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
