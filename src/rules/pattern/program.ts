/**
 * A pattern as a program of small steps: the non-deterministic automaton that Thompson described in 1968. Its size
 * bounds the work per byte of a record, so it has a limit.
 */
import type { Assertion, ByteSet, Node } from "./syntax.ts";

/** What a step does. `x` and `y` are steps unless said otherwise; step 0 is never used. */
export const op = {
  /** The record matches. */
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

/** Translates a tree. @throws when the program would be larger than the limit */
export function compileProgram(tree: Node): Program {
  return new Compiler().compile(tree);
}

class Compiler {
  readonly #ops: number[] = [op.match];
  readonly #xs: number[] = [0];
  readonly #ys: number[] = [0];
  readonly #sets: ByteSet[] = [];
  readonly #setIndex = new Map<string, number>();
  #usesWords = false;
  #inGroup = false;

  compile(tree: Node): Program {
    const start = this.#emit(tree, this.#add(op.match, 0, 0));
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
    const key = set.join("");
    const known = this.#setIndex.get(key);
    if (known !== undefined) return known;
    this.#setIndex.set(key, this.#sets.length);
    return this.#sets.push(set) - 1;
  }

  #add(code: number, x: number, y: number): number {
    if (this.#ops.length > maxSteps) {
      throw new Error(`the pattern is too large: more than ${maxSteps} steps; use smaller repetitions`);
    }
    this.#xs.push(x);
    this.#ys.push(y);
    return this.#ops.push(code) - 1;
  }
}

const maxSteps = 5_000;
