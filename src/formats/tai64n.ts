/**
 * TAI64N labels: the stamps that `s6-log` and `multilog` put before each line, and that name their archives.
 *
 * ```text
 *   @ 4000000066f4a1b2 0c8f3a11      2⁶² + seconds since 1970 TAI, then nanoseconds; lower case hexadecimal
 * ```
 *
 * Two families of programs write the same label for times that are 27 seconds apart: those of s6 (skalibs) count leap
 * seconds by the table (UTC + 37 s since 2017), those of daemontools add 10 s to the system's clock, for ever.
 *
 * @see https://cr.yp.to/libtai/tai64.html
 */

/** Who wrote the labels: s6 and skalibs with the table of leap seconds, or daemontools with its fixed 10 s. */
export type TaiKind = "s6" | "djb";

/** Bytes of a label with its `@`. */
export const taiLabelBytes = 25;

/** Milliseconds since 1970 UTC (with a fraction) of `@` and 24 hexadecimal digits; undefined for any other text. */
export function parseTai64n(text: string, kind: TaiKind): number | undefined {
  if (text.length !== taiLabelBytes) return undefined;
  return readTai64n(encoder.encode(text), 0, text.length, kind);
}

/**
 * The same for the label that stands at `at` of `bytes`, which may go on behind it up to `end`. Undefined too for times
 * that no calendar of four digits has: before 1900 or after 9999.
 */
export function readTai64n(bytes: Uint8Array, at: number, end: number, kind: TaiKind): number | undefined {
  if (at + taiLabelBytes > end || bytes[at] !== atSign) return undefined;
  const high = hex32(bytes, at + 1);
  const low = hex32(bytes, at + 9);
  const nanoseconds = hex32(bytes, at + 17);
  if (high < 0 || low < 0 || nanoseconds < 0 || nanoseconds >= 1e9) return undefined;
  const seconds = (high - 0x4000_0000) * 2 ** 32 + low;
  if (seconds < earliestSeconds || seconds >= latestSeconds) return undefined;
  return (seconds - offsetSeconds(seconds, kind)) * 1_000 + nanoseconds / 1e6;
}

/** The label of a time, the inverse of {@linkcode parseTai64n} up to a microsecond; `timeMs` may have a fraction. */
export function encodeTai64n(timeMs: number, kind: TaiKind): string {
  const wholeSeconds = Math.floor(timeMs / 1_000);
  const nanoseconds = Math.min(999_999_999, Math.round((timeMs - wholeSeconds * 1_000) * 1e6));
  const leap = kind === "djb" ? firstOffset : firstOffset + leaps.filter((at) => wholeSeconds >= at).length;
  const seconds = wholeSeconds + leap;
  const high = 0x4000_0000 + Math.floor(seconds / 2 ** 32);
  return "@" + [high, ((seconds % 2 ** 32) + 2 ** 32) % 2 ** 32, nanoseconds].map((word) => hex(word)).join("");
}

/** How far TAI is ahead of UTC; a leap second itself, which POSIX time lacks, is told as the second after it. */
function offsetSeconds(taiSeconds: number, kind: TaiKind): number {
  if (kind === "djb") return firstOffset;
  let passed = leaps.length;
  while (passed > 0 && taiSeconds < leaps[passed - 1]! + firstOffset + passed) passed--;
  return firstOffset + passed;
}

/** Eight hexadecimal digits, or −1. */
function hex32(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 8; i++) {
    const byte = bytes[i]!;
    if (byte >= 48 && byte <= 57) value = value * 16 + byte - 48;
    else if (byte >= 97 && byte <= 102) value = value * 16 + byte - 87;
    else return -1;
  }
  return value;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}

/** TAI − UTC at the beginning of 1972, and by convention before. */
const firstOffset = 10;
/** First seconds behind the leap seconds so far (IERS Bulletin C), seconds since 1970 UTC. None is announced. */
const leaps: readonly number[] = [
  [1972, 7],
  [1973, 1],
  [1974, 1],
  [1975, 1],
  [1976, 1],
  [1977, 1],
  [1978, 1],
  [1979, 1],
  [1980, 1],
  [1981, 7],
  [1982, 7],
  [1983, 7],
  [1985, 7],
  [1988, 1],
  [1990, 1],
  [1991, 1],
  [1992, 7],
  [1993, 7],
  [1994, 7],
  [1996, 1],
  [1997, 7],
  [1999, 1],
  [2006, 1],
  [2009, 1],
  [2012, 7],
  [2015, 7],
  [2017, 1],
].map(([year, month]) => Date.UTC(year!, month! - 1) / 1_000);
const earliestSeconds = Date.UTC(1900, 0) / 1_000;
const latestSeconds = Date.UTC(9999, 11, 31) / 1_000;
const atSign = 64;
const encoder = new TextEncoder();
