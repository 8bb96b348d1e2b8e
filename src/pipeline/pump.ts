/**
 * The one loop: read a batch, make it safe, commit its position.
 *
 * ```text
 *   source.read ──► rule ──► sink.send ──► … in flight, oldest first … ──► checkpoints.commit ──► batch.release
 *                                │ fails                                        ▲ only here, in order
 *                                └──► back off, then everything unconfirmed again, in order
 * ```
 *
 * A position is committed only after delivery (invariant 1): a crash anywhere repeats records and never skips one.
 */
import { type BackoffLimits, backoffMs, pause } from "./backoff.ts";
import type { Batch } from "./batch.ts";
import type { Checkpoints } from "./checkpoint.ts";
import { errorText, GoneError } from "./errors.ts";
import type { Rule } from "./rule.ts";
import type { Rejection, Sink } from "./sink.ts";
import type { Source } from "./source.ts";

/** What happens in a pump that others want to know. Called synchronously; must not throw. */
export interface PumpObserver {
  /** A batch came from the source, before rules. */
  received?(records: number): void;
  /** The sink holds the batch and the position is committed. */
  delivered?(records: number, bytes: number): void;
  /** The peer refused these records for good. */
  rejected?(batch: Batch, rejections: readonly Rejection[]): void;
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
  sent: Promise<readonly Rejection[]> | undefined;
}

class Pump {
  readonly #options: PumpOptions;
  readonly #stop: AbortSignal;
  readonly #cut: AbortSignal;
  /** Oldest first. */
  readonly #flights: Flight[] = [];
  #flightBytes = 0;
  #sourceEnded = false;
  #recovering = false;
  #givenUp = false;
  #wakeReader: (() => void) | undefined;
  #wakeCommitter: (() => void) | undefined;

  constructor(options: PumpOptions, stop: AbortSignal, cut: AbortSignal) {
    this.#options = options;
    this.#stop = stop;
    this.#cut = cut;
  }

  async run(): Promise<number> {
    const onCut = (): void => {
      this.#wakeReader?.();
      this.#wakeCommitter?.();
    };
    this.#cut.addEventListener("abort", onCut);
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
        observer?.received?.(read.count);
        this.#launch(rule === undefined ? read : rule(read));
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
    this.#flights.push({ batch, bytes, sent: this.#recovering ? undefined : this.#send(batch) });
    this.#flightBytes += bytes + flightOverheadBytes;
    this.#wakeCommitter?.();
  }

  #send(batch: Batch): Promise<readonly Rejection[]> {
    if (batch.count === 0) return nothingRejected;
    const sent = this.#options.sink.send(batch, this.#cut);
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
      let rejections: readonly Rejection[];
      try {
        rejections = await (head.sent ??= this.#send(head.batch));
      } catch (error) {
        await this.#recover(error);
        continue;
      }
      await this.#commit(head, rejections);
    }
  }

  async #commit(head: Flight, rejections: readonly Rejection[]): Promise<void> {
    const { checkpoints, id, observer } = this.#options;
    if (rejections.length > 0) observer?.rejected?.(head.batch, rejections);
    const committed = checkpoints.commit(id, head.batch.position);
    if (committed !== undefined) await committed;
    observer?.delivered?.(head.batch.count - rejections.length, head.bytes);
    this.#flights.shift();
    this.#flightBytes -= head.bytes + flightOverheadBytes;
    head.batch.release();
    this.#wakeReader?.();
  }

  /** Tries until the oldest batch is through or it is time to go; then everything unconfirmed is on its way again. */
  async #recover(firstError: unknown): Promise<void> {
    const { observer, backoff, sink } = this.#options;
    const sinceMs = performance.now();
    this.#recovering = true;
    let error = firstError;
    for (let attempt = 1;; attempt++) {
      await this.#collectFailed();
      if (error instanceof GoneError) this.#givenUp = true;
      if (this.#stop.aborted) this.#givenUp = true;
      if (error instanceof GoneError) throw error;
      if (this.#finished()) return;
      if (attempt === 1) observer?.down?.(errorText(error));
      else observer?.stillDown?.(errorText(error), attempt);
      await pause(backoffMs(backoff, attempt), this.#stop, this.#cut);
      if (this.#stop.aborted) continue;
      sink.reset();
      const head = this.#flights[0]!;
      head.sent ??= this.#send(head.batch);
      try {
        await head.sent;
      } catch (again) {
        error = again;
        continue;
      }
      observer?.up?.(performance.now() - sinceMs, attempt);
      break;
    }
    this.#recovering = false;
    for (const flight of this.#flights) flight.sent ??= this.#send(flight.batch);
  }

  /** Waits for every open send to end and forgets the failed ones; the confirmed ones stay confirmed. */
  async #collectFailed(): Promise<void> {
    for (const flight of this.#flights) {
      if (flight.sent === undefined) continue;
      await flight.sent.catch(() => flight.sent = undefined);
    }
  }

  #finished(): boolean {
    return this.#givenUp || this.#cut.aborted;
  }
}

/** What a batch costs beside its bytes, so that a flood of empty ones is bounded too. */
const flightOverheadBytes = 256;
const nothingRejected: Promise<readonly Rejection[]> = Promise.resolve([]);
