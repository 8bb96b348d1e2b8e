/** Builds a batch whose records differ from those that were read. */
import { type Batch, placesOf } from "../pipeline/batch.ts";

/** Collects records as pieces; the result owns its bytes. */
export class RecordWriter {
  #bytes: Uint8Array;
  #bounds: Uint32Array;
  #length = 0;
  #count = 0;
  #recordStart = 0;
  /** Index of each record among those that were read; −1: it is none of them. */
  readonly #originals: number[] = [];
  #packed = true;

  /**
   * @param sizeBytes guess of the result's size @param records guess of their number
   * @param bytes what is written to first; it is left for a larger one where it does not suffice
   */
  constructor(sizeBytes: number, records: number, bytes: Uint8Array = new Uint8Array(sizeBytes + 256)) {
    this.#bytes = bytes;
    this.#bounds = new Uint32Array(2 * records + 2);
  }

  /** Appends `bytes[start..end)` to the record. */
  append(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    const size = end - start;
    this.#reserve(size);
    this.#bytes.set(size === bytes.length ? bytes : bytes.subarray(start, end), this.#length);
    this.#length += size;
  }

  /** Ends the record, which was made of record `original` of the batch; −1: of none. */
  endRecord(original = -1): void {
    this.#originals.push(original);
    this.#reserve(1);
    const feed = this.#bytes.subarray(this.#recordStart, this.#length).indexOf(10);
    if (feed >= 0) this.#packed = false;
    if (2 * this.#count + 2 > this.#bounds.length) {
      const larger = new Uint32Array(2 * this.#bounds.length);
      larger.set(this.#bounds);
      this.#bounds = larger;
    }
    this.#bounds[2 * this.#count] = this.#recordStart;
    this.#bounds[2 * this.#count++ + 1] = this.#length;
    this.#bytes[this.#length++] = 10;
    this.#recordStart = this.#length;
  }

  /** Forgets what was appended since the last record ended. */
  abandonRecord(): void {
    this.#length = this.#recordStart;
  }

  /** The records as a batch that takes the place of `batch` and releases it. */
  finish(batch: Batch): Batch {
    return {
      bytes: this.#bytes,
      bounds: this.#bounds,
      count: this.#count,
      packed: this.#packed,
      origin: batch.origin,
      position: batch.position,
      places: placesOf(batch, this.#originals),
      release: () => batch.release(),
    };
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + size));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
