/**
 * Many words searched in one pass (Aho and Corasick, 1975): one look-up per byte, however many words there are. Upper and
 * lower case of ASCII are alike unless a word says otherwise.
 */

/** A word to look for. */
export interface Literal {
  readonly bytes: Uint8Array;
  /** It counts only where no letter or digit touches it. */
  readonly whole: boolean;
  /** Case counts: for base64. */
  readonly exact?: boolean;
  /** What it is, for whoever searches. */
  readonly id: number;
}

/** Where a word stands; `literal` is the index of the list that was compiled. */
export type OnFind = (start: number, end: number, literal: number) => void;

/** A compiled list of words. */
export class LiteralSet {
  readonly literals: readonly Literal[];
  readonly #classOf = new Uint8Array(256);
  readonly #stride: number;
  /** Row of the next state, `~row` where a word ends there. */
  readonly #table: Int32Array;
  /** By state: first entry of the list of words that end there. */
  readonly #heads: Int32Array;
  readonly #nexts: Int32Array;
  /** By state: the state of the longest proper suffix with words, 0 for none. */
  readonly #shorter: Int32Array;

  /** @throws an Error when the words are too many to hold */
  constructor(literals: readonly Literal[]) {
    this.literals = literals.filter(({ bytes }) => bytes.length > 0);
    let classes = 1;
    for (const { bytes } of this.literals) {
      for (const byte of bytes) if (this.#classOf[fold(byte)] === 0) this.#classOf[fold(byte)] = classes++ & 255;
    }
    for (let byte = 65; byte <= 90; byte++) this.#classOf[byte] = this.#classOf[byte + 32]!;
    this.#stride = classes;
    const states = 1 + this.literals.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (states * classes > maxCells) {
      throw new Error("Cannot look for so many names and secrets: the table is too large\nTry: fewer words");
    }
    this.#table = new Int32Array(states * classes);
    this.#heads = new Int32Array(states).fill(-1);
    this.#nexts = new Int32Array(this.literals.length).fill(-1);
    this.#shorter = new Int32Array(states);
    this.#link(this.#insert());
  }

  get isEmpty(): boolean {
    return this.literals.length === 0;
  }

  /** Calls `onFind` for every word in `bytes[start..end)`, by end, longest first; they may overlap. */
  search(bytes: Uint8Array, start: number, end: number, onFind: OnFind): void {
    const middle = this.#classOf[10] === 0 && end - start >= minLanes
      ? bytes.subarray(0, end).indexOf(10, (start + end) >> 1) + 1
      : 0;
    if (middle <= start || middle >= end) return this.#lane(bytes, start, start, end, 0, onFind);
    this.#twoLanes(bytes, start, middle, end, onFind);
  }

  /** From `at` in the state of row `row` to `end`. */
  #lane(bytes: Uint8Array, start: number, at: number, end: number, row: number, onFind: OnFind): void {
    const table = this.#table;
    const classOf = this.#classOf;
    while (at < end) {
      // Nearly all time is spent in this loop: no call in it.
      do row = table[row + classOf[bytes[at++]!]!]!; while (row >= 0 && at < end);
      if (row >= 0) return;
      row = ~row;
      this.#report(row / this.#stride, bytes, start, at, end, onFind);
    }
  }

  /**
   * Both halves side by side, cut where no word goes over: one look-up waits for the one before it, and meanwhile the
   * processor does that of the other half. What the second half finds waits for the end of the first.
   */
  #twoLanes(bytes: Uint8Array, start: number, middle: number, end: number, onFind: OnFind): void {
    const table = this.#table;
    const classOf = this.#classOf;
    const stop = start + end - middle; // the second one is the shorter one
    const waiting: number[] = [];
    let [a, b, rowA, rowB] = [start, middle, 0, 0];
    while (a < stop) {
      do {
        rowA = table[rowA + classOf[bytes[a++]!]!]!;
        rowB = table[rowB + classOf[bytes[b++]!]!]!;
      } while ((rowA | rowB) >= 0 && a < stop);
      if (rowA < 0) {
        rowA = ~rowA;
        this.#report(rowA / this.#stride, bytes, start, a, end, onFind);
      }
      if (rowB < 0) {
        rowB = ~rowB;
        waiting.push(rowB / this.#stride, b);
      }
    }
    this.#lane(bytes, start, a, middle, rowA, onFind);
    for (let i = 0; i < waiting.length; i += 2) this.#report(waiting[i]!, bytes, start, waiting[i + 1]!, end, onFind);
  }

  #report(state: number, bytes: Uint8Array, from: number, stop: number, limit: number, onFind: OnFind): void {
    for (let at = state; at !== 0; at = this.#shorter[at]!) {
      for (let index = this.#heads[at]!; index >= 0; index = this.#nexts[index]!) {
        const literal = this.literals[index]!;
        const start = stop - literal.bytes.length;
        if (
          literal.whole && ((start > from && isAlnum(bytes[start - 1]!)) || (stop < limit && isAlnum(bytes[stop]!)))
        ) {
          continue;
        }
        if (literal.exact === true && !equals(bytes, start, literal.bytes)) continue;
        onFind(start, stop, index);
      }
    }
  }

  /** Builds the tree of words; returns the number of states. */
  #insert(): number {
    let count = 1;
    for (const [index, { bytes }] of this.literals.entries()) {
      let state = 0;
      for (const byte of bytes) {
        const cell = state * this.#stride + this.#classOf[byte]!;
        if (this.#table[cell] === 0) this.#table[cell] = count++;
        state = this.#table[cell]!;
      }
      this.#nexts[index] = this.#heads[state]!;
      this.#heads[state] = index;
    }
    return count;
  }

  /** Fills in where to go when a word does not go on, then turns states into rows. */
  #link(count: number): void {
    const stride = this.#stride;
    const fails = new Int32Array(count);
    const order = new Int32Array(count);
    let tail = 1;
    for (let head = 0; head < tail; head++) {
      const state = order[head]!;
      for (let symbol = 0; symbol < stride; symbol++) {
        const cell = state * stride + symbol;
        const next = this.#table[cell]!;
        const instead = state === 0 ? 0 : this.#table[fails[state]! * stride + symbol]!;
        if (next === 0) {
          this.#table[cell] = instead;
          continue;
        }
        fails[next] = instead;
        this.#shorter[next] = this.#heads[instead]! >= 0 ? instead : this.#shorter[instead]!;
        order[tail++] = next;
      }
    }
    for (let cell = 0; cell < count * stride; cell++) {
      const state = this.#table[cell]!;
      const ends = this.#heads[state]! >= 0 || this.#shorter[state]! !== 0;
      this.#table[cell] = ends ? ~(state * stride) : state * stride;
    }
  }
}

/** Letters and digits of ASCII, and everything beyond it: what a name may not be cut out of. */
export function isAlnum(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte >= 128;
}

function equals(bytes: Uint8Array, start: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word[i]) return false;
  return true;
}

function fold(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

/** Below it, one lane is as quick. */
const minLanes = 4_096;
/** 64 MiB of table. */
const maxCells = 16 * 1024 * 1024;
