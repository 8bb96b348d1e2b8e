/** The records of a request as batches that are no larger than the consumer wants them. Pure. */
import type { LineRun } from "../../formats/lines.ts";
import type { Batch, Origin } from "../../pipeline/batch.ts";
import type { BatchLimits } from "../../pipeline/source.ts";

/** All records of `run` in order; at least one record per batch, however long it is. Positions are the caller's. */
export function batchesOfRecords(run: LineRun, limits: BatchLimits, origin: Origin): Batch[] {
  const { bytes, bounds, count } = run;
  const packed = isPacked(run);
  const batches: Batch[] = [];
  for (let first = 0; first < count;) {
    let end = first + 1;
    const start = bounds[2 * first]!;
    while (end < count && end - first < limits.maxRecords && bounds[2 * end + 1]! - start <= limits.maxBytes) end++;
    const part = bounds.subarray(2 * first, 2 * end);
    batches.push({ bytes, bounds: part, count: end - first, packed, origin, position: {}, release: () => {} });
    first = end;
  }
  return batches;
}

/** Whether the records lie back to back, each followed by one LF. */
function isPacked({ bytes, bounds, count }: LineRun): boolean {
  for (let i = 0; i < count; i++) {
    const end = bounds[2 * i + 1]!;
    if (bytes[end] !== 10 || i + 1 < count && bounds[2 * i + 2] !== end + 1) return false;
  }
  return true;
}
