/** The spool as a sink: the near half of a live source's way, `pump(live source, spoolSink)`. */
import type { Batch } from "../pipeline/batch.ts";
import type { Rejection, Sink } from "../pipeline/sink.ts";
import type { AppendOutcome, Spool } from "./spool.ts";

/** How batches are taken. */
export interface SpoolSinkOptions {
  /** Name of the sink in checkpoints and messages. */
  readonly id: string;
  /** Whether the source's peer waits for an acknowledgement; see `AppendOptions.urgent`. Default true. */
  readonly urgent?: boolean;
  /** Told when the spool dropped records of a batch by its policy, before `send` resolves. */
  onDropped?(batch: Batch, outcome: AppendOutcome): void;
}

/** A sink whose peer is the disk. Records that the spool drops are no rejections: the spool counts and tells of them. */
export function spoolSink(spool: Spool, options: SpoolSinkOptions): Sink {
  const urgent = options.urgent ?? true;
  let failure: unknown;
  return {
    id: options.id,
    batchRecords: 4_096,
    send: async (batch: Batch, signal: AbortSignal): Promise<readonly Rejection[]> => {
      if (failure !== undefined) throw failure;
      try {
        const outcome = await spool.append(batch, { urgent, signal });
        if (outcome.refused + outcome.tooLong > 0) options.onDropped?.(batch, outcome);
      } catch (error) {
        failure ??= error;
      }
      if (failure !== undefined) throw failure; // what was written behind a failure must not overtake it
      return [];
    },
    reset: () => failure = undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(), // the spool belongs to whoever opened it
  };
}
