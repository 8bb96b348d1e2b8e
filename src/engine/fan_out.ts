/** Several sinks as one, for a source that can be read only once: a batch is safe when every sink holds it. */
import type { Batch } from "../pipeline/batch.ts";
import type { Rejection, Sink } from "../pipeline/sink.ts";

/** The sinks as one; a single one is given back as it is. Disposing it does nothing: the sinks belong to the engine. */
export function fanOut(sinks: readonly Sink[]): Sink {
  if (sinks.length === 1) return sinks[0]!;
  return {
    id: sinks.map(({ id }) => id).join("+"),
    batchRecords: Math.min(...sinks.map(({ batchRecords }) => batchRecords)),
    send: (batch, signal) => sendToAll(sinks, batch, signal),
    reset: () => sinks.forEach((sink) => sink.reset()),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Waits for all of them also when one fails: a batch may not be released while a sink still reads it. */
async function sendToAll(sinks: readonly Sink[], batch: Batch, signal: AbortSignal): Promise<readonly Rejection[]> {
  const results = await Promise.allSettled(sinks.map((sink) => sink.send(batch, signal)));
  const rejections: Rejection[] = [];
  for (const result of results) {
    if (result.status === "rejected") throw result.reason;
    rejections.push(...result.value);
  }
  return rejections;
}
