/**
 * Blocks of file content and the batches that are views on them. A block goes back to its pool when the last batch on
 * it is released, so that reading at full speed allocates nothing.
 */
import type { Batch, Origin, Places } from "../../pipeline/batch.ts";
import type { Position } from "../../pipeline/checkpoint.ts";

/** Some bytes of a file and the boundaries of its records; counted references. */
export class Block {
  readonly bytes: Uint8Array;
  /** Start and end of record i at 2i and 2i+1. */
  bounds: Uint32Array;
  readonly #pool: BlockPool | undefined;
  #users = 0;

  constructor(sizeBytes: number, records: number, pool?: BlockPool) {
    this.bytes = new Uint8Array(sizeBytes);
    this.bounds = new Uint32Array(2 * records);
    this.#pool = pool;
  }

  /** One more holder. */
  retain(): void {
    this.#users++;
  }

  /** One holder less; the last one gives the block back. */
  release(): void {
    if (--this.#users === 0) this.#pool?.give(this);
  }

  /** Room for more records; what is there stays. */
  growBounds(): void {
    const larger = new Uint32Array(2 * this.bounds.length);
    larger.set(this.bounds);
    this.bounds = larger;
  }
}

/** Blocks of one size that are used again. */
export class BlockPool {
  readonly blockBytes: number;
  readonly #free: Block[] = [];

  constructor(blockBytes: number) {
    this.blockBytes = blockBytes;
  }

  /** A block with one holder: the caller. */
  take(): Block {
    const block = this.#free.pop() ?? new Block(this.blockBytes, firstRecords, this);
    block.retain();
    return block;
  }

  /** Called by the block itself. Blocks beyond a few are left to the garbage collector. */
  give(block: Block): void {
    if (this.#free.length < maxFreeBlocks) this.#free.push(block);
  }
}

/** Where a block was read. */
export interface BatchHome {
  /** The file and its content. */
  readonly thing: string;
  /** Offset in it of the block's first byte. */
  readonly offset: number;
}

/** Records `first` up to `first + count` of a block; holds the block until released. */
export class BlockBatch implements Batch {
  readonly bytes: Uint8Array;
  readonly bounds: Uint32Array;
  readonly count: number;
  readonly packed: boolean;
  readonly origin: Origin;
  readonly position: Position;
  readonly places: Places | undefined;
  #block: Block | undefined;

  constructor(
    block: Block,
    first: number,
    count: number,
    { packed, origin, position, home }: { packed: boolean; origin: Origin; position: Position; home?: BatchHome },
  ) {
    this.bytes = block.bytes;
    this.bounds = first === 0 ? block.bounds : block.bounds.subarray(2 * first);
    this.count = count;
    this.packed = packed;
    this.origin = origin;
    this.position = position;
    const { bounds } = this;
    this.places = home === undefined
      ? undefined
      : { thing: home.thing, numberOf: (index) => home.offset + bounds[2 * index]! };
    this.#block = block;
    block.retain();
  }

  release(): void {
    const block = this.#block;
    this.#block = undefined; // a second release must not give away a block that somebody else has by then
    block?.release();
  }
}

const firstRecords = 2_048;
const maxFreeBlocks = 16;
