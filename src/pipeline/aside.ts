/** What becomes of records that a sink does not deliver: they are kept aside on our own disk, never forgotten. */
import type { Batch } from "./batch.ts";
import type { Rejection } from "./sink.ts";

/** The policy of one pump towards its sink, and the place where records are kept. */
export interface Aside {
  /** How often records that the peer refuses are sent again before they are kept aside; ≥ 0. */
  readonly refusedRetries: number;
  /**
   * Keeps the records that the peer refused for good; resolves when the disk holds them.
   * @throws when it cannot: the records are then sent again
   */
  keepRefused(batch: Batch, rejections: readonly Rejection[]): Promise<void>;
  /**
   * Asked after each failed try to deliver the oldest batch, `failures` of them in a row.
   * @returns true when all its records are kept aside, on disk; false: it is tried again, because it may be or because
   * the disk did not take it
   */
  keepAbandoned(batch: Batch, failures: number, reason: string): Promise<boolean>;
}
