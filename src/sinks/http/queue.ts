/** The batches that wait for the peer, oldest first, and what is known of each of their records. */
import type { Batch } from "../../pipeline/batch.ts";
import type { Rejection } from "../../pipeline/sink.ts";

/** One batch on its way. Its state outlives a failure: what the peer holds is not sent again. */
export class Parcel {
  readonly batch: Batch;
  /** 1 for each record that is held or refused. */
  readonly #settled: Uint8Array;
  readonly #rejections: Rejection[] = [];
  #open: number;
  #next = 0;

  constructor(batch: Batch) {
    this.batch = batch;
    this.#settled = new Uint8Array(batch.count);
    this.#open = batch.count;
  }

  /** Records that are neither held nor refused. */
  get open(): number {
    return this.#open;
  }

  /** In the order of the batch. */
  get rejections(): readonly Rejection[] {
    return this.#rejections.toSorted((a, b) => a.index - b.index);
  }

  /** Whether part of it is settled. */
  get isBegun(): boolean {
    return this.#open < this.batch.count;
  }

  /** Index of the next record to be sent, or −1. */
  take(): number {
    while (this.#next < this.batch.count && this.#settled[this.#next] === 1) this.#next++;
    return this.#next < this.batch.count ? this.#next++ : -1;
  }

  /** Gives back the record last taken. */
  untake(): void {
    this.#next--;
  }

  /** Begins anew with what is open. */
  rewind(): void {
    this.#next = 0;
  }

  /** Notes that a record is held, or refused with the peer's words. */
  settle(index: number, refusal?: string): void {
    if (this.#settled[index] === 1) return;
    this.#settled[index] = 1;
    this.#open--;
    if (refusal !== undefined) this.#rejections.push({ index, reason: refusal });
  }
}

/** One record of a request. */
export interface Item {
  readonly parcel: Parcel;
  readonly index: number;
}
