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

  /** @param maxLineBytes longer lines are split */
  constructor(maxLineBytes: number) {
    this.#splitter = new LineSplitter(maxLineBytes);
  }

  /** Takes a chunk, which is ours from here on. */
  push(chunk: Uint8Array): readonly TapItem[] {
    return itemsOf(this.#splitter.push(chunk));
  }

  /** The connection ended: a torn line is a line. */
  flush(): readonly TapItem[] {
    return itemsOf(this.#splitter.flush());
  }
}

function itemsOf(run: LineRun): readonly TapItem[] {
  if (run.count === 0) return [];
  // Nearly always there is no DLE in the chunk, and it goes on as it is.
  if (run.bytes.indexOf(dle) < 0) return [{ kind: "lines", run, packed: true }];
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

function part(run: LineRun, first: number, end: number): LineRun {
  return { bytes: run.bytes, bounds: run.bounds.subarray(2 * first, 2 * end), count: end - first };
}

const dle = 0x10;
