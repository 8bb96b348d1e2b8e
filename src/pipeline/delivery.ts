/** One batch on its way to one sink, until the peer holds every record of it or the rest is kept aside. */
import type { Aside } from "./aside.ts";
import { type BackoffLimits, backoffMs, pause } from "./backoff.ts";
import { type Batch, partOfBatch } from "./batch.ts";
import type { Rejection, Sink } from "./sink.ts";

/** What is the same for all deliveries of a pump to a sink. */
export interface DeliveryOptions {
  readonly sink: Sink;
  readonly backoff: BackoffLimits;
  readonly aside?: Aside | undefined;
  /** Told of records that went aside because the peer refused them. */
  readonly onRejected?: (batch: Batch, rejections: readonly Rejection[]) => void;
}

/** The state of one batch. */
export class Delivery {
  readonly #options: DeliveryOptions;
  #open: Batch;
  #refusals = 0;
  #aside = 0;

  constructor(batch: Batch, options: DeliveryOptions) {
    this.#open = batch;
    this.#options = options;
  }

  /** What the peer does not hold yet; no records when all is settled. */
  get open(): Batch {
    return this.#open;
  }

  /** Records that went aside. */
  get aside(): number {
    return this.#aside;
  }

  /**
   * Sends what is open; what the peer refuses is sent again a few times, with pauses that `hurry` ends, then kept aside.
   * Called again after a failure, it goes on with what was open.
   */
  async send(cut: AbortSignal, hurry: AbortSignal): Promise<void> {
    const { sink, backoff, aside, onRejected } = this.#options;
    while (this.#open.count > 0) {
      const rejections = await sink.send(this.#open, cut);
      if (rejections.length === 0) this.#settle(0);
      else if (++this.#refusals <= (aside?.refusedRetries ?? 0)) {
        this.#open = partOfBatch(this.#open, rejections.map(({ index }) => index));
        await pause(backoffMs(backoff, this.#refusals), cut, hurry);
      } else {
        await aside?.keepRefused(this.#open, rejections);
        onRejected?.(this.#open, rejections);
        this.#settle(rejections.length);
      }
    }
  }

  /** Keeps all that is open aside, if it has had its tries; false: it is to be tried again. */
  async abandon(failures: number, reason: string): Promise<boolean> {
    if (this.#open.count === 0 || this.#options.aside === undefined) return false;
    if (!await this.#options.aside.keepAbandoned(this.#open, failures, reason)) return false;
    this.#settle(this.#open.count);
    return true;
  }

  #settle(aside: number): void {
    this.#aside += aside;
    this.#open = partOfBatch(this.#open, []);
  }
}
