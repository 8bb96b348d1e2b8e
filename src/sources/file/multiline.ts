/** Joins neighbouring lines to one record. Joined lines lie side by side in the file: joining moves boundaries only. */
import type { Block } from "./block.ts";
import { Pattern } from "../../rules/pattern/pattern.ts";
import type { MultilineOptions } from "./options.ts";

/** Patterns ready to be used, in time proportional to the line whatever they are. */
export interface JoinRules {
  readonly startPattern: Pattern | undefined;
  readonly continuePattern: Pattern | undefined;
}

/** The patterns of `options`, compiled. @throws when there is none, or one cannot be read */
export function compileJoinRules({ startPattern, continuePattern }: MultilineOptions): JoinRules {
  if (startPattern === undefined && continuePattern === undefined) {
    throw new RangeError("Cannot join lines: neither startPattern nor continuePattern is set");
  }
  const compile = (source: string | undefined): Pattern | undefined =>
    source === undefined ? undefined : new Pattern(source);
  return { startPattern: compile(startPattern), continuePattern: compile(continuePattern) };
}

/** What {@linkcode joinLines} made. */
export interface Joined {
  /** Complete records; the block's bounds hold them now. */
  readonly count: number;
  /** Index behind the last complete record. */
  readonly next: number;
  /** Whether some record spans lines, so that it has LFs inside. */
  readonly spans: boolean;
}

/**
 * Joins the `count` lines in the block's bounds. The last record stays open, because its continuation may still come,
 * unless `flush` is set or it has reached `maxBytes`.
 */
export function joinLines(
  block: Block,
  count: number,
  rules: JoinRules,
  maxBytes: number,
  flush: boolean,
): Joined {
  const { bytes, bounds } = block;
  let records = 0;
  let spans = false;
  let open = -1; // first line of the record that is being joined; never before entry `records`, so nothing is overwritten
  const close = (last: number): void => {
    spans ||= last > open;
    const end = bounds[2 * last + 1]!;
    bounds[2 * records] = bounds[2 * open]!;
    bounds[2 * records + 1] = end;
    records++;
  };
  let next = count === 0 ? 0 : bounds[0]!;
  for (let line = 0; line < count; line++) {
    const start = bounds[2 * line]!;
    const end = bounds[2 * line + 1]!;
    if (open >= 0) {
      if (end - bounds[2 * open]! <= maxBytes && !beginsRecord(bytes, start, end, rules)) continue;
      close(line - 1);
      next = start;
    }
    open = line;
  }
  if (open >= 0 && flush) {
    next = bounds[2 * count - 1]! + 1;
    close(count - 1);
  }
  return { count: records, next, spans };
}

function beginsRecord(bytes: Uint8Array, start: number, end: number, rules: JoinRules): boolean {
  const { startPattern, continuePattern } = rules;
  if (continuePattern !== undefined && continuePattern.test(bytes, start, end)) return false;
  return startPattern === undefined || startPattern.test(bytes, start, end);
}
