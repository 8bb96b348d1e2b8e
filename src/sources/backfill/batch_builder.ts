/** Gathers records of one form, each followed by one LF, in bytes of its own. */
import type { Batch, Origin } from "../../pipeline/batch.ts";
import type { Position } from "../../pipeline/checkpoint.ts";
import type { BatchLimits } from "../../pipeline/source.ts";

/** A batch in the making. */
export class BatchBuilder {
  readonly #limits: BatchLimits;
  #bytes = new Uint8Array(4 * 1024);
  #bounds = new Uint32Array(128);
  #length = 0;
  #count = 0;
  #form: Origin["form"] = "plain";

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether a record of this form and length may be added; the first one always may. */
  takes(form: Origin["form"], recordBytes: number): boolean {
    if (this.#count === 0) return true;
    const { maxRecords, maxBytes } = this.#limits;
    return form === this.#form && this.#count < maxRecords && this.#length + recordBytes <= maxBytes;
  }

  /** Adds `header` and `bytes[start..end)` as one record. */
  add(form: Origin["form"], header: Uint8Array, bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(header.length + end - start + 1);
    this.#form = form;
    this.#bounds[2 * this.#count] = this.#length;
    this.#bytes.set(header, this.#length);
    this.#bytes.set(bytes.subarray(start, end), this.#length + header.length);
    this.#length += header.length + end - start;
    this.#bounds[2 * this.#count++ + 1] = this.#length;
    this.#bytes[this.#length++] = 10;
  }

  /** The batch; the builder is used up. */
  finish(origin: Omit<Origin, "form">, position: Position): Batch {
    return {
      bytes: this.#bytes,
      bounds: this.#bounds,
      count: this.#count,
      packed: true,
      origin: { ...origin, form: this.#form },
      position,
      release: () => {},
    };
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + bytes));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    if (2 * this.#count + 2 > this.#bounds.length) {
      const larger = new Uint32Array(2 * this.#bounds.length);
      larger.set(this.#bounds);
      this.#bounds = larger;
    }
  }
}
