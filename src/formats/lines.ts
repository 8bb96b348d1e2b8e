/** Lines out of a stream of chunks, whole and by their boundaries. Pure. */
import { joinBytes } from "./bytes.ts";

/** Whole lines that lie back to back in `bytes`, each followed by one LF. */
export interface LineRun {
  readonly bytes: Uint8Array;
  /** Start and end of line i at 2i and 2i+1, the LF excluded. */
  readonly bounds: Uint32Array;
  readonly count: number;
}

/** Splits a stream at LFs. A torn last line is kept for the next chunk, and cut at the limit; a line is at most that and a chunk long. */
export class LineSplitter {
  readonly #maxLineBytes: number;
  #rest = new Uint8Array(0);

  /** @param maxLineBytes longest line; also the most that is kept between chunks */
  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Bytes of the torn line that is kept. */
  get restBytes(): number {
    return this.#rest.length;
  }

  /** Takes a chunk, which is the splitter's from here on, and gives the lines that are whole now. */
  push(chunk: Uint8Array): LineRun {
    const bytes = this.#rest.length === 0 ? chunk : joinBytes([this.#rest, chunk]);
    this.#rest = empty;
    const run = findLines(bytes);
    const end = run.count === 0 ? 0 : run.bounds[2 * run.count - 1]! + 1;
    if (bytes.length - end <= this.#maxLineBytes) {
      this.#rest = end === bytes.length ? empty : bytes.slice(end);
      return run;
    }
    return this.#splitLong(bytes, end, run);
  }

  /** The bytes of the torn line, which is kept no longer. */
  takeRest(): Uint8Array {
    const rest = this.#rest;
    this.#rest = empty;
    return rest;
  }

  /** Gives the torn line at the end of the stream, with the LF it lacks. */
  flush(): LineRun {
    const rest = this.#rest;
    this.#rest = empty;
    return rest.length === 0
      ? { bytes: rest, bounds: new Uint32Array(0), count: 0 }
      : findLines(joinBytes([rest, lineFeed]));
  }

  /** Ends the torn line where it has reached the limit, as if an LF stood there. */
  #splitLong(bytes: Uint8Array, lineStart: number, run: LineRun): LineRun {
    const pieces: Uint8Array[] = [bytes.subarray(0, lineStart)];
    let at = lineStart;
    while (bytes.length - at > this.#maxLineBytes) {
      pieces.push(bytes.subarray(at, at + this.#maxLineBytes), lineFeed);
      at += this.#maxLineBytes;
    }
    this.#rest = bytes.slice(at);
    const text = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let to = 0;
    for (const piece of pieces) {
      text.set(piece, to);
      to += piece.length;
    }
    return run.count === 0 && pieces.length === 1 ? run : findLines(text);
  }
}

/**
 * Boundaries of all lines in `bytes`; what follows the last LF is not among them. They are put into `into`, which is not
 * empty, or into a larger array where there are too many.
 */
export function findLines(bytes: Uint8Array, into: Uint32Array = new Uint32Array(256)): LineRun {
  let bounds = into;
  let count = 0;
  let start = 0;
  for (let feed = bytes.indexOf(10); feed >= 0; feed = bytes.indexOf(10, start)) {
    if (2 * count === bounds.length) {
      const larger = new Uint32Array(2 * bounds.length);
      larger.set(bounds);
      bounds = larger;
    }
    bounds[2 * count] = start;
    bounds[2 * count++ + 1] = feed;
    start = feed + 1;
  }
  return { bytes, bounds, count };
}

const empty = new Uint8Array(0);
const lineFeed = new Uint8Array([10]);
