/**
 * Says where a pattern occurs. Slower than the automaton, so asked only about records that match: all live steps are
 * walked side by side, each with the place it began at (Pike's method). Leftmost match first, earlier alternatives
 * and greedy repetition preferred, as in Perl.
 */
import { after, before, holds, isWord } from "./automaton.ts";
import { op, type Program } from "./program.ts";

/** Finds occurrences of one program. */
export class Finder {
  readonly #program: Program;
  readonly #marks: Int32Array;
  /** 1 for every byte that an occurrence can begin with; undefined where one can be empty. */
  readonly #firsts: Uint8Array | undefined;
  #mark = 0;
  #threads = new Threads();
  #spare = new Threads();
  /** Steps to enter, four numbers each: step, begin, begin of the group, end of the group. */
  readonly #stack: number[] = [];
  #work = 0;

  constructor(program: Program) {
    this.#program = program;
    this.#marks = new Int32Array(program.ops.length);
    this.#firsts = firstBytes(program);
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
    while (from < end) {
      const found = this.#find(bytes, start, from, end);
      if (found === undefined) return true;
      budgetBytes -= found.scannedTo - from;
      const [begin, stop] = found.groupStart >= 0 && found.groupEnd >= 0
        ? [found.groupStart, found.groupEnd]
        : [found.start, found.end];
      if (stop > begin) spans.push(begin, stop);
      from = found.end > from ? found.end : from + 1;
      if (budgetBytes < 0 && from < end) {
        spans.push(from, end);
        return false;
      }
    }
    return true;
  }

  #find(bytes: Uint8Array, recordStart: number, from: number, end: number): Found | undefined {
    const { ops, xs, ys, sets, start } = this.#program;
    let best: Found | undefined;
    this.#threads.count = 0;
    const firsts = this.#firsts;
    for (let at = from;; at++) {
      if (firsts !== undefined && this.#threads.count === 0 && best === undefined) {
        while (at < end && firsts[bytes[at]!] === 0) at++;
      }
      const previous = at === recordStart ? before.start : isWord(bytes[at - 1]!) ? before.word : before.other;
      const next = at === end ? after.end : isWord(bytes[at]!) ? after.word : after.other;
      const entered = this.#enterAll(at, previous, next, best === undefined ? start : 0);
      for (let i = 0; i < entered.count; i++) {
        if (ops[entered.steps[i]!] !== op.match) continue;
        best = { ...entered.slots(i), end: at, scannedTo: at };
        entered.count = i; // whatever comes behind is less preferred
      }
      if (at === end || (entered.count === 0 && best !== undefined)) return best && { ...best, scannedTo: at };
      const stepped = this.#threads;
      stepped.count = 0;
      for (let i = 0; i < entered.count; i++) {
        const step = entered.steps[i]!;
        if (sets[ys[step]!]![bytes[at]!] === 1) stepped.copy(xs[step]!, entered, i);
      }
    }
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
    const { ops, xs, ys } = this.#program;
    const stack = this.#stack;
    stack.push(first, groupStart, groupEnd);
    while (stack.length > 0) {
      const groupStop = stack.pop()!;
      const groupBegin = stack.pop()!;
      const step = stack.pop()!;
      if (this.#marks[step] === this.#mark) continue;
      this.#marks[step] = this.#mark;
      this.#work++;
      const code = ops[step]!;
      if (code === op.split) stack.push(ys[step]!, groupBegin, groupStop, xs[step]!, groupBegin, groupStop);
      else if (code === op.save) {
        if (ys[step] === 0) stack.push(xs[step]!, at, groupStop);
        else stack.push(xs[step]!, groupBegin, at);
      } else if (code === op.assert) {
        if (holds(ys[step]!, previous, next)) stack.push(xs[step]!, groupBegin, groupStop);
      } else into.add(step, start, groupBegin, groupStop);
    }
  }
}

/** The bytes that a step reached from the start without one can take; conditions on places count as met. */
function firstBytes({ ops, xs, ys, sets, start }: Program): Uint8Array | undefined {
  const firsts = new Uint8Array(256);
  const seen = new Set<number>();
  const stack = [start];
  while (stack.length > 0) {
    const step = stack.pop()!;
    if (seen.has(step)) continue;
    seen.add(step);
    const code = ops[step]!;
    if (code === op.match) return undefined;
    if (code === op.bytes) sets[ys[step]!]!.forEach((member, byte) => firsts[byte]! |= member);
    else if (code === op.split) stack.push(ys[step]!, xs[step]!);
    else stack.push(xs[step]!);
  }
  return firsts;
}

interface Found {
  readonly start: number;
  readonly end: number;
  readonly groupStart: number;
  readonly groupEnd: number;
  readonly scannedTo: number;
}

/** Live steps, most preferred first. */
class Threads {
  readonly steps: number[] = [];
  readonly starts: number[] = [];
  readonly groupStarts: number[] = [];
  readonly groupEnds: number[] = [];
  count = 0;

  add(step: number, start: number, groupStart: number, groupEnd: number): void {
    this.steps[this.count] = step;
    this.starts[this.count] = start;
    this.groupStarts[this.count] = groupStart;
    this.groupEnds[this.count++] = groupEnd;
  }

  copy(step: number, from: Threads, index: number): void {
    this.add(step, from.starts[index]!, from.groupStarts[index]!, from.groupEnds[index]!);
  }

  slots(index: number): { start: number; groupStart: number; groupEnd: number } {
    return { start: this.starts[index]!, groupStart: this.groupStarts[index]!, groupEnd: this.groupEnds[index]! };
  }
}
