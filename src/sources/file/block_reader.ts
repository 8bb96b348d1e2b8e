/** One turn of one file: a block is read, cut to records, and the file moves behind them. */
import type { Batch } from "../../pipeline/batch.ts";
import type { BatchLimits } from "../../pipeline/source.ts";
import type { ContainerFormat } from "../../formats/container_line.ts";
import { makeBatches, type Pieces } from "./batches.ts";
import type { Block, BlockPool } from "./block.ts";
import {
  type Cut,
  cutBeforeCharacter,
  cutLines,
  cutNulLine,
  type CutRules,
  longestLineBytes,
  nulRun,
  stripCarriageReturns,
} from "./line_cutter.ts";
import { joinUnwrapped, makeUnwrappedBatches, unwrapLines, type Unwrapped } from "./container.ts";
import { type Joined, joinLines, type JoinRules } from "./multiline.ts";
import type { FileEvent } from "./options.ts";
import type { TailedFile } from "./tailed_file.ts";

/** What all files of a source share while they are read. */
export interface ReadContext {
  readonly pool: BlockPool;
  readonly limits: BatchLimits;
  readonly rules: CutRules;
  readonly origin: { readonly source: string; readonly host: string; readonly priority: number };
  report(event: FileEvent): void;
}

/** How much of an incomplete end is taken: nothing, joined lines that are complete lines, or everything. */
export type Flush = "nothing" | "lines" | "everything";

/** What one turn gave. `replaced`: the content is not the one that was read before. */
export interface Turn {
  readonly batches: readonly Batch[];
  readonly status: "more" | "end" | "replaced";
}

/** Reads one block of an open file. @throws when reading fails */
export function readTurn(file: TailedFile, context: ReadContext, block: Block, flush: Flush): Turn {
  return new BlockReader(file, context, block, flush).run();
}

class BlockReader {
  readonly #file: TailedFile;
  readonly #context: ReadContext;
  readonly #block: Block;
  readonly #flush: Flush;
  #from = 0;
  #end = 0;

  constructor(file: TailedFile, context: ReadContext, block: Block, flush: Flush) {
    this.#file = file;
    this.#context = context;
    this.#block = block;
    this.#flush = flush;
  }

  run(): Turn {
    const { from, lead, end, same } = this.#file.fill(this.#block);
    if (!same) return { batches: [], status: "replaced" };
    this.#from = from;
    this.#end = end;
    const start = this.#file.inLine ? this.#passLine(lead) : lead;
    if (start === undefined || start === end) return this.#nothing();
    return this.#cut(start);
  }

  #cut(start: number): Turn {
    const { rules } = this.#context;
    const maxBytes = longestLineBytes(rules);
    let cut = cutLines(this.#block, start, this.#end, maxBytes);
    if (cut.count === 0 && cut.stop === "nul") {
      const run = nulRun(this.#block.bytes, start, this.#end);
      if (run >= minHoleBytes || this.#from + start === 0) return this.#passHole(start, run);
      cut = cutNulLine(this.#block, start, this.#end, maxBytes);
    }
    if (cut.count === 0 && cut.stop === "long") return this.#longLine(start);
    if (cut.stop === "end" && this.#flush === "everything" && this.#isLast()) cut = this.#takeRest(cut);
    if (rules.container !== undefined) return this.#unwrap(start, cut, rules.container);
    if (rules.multiline === undefined) return this.#emit(start, cut.count, cut.next, true, false);
    const joined = this.#join(cut, rules.multiline);
    return this.#emit(start, joined.count, Math.min(joined.next, this.#end), !joined.spans, false);
  }

  /** Lines of a container runtime: the records are inside of them. */
  #unwrap(start: number, cut: Cut, format: ContainerFormat): Turn {
    if (cut.count === 0) return this.#nothing();
    const { rules } = this.#context;
    const end = Math.min(cut.next, this.#end);
    const ended = cut.stop === "long" || cut.stop === "nul" || this.#isLast() && this.#flush === "everything";
    const unwrap = (close: boolean): Unwrapped => {
      const found = unwrapLines(this.#block, { start, end, count: cut.count }, { ...rules, format }, close);
      if (rules.multiline === undefined) return found;
      const flush = close || this.#isLast() && this.#flush !== "nothing";
      return joinUnwrapped(found, rules.multiline, rules.maxLineBytes, flush);
    };
    let found = unwrap(ended);
    // A message that fills the block has to end here, or nothing would ever move.
    if (found.next <= start && (!this.#isLast() || cut.stop === "full")) found = unwrap(true);
    if (found.next <= start) return this.#nothing();
    return this.#emitUnwrapped(start, found);
  }

  #emitUnwrapped(start: number, found: Unwrapped): Turn {
    if (found.longLines > 0) this.#sayLong();
    const skips = this.#context.rules.longLines === "skip";
    if (found.droppedBytes > 0) this.#dropped(found.droppedBytes, skips ? found.longLines : 0);
    const { count, next, block } = found;
    const status = this.#isLast() && next === this.#end ? "end" : "more";
    if (count === 0) {
      this.#file.advance(this.#file.markAt(this.#block, this.#from, next, false));
      return { batches: [], status };
    }
    const stripped = this.#context.rules.stripCarriageReturn && stripCarriageReturns(block, count);
    const packed = !found.feeds && !stripped;
    const batches = makeUnwrappedBatches(this.#pieces(start, { count, next, packed, inLine: false }), found);
    block.release();
    return { batches, status };
  }

  /** The last line, without its LF, as a record. */
  #takeRest(cut: Cut): Cut {
    if (cut.next === this.#end) return cut;
    const block = this.#block;
    block.bytes[this.#end] = 10;
    if (2 * cut.count === block.bounds.length) block.growBounds();
    block.bounds[2 * cut.count] = cut.next;
    block.bounds[2 * cut.count + 1] = this.#end;
    return { ...cut, count: cut.count + 1, next: this.#end };
  }

  #join(cut: Cut, multiline: JoinRules): Joined {
    const { maxLineBytes } = this.#context.rules;
    const ends = this.#isLast() && this.#flush !== "nothing" || cut.stop === "long" || cut.stop === "nul";
    const joined = joinLines(this.#block, cut.count, multiline, maxLineBytes, ends);
    // One record fills the block's boundaries: it has to end here, or nothing would ever move.
    const stuck = joined.count === 0 && cut.stop === "full";
    return stuck ? joinLines(this.#block, cut.count, multiline, maxLineBytes, true) : joined;
  }

  #emit(start: number, count: number, next: number, packed: boolean, inLine: boolean): Turn {
    if (count === 0) return this.#nothing();
    const stripped = this.#context.rules.stripCarriageReturn && stripCarriageReturns(this.#block, count);
    const batches = makeBatches(this.#pieces(start, { count, next, inLine, packed: packed && !stripped }));
    return { batches, status: this.#isLast() && next === this.#end ? "end" : "more" };
  }

  #pieces(start: number, found: Pick<Pieces, "count" | "next" | "inLine" | "packed">): Pieces {
    const { limits, origin } = this.#context;
    return {
      block: this.#block,
      file: this.#file,
      from: this.#from,
      start,
      limits,
      origin: { ...origin, program: this.#file.program, form: "plain", readAtMs: Date.now() },
      ...found,
    };
  }

  /** The rest of a line that was cut: index behind its LF, or undefined when that is not in this block. */
  #passLine(start: number): number | undefined {
    const feed = this.#block.bytes.subarray(0, this.#end).indexOf(10, start);
    const next = feed < 0 ? this.#end : feed + 1;
    this.#file.advance(this.#file.markAt(this.#block, this.#from, next, feed < 0));
    if (next - start > 1) this.#dropped(next - start - (feed < 0 ? 0 : 1));
    return feed < 0 ? undefined : next;
  }

  #longLine(start: number): Turn {
    const { rules } = this.#context;
    this.#sayLong();
    if (rules.longLines === "skip") {
      const next = start + rules.maxLineBytes;
      this.#file.advance(this.#file.markAt(this.#block, this.#from, next, true));
      this.#dropped(rules.maxLineBytes, 1);
      return { batches: [], status: "more" };
    }
    const cut = cutBeforeCharacter(this.#block.bytes, start, rules.maxLineBytes);
    this.#block.bytes[cut] = 10; // the rest is read again or passed over, so the record can be packed like all others
    this.#block.bounds[0] = start;
    this.#block.bounds[1] = cut;
    return this.#emit(start, 1, cut, true, rules.longLines === "truncate");
  }

  #sayLong(): void {
    if (this.#file.countLongLine() > 1) return;
    const { rules, report } = this.#context;
    report({
      kind: "longLine",
      level: "warning",
      path: this.#file.path,
      text: `"${this.#file.path}" has a line of more than ${rules.maxLineBytes} bytes: ${actions[rules.longLines]} ` +
        "(said once per file)\nTry: a larger maxLine, if the receiver takes it",
    });
  }

  /** NULs where text should be: left by a writer that went on at its old offset, or by a power cut. */
  #passHole(start: number, run: number): Turn {
    const offset = this.#from + start;
    const end = start + run < this.#end ? offset + run : this.#isLast()
      ? undefined // may be space reserved for lines to come
      : this.#file.findHoleEnd(offset, this.#block.bytes);
    if (end === undefined) return { batches: [], status: this.#isLast() ? "end" : "more" };
    this.#file.jump(end);
    this.#context.report({
      kind: "hole",
      level: "warning",
      path: this.#file.path,
      text: `"${this.#file.path}" has ${end - offset} NUL bytes at offset ${offset}: skipped`,
      droppedBytes: end - offset,
    });
    return { batches: [], status: "more" };
  }

  #nothing(): Turn {
    return { batches: [], status: this.#isLast() ? "end" : "more" };
  }

  /** Whether the block reached the end of the file. */
  #isLast(): boolean {
    return this.#end < this.#block.bytes.length - 1;
  }

  #dropped(bytes: number, records = 0): void {
    this.#context.report({
      kind: "longLine",
      level: "debug",
      path: this.#file.path,
      text: `"${this.#file.path}": ${bytes} bytes of a long line left out`,
      droppedBytes: bytes,
      droppedRecords: records,
    });
  }
}

const actions = { truncate: "its rest is left out", split: "delivered in pieces", skip: "left out" } as const;
const minHoleBytes = 64;
