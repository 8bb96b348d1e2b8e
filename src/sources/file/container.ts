/**
 * Lines of container runtimes as the records that are in them: taken apart, parts joined, one after the other in a block of
 * their own. The position may stand only where no stream has a message open, so that a restart finds all of its parts.
 */
import { type ContainerFormat, parseContainerLine } from "../../formats/container_line.ts";
import type { Batch } from "../../pipeline/batch.ts";
import type { BatchLimits } from "../../pipeline/source.ts";
import type { Pieces } from "./batches.ts";
import { Block, BlockBatch } from "./block.ts";
import { encodeMark } from "./identity.ts";
import { joinLines, type JoinRules } from "./multiline.ts";
import { cutBeforeCharacter } from "./line_cutter.ts";
import type { LongLines } from "./options.ts";

/** How messages are read. */
export interface ContainerRules {
  readonly format: ContainerFormat;
  readonly maxLineBytes: number;
  readonly longLines: LongLines;
}

/** The records in some lines. */
export interface Unwrapped {
  /** Holds the records, each followed by one LF; the caller is its holder. */
  readonly block: Block;
  readonly count: number;
  /** Per record: index in the source block where the position may stand behind it; 0 where it may not. */
  readonly after: Uint32Array;
  /** Where the position may stand behind all of `count`. */
  readonly next: number;
  /** Whether a record has an LF inside. */
  readonly feeds: boolean;
  /** Records longer than allowed, and what was left out of them. */
  readonly longLines: number;
  readonly droppedBytes: number;
}

/**
 * The records of the `count` lines in the source's bounds, up to the last line behind which no message is open.
 * @param start index of the first line
 * @param end index behind the last line
 * @param close whether messages that are open at the end are records as they are
 */
export function unwrapLines(
  source: Block,
  { start, end, count }: { readonly start: number; readonly end: number; readonly count: number },
  rules: ContainerRules,
  close: boolean,
): Unwrapped {
  const unwrapper = new Unwrapper(source, start, end, count, rules);
  for (let line = 0; line < count; line++) unwrapper.take(line);
  if (close) unwrapper.closeAll();
  return unwrapper.result();
}

/** Joins the records of {@linkcode unwrapLines} further: stack traces that a container wrote line by line. */
export function joinUnwrapped(unwrapped: Unwrapped, rules: JoinRules, maxBytes: number, flush: boolean): Unwrapped {
  const { block, after } = unwrapped;
  if (unwrapped.count === 0) return unwrapped;
  const ends = Array.from({ length: unwrapped.count }, (_, i) => block.bounds[2 * i + 1]!);
  const joined = joinLines(block, unwrapped.count, rules, maxBytes, flush);
  const joinedAfter = new Uint32Array(joined.count);
  let line = 0;
  let count = 0;
  for (let i = 0; i < joined.count; i++) {
    while (ends[line] !== block.bounds[2 * i + 1]) line++;
    joinedAfter[i] = after[line]!;
    if (after[line]! > 0) count = i + 1;
  }
  const next = joined.count > 0 && line === unwrapped.count - 1 ? unwrapped.next : joinedAfter[count - 1] ?? 0;
  return { ...unwrapped, count, after: joinedAfter, next, feeds: unwrapped.feeds || joined.spans };
}

/** Batches of all records, in order; moves the file behind them. Ends where the position may not stand are passed over. */
export function makeUnwrappedBatches(pieces: Pieces, { block: home, count, after, next }: Unwrapped): readonly Batch[] {
  const { block, file, from, packed, origin, limits } = pieces;
  const batches: Batch[] = [];
  for (let first = 0; first < count;) {
    const end = batchEnd(home.bounds, after, { first, count }, limits);
    const mark = file.markAt(block, from, end === count ? next : after[end - 1]!, false);
    if (end === count) file.advance(mark);
    batches.push(
      new BlockBatch(home, first, end - first, { packed, origin, position: { [file.key]: encodeMark(mark) } }),
    );
    first = end;
  }
  return batches;
}

function batchEnd(
  bounds: Uint32Array,
  after: Uint32Array,
  { first, count }: { readonly first: number; readonly count: number },
  limits: BatchLimits,
): number {
  const start = bounds[2 * first]!;
  let end = 0;
  for (let at = first + 1; at <= count; at++) {
    const fits = at - first <= limits.maxRecords && bounds[2 * at - 1]! - start <= limits.maxBytes;
    if (!fits && end > 0) break;
    if (at === count || after[at - 1]! > 0) end = at;
  }
  return end;
}

class Unwrapper {
  readonly #source: Block;
  readonly #rules: ContainerRules;
  readonly #sourceEnd: number;
  readonly #block: Block;
  readonly #after: number[] = [];
  /** Parts of messages that go on, by stream, oldest first. */
  readonly #open = new Map<string, Uint8Array[]>();
  #count = 0;
  #length = 0;
  #safeCount = 0;
  #next: number;
  #feeds = false;
  #longLines = 0;
  #droppedBytes = 0;

  constructor(source: Block, start: number, end: number, count: number, rules: ContainerRules) {
    this.#source = source;
    this.#sourceEnd = end;
    this.#rules = rules;
    this.#next = start;
    // A record is never longer than the lines it came in, but a message that is cut to pieces gets an LF for each.
    const pieces = Math.ceil((end - start) / Math.max(1, rules.maxLineBytes - 4));
    this.#block = new Block(end - start + count + 2 * pieces + 2, count + pieces + 1);
    this.#block.retain();
  }

  take(line: number): void {
    const { bytes, bounds } = this.#source;
    const start = bounds[2 * line]!;
    const end = bounds[2 * line + 1]!;
    const parsed = parseContainerLine(this.#rules.format, bytes, start, end);
    if (parsed === undefined) this.#emit([bytes.subarray(start, end)]);
    else {
      const parts = this.#open.get(parsed.stream);
      if (parsed.partial && parts === undefined) this.#open.set(parsed.stream, [parsed.message]);
      else if (parsed.partial) parts!.push(parsed.message);
      else {
        this.#open.delete(parsed.stream);
        this.#emit(parts === undefined ? [parsed.message] : [...parts, parsed.message]);
      }
    }
    if (this.#open.size === 0) this.#markSafe(end + 1);
  }

  closeAll(): void {
    for (const parts of this.#open.values()) this.#emit(parts);
    this.#open.clear();
    this.#markSafe(this.#sourceEnd);
  }

  result(): Unwrapped {
    return {
      block: this.#block,
      count: this.#safeCount,
      after: Uint32Array.from(this.#after),
      next: this.#next,
      feeds: this.#feeds,
      longLines: this.#longLines,
      droppedBytes: this.#droppedBytes,
    };
  }

  #markSafe(next: number): void {
    this.#next = Math.min(next, this.#sourceEnd);
    this.#safeCount = this.#count;
    if (this.#count > 0) this.#after[this.#count - 1] = this.#next;
  }

  #emit(parts: readonly Uint8Array[]): void {
    const start = this.#length;
    const into = this.#block.bytes;
    for (const part of parts) {
      this.#feeds ||= part.includes(lineFeed);
      into.set(part, this.#length);
      this.#length += part.length;
    }
    if (this.#length - start <= this.#rules.maxLineBytes) return this.#finish(start);
    this.#longLines++;
    this.#cut(start);
  }

  /** A message that is too long. */
  #cut(start: number): void {
    const { maxLineBytes, longLines } = this.#rules;
    const whole = this.#length - start;
    if (longLines === "skip") {
      this.#droppedBytes += whole;
      this.#length = start;
      return;
    }
    const bytes = this.#block.bytes;
    const cut = cutBeforeCharacter(bytes.subarray(0, this.#length), start, maxLineBytes);
    const rest = bytes.slice(cut, this.#length);
    this.#length = cut;
    this.#finish(start);
    if (longLines === "truncate") {
      this.#droppedBytes += rest.length;
      return;
    }
    const restStart = this.#length;
    bytes.set(rest, restStart);
    this.#length += rest.length;
    if (rest.length > maxLineBytes) this.#cut(restStart);
    else this.#finish(restStart);
  }

  #finish(start: number): void {
    if (2 * this.#count === this.#block.bounds.length) this.#block.growBounds();
    this.#block.bounds[2 * this.#count] = start;
    this.#block.bounds[2 * this.#count + 1] = this.#length;
    this.#block.bytes[this.#length++] = lineFeed;
    this.#after[this.#count++] = 0;
  }
}

const lineFeed = 10;
