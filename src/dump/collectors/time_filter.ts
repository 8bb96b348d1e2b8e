/** Cuts a log to a span of time, line by line. A line without a time belongs to the one before it. */
import { LineSplitter } from "../../formats/lines.ts";
import { type LineTimeBasis, lineTimeMs } from "./line_time.ts";

/** The span; an open end is infinite. */
export interface TimeSpan {
  /** Milliseconds since 1970, both included. */
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** What was seen, complete once the stream ended. */
export interface SpanCounts {
  lines: number;
  kept: number;
  /** Lines with a time; 0: nothing could be told, so all is kept. */
  timed: number;
}

/** The lines of `chunks` within the span. Lines before the first one with a time are kept: they may belong. */
export async function* linesWithin(
  chunks: AsyncIterable<Uint8Array>,
  span: TimeSpan,
  basis: LineTimeBasis,
  counts: SpanCounts,
): AsyncIterable<Uint8Array> {
  const judge = new Judge(span, basis, counts);
  const splitter = new LineSplitter(maxLineBytes);
  for await (const chunk of chunks) yield* judge.select(splitter.push(chunk));
  yield* judge.select(splitter.flush());
}

class Judge {
  readonly #span: TimeSpan;
  readonly #basis: LineTimeBasis;
  readonly #counts: SpanCounts;
  #keeps = true;
  /** The stamp that the verdict was made of, where it has a form that is known to hold no more than seconds. */
  #stamp: Uint8Array = new Uint8Array(0);

  constructor(span: TimeSpan, basis: LineTimeBasis, counts: SpanCounts) {
    this.#span = span;
    this.#basis = basis;
    this.#counts = counts;
  }

  /** The kept lines, those that lie side by side as one view. */
  *select({ bytes, bounds, count }: { bytes: Uint8Array; bounds: Uint32Array; count: number }): Iterable<Uint8Array> {
    let from = -1;
    for (let i = 0; i < count; i++) {
      const start = bounds[2 * i]!;
      const keeps = this.#keepsLine(bytes, start, bounds[2 * i + 1]!);
      if (keeps && from < 0) from = start;
      if (!keeps && from >= 0) {
        yield bytes.subarray(from, start);
        from = -1;
      }
    }
    if (from >= 0) yield bytes.subarray(from, bounds[2 * count - 1]! + 1);
  }

  #keepsLine(bytes: Uint8Array, start: number, end: number): boolean {
    this.#counts.lines++;
    if (!this.#isSameStamp(bytes, start, end)) {
      const line = bytes.subarray(start, end);
      const timeMs = lineTimeMs(line, this.#basis);
      if (timeMs === undefined) this.#stamp = empty;
      else {
        this.#keeps = timeMs >= this.#span.sinceMs && timeMs <= this.#span.untilMs;
        this.#counts.timed++;
        this.#stamp = line.slice(0, stampBytes(line));
      }
    } else this.#counts.timed++;
    if (this.#keeps) this.#counts.kept++;
    return this.#keeps;
  }

  #isSameStamp(bytes: Uint8Array, start: number, end: number): boolean {
    const stamp = this.#stamp;
    if (stamp.length === 0 || end - start < stamp.length) return false;
    for (let i = stamp.length - 1; i >= 0; i--) if (bytes[start + i] !== stamp[i]) return false;
    return true;
  }
}

/** Bytes of `2026-11-20T19:32:47` or `Nov 20 19:32:47` at the start; 0 for lines of another form. */
function stampBytes(line: Uint8Array): number {
  if (line[4] === dash && line[7] === dash && line[13] === colon && line[16] === colon) return 19;
  return line[3] === space && line[9] === colon && line[12] === colon ? 15 : 0;
}

const empty = new Uint8Array(0);
const maxLineBytes = 1_048_576;
const space = 32;
const dash = 45;
const colon = 58;
