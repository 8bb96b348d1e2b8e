/** How a finished tar.gz stream becomes the file that leaves the machine: age, the k3s form, or as it is. */

/** Turns the plain stream of `bundle.tar.gz` into the stream of the final file. */
export interface Seal {
  /** What the file's name ends with: `.tar.gz`, `.tar.gz.age`. */
  readonly suffix: string;
  /** Bytes that sealing adds to `plainBytes`, at the most; so that `--max-size` can hold for the final file. */
  overheadBytes(plainBytes: number): number;
  /** Encrypts while it streams. An error ends the output with that error: what was written so far must be removed. */
  seal(plain: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
}
