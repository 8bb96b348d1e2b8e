/** What is left of a batch, as indices: the bytes stay where they are. */
import { type Batch, placesOf } from "../pipeline/batch.ts";

/** Records of a batch that are kept, and by which rule. Takes memory only once a record is dropped. */
export class Selection {
  readonly batch: Batch;
  #kept: Uint32Array | undefined;
  readonly #rules: Int32Array;
  #count = 0;
  #contiguous = true;

  constructor(batch: Batch) {
    this.batch = batch;
    this.#rules = new Int32Array(batch.count);
  }

  /** Keeps record `index`, in the order of the batch; `rule` is given back by {@linkcode each}. */
  keep(index: number, rule: number): void {
    if (this.#kept === undefined && index !== this.#count) this.#kept = new Uint32Array(this.batch.count);
    if (this.#kept !== undefined) {
      if (this.#count > 0 && this.#kept[this.#count - 1] !== index - 1) this.#contiguous = false;
      this.#kept[this.#count] = index;
    }
    this.#rules[this.#count++] = rule;
  }

  /** Leaves record `index` out. */
  drop(index: number): void {
    if (this.#kept !== undefined) return;
    this.#kept = new Uint32Array(this.batch.count);
    for (let i = 0; i < index; i++) this.#kept[i] = i;
  }

  /** Calls `visit` for every kept record, in order. */
  each(visit: (index: number, rule: number) => void): void {
    for (let i = 0; i < this.#count; i++) visit(this.#kept?.[i] ?? i, this.#rules[i]!);
  }

  /** The kept records in the bytes of the batch; the batch itself when that is all of them. */
  shared(): Batch {
    const { batch } = this;
    if (this.#count === batch.count) return batch;
    const bounds = new Uint32Array(2 * this.#count);
    const kept = new Uint32Array(this.#count);
    let at = 0;
    this.each((index) => {
      kept[at] = index;
      bounds[2 * at] = batch.bounds[2 * index]!;
      bounds[2 * at++ + 1] = batch.bounds[2 * index + 1]!;
    });
    return {
      bytes: batch.bytes,
      bounds,
      count: this.#count,
      packed: batch.packed && this.#contiguous,
      origin: batch.origin,
      position: batch.position,
      places: placesOf(batch, kept),
      release: () => batch.release(),
    };
  }
}
