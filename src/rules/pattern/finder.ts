/**
 * Says where a pattern occurs. Slower than the automaton, so asked only about records that match: all live steps are
 * walked side by side, each with the place it began at (Pike's method). Leftmost match first, earlier alternatives
 * and greedy repetition preferred, as in Perl.
 */
import { after, before, isWord, op, type Program } from "./program.ts";
import { holds } from "./stepper.ts";
import type { ByteSet } from "./syntax.ts";

/** Finds occurrences of one program. */
export class Finder {
  readonly #ops: Uint8Array;
  readonly #xs: Int32Array;
  readonly #ys: Int32Array;
  readonly #sets: readonly ByteSet[];
  readonly #start: number;
  readonly #marks: Int32Array;
  /** 1 for every byte that an occurrence can begin with, and that can be its second; undefined where it can be shorter. */
  readonly #firsts: ByteSet | undefined;
  readonly #seconds: ByteSet | undefined;
  #mark = 0;
  #threads: Threads;
  #spare: Threads;
  /** Steps to enter, three numbers each: step, begin and end of the group. */
  readonly #stack: Int32Array;
  readonly #found: Found = { start: 0, end: 0, groupStart: 0, groupEnd: 0, scannedTo: 0 };
  #work = 0;

  constructor(program: Program) {
    const { ops, xs, ys, sets, start } = program;
    this.#ops = Uint8Array.from(ops);
    this.#xs = Int32Array.from(xs);
    this.#ys = Int32Array.from(ys);
    this.#sets = sets;
    this.#start = start;
    this.#marks = new Int32Array(ops.length);
    this.#threads = new Threads(ops.length);
    this.#spare = new Threads(ops.length);
    this.#stack = new Int32Array(6 * ops.length + 3); // each step is entered once at a place, and leads to two at the most
    [this.#firsts, this.#seconds] = firstBytes(program);
  }

  /** Steps walked so far. For the tests of the bound. */
  get work(): number {
    return this.#work;
  }

  /**
   * Appends (start, end) of every occurrence in `bytes[start..end)` to `spans`: of the group where the pattern has one
   * that took part, else of the whole match. Empty ones are left out.
   *
   * To look for the next occurrence after each can cost the square of the length; after sixteen times the
   * length it stops and gives everything from there on as one span, so that nothing that should be hidden is shown.
   * @returns false when it stopped so: the last span is then no occurrence
   */
  findAll(bytes: Uint8Array, start: number, end: number, spans: number[]): boolean {
    let budgetBytes = 16 * (end - start) + 4_096;
    let from = start;
    const found = this.#found;
    while (from < end) {
      if (!this.#find(bytes, start, from, end)) return true;
      budgetBytes -= found.scannedTo - from;
      const isGroup = found.groupStart >= 0 && found.groupEnd >= 0;
      const begin = isGroup ? found.groupStart : found.start;
      const stop = isGroup ? found.groupEnd : found.end;
      if (stop > begin) spans.push(begin, stop);
      from = found.end > from ? found.end : from + 1;
      if (budgetBytes < 0 && from < end) {
        spans.push(from, end);
        return false;
      }
    }
    return true;
  }

  /** Whether there is an occurrence at or behind `from`: the leftmost one is in `#found` then. */
  #find(bytes: Uint8Array, recordStart: number, from: number, end: number): boolean {
    const ops = this.#ops;
    const xs = this.#xs;
    const ys = this.#ys;
    const sets = this.#sets;
    let isFound = false;
    this.#threads.count = 0;
    for (let at = from;; at++) {
      if (this.#threads.count === 0 && !isFound) { while (at < end && !this.#mayBegin(bytes, at, end)) at++; }
      const previous = at === recordStart ? before.start : isWord(bytes[at - 1]!) ? before.word : before.other;
      const next = at === end ? after.end : isWord(bytes[at]!) ? after.word : after.other;
      const fresh = isFound || !this.#mayBegin(bytes, at, end) ? 0 : this.#start;
      const entered = this.#enterAll(at, previous, next, fresh);
      const stepped = this.#threads;
      stepped.count = 0;
      const byte = at === end ? -1 : bytes[at]!;
      let live = entered.count;
      for (let i = 0; i < live; i++) {
        const step = entered.steps[i]!;
        if (ops[step] !== op.match) {
          if (byte >= 0 && sets[ys[step]!]![byte] === 1) stepped.copy(xs[step]!, entered, i);
          continue;
        }
        isFound = true;
        this.#found.start = entered.starts[i]!;
        this.#found.groupStart = entered.groupStarts[i]!;
        this.#found.groupEnd = entered.groupEnds[i]!;
        this.#found.end = at;
        live = i; // whatever comes behind is less preferred
      }
      if (at === end || (live === 0 && isFound)) {
        this.#found.scannedTo = at;
        return isFound;
      }
    }
  }

  /** Whether the bytes at `at` can begin an occurrence. */
  #mayBegin(bytes: Uint8Array, at: number, end: number): boolean {
    const firsts = this.#firsts;
    if (firsts === undefined) return true;
    if (at >= end || firsts[bytes[at]!] === 0) return false;
    const seconds = this.#seconds;
    return seconds === undefined || (at + 1 < end && seconds[bytes[at + 1]!] === 1);
  }

  /** The threads, and a new one at `fresh` when it is not 0, followed through everything that takes no byte. */
  #enterAll(at: number, previous: number, next: number, fresh: number): Threads {
    const into = this.#spare;
    into.count = 0;
    this.#mark++;
    const from = this.#threads;
    for (let i = 0; i < from.count; i++) {
      this.#enter(from.steps[i]!, from.starts[i]!, from.groupStarts[i]!, from.groupEnds[i]!, at, previous, next, into);
    }
    if (fresh !== 0) this.#enter(fresh, at, -1, -1, at, previous, next, into);
    return into;
  }

  #enter(
    first: number,
    start: number,
    groupStart: number,
    groupEnd: number,
    at: number,
    previous: number,
    next: number,
    into: Threads,
  ): void {
    const ops = this.#ops;
    const xs = this.#xs;
    const ys = this.#ys;
    const marks = this.#marks;
    const stack = this.#stack;
    const mark = this.#mark;
    let [top, work] = [0, 0];
    let [step, groupBegin, groupStop] = [first, groupStart, groupEnd];
    for (;;) {
      if (marks[step] !== mark) {
        marks[step] = mark;
        work++;
        const code = ops[step];
        if (code === op.split) {
          stack[top] = ys[step]!;
          stack[top + 1] = groupBegin;
          stack[top + 2] = groupStop;
          top += 3;
          step = xs[step]!;
          continue;
        }
        if (code === op.save) {
          if (ys[step] === 0) groupBegin = at;
          else groupStop = at;
          step = xs[step]!;
          continue;
        }
        if (code === op.assert) {
          if (holds(ys[step]!, previous, next)) {
            step = xs[step]!;
            continue;
          }
        } else into.add(step, start, groupBegin, groupStop);
      }
      if (top === 0) break;
      top -= 3;
      step = stack[top]!;
      groupBegin = stack[top + 1]!;
      groupStop = stack[top + 2]!;
    }
    this.#work += work;
  }
}

/** The bytes that an occurrence can begin with, and that can follow; conditions on places count as met. */
function firstBytes(program: Program): [firsts: ByteSet | undefined, seconds: ByteSet | undefined] {
  const first = bytesFrom(program, [program.start]);
  const second = first && bytesFrom(program, first.behind);
  return [first?.bytes, second?.bytes];
}

/** The bytes that can be taken from `steps` on, and the steps behind them; undefined where a match needs none. */
function bytesFrom({ ops, xs, ys, sets }: Program, steps: readonly number[]): BytesFrom | undefined {
  const bytes = new Uint8Array(256);
  const behind: number[] = [];
  const seen = new Set<number>();
  const stack = [...steps];
  while (stack.length > 0) {
    const step = stack.pop()!;
    if (seen.has(step)) continue;
    seen.add(step);
    const code = ops[step]!;
    if (code === op.match) return undefined;
    if (code === op.bytes) {
      sets[ys[step]!]!.forEach((member, byte) => bytes[byte]! |= member);
      behind.push(xs[step]!);
    } else if (code === op.split) stack.push(ys[step]!, xs[step]!);
    else stack.push(xs[step]!);
  }
  return { bytes, behind };
}

interface BytesFrom {
  readonly bytes: ByteSet;
  readonly behind: readonly number[];
}

interface Found {
  start: number;
  end: number;
  groupStart: number;
  groupEnd: number;
  scannedTo: number;
}

/** Live steps, most preferred first; of each step there is one at the most. */
class Threads {
  readonly steps: Int32Array;
  readonly starts: Int32Array;
  readonly groupStarts: Int32Array;
  readonly groupEnds: Int32Array;
  count = 0;

  constructor(size: number) {
    this.steps = new Int32Array(size);
    this.starts = new Int32Array(size);
    this.groupStarts = new Int32Array(size);
    this.groupEnds = new Int32Array(size);
  }

  add(step: number, start: number, groupStart: number, groupEnd: number): void {
    const i = this.count++;
    this.steps[i] = step;
    this.starts[i] = start;
    this.groupStarts[i] = groupStart;
    this.groupEnds[i] = groupEnd;
  }

  copy(step: number, from: Threads, index: number): void {
    this.add(step, from.starts[index]!, from.groupStarts[index]!, from.groupEnds[index]!);
  }
}
