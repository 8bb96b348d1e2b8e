/** Walks over a program: which steps are live behind a byte. What automata are made of; asked once for each state they meet. */
import { after, before, op, type Program } from "./program.ts";

/** Walks over one program. It keeps working memory, so it serves one caller at a time. */
export class Stepper {
  /** Steps walked so far: what it cost beyond one look-up per byte. For the tests of the bound. */
  work = 0;
  readonly #program: Program;
  readonly #marks: Int32Array;
  readonly #stack: number[] = [];
  #mark = 0;

  constructor(program: Program) {
    this.#program = program;
    this.#marks = new Int32Array(program.ops.length);
  }

  /** The steps that wait for a byte, reached from `steps` without one. `met` gets the numbers of the patterns that match here. */
  close(steps: readonly number[], before: number, next: number, met: number[]): readonly number[] {
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
      this.work++;
      const code = ops[step];
      if (code === op.match) met.push(xs[step]!);
      else if (code === op.bytes) live.push(step);
      else if (code === op.split) stack.push(ys[step]!, xs[step]!);
      else if (code === op.save || holds(ys[step]!, before, next)) stack.push(xs[step]!);
    }
    return live;
  }

  /** The steps behind `byte`, sorted; `fresh` is one more of them. */
  advance(live: readonly number[], byte: number, fresh: number | undefined): readonly number[] {
    const { xs, ys, sets } = this.#program;
    const mark = ++this.#mark;
    const steps: number[] = [];
    const add = (step: number): void => {
      if (this.#marks[step] === mark) return;
      this.#marks[step] = mark;
      steps.push(step);
    };
    for (const step of live) if (sets[ys[step]!]![byte] === 1) add(xs[step]!);
    this.work += live.length;
    if (fresh !== undefined) add(fresh);
    return steps.sort((a, b) => a - b);
  }
}

/** Whether an assertion (index into `assertions`) holds between `before` and `next`. */
export function holds(assertion: number, previous: number, next: number): boolean {
  if (assertion === 0) return previous === before.start;
  if (assertion === 1) return next === after.end;
  const boundary = (previous === before.word) !== (next === after.word);
  return assertion === 2 ? boundary : !boundary;
}
