/**
 * Lines with a number, and the verdict over what arrived of them. Streaming: a million lines need no more memory than
 * the count of each.
 *
 * ```text
 *   RUN SEQ PADDING LF      RUN  letters that no other line has; SEQ  9 digits from 000000000
 * ```
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";

/** What became of the lines of one run. */
export interface Verdict {
  /** Lines of this run that arrived, each time counted. */
  readonly received: number;
  /** Numbers that never arrived. */
  readonly lost: number;
  /** Arrivals beyond the first of their number. */
  readonly duplicates: number;
  /** First arrivals behind a higher number. */
  readonly outOfOrder: number;
  /** Arrivals whose end is not what was written. */
  readonly damaged: number;
  /** Lines of others: notices of the agent or of the peer. */
  readonly foreign: number;
}

/** A verdict of a run where each of `count` lines came once, in order and whole. */
export function perfect(count: number, foreign = 0): Verdict {
  return { received: count, lost: 0, duplicates: 0, outOfOrder: 0, damaged: 0, foreign };
}

/** A new name for a run: letters only. */
export function newRun(): string {
  return "run" + letters(13);
}

/** The line number `sequence` of a run, `lineBytes` long with its LF. Printable; the padding depends on the number. */
export function numberedLine(run: string, sequence: number, lineBytes: number): string {
  const head = `${run} ${String(sequence).padStart(9, "0")} `;
  return head + paddingOf(sequence, lineBytes - head.length - 1) + "\n";
}

/** Appends the lines `[from, to)` to a file, which is made where it is missing. */
export function writeNumberedLines(path: string, run: string, from: number, to: number, lineBytes = 200): void {
  using file = Deno.openSync(path, { create: true, append: true });
  const encoder = new TextEncoder();
  for (let at = from; at < to;) {
    let text = "";
    const end = Math.min(to, at + 2_000);
    for (; at < end; at++) text += numberedLine(run, at, lineBytes);
    const bytes = encoder.encode(text);
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  }
}

/**
 * Judges the lines of `run` in `path`: a file, or a folder whose files are read in the order of their names. Whatever
 * stands before RUN in a line (priority, time, host, tag) is passed over.
 */
export function judgeLines(path: string, run: string, count: number, lineBytes = 200): Verdict {
  const judge = new Judge(run, count, lineBytes);
  for (const file of filesBelow(path)) judge.readFile(file);
  return judge.verdict();
}

/** How often each of `count` lines arrived, 255 at the most. */
export function countArrivals(path: string, run: string, count: number, lineBytes = 200): Uint8Array {
  const judge = new Judge(run, count, lineBytes);
  for (const file of filesBelow(path)) judge.readFile(file);
  return judge.seen;
}

/** How many lines a file or all files of a folder hold; 0 where nothing is. */
export function countLines(path: string): number {
  return new LineCounter(path).count();
}

/** Counts lines of a growing file or folder; each call reads only what is new, so that it can be asked often. */
export class LineCounter {
  readonly #path: string;
  readonly #counted = new Map<string, { bytes: number; lines: number }>();

  constructor(path: string) {
    this.#path = path;
  }

  /** Lines there now; 0 where nothing is. */
  count(): number {
    let lines = 0;
    for (const file of filesBelow(this.#path)) {
      let counted = this.#counted.get(file);
      if (counted === undefined || counted.bytes > Deno.statSync(file).size) counted = { bytes: 0, lines: 0 };
      eachChunk(file, (chunk) => {
        counted.lines += countLineFeeds(chunk);
        counted.bytes += chunk.length;
      }, counted.bytes);
      this.#counted.set(file, counted);
      lines += counted.lines;
    }
    return lines;
  }
}

/** Bytes of a file or of all files of a folder; 0 where nothing is. */
export function sizeBelow(path: string): number {
  return filesBelow(path).reduce((sum, file) => sum + sizeOf(file), 0);
}

/** What a file or all files of a folder hold, as Latin-1; "" where nothing is. */
export function textBelow(path: string): string {
  return filesBelow(path).map((file) => unlessGone(() => new TextDecoder("latin1").decode(Deno.readFileSync(file)), ""))
    .join("");
}

/** 0 for one that went away since it was listed: a start removes what a kill left half made. */
function sizeOf(path: string): number {
  return unlessGone(() => Deno.statSync(path).size, 0);
}

function unlessGone<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return otherwise;
    throw error;
  }
}

/** Regular files at or below `path`, in the order of their names; none where nothing is. */
export function filesBelow(path: string): readonly string[] {
  try {
    if (Deno.statSync(path).isFile) return [path];
    const entries = [...Deno.readDirSync(path)].map(({ name }) => name).sort();
    return entries.flatMap((name) => filesBelow(join(path, name)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

class Judge {
  readonly #run: Buffer;
  readonly #lineBytes: number;
  readonly #seen: Uint8Array;
  #received = 0;
  #damaged = 0;
  #foreign = 0;
  #outOfOrder = 0;
  #highest = -1;

  constructor(run: string, count: number, lineBytes: number) {
    this.#run = Buffer.from(run + " ");
    this.#lineBytes = lineBytes;
    this.#seen = new Uint8Array(count);
  }

  readFile(path: string): void {
    let rest = Buffer.alloc(0);
    eachChunk(path, (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
        this.#line(bytes.subarray(start, end));
        start = end + 1;
      }
      rest = Buffer.from(bytes.subarray(start));
    });
    if (rest.length > 0) this.#damaged++; // a torn end
  }

  get seen(): Uint8Array {
    return this.#seen;
  }

  verdict(): Verdict {
    let lost = 0;
    let duplicates = 0;
    for (const times of this.#seen) {
      if (times === 0) lost++;
      else duplicates += times - 1;
    }
    return {
      received: this.#received,
      lost,
      duplicates,
      outOfOrder: this.#outOfOrder,
      damaged: this.#damaged,
      foreign: this.#foreign,
    };
  }

  #line(line: Buffer): void {
    const at = line.indexOf(this.#run);
    if (at < 0) {
      this.#foreign++;
      return;
    }
    const digits = line.toString("latin1", at + this.#run.length, at + this.#run.length + 9);
    const sequence = Number(digits);
    if (!/^\d{9}$/.test(digits) || sequence >= this.#seen.length || !this.#isWhole(line.subarray(at), sequence)) {
      this.#damaged++;
      return;
    }
    this.#received++;
    if (this.#seen[sequence] === 0 && sequence < this.#highest) this.#outOfOrder++;
    if (this.#seen[sequence]! < 255) this.#seen[sequence]!++;
    this.#highest = Math.max(this.#highest, sequence);
  }

  #isWhole(line: Buffer, sequence: number): boolean {
    const padding = this.#lineBytes - this.#run.length - 11;
    if (line.length !== this.#lineBytes - 1) return false;
    return padding < 1 || line.toString("latin1", line.length - padding) === paddingOf(sequence, padding);
  }
}

/** Letters that rotate with the number, so that a line patched together from two is seen. */
function paddingOf(sequence: number, length: number): string {
  if (length <= 0) return "";
  const shift = sequence % alphabet.length;
  return paddings[shift]!.repeat(Math.ceil(length / alphabet.length)).slice(0, length);
}

function eachChunk(path: string, take: (chunk: Buffer) => void, from = 0): void {
  using file = Deno.openSync(path);
  file.seekSync(from, Deno.SeekMode.Start);
  const buffer = Buffer.alloc(1024 * 1024);
  for (let got = file.readSync(buffer); got !== null; got = file.readSync(buffer)) take(buffer.subarray(0, got));
}

function countLineFeeds(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
  return lines;
}

function letters(count: number): string {
  return String.fromCharCode(...[...crypto.getRandomValues(new Uint8Array(count))].map((byte) => 97 + byte % 26));
}

const alphabet = "abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const paddings = [...alphabet].map((_, i) => alphabet.slice(i) + alphabet.slice(0, i));
