/** From the chunks of one tap to records: lines, and in their place the gaps that the tap announces. Pure. */
import { decodeTapGap, type TapGap, tapLineStart } from "../../formats/tap_gap.ts";
import { type LineRun, LineSplitter } from "../../formats/lines.ts";

/** What comes out, in order. */
export type TapItem =
  | { readonly kind: "lines"; readonly run: LineRun; readonly packed: boolean }
  | { readonly kind: "gap"; readonly gap: TapGap };

/** Splits what one tap sends. */
export class TapLines {
  readonly #splitter: LineSplitter;
  readonly #maxLineBytes: number;

  /** @param maxLineBytes longer lines are split */
  constructor(maxLineBytes: number) {
    // A tap sends no line longer than its queue, so none of its lines is cut here: the middle of a line must never stand
    // at the start of one, where it could pass for a notice.
    this.#splitter = new LineSplitter(Math.max(maxLineBytes, longestTapLineBytes));
    this.#maxLineBytes = maxLineBytes;
  }

  /** Takes a chunk, which is ours from here on. */
  push(chunk: Uint8Array): readonly TapItem[] {
    return itemsOf(this.#splitter.push(chunk), this.#maxLineBytes);
  }

  /** The connection ended: a torn line is a line. */
  flush(): readonly TapItem[] {
    return itemsOf(this.#splitter.flush(), this.#maxLineBytes);
  }
}

function itemsOf(run: LineRun, maxLineBytes: number): readonly TapItem[] {
  if (run.count === 0) return [];
  // Nearly always there is no DLE in the chunk, and it goes on as it is.
  const items: readonly TapItem[] = run.bytes.indexOf(dle) < 0
    ? [{ kind: "lines", run, packed: true }]
    : separateGaps(run);
  return items.map((item) => item.kind === "gap" ? item : splitLongLines(item, maxLineBytes));
}

function separateGaps(run: LineRun): readonly TapItem[] {
  const items: TapItem[] = [];
  let first = 0;
  let packed = true;
  const addLines = (end: number): void => {
    if (end > first) items.push({ kind: "lines", run: part(run, first, end), packed });
    packed = true;
  };
  for (let i = 0; i < run.count; i++) {
    const start = run.bounds[2 * i]!;
    const end = run.bounds[2 * i + 1]!;
    const gap = decodeTapGap(run.bytes, start, end);
    if (gap !== undefined) {
      addLines(i);
      items.push({ kind: "gap", gap });
      first = i + 1;
    } else {
      run.bounds[2 * i] = tapLineStart(run.bytes, start, end);
      // The escape lies between two records only when another one is in front of it.
      if (run.bounds[2 * i] !== start && i > first) packed = false;
    }
  }
  addLines(run.count);
  return items;
}

/** The splitter cuts what has no end yet; a whole line may be longer than the limit too. */
function splitLongLines(item: TapItem & { kind: "lines" }, maxLineBytes: number): TapItem {
  const { bytes, bounds, count } = item.run;
  let longest = 0;
  for (let i = 0; i < 2 * count; i += 2) longest = Math.max(longest, bounds[i + 1]! - bounds[i]!);
  if (longest <= maxLineBytes) return item;
  const pieces: number[] = [];
  for (let i = 0; i < 2 * count; i += 2) {
    let start = bounds[i]!;
    for (; bounds[i + 1]! - start > maxLineBytes; start += maxLineBytes) pieces.push(start, start + maxLineBytes);
    pieces.push(start, bounds[i + 1]!);
  }
  return { kind: "lines", run: { bytes, bounds: Uint32Array.from(pieces), count: pieces.length / 2 }, packed: false };
}

function part(run: LineRun, first: number, end: number): LineRun {
  return { bytes: run.bytes, bounds: run.bounds.subarray(2 * first, 2 * end), count: end - first };
}

const dle = 0x10;
/** The queue of a tap, and some. */
const longestTapLineBytes = 2.5 * 1024 * 1024;
