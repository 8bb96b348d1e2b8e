/**
 * Lines out of a stream that is read into blocks which are used again: at full speed nothing is allocated per read but the
 * lines' bounds. The torn line at the end of a block is carried to the beginning of the next one.
 *
 * ```text
 *   space()   ├ torn line ┤←── read into ──→┤      take(length)   ├ lines, given out as batches ┤ torn line ┤
 * ```
 */
import { findLines, LineSplitter } from "../formats/lines.ts";
import { type Batch, batchesOfRun, type Origin } from "./batch.ts";

/** The lines of one stream. Blocks go back when the batches on them are released; batches that never are cost a block each. */
export class LineBlocks {
  readonly #maxLineBytes: number;
  readonly #blockBytes: number;
  readonly #free: Block[] = [];
  #block: Block | undefined;
  /** Bytes of the torn line at the beginning of the block. */
  #rest = 0;

  /**
   * @param maxLineBytes longer lines are cut, as `LineSplitter` does it
   * @param blockBytes what is read at once, at the most
   */
  constructor(maxLineBytes: number, blockBytes: number) {
    this.#maxLineBytes = maxLineBytes;
    this.#blockBytes = blockBytes;
  }

  /** Where the next bytes go; never empty. */
  space(): Uint8Array {
    const block = this.#block ??= this.#free.pop() ?? newBlock(this.#blockBytes);
    if (this.#rest === block.bytes.length) {
      const larger = new Uint8Array(2 * block.bytes.length); // a line that is longer than a block
      larger.set(block.bytes);
      block.bytes = larger;
    }
    return block.bytes.subarray(this.#rest);
  }

  /** Takes `length` bytes that were read into `space()`; gives the lines that are whole now. */
  take(length: number, maxRecords: number, origin: Origin): readonly Batch[] {
    const block = this.#block!;
    const filled = this.#rest + length;
    const bytes = block.bytes;
    const run = findLines(bytes.subarray(0, filled), block.bounds);
    block.bounds = run.bounds;
    const end = run.count === 0 ? 0 : run.bounds[2 * run.count - 1]! + 1;
    this.#rest = filled - end;
    if (this.#rest > this.#maxLineBytes) return this.#cutLong(bytes.slice(0, filled), maxRecords, origin);
    if (run.count === 0) return [];
    // Few lines are copied out, so that a quiet writer does not cost a block per line while a sink is away.
    if (end <= bytes.length / 4) {
      const few = { bytes: bytes.slice(0, end), bounds: run.bounds.slice(0, 2 * run.count), count: run.count };
      bytes.copyWithin(0, end, filled);
      return [...batchesOfRun(few, maxRecords, origin)];
    }
    this.#carry(bytes.subarray(end, filled));
    return this.#held(block, [...batchesOfRun(run, maxRecords, origin)]);
  }

  /** The torn line at the end of the stream, with the LF that it lacks. */
  flush(maxRecords: number, origin: Origin): readonly Batch[] {
    const length = this.#rest;
    if (length === 0) return [];
    const bytes = new Uint8Array(length + 1);
    bytes.set(this.#block!.bytes.subarray(0, length));
    bytes[length] = lineFeed;
    this.#block = undefined;
    this.#rest = 0;
    return [...batchesOfRun(findLines(bytes), maxRecords, origin)];
  }

  /** Begins another block with the torn line. */
  #carry(torn: Uint8Array): void {
    let next = this.#free.pop();
    if (next === undefined || next.bytes.length <= torn.length) {
      next = newBlock(Math.max(this.#blockBytes, torn.length + 1));
    }
    next.bytes.set(torn);
    this.#block = next;
  }

  /** Batches that give the block back when the last of them is released. */
  #held(block: Block, batches: readonly Batch[]): readonly Batch[] {
    let holders = batches.length;
    return batches.map((batch) => {
      let held = true;
      const release = (): void => {
        if (!held) return;
        held = false;
        if (--holders === 0 && block.bytes.length === this.#blockBytes && this.#free.length < maxFreeBlocks) {
          this.#free.push(block);
        }
      };
      return { ...batch, release };
    });
  }

  /** Rare: a line beyond the limit. Its bytes are copied and cut, and what is left begins the next block. */
  #cutLong(bytes: Uint8Array, maxRecords: number, origin: Origin): readonly Batch[] {
    const splitter = new LineSplitter(this.#maxLineBytes);
    const run = splitter.push(bytes);
    const torn = splitter.takeRest();
    if (torn.length >= this.#block!.bytes.length) this.#block = newBlock(torn.length + this.#blockBytes);
    this.#block!.bytes.set(torn);
    this.#rest = torn.length;
    return [...batchesOfRun(run, maxRecords, origin)];
  }
}

/** Storage of lines and their bounds. */
interface Block {
  bytes: Uint8Array;
  bounds: Uint32Array;
}

function newBlock(sizeBytes: number): Block {
  return { bytes: new Uint8Array(sizeBytes), bounds: new Uint32Array(firstBounds) };
}

/** Two for each of as many lines as most blocks have. */
const firstBounds = 2_048;
const maxFreeBlocks = 16;
const lineFeed = 10;
