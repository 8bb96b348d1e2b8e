/**
 * The one loop: read a batch, make it safe, commit its position.
 *
 * ```text
 *   source.read ──► rule ──► sink.send ──► … in flight, oldest first … ──► checkpoints.commit ──► batch.release
 *                                │ fails                                        ▲ only here, in order
 *                                ├──► back off, then everything unconfirmed again, in order
 *                                └──► given up, or refused for good: kept aside on disk, then the same way
 * ```
 *
 * The sink is handed no more than its window, counted from the first record of the oldest batch that is not committed:
 * that, and not a record more, is what a crash can repeat, whatever lies between an answer and the commit.
 *
 * A position is committed only after delivery (invariant 1), or after the records that the sink will not deliver are on
 * disk among the dead letters: a crash anywhere repeats records and never skips one.
 */
import { type BackoffLimits, backoffMs, pause } from "./backoff.ts";
import type { Aside } from "./aside.ts";
import type { Batch } from "./batch.ts";
import type { Checkpoints } from "./checkpoint.ts";
import { Delivery, type DeliveryOptions } from "./delivery.ts";
import { errorText, GoneError } from "./errors.ts";
import type { Rule } from "./rule.ts";
import type { Rejection, Sink } from "./sink.ts";
import type { Source } from "./source.ts";

/** What happens in a pump that others want to know. Called synchronously; must not throw. */
export interface PumpObserver {
  /** The pump begins: nothing is in flight, whatever an earlier one left unconfirmed. */
  began?(): void;
  /** A batch came from the source; `left` is what rules left of it, and all that is told later is about that. */
  received?(read: Batch, left: Batch): void;
  /** The sink holds the batch, apart from what is kept aside, and the position is committed. */
  delivered?(records: number, bytes: number, batch: Batch): void;
  /** The peer refused these records for good; they are kept aside, where there is a place for them. */
  rejected?(batch: Batch, rejections: readonly Rejection[]): void;
  /** These records are kept aside: they could not be delivered in as many tries as the sink may make. */
  abandoned?(batch: Batch, reason: string): void;
  /** The first failure after all was well. */
  down?(reason: string): void;
  /** A later failure while down. */
  stillDown?(reason: string, attempt: number): void;
  /** Delivery works again. */
  up?(downMs: number, attempts: number): void;
}

/** The parts of a pump. */
export interface PumpOptions {
  readonly source: Source;
  readonly sink: Sink;
  readonly checkpoints: Checkpoints;
  /** Name of the position of this pair of source and sink. */
  readonly id: string;
  readonly rule?: Rule;
  /** Bytes in flight at the most, apart from one batch. */
  readonly maxFlightBytes: number;
  readonly maxBatchBytes: number;
  readonly backoff: BackoffLimits;
  /** What becomes of records that the sink does not deliver; without it refused ones are told to the observer alone. */
  readonly aside?: Aside;
  readonly observer?: PumpObserver;
}

/**
 * Runs until the source ends and everything is delivered, or `stop` aborts. After `stop` nothing more is read, and what
 * is in flight may still be confirmed until `cut` aborts or the peer fails; what is not confirmed is not committed.
 * @returns records that were read and not confirmed: 0 after a complete run
 */
export function pump(options: PumpOptions, stop: AbortSignal, cut: AbortSignal): Promise<number> {
  return new Pump(options, stop, cut).run();
}

interface Flight {
  readonly batch: Batch;
  readonly bytes: number;
  readonly delivery: Delivery;
  /** Settles when nothing is open any more. */
  sent: Promise<void> | undefined;
}

class Pump {
  readonly #options: PumpOptions;
  readonly #deliveryOptions: DeliveryOptions;
  readonly #stop: AbortSignal;
  readonly #cut: AbortSignal;
  /** Oldest first. */
  readonly #flights: Flight[] = [];
  #flightBytes = 0;
  /** How many of the flights, the oldest ones, the sink was handed, and their records. */
  #handed = 0;
  #handedRecords = 0;
  #sourceEnded = false;
  #recovering = false;
  #givenUp = false;
  /** Since when the sink is down, and in how many tries. */
  #down: { readonly sinceMs: number; attempts: number } | undefined;
  /** Aborted to end the pauses before refused records are sent again. */
  #hurry = new AbortController();
  #wakeReader: (() => void) | undefined;
  #wakeCommitter: (() => void) | undefined;

  constructor(options: PumpOptions, stop: AbortSignal, cut: AbortSignal) {
    this.#options = options;
    const { sink, backoff, aside, observer } = options;
    this.#deliveryOptions = {
      sink,
      backoff,
      aside,
      onRejected: (batch, rejections) => observer?.rejected?.(batch, rejections),
    };
    this.#stop = stop;
    this.#cut = cut;
  }

  async run(): Promise<number> {
    const onCut = (): void => {
      this.#wakeReader?.();
      this.#wakeCommitter?.();
    };
    this.#cut.addEventListener("abort", onCut);
    this.#options.observer?.began?.();
    try {
      const reading = this.#readAll();
      // A source that breaks ends the pump, after what it gave has been delivered.
      await Promise.all([reading, this.#commitAll()]);
    } finally {
      this.#cut.removeEventListener("abort", onCut);
      for (const { batch } of this.#flights) batch.release();
    }
    return this.#flights.reduce((sum, { batch }) => sum + batch.count, 0);
  }

  async #readAll(): Promise<void> {
    const { source, sink, checkpoints, id, rule, maxBatchBytes, maxFlightBytes, observer } = this.#options;
    const limits = { maxRecords: sink.batchRecords, maxBytes: maxBatchBytes };
    try {
      for await (const read of source.read(await checkpoints.get(id), limits, this.#stop)) {
        const left = rule === undefined ? read : rule(read);
        observer?.received?.(read, left);
        this.#launch(left);
        while (this.#flightBytes >= maxFlightBytes && !this.#finished()) {
          await new Promise<void>((resolve) => this.#wakeReader = resolve);
        }
        if (this.#finished()) break;
      }
    } finally {
      this.#sourceEnded = true;
      this.#wakeCommitter?.();
    }
  }

  #launch(batch: Batch): void {
    const bytes = batch.count === 0 ? 0 : batch.bounds[2 * batch.count - 1]! - batch.bounds[0]!;
    const flight: Flight = { batch, bytes, delivery: new Delivery(batch, this.#deliveryOptions), sent: undefined };
    this.#flights.push(flight);
    this.#flightBytes += bytes + flightOverheadBytes;
    this.#handOver();
    this.#wakeCommitter?.();
  }

  /** Hands the sink what its window takes, in order; the oldest batch in any case. */
  #handOver(): void {
    if (this.#recovering) return;
    const { windowRecords = Infinity } = this.#options.sink;
    for (; this.#handed < this.#flights.length; this.#handed++) {
      const flight = this.#flights[this.#handed]!;
      const records = this.#handedRecords + flight.batch.count;
      if (this.#handed > 0 && records > windowRecords) return;
      this.#handedRecords = records;
      flight.sent ??= this.#send(flight);
    }
  }

  #send({ delivery }: Flight): Promise<void> {
    if (delivery.open.count === 0) return nothingToSend;
    const sent = delivery.send(this.#cut, this.#hurry.signal);
    sent.catch(() => {}); // awaited in order by the committer; until then it must not count as unhandled
    return sent;
  }

  async #commitAll(): Promise<void> {
    while (!this.#finished()) {
      const head = this.#flights[0];
      if (head === undefined) {
        if (this.#sourceEnded) return;
        await new Promise<void>((resolve) => this.#wakeCommitter = resolve);
        continue;
      }
      try {
        await (head.sent ??= this.#send(head));
      } catch (error) {
        await this.#recover(error);
        continue;
      }
      if (head.batch.count > 0) this.#sayUp();
      await this.#commit(head);
    }
  }

  async #commit(head: Flight): Promise<void> {
    const { checkpoints, id, observer } = this.#options;
    const committed = checkpoints.commit(id, head.batch.position);
    if (committed !== undefined) await committed;
    observer?.delivered?.(head.batch.count - head.delivery.aside, head.bytes, head.batch);
    this.#flights.shift();
    this.#flightBytes -= head.bytes + flightOverheadBytes;
    if (this.#handed > 0) {
      this.#handed--;
      this.#handedRecords -= head.batch.count;
    }
    head.batch.release();
    this.#handOver();
    this.#wakeReader?.();
  }

  /**
   * Tries until the oldest batch is through or given up and none is left, or it is time to go; then everything
   * unconfirmed is on its way again.
   */
  async #recover(firstError: unknown): Promise<void> {
    const { backoff, sink } = this.#options;
    this.#recovering = true;
    let error = firstError;
    for (let failures = 0; this.#flights.length > 0;) {
      await this.#collectFailed();
      if (error instanceof GoneError || this.#stop.aborted) this.#givenUp = true;
      if (error instanceof GoneError) throw error;
      if (this.#finished()) return;
      if (failures > 0 && await this.#abandon(failures, errorText(error))) {
        failures = 0;
        continue;
      }
      this.#sayDown(errorText(error));
      await pause(backoffMs(backoff, this.#down!.attempts), this.#stop, this.#cut);
      if (this.#stop.aborted) continue;
      sink.reset();
      const head = this.#flights[0]!;
      head.sent ??= this.#send(head);
      try {
        await head.sent;
      } catch (again) {
        error = again;
        failures++;
        continue;
      }
      this.#sayUp();
      break;
    }
    sink.reset();
    this.#recovering = false;
    this.#handed = this.#handedRecords = 0;
    this.#handOver();
  }

  /** Keeps the oldest batch aside, if it has had its tries; then the next one has as many. */
  async #abandon(failures: number, reason: string): Promise<boolean> {
    const head = this.#flights[0]!;
    if (head.sent !== undefined) return false;
    const { open } = head.delivery;
    if (!await head.delivery.abandon(failures, reason)) return false;
    this.#options.observer?.abandoned?.(open, reason);
    await this.#commit(head);
    return true;
  }

  /** Waits for every open send to end and forgets the failed ones; the confirmed ones stay confirmed. */
  async #collectFailed(): Promise<void> {
    this.#hurry.abort();
    for (const flight of this.#flights) {
      if (flight.sent === undefined) continue;
      await flight.sent.catch(() => flight.sent = undefined);
    }
    this.#hurry = new AbortController();
  }

  #sayDown(reason: string): void {
    this.#down ??= { sinceMs: performance.now(), attempts: 0 };
    const attempts = ++this.#down.attempts;
    if (attempts === 1) this.#options.observer?.down?.(reason);
    else this.#options.observer?.stillDown?.(reason, attempts);
  }

  #sayUp(): void {
    if (this.#down === undefined) return;
    const { sinceMs, attempts } = this.#down;
    this.#down = undefined;
    this.#options.observer?.up?.(performance.now() - sinceMs, attempts);
  }

  #finished(): boolean {
    return this.#givenUp || this.#cut.aborted;
  }
}

/** What a batch costs beside its bytes, so that a flood of empty ones is bounded too. */
const flightOverheadBytes = 256;
const nothingToSend: Promise<void> = Promise.resolve();
