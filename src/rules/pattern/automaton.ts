/**
 * Says whether a record matches, in one pass over its bytes: the program's sets of live steps become the states of a
 * deterministic automaton, made when they are first met and kept in a bounded table. Per byte the work is one look-up, or
 * at most one walk over the program: no record can make it hang.
 *
 * ```text
 *   state = live steps + what stood before ──byte class──► state | matched | dead
 * ```
 */
import { type ByteSet } from "./syntax.ts";
import { op, type Program } from "./program.ts";

/** One program, with the states met so far. */
export class Automaton {
  readonly #program: Program;
  /** Class of each byte: bytes of one class are alike for every set of the program. */
  readonly #classOf: Uint8Array;
  /** One byte of each class. */
  readonly #members: readonly number[];
  /** Classes and one more for the end of the record. */
  readonly #stride: number;
  /** Whether the pattern can match at the start of a record only. */
  readonly #anchored: boolean;
  #table: Int32Array;
  #states: State[] = [];
  readonly #index = new Map<string, number>();
  readonly #marks: Int32Array;
  readonly #stack: number[] = [];
  #mark = 0;
  #work = 0;

  constructor(program: Program) {
    this.#program = program;
    this.#marks = new Int32Array(program.ops.length);
    const { classOf, members } = byteClasses(program);
    this.#classOf = classOf;
    this.#members = members;
    this.#stride = members.length + 1;
    this.#table = new Int32Array(4 * this.#stride);
    this.#anchored = [before.word, before.other].every((kind) =>
      [after.word, after.other, after.end].every((next) => this.#close([program.start], kind, next).length === 0)
    );
    this.#clear();
  }

  /** Steps walked so far: what it cost beyond one look-up per byte. For the tests of the bound. */
  get work(): number {
    return this.#work;
  }

  /** Whether the pattern occurs in `bytes[start..end)`. */
  test(bytes: Uint8Array, start: number, end: number): boolean {
    const classOf = this.#classOf;
    let table = this.#table;
    let state = this.#stride;
    for (let at = start; at < end; at++) {
      const symbol = classOf[bytes[at]!]!;
      let next = table[state + symbol]!;
      if (next <= 0) {
        if (next === unknown) {
          next = this.#step(state, symbol);
          table = this.#table;
        }
        if (next < 0) return next === matched;
      }
      state = next;
    }
    const last = this.#table[state + this.#stride - 1]!;
    return (last === unknown ? this.#step(state, this.#stride - 1) : last) === matched;
  }

  /** Where `symbol` leads from the state in row `row`; entered into the table. */
  #step(row: number, symbol: number): number {
    const state = this.#states[row / this.#stride]!;
    const atEnd = symbol === this.#stride - 1;
    const byte = atEnd ? 0 : this.#members[symbol]!;
    const next = atEnd ? after.end : isWord(byte) ? after.word : after.other;
    const live = this.#close(state.steps, state.before, next);
    let target: number;
    if (live === accepting) target = matched;
    else if (atEnd) target = dead;
    else {
      const steps = this.#advance(live, byte);
      if (steps.length === 0) target = dead;
      else {
        const made = this.#row({ steps, before: this.#program.usesWords && isWord(byte) ? before.word : before.other });
        // A full table was emptied: the row we came from is gone, there is nothing to enter.
        if (this.#states[row / this.#stride] !== state) return made;
        target = made;
      }
    }
    this.#table[row + symbol] = target;
    return target;
  }

  /** The steps that wait for a byte, reached from `steps` without one; {@linkcode accepting} when a match is. */
  #close(steps: readonly number[], before: number, next: number): readonly number[] {
    const { ops, xs, ys } = this.#program;
    const mark = ++this.#mark;
    const live: number[] = [];
    const stack = this.#stack;
    stack.length = 0;
    for (const step of steps) stack.push(step);
    while (stack.length > 0) {
      const step = stack.pop()!;
      if (this.#marks[step] === mark) continue;
      this.#marks[step] = mark;
      this.#work++;
      const code = ops[step];
      if (code === op.match) return accepting;
      if (code === op.bytes) live.push(step);
      else if (code === op.split) stack.push(ys[step]!, xs[step]!);
      else if (code === op.save || holds(ys[step]!, before, next)) stack.push(xs[step]!);
    }
    return live;
  }

  #advance(live: readonly number[], byte: number): number[] {
    const { xs, ys, sets, start } = this.#program;
    const mark = ++this.#mark;
    const steps: number[] = [];
    const add = (step: number): void => {
      if (this.#marks[step] === mark) return;
      this.#marks[step] = mark;
      steps.push(step);
    };
    for (const step of live) if (sets[ys[step]!]![byte] === 1) add(xs[step]!);
    this.#work += live.length;
    if (!this.#anchored) add(start);
    return steps.sort((a, b) => a - b);
  }

  /** Row of a state, which is made when it is new. */
  #row(state: State): number {
    const key = `${state.before} ${state.steps.join(" ")}`;
    const known = this.#index.get(key);
    if (known !== undefined) return known;
    if (this.#states.length >= maxStates) this.#clear();
    const row = this.#states.length * this.#stride;
    this.#states.push(state);
    this.#index.set(key, row);
    if (row + this.#stride > this.#table.length) {
      const larger = new Int32Array(2 * this.#table.length);
      larger.set(this.#table);
      this.#table = larger;
    }
    return row;
  }

  /** Forgets all states but the first one, which stands in row 1: row 0 is not used, because 0 means unknown. */
  #clear(): void {
    this.#states = [{ steps: [], before: before.other }];
    this.#index.clear();
    this.#table.fill(unknown);
    this.#row({ steps: [this.#program.start], before: before.start });
  }
}

interface State {
  /** Steps to go on from, sorted. */
  readonly steps: readonly number[];
  /** One of {@linkcode before}. */
  readonly before: number;
}

/** What stands before a place. */
export const before = { start: 0, word: 1, other: 2 } as const;
/** What stands behind a place. */
export const after = { end: 0, word: 1, other: 2 } as const;

/** Whether an assertion (index into `assertions`) holds between `before` and `next`. */
export function holds(assertion: number, previous: number, next: number): boolean {
  if (assertion === 0) return previous === before.start;
  if (assertion === 1) return next === after.end;
  const boundary = (previous === before.word) !== (next === after.word);
  return assertion === 2 ? boundary : !boundary;
}

/** Letters, digits and `_`: what `\b` takes for a word. */
export function isWord(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || byte === 95 || (byte >= 97 && byte <= 122);
}

function byteClasses(program: Program): { classOf: Uint8Array; members: readonly number[] } {
  const classOf = new Uint8Array(256);
  let members = [0];
  const refine = (set: ByteSet): void => {
    const seen = new Map<number, number>();
    const fresh: number[] = [];
    for (let byte = 0; byte < 256; byte++) {
      const key = 2 * classOf[byte]! + set[byte]!;
      if (!seen.has(key)) seen.set(key, fresh.push(byte) - 1);
      classOf[byte] = seen.get(key)!;
    }
    members = fresh;
  };
  for (const set of program.sets) refine(set);
  if (program.usesWords) refine(new Uint8Array(256).map((_, byte) => isWord(byte) ? 1 : 0));
  return { classOf, members };
}

const accepting: readonly number[] = [-1];
const unknown = 0;
const matched = -1;
const dead = -2;
/** At 257 columns of four bytes, one megabyte. */
const maxStates = 1_000;
