/** What a rule is: a pure function from batch to batch, compiled once at start. */
import type { Batch } from "./batch.ts";

/** Keeps, drops or rewrites records. Never waits, never fails; the result shares or owns its bytes until released. */
export type Rule = (batch: Batch) => Batch;
