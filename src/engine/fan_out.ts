/** Several sinks as one, for a source that can be read only once: a batch is safe when every sink holds it. */
import type { Batch } from "../pipeline/batch.ts";
import type { Rule } from "../pipeline/rule.ts";
import type { Rejection, Sink } from "../pipeline/sink.ts";

/** A sink and the rule that says which records it gets; undefined: all. */
export interface Branch {
  readonly sink: Sink;
  readonly rule: Rule | undefined;
}

/** The sinks as one. Disposing it does nothing: the sinks belong to the engine. */
export function fanOut(branches: readonly Branch[]): Sink {
  return {
    id: branches.map(({ sink }) => sink.id).join("+"),
    batchRecords: Math.min(...branches.map(({ sink }) => sink.batchRecords)),
    send: (batch, signal) => sendToAll(branches, batch, signal),
    reset: () => branches.forEach(({ sink }) => sink.reset()),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Waits for all of them also when one fails: a batch may not be released while a sink still reads it. */
async function sendToAll(
  branches: readonly Branch[],
  batch: Batch,
  signal: AbortSignal,
): Promise<readonly Rejection[]> {
  const results = await Promise.allSettled(branches.map(async ({ sink, rule }) => {
    const chosen = rule === undefined ? batch : rule(batch);
    return chosen.count === 0 ? [] : await sink.send(chosen, signal);
  }));
  const rejections: Rejection[] = [];
  for (const result of results) {
    if (result.status === "rejected") throw result.reason;
    rejections.push(...result.value);
  }
  return rejections;
}
