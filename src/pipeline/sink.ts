/** What a sink is. It does one hop: it hands records to a peer and says when the peer holds them. */
import type { Batch } from "./batch.ts";
import type { Checkpoints } from "./checkpoint.ts";

/** A record that the peer refused for good; it will not be sent again. */
export interface Rejection {
  /** Index of the record in its batch. */
  readonly index: number;
  /** The peer's words, for example `500 message too long`. */
  readonly reason: string;
}

/** Something that takes batches. Closed by whoever opened it. */
export interface Sink extends AsyncDisposable {
  /** Name in the configuration; part of the checkpoint's name. */
  readonly id: string;
  /** Records per batch that suit the sink: a fraction of its window. */
  readonly batchRecords: number;
  /**
   * Resolves when the peer holds every record that is not among the rejections. Several calls may be open at once;
   * records arrive in the order of the calls. After a failure every open call and every further one rejects, so that
   * nothing overtakes what failed, until `reset`; then the callers repeat what was not confirmed, each in order.
   */
  send(batch: Batch, signal: AbortSignal): Promise<readonly Rejection[]>;
  /** Ends the state of failure; nothing happens where there is none. */
  reset(): void;
  /**
   * Records that a pump may have handed over and not committed, at the most: what a crash can repeat of a source. A single
   * batch may have more. Undefined: as many as are in flight.
   */
  readonly windowRecords?: number;
  /** Bytes in flight that suit a sink which confirms many batches at once; undefined: the engine's own figure. */
  readonly flightBytes?: number;
  /**
   * For a sink that keeps positions with what it wrote, so that neither is there without the other: itself for the pump
   * `pair` of a source that can be read again, with positions that take the place of `checkpoints`. Disposed with the sink.
   */
  bind?(pair: string, checkpoints: Checkpoints): BoundSink;
}

/** A sink for one pump, and where that pump's positions are. */
export interface BoundSink {
  readonly sink: Sink;
  readonly checkpoints: Checkpoints;
}
