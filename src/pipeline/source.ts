/** What a source is. It does one hop: it reads; the pump counts, retries and commits. */
import type { Batch } from "./batch.ts";
import type { Checkpoints, Position } from "./checkpoint.ts";
import type { Drops } from "./drops.ts";

/** How large a batch may be. A sink with a window wants batches that are a fraction of it. */
export interface BatchLimits {
  /** Records per batch, ≥ 1. */
  readonly maxRecords: number;
  /** Bytes per batch, ≥ 1; one record that is longer alone is allowed. */
  readonly maxBytes: number;
}

/** What a source tells of itself beside its records, now. */
export interface SourceFigures {
  /** Of files: how many are watched, how many are open, and bytes that are not read yet. */
  readonly files?: { readonly watched: number; readonly open: number; readonly unreadBytes: number };
  /** Of a server: peers that are connected. */
  readonly sessions?: number;
}

/** Something that yields batches. Disposed, where it can be, after everything it gave is settled. */
export interface Source extends Partial<AsyncDisposable> {
  /** Name in the configuration; part of the checkpoint's name. */
  readonly id: string;
  /** Whether `read` can start again at a position. What cannot is on its peer's side or lost when we die. */
  readonly replayable: boolean;
  /** For a source whose peer waits for an answer: to commit here is to answer it. */
  readonly acknowledgements?: Checkpoints;
  /**
   * For a source with `acknowledgements` whose peer cannot wait for a sink: its records go to the spool, and the answer
   * is given when the disk has them.
   */
  readonly spooled?: boolean;
  /** Of a spooled source: the spool dropped records of the batch at `position`, by its policy. Told before its commit. */
  refuse?(position: Position): void;
  /**
   * What of the source's records will never come, by reason, since it was opened. Each reader of a replayable source counts
   * for itself, as it counts what it received: two sinks that miss the same lines are two drops.
   */
  drops?(): Drops;
  /** Figures for the status server; cheap enough to be asked for every second. */
  figures?(): SourceFigures;
  /**
   * Yields batches from `from` (from the configured start when undefined) until the source ends or `signal` aborts;
   * an abort ends the iteration without an error. Closes what it opened when the iteration ends.
   * May be called again after it ended.
   */
  read(from: Position | undefined, limits: BatchLimits, signal: AbortSignal): AsyncIterable<Batch>;
}

/** A source that serves a socket and answers its peers when the spool holds their records. Dispose it after its batches are settled. */
export interface SpooledServer extends Source, AsyncDisposable {
  /** `host:port` as bound, or the path of the socket. */
  readonly address: string;
  readonly acknowledgements: Checkpoints;
  readonly spooled: true;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}
