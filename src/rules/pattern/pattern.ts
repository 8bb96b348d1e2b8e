/**
 * Patterns that cannot hang the agent: every one is matched in time proportional to the record, whatever the pattern and
 * the record are. `RegExp` of JavaScript cannot promise that, so this is an engine of our own (see `syntax.ts` for
 * what can be written, `automaton.ts` for why it is linear). It works on bytes: no string is made per record.
 */
import { Automaton, PatternSet } from "./automaton.ts";
import { Finder } from "./finder.ts";
import { compileProgram } from "./program.ts";
import { parsePattern } from "./syntax.ts";

/** A compiled pattern. It keeps working memory, so it serves one caller at a time. */
export class Pattern {
  /** As it was written. */
  readonly source: string;
  readonly #automaton: Automaton;
  readonly #finder: Finder;

  /** @throws an Error that says what is wrong with it and where */
  constructor(source: string) {
    this.source = source;
    const program = compileProgram(parsePattern(source));
    this.#automaton = new Automaton(program);
    this.#finder = new Finder(program);
  }

  /** Whether it occurs in `bytes[start..end)`. */
  test(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#automaton.test(bytes, start, end);
  }

  /** Appends (start, end) of every occurrence, see {@linkcode Finder.findAll}. */
  findAll(bytes: Uint8Array, start: number, end: number, spans: number[]): boolean {
    return this.#finder.findAll(bytes, start, end, spans);
  }

  /** Steps walked so far beyond one look-up per byte: the cost, for the tests of its bound. */
  get work(): number {
    return this.#automaton.work + this.#finder.work;
  }
}

/** One automaton that says whether any of `sources` occurs: one pass instead of many. @throws as {@linkcode Pattern} */
export function compileAny(sources: readonly string[]): Automaton {
  return new Automaton(compileProgram(...sources.map(parsePattern)));
}

/** One automaton that says which of `sources` occur, by their index. @throws as {@linkcode Pattern} */
export function compileSet(sources: readonly string[]): PatternSet {
  return new PatternSet(compileProgram(...sources.map(parsePattern)));
}
