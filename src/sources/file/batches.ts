/** Makes batches of the records in a block, no larger than the consumer wants them. */
import type { Batch, Origin } from "../../pipeline/batch.ts";
import type { BatchLimits } from "../../pipeline/source.ts";
import { Block, BlockBatch } from "./block.ts";
import { encodeMark, type FileMark } from "./identity.ts";

/** What batches are made of. */
export interface Pieces {
  readonly block: Block;
  /** The file, for positions. */
  readonly file: {
    readonly key: string;
    readonly bornMs: number;
    markAt(block: Block, from: number, at: number, inLine: boolean): FileMark;
    advance(mark: FileMark): void;
  };
  /** Offset of the block in the file. */
  readonly from: number;
  /** Index of the first record, and behind the last one with its LF. */
  readonly start: number;
  readonly next: number;
  readonly count: number;
  /** Whether `next` is within a line. */
  readonly inLine: boolean;
  readonly limits: BatchLimits;
  readonly packed: boolean;
  readonly origin: Origin;
}

/** Batches of all records, in order; moves the file behind them. */
export function makeBatches(pieces: Pieces): readonly Batch[] {
  const { block, file, from, start, next, count, inLine, packed, origin, limits } = pieces;
  const home = compact(block, start, Math.max(next, block.bounds[2 * count - 1]! + 1), count);
  const batches: Batch[] = [];
  for (let first = 0; first < count;) {
    const end = batchEnd(block.bounds, first, count, limits);
    const at = end === count ? next : block.bounds[2 * end]!;
    const mark = file.markAt(block, from, at, end === count && inLine);
    if (end === count) file.advance(mark);
    const position = { [file.key]: encodeMark(mark) };
    const place = {
      thing: `${file.key}:${file.bornMs}:${mark.generation}`,
      offset: home === block ? from : from + start,
    };
    batches.push(new BlockBatch(home, first, end - first, { packed, origin, position, home: place }));
    first = end;
  }
  if (home !== block) home.release();
  return batches;
}

/** Index behind the last record that fits a batch beginning with `first`; at least one record is taken. */
function batchEnd(bounds: Uint32Array, first: number, count: number, limits: BatchLimits): number {
  let end = Math.min(count, first + limits.maxRecords);
  const start = bounds[2 * first]!;
  if (bounds[2 * end - 1]! - start <= limits.maxBytes) return end;
  let low = first + 1; // fits, or is taken anyway
  while (low < end - 1) {
    const middle = (low + end) >> 1;
    if (bounds[2 * middle - 1]! - start <= limits.maxBytes) low = middle;
    else end = middle;
  }
  return low;
}

/** A copy of the right size where few records would hold a large block, for as long as a sink may be down. */
function compact(block: Block, start: number, end: number, count: number): Block {
  if (end - start > block.bytes.length / 4) return block;
  const small = new Block(end - start, count);
  small.retain();
  small.bytes.set(block.bytes.subarray(start, end));
  for (let i = 0; i < 2 * count; i++) small.bounds[i] = block.bounds[i]! - start;
  return small;
}
