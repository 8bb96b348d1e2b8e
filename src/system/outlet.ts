/**
 * A sink over a way out that never answers: a socket of syslog or plain lines, the input of a command. The way out itself
 * says, as well as it can, when its other end holds what was written; the order, the failure and the new start are here.
 */
import type { Batch } from "../pipeline/batch.ts";
import type { Rejection, Sink } from "../pipeline/sink.ts";

/** A way out. Closed by the sink. */
export interface Outlet {
  /** Whether nothing more can be written. */
  readonly broken: boolean;
  /** Writes `records` whole records; resolves when the bytes may be used again. One call at a time. */
  write(bytes: Uint8Array, records: number): Promise<void>;
  /** Resolves when the other end holds all that was written so far. @throws {PeerError} when it went before */
  settled(): Promise<void>;
  /** Ends politely, within a few seconds; never rejects. */
  close(): Promise<void>;
  /** Ends at once; open calls reject with `reason`. */
  destroy(reason: string): void;
}

/** The parts of a sink that differ. */
export interface OutletSinkOptions {
  readonly id: string;
  /** Records per batch. */
  readonly batchRecords: number;
  /** Bytes in flight that suit the way out; undefined: the engine's own figure. */
  readonly flightBytes?: number;
  /** Opens a way out; called again after each break. */
  open(signal: AbortSignal): Promise<Outlet>;
  /** Whether a better way out than the open one is there; it is taken when all that was written is settled. */
  outdated?(): boolean;
  /** Told that the open way out failed, and why. */
  failed?(error: unknown): void;
  /** Called when the sink is disposed. */
  dispose?(): void;
  /** Writes all records of a batch. Never called while a call of it is open. */
  write(batch: Batch, outlet: Outlet): Promise<void>;
}

/** Opens the sink; the way out is opened at the first batch. The caller disposes it. */
export function openOutletSink(options: OutletSinkOptions): Sink {
  return new OutletSink(options);
}

class OutletSink implements Sink {
  readonly id: string;
  readonly batchRecords: number;
  readonly flightBytes?: number;
  readonly #options: OutletSinkOptions;
  #outlet: Outlet | undefined;
  /** Batches are written one after the other, in the order of the calls. */
  #turn: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  #forgetSignal: (() => void) | undefined;

  constructor(options: OutletSinkOptions) {
    this.id = options.id;
    this.batchRecords = options.batchRecords;
    if (options.flightBytes !== undefined) this.flightBytes = options.flightBytes;
    this.#options = options;
  }

  async send(batch: Batch, signal: AbortSignal): Promise<readonly Rejection[]> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const written = this.#turn.then(() => this.#write(batch, signal));
    this.#turn = written.then(() => {}, () => {});
    try {
      await (await written).settled;
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    return [];
  }

  reset(): void {
    this.#failure = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.dispose?.();
    await this.#outlet?.close();
    this.#outlet = undefined;
    this.#forgetSignal?.();
  }

  /** The promise comes in an object: the turn is over when the batch is written, not when it is settled. */
  async #write(batch: Batch, signal: AbortSignal): Promise<{ readonly settled: Promise<void> }> {
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      const outlet = await this.#usableOutlet(signal);
      await this.#options.write(batch, outlet);
      const settled = outlet.settled();
      settled.catch(() => {}); // awaited by the caller, a moment later
      return { settled };
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Nothing goes out on a way that failed: what is repeated must not follow what was lost. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    if (this.#outlet !== undefined) this.#options.failed?.(error);
    this.#outlet?.destroy("another batch failed");
    this.#outlet = undefined;
  }

  async #usableOutlet(signal: AbortSignal): Promise<Outlet> {
    const open = this.#outlet;
    if (open !== undefined && !open.broken) {
      if (this.#options.outdated?.() !== true) return open;
      await open.settled();
      await open.close();
    }
    open?.destroy("it is broken");
    this.#outlet = undefined;
    signal.throwIfAborted();
    const outlet = await this.#options.open(signal);
    this.#forgetSignal?.();
    const cut = (): void => outlet.destroy("stopped");
    this.#forgetSignal = () => signal.removeEventListener("abort", cut);
    signal.addEventListener("abort", cut, { once: true });
    if (signal.aborted) cut();
    return this.#outlet = outlet;
  }
}
