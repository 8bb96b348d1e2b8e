/** From records to batches: what begins with `<PRI>` keeps its header, everything else is plain. Pure. */
import { priorityAt } from "../../formats/syslog.ts";
import type { RecordRun } from "../../formats/syslog_framing.ts";
import type { Batch, Origin } from "../../pipeline/batch.ts";

/** The records of a run as batches of one form each, in order; `origin` is that of the records without a header. */
export function* batchesOfRecords(run: RecordRun, origin: Origin): Generator<Batch> {
  let first = 0;
  while (first < run.count) {
    const form = formOf(run, first);
    let end = first + 1;
    while (end < run.count && formOf(run, end) === form) end++;
    yield part(run, first, end, { ...origin, form });
    first = end;
  }
}

/** A batch in pieces of at most `maxRecords`, which share its bytes; none for an empty one. */
export function* piecesOf(batch: Batch, maxRecords: number): Generator<Batch> {
  if (batch.count > 0 && batch.count <= maxRecords) yield batch;
  else {
    for (let first = 0; first < batch.count; first += maxRecords) {
      yield part(batch, first, Math.min(batch.count, first + maxRecords), batch.origin);
    }
  }
}

function formOf({ bytes, bounds }: RecordRun, index: number): Origin["form"] {
  return priorityAt(bytes, bounds[2 * index]!, bounds[2 * index + 1]!) < 0 ? "plain" : "syslog";
}

function part(run: RecordRun, first: number, end: number, origin: Origin): Batch {
  return {
    bytes: run.bytes,
    bounds: run.bounds.subarray(2 * first, 2 * end),
    count: end - first,
    packed: run.packed,
    origin,
    position: {},
    release: () => {},
  };
}
