/**
 * A program that logs at a steady rate while its file is rotated away from under it, in turn by rename and by
 * copytruncate; and the verdict over the order in which its lines arrived.
 *
 * ```text
 *   a.log ──rename──► a.log.1 ──► a.log.2 …      a new a.log
 *   a.log ──copy────► a.log.1 ──► a.log.2 …      a.log truncated: the same inode again
 * ```
 *
 * It rotates between two lines, so that nothing is lost on its own side, as it would be with copytruncate in real life.
 */
import { filesBelow, numberedLine } from "./numbered_lines.ts";

/** How fast, and how often the file is rotated. */
export interface StormOptions {
  /** The live file. */
  readonly path: string;
  readonly run: string;
  readonly linesPerSecond: number;
  readonly rotateEveryMs: number;
  /** Whether it may rotate by now; default: always. */
  readonly mayRotate?: () => boolean;
  /** Old files that are kept. */
  readonly keep: number;
}

/** One rotation, and where the content is that it put away. */
export interface Rotation {
  readonly kind: "rename" | "copytruncate";
  /** When it was done, milliseconds since 1970. */
  readonly atMs: number;
  /** Number behind the last line of the content. */
  readonly end: number;
  /** Device and inode, as in the agent's position, of the live file before the rotation and of what holds the content now. */
  readonly liveKey: string;
  readonly heldKey: string;
}

/** Writes until it is stopped. */
export class StormWriter {
  readonly rotations: Rotation[] = [];
  /** First line number of every content that a file had. */
  readonly generations: number[] = [0];
  readonly #options: StormOptions;
  readonly #running: Promise<void>;
  #stopping = false;
  #next = 0;

  constructor(options: StormOptions) {
    this.#options = options;
    this.#running = this.#write();
  }

  /** Lines written so far. */
  get lines(): number {
    return this.#next;
  }

  /** Ends the writing; resolves to the number of lines. May be called again. */
  async stop(): Promise<number> {
    this.#stopping = true;
    await this.#running;
    return this.#next;
  }

  async #write(): Promise<void> {
    const { path, linesPerSecond, rotateEveryMs, mayRotate = () => true } = this.#options;
    const startMs = performance.now();
    let rotations = 0;
    let rotateMs = rotateEveryMs;
    let file = Deno.openSync(path, { append: true, create: true });
    try {
      while (!this.#stopping) {
        const passedMs = performance.now() - startMs;
        // Never more than a tenth of a second at once: a test machine that stalls makes no flood afterwards.
        const due = Math.min(passedMs * linesPerSecond / 1_000, this.#next + linesPerSecond / 10);
        this.#append(file, Math.floor(due));
        if (passedMs > rotateMs && mayRotate()) {
          rotateMs = passedMs + rotateEveryMs;
          file.close();
          this.#rotate(rotations++ % 2 === 0);
          file = Deno.openSync(path, { append: true, create: true });
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    } finally {
      file.close();
    }
  }

  #append(file: Deno.FsFile, end: number): void {
    let text = "";
    while (this.#next < end) text += numberedLine(this.#options.run, this.#next++, lineBytes);
    const bytes = new TextEncoder().encode(text);
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  }

  #rotate(byRename: boolean): void {
    const { path, keep } = this.#options;
    const liveKey = keyOf(path);
    for (let i = Math.min(keep, this.rotations.length); i > 0; i--) renameIfThere(`${path}.${i}`, `${path}.${i + 1}`);
    if (byRename) Deno.renameSync(path, `${path}.1`);
    else {
      Deno.copyFileSync(path, `${path}.1`);
      Deno.truncateSync(path);
    }
    this.generations.push(this.#next);
    this.rotations.push({
      kind: byRename ? "rename" : "copytruncate",
      atMs: Date.now(),
      end: this.#next,
      liveKey,
      heldKey: keyOf(`${path}.1`),
    });
  }
}

/** Lines that arrived for the first time behind a later line of the same content of a file; order between files is open. */
export function countDisorder(output: string, run: string, generations: readonly number[], lines: number): number {
  const seen = new Uint8Array(lines);
  const highest = new Int32Array(generations.length).fill(-1);
  const pattern = new RegExp(`${run} (\\d{9}) `);
  let disorder = 0;
  for (const path of filesBelow(output)) {
    for (const line of linesOf(path)) {
      const sequence = Number(pattern.exec(line)?.[1] ?? -1);
      if (sequence < 0 || sequence >= lines || seen[sequence] === 1) continue;
      seen[sequence] = 1;
      const generation = generationOf(generations, sequence);
      if (sequence < highest[generation]!) disorder++;
      else highest[generation] = sequence;
    }
  }
  return disorder;
}

function* linesOf(path: string): Generator<string> {
  using file = Deno.openSync(path);
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(1024 * 1024);
  let rest = "";
  for (let got = file.readSync(buffer); got !== null; got = file.readSync(buffer)) {
    const lines = (rest + decoder.decode(buffer.subarray(0, got))).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

/** Index of the last generation that begins at or before `sequence`. */
function generationOf(generations: readonly number[], sequence: number): number {
  let low = 0;
  let high = generations.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (generations[middle]! <= sequence) low = middle;
    else high = middle - 1;
  }
  return low;
}

function keyOf(path: string): string {
  const { dev, ino } = Deno.statSync(path);
  return `${dev}:${ino}`;
}

function renameIfThere(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Length of every line, its LF included. */
export const lineBytes = 200;
