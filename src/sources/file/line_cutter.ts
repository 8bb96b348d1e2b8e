/**
 * Finds records in a block of file content. Pure: bytes in, boundaries out; what it means for the file's offset is
 * decided by the caller.
 */
import type { Block } from "./block.ts";
import type { ContainerFormat } from "../../formats/container_line.ts";
import type { JoinRules } from "./multiline.ts";
import type { LongLines } from "./options.ts";

/** How records are cut. */
export interface CutRules {
  readonly maxLineBytes: number;
  readonly longLines: LongLines;
  readonly stripCarriageReturn: boolean;
  readonly multiline: JoinRules | undefined;
  /** Whose lines they are, where the records are inside of them. */
  readonly container: ContainerFormat | undefined;
}

/** Longest line in a file: a container runtime's has a header, and docker's escapes make 16 KiB up to six times as long. */
export function longestLineBytes({ maxLineBytes, container }: CutRules): number {
  return container === undefined ? maxLineBytes : maxLineBytes + 128 * 1_024;
}

/** What {@linkcode cutLines} found. */
export interface Cut {
  /** Records in the block's bounds. */
  readonly count: number;
  /** Index behind the last LF that was used: where the next record begins. */
  readonly next: number;
  /** Why it stopped: no more LF, a line that is too long, a run of NULs, or enough records. */
  readonly stop: "end" | "long" | "nul" | "full";
}

/**
 * Boundaries of the complete lines in `block.bytes[start, end)`. A line that begins with NUL stops it, as does one that
 * is longer than allowed, complete or not.
 */
export function cutLines(block: Block, start: number, end: number, maxLineBytes: number): Cut {
  const bytes = block.bytes.subarray(0, end);
  let at = start;
  let count = 0;
  while (at < end) {
    if (bytes[at] === 0) return { count, next: at, stop: "nul" };
    const feed = bytes.indexOf(10, at);
    if ((feed < 0 ? end : feed) - at > maxLineBytes) return { count, next: at, stop: "long" };
    if (feed < 0) break;
    if (count === maxRecordsPerCut) return { count, next: at, stop: "full" };
    if (2 * count === block.bounds.length) block.growBounds();
    block.bounds[2 * count] = at;
    block.bounds[2 * count + 1] = feed;
    count++;
    at = feed + 1;
  }
  return { count, next: at, stop: "end" };
}

/** Like {@linkcode cutLines} for one line that begins with NUL and is no hole: its bytes are kept. */
export function cutNulLine(block: Block, start: number, end: number, maxLineBytes: number): Cut {
  const feed = block.bytes.subarray(0, end).indexOf(10, start);
  if ((feed < 0 ? end : feed) - start > maxLineBytes) return { count: 0, next: start, stop: "long" };
  if (feed < 0) return { count: 0, next: start, stop: "end" };
  block.bounds[0] = start;
  block.bounds[1] = feed;
  return { count: 1, next: feed + 1, stop: "full" };
}

/** Number of NULs at `start`. */
export function nulRun(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] === 0) at++;
  return at - start;
}

/** Ends records before a CR that stands before the LF. Returns whether there was one. */
export function stripCarriageReturns(block: Block, count: number): boolean {
  let found = false;
  for (let i = 0; i < count; i++) {
    const end = block.bounds[2 * i + 1]!;
    if (end > block.bounds[2 * i]! && block.bytes[end - 1] === 13) {
      block.bounds[2 * i + 1] = end - 1;
      found = true;
    }
  }
  return found;
}

/**
 * Where a line that is too long is cut: at most `maxBytes` behind `start`, and not within a character of UTF-8.
 * Bytes that are no UTF-8 are cut anywhere.
 */
export function cutBeforeCharacter(bytes: Uint8Array, start: number, maxBytes: number): number {
  const cut = start + maxBytes;
  for (let back = 0; back < 4 && cut - back > start; back++) {
    const byte = bytes[cut - back]!;
    if ((byte & 0xc0) !== 0x80) return cut - back;
  }
  return cut;
}

/** Records beyond these are left for the next turn, so that a block of empty lines needs no boundaries without end. */
export const maxRecordsPerCut = 16_384;
