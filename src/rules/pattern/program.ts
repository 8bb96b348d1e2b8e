/**
 * A pattern as a program of small steps: the non-deterministic automaton that Thompson described in 1968. Its size
 * bounds the work per byte of a record, so it has a limit.
 */
import type { Assertion, ByteSet, Node } from "./syntax.ts";

/** What a step does. `x` and `y` are steps unless said otherwise; step 0 is never used. */
export const op = {
  /** The record matches pattern number `x`. */
  match: 0,
  /** Takes one byte of set `y`, goes on at `x`. */
  bytes: 1,
  /** Goes on at `x` and at `y`, `x` preferred. */
  split: 2,
  /** Goes on at `x` where assertion `y` (index into {@linkcode assertions}) holds. */
  assert: 3,
  /** Remembers the place as begin (`y` = 0) or end (`y` = 1) of the group, goes on at `x`. */
  save: 4,
} as const;

/** The assertions, as numbered in programs. */
export const assertions: readonly Assertion[] = ["start", "end", "word", "notWord"];

/** A compiled pattern. */
export interface Program {
  readonly ops: readonly number[];
  readonly xs: readonly number[];
  readonly ys: readonly number[];
  readonly sets: readonly ByteSet[];
  /** The first step. */
  readonly start: number;
  /** Whether what is before a place matters beyond being the start: `\b` or `\B` occurs. */
  readonly usesWords: boolean;
}

/** Translates trees into one program; the match of each has its number. @throws when it would be larger than the limit */
export function compileProgram(...trees: readonly Node[]): Program {
  return new Compiler().compile(trees);
}

/** What stands before a place. */
export const before = { start: 0, word: 1, other: 2 } as const;
/** What stands behind a place. */
export const after = { end: 0, word: 1, other: 2 } as const;

/** Letters, digits and `_`: what `\b` takes for a word. */
export function isWord(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || byte === 95 || (byte >= 97 && byte <= 122);
}

/** Class of each byte, and one byte of each class: bytes of one class are alike for every set of the program. */
export function byteClasses(program: Program): { classOf: Uint8Array; members: readonly number[] } {
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

class Compiler {
  readonly #ops: number[] = [op.match];
  readonly #xs: number[] = [0];
  readonly #ys: number[] = [0];
  readonly #sets: ByteSet[] = [];
  readonly #setIndex = new Map<string, number>();
  /** Index by the object: a repetition comes as the same one again and again. */
  readonly #seen = new Map<ByteSet, number>();
  #usesWords = false;
  #inGroup = false;
  #maxSteps = maxSteps;

  compile(trees: readonly Node[]): Program {
    if (trees.length > 1) this.#maxSteps = maxStepsOfMany;
    const starts = trees.map((tree, i) => this.#emit(tree, this.#add(op.match, i, 0)));
    const start = starts.reduceRight((rest, start) => this.#add(op.split, start, rest));
    return { ops: this.#ops, xs: this.#xs, ys: this.#ys, sets: this.#sets, start, usesWords: this.#usesWords };
  }

  /** Emits `node` so that it goes on at `next`; returns its first step. Built from the end to the beginning. */
  #emit(node: Node, next: number): number {
    switch (node.kind) {
      case "bytes":
        return this.#add(op.bytes, next, this.#set(node.set));
      case "sequence":
        return node.nodes.reduceRight((after, part) => this.#emit(part, after), next);
      case "either": {
        const starts = node.nodes.map((part) => this.#emit(part, next));
        return starts.reduceRight((rest, start) => this.#add(op.split, start, rest));
      }
      case "repeat":
        return this.#repeat(node, next);
      case "group":
        return this.#group(node.node, next);
      case "assert":
        if (node.what === "word" || node.what === "notWord") this.#usesWords = true;
        return this.#add(op.assert, next, assertions.indexOf(node.what));
    }
  }

  #repeat(node: Node & { kind: "repeat" }, next: number): number {
    let after = next;
    let left = node.min;
    if (node.max === Infinity) {
      const loop = this.#add(op.split, 0, 0);
      const body = this.#emit(node.node, loop);
      this.#choose(loop, body, next, node.lazy);
      after = left > 0 ? body : loop;
      left = Math.max(0, left - 1);
    } else {
      for (let i = node.min; i < node.max; i++) {
        const choice = this.#add(op.split, 0, 0);
        this.#choose(choice, this.#emit(node.node, after), next, node.lazy);
        after = choice;
      }
    }
    for (; left > 0; left--) after = this.#emit(node.node, after);
    return after;
  }

  /** A group inside a group does not count: what is remembered is the outermost. */
  #group(node: Node, next: number): number {
    if (this.#inGroup) return this.#emit(node, next);
    this.#inGroup = true;
    const body = this.#emit(node, this.#add(op.save, next, 1));
    this.#inGroup = false;
    return this.#add(op.save, body, 0);
  }

  #choose(step: number, body: number, next: number, lazy: boolean): void {
    this.#xs[step] = lazy ? next : body;
    this.#ys[step] = lazy ? body : next;
  }

  #set(set: ByteSet): number {
    const seen = this.#seen.get(set);
    if (seen !== undefined) return seen;
    const key = set.join("");
    const index = this.#setIndex.get(key) ?? this.#sets.push(set) - 1;
    this.#setIndex.set(key, index);
    this.#seen.set(set, index);
    return index;
  }

  #add(code: number, x: number, y: number): number {
    if (this.#ops.length > this.#maxSteps) {
      throw new Error(`the pattern is too large: more than ${this.#maxSteps} steps; use smaller repetitions`);
    }
    this.#xs.push(x);
    this.#ys.push(y);
    return this.#ops.push(code) - 1;
  }
}

const maxSteps = 5_000;
/** Of all patterns of one automaton. */
const maxStepsOfMany = 16_000;
