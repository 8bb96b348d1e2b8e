/**
 * Says whether a record matches, in one pass over its bytes: the program's sets of live steps become the states of a
 * deterministic automaton, made when they are first met and kept in a bounded table. Per byte the work is one look-up, or
 * at most one walk over the program: no record can make it hang.
 *
 * ```text
 *   state = live steps + what stood before ──byte class──► state | matched | dead
 * ```
 *
 * {@linkcode PatternSet} goes on where something matched, so that one pass tells which of many patterns occur.
 */
import { after, before, byteClasses, isWord, type Program } from "./program.ts";
import { Stepper } from "./stepper.ts";

/** What both automata are: one program, with the states met so far. */
class States {
  /** Class of each byte: bytes of one class are alike for every set of the program. */
  readonly classOf: Uint8Array;
  /** Classes and one more for the end of the record. */
  readonly stride: number;
  /** The first state stands in row 1: row 0 is not used, because 0 means unknown. */
  table: Int32Array;
  /** Patterns that the last new step met. */
  met: readonly number[] = [];
  /** Patterns that match at a place of the table, where the automaton goes on. */
  readonly hits = new Map<number, readonly number[]>();
  readonly #program: Program;
  /** One byte of each class. */
  readonly #members: readonly number[];
  /** Whether the pattern can match at the start of a record only. */
  readonly #anchored: boolean;
  readonly #goesOn: boolean;
  #states: State[] = [];
  readonly #index = new Map<string, number>();
  readonly #stepper: Stepper;

  /** @param goesOn matches are noted and do not end it */
  constructor(program: Program, goesOn: boolean) {
    this.#program = program;
    this.#goesOn = goesOn;
    this.#stepper = new Stepper(program);
    const { classOf, members } = byteClasses(program);
    this.classOf = classOf;
    this.#members = members;
    this.stride = members.length + 1;
    this.table = new Int32Array(4 * this.stride);
    this.#anchored = [before.word, before.other].every((kind) =>
      [after.word, after.other, after.end].every((next) => {
        const met: number[] = [];
        return this.#stepper.close([program.start], kind, next, met).length === 0 && met.length === 0;
      })
    );
    this.#clear();
  }

  /** Steps walked so far: what it cost beyond one look-up per byte. For the tests of the bound. */
  get work(): number {
    return this.#stepper.work;
  }

  /** Where `symbol` leads from the state in row `row`; entered into the table. */
  step(row: number, symbol: number): number {
    const state = this.#states[row / this.stride]!;
    const atEnd = symbol === this.stride - 1;
    const byte = atEnd ? 0 : this.#members[symbol]!;
    const behind = atEnd ? after.end : isWord(byte) ? after.word : after.other;
    const met: number[] = [];
    const live = this.#stepper.close(state.steps, state.before, behind, met);
    this.met = met;
    const ends = met.length > 0 && !this.#goesOn;
    const steps = ends || atEnd
      ? []
      : this.#stepper.advance(live, byte, this.#anchored ? undefined : this.#program.start);
    const next = ends ? matched : steps.length === 0 ? dead : this.#row({
      steps,
      before: this.#program.usesWords && isWord(byte) ? before.word : before.other,
    });
    const target = met.length === 0 || ends ? next : hitBase - Math.max(next, 0);
    // Where a full table was emptied, the row we came from is gone: there is nothing to enter.
    if (this.#states[row / this.stride] !== state) return target;
    this.table[row + symbol] = target;
    if (target <= hitBase) this.hits.set(row + symbol, met);
    return target;
  }

  /** Row of a state, which is made when it is new. */
  #row(state: State): number {
    const key = `${state.before} ${state.steps.join(" ")}`;
    const known = this.#index.get(key);
    if (known !== undefined) return known;
    if (this.#states.length >= maxStates) this.#clear();
    const row = this.#states.length * this.stride;
    this.#states.push(state);
    this.#index.set(key, row);
    if (row + this.stride > this.table.length) {
      const larger = new Int32Array(2 * this.table.length);
      larger.set(this.table);
      this.table = larger;
    }
    return row;
  }

  /** Forgets all states but the first one. */
  #clear(): void {
    this.#states = [{ steps: [], before: before.other }];
    this.#index.clear();
    this.hits.clear();
    this.table.fill(unknown);
    this.#row({ steps: [this.#program.start], before: before.start });
  }
}

/** Says whether one of the patterns of a program occurs. */
export class Automaton {
  readonly #states: States;

  constructor(program: Program) {
    this.#states = new States(program, false);
  }

  /** Steps walked so far: what it cost beyond one look-up per byte. For the tests of the bound. */
  get work(): number {
    return this.#states.work;
  }

  /** Whether one of them occurs in `bytes[start..end)`. */
  test(bytes: Uint8Array, start: number, end: number): boolean {
    const states = this.#states;
    const { classOf, stride } = states;
    let table = states.table;
    let row = stride;
    for (let at = start;; at++) {
      let next = 1;
      // Nearly all time is spent in this loop: no call in it.
      while (at < end && (next = table[row + classOf[bytes[at]!]!]!) > 0) {
        row = next;
        at++;
      }
      if (at >= end) break;
      if (next === unknown) {
        next = states.step(row, classOf[bytes[at]!]!);
        table = states.table;
      }
      if (next < 0) return next === matched;
      row = next;
    }
    const last = states.table[row + stride - 1]!;
    return (last === unknown ? states.step(row, stride - 1) : last) === matched;
  }
}

/** Says which of the patterns of a program occur. */
export class PatternSet {
  readonly #states: States;

  constructor(program: Program) {
    this.#states = new States(program, true);
  }

  /** Sets `found[i]` to 1 for every pattern that occurs in `bytes[start..end)`; leaves the others. */
  find(bytes: Uint8Array, start: number, end: number, found: Uint8Array): void {
    const states = this.#states;
    const { classOf, stride } = states;
    let row = stride;
    for (let at = start; at <= end && row > 0; at++) {
      const cell = row + (at === end ? stride - 1 : classOf[bytes[at]!]!);
      const known = states.table[cell]!;
      const next = known === unknown ? states.step(row, cell - row) : known;
      if (next > hitBase) row = next;
      else {
        for (const pattern of known === unknown ? states.met : states.hits.get(cell)!) found[pattern] = 1;
        row = hitBase - next;
      }
    }
  }
}

interface State {
  /** Steps to go on from, sorted. */
  readonly steps: readonly number[];
  /** One of {@linkcode before}. */
  readonly before: number;
}

const unknown = 0;
const matched = -1;
const dead = -2;
/** At and below it: patterns match, and the automaton goes on in the row by which it is less; 0: it is dead. */
const hitBase = -8;
/** At 257 columns of four bytes, one megabyte. */
const maxStates = 1_000;
