/**
 * RFC 3164 section 4.1 as it is found in the wild, behind an optional `<PRI>`. Times with a year, a weekday, fractions
 * or in the form of RFC 3339; a sequence number before the time (routers); no host (`/dev/log`); no tag; no time.
 */
import type { SyslogHeader } from "./syslog.ts";
import { timeEndAt } from "./syslog_time.ts";

/** Fills `out` from the text at `at`; what cannot be told is left to the message. `hasPriority`: a `<PRI>` stood before. */
export function readBsdHeader(
  bytes: Uint8Array,
  at: number,
  end: number,
  hasPriority: boolean,
  out: SyslogHeader,
): void {
  at = skipSpaces(bytes, at, end);
  const time = timeStart(bytes, at, end);
  const timeEnd = time < 0 ? -1 : timeEndAt(bytes, time, end);
  if (timeEnd < 0) {
    if (!hasPriority) return;
    out.form = "rfc3164";
    out.messageStart = at;
    readTag(bytes, at, end, true, out);
    return;
  }
  out.form = "rfc3164";
  out.timeStart = time;
  out.timeEnd = timeEnd;
  at = timeEnd;
  if (at < end && bytes[at] === colon) at++;
  at = skipSpaces(bytes, at, end);
  out.messageStart = at;
  const host = hostEnd(bytes, at, end);
  if (host > 0) {
    out.hostStart = at;
    out.hostEnd = host;
    out.messageStart = at = host + 1;
  }
  readTag(bytes, at, end, false, out);
}

/** Where a time may begin: here, or behind the `123: *` that routers put before it; −1 when there is none. */
function timeStart(bytes: Uint8Array, at: number, end: number): number {
  if (timeEndAt(bytes, at, end) > 0) return at;
  let after = at;
  while (after < end && after < at + 10 && isDigit(bytes[after]!)) after++;
  if (after > at) {
    if (after >= end || bytes[after] !== colon) return -1;
    after = skipSpaces(bytes, after + 1, end);
  }
  if (after < end && (bytes[after] === asterisk || bytes[after] === dot)) after++;
  return after > at && timeEndAt(bytes, after, end) > 0 ? after : -1;
}

/** End of the host at `at`, or −1: a word with neither `:` nor `[` (or an IPv6 address) that is not the last one. */
function hostEnd(bytes: Uint8Array, at: number, end: number): number {
  let colons = false;
  let address = true;
  let stop = at;
  for (; stop < end && bytes[stop] !== space; stop++) {
    const byte = bytes[stop]!;
    if (byte === openBracket) return -1;
    if (byte === colon) colons = true;
    else if (!isHexDigit(byte) && byte !== dot) address = false;
  }
  if (stop === at || stop + 1 >= end) return -1;
  if (colons && (!address || bytes[stop - 1] === colon && bytes[stop - 2] !== colon)) return -1;
  return stop;
}

/** The tag ends at `:`, `[` or a space; `strict`: only at one of the first two. What follows is the message. */
function readTag(bytes: Uint8Array, at: number, end: number, strict: boolean, out: SyslogHeader): void {
  let stop = at;
  while (stop < end && isTagByte(bytes[stop]!)) stop++;
  if (stop === at || stop - at > maxTagBytes || stop === end) return;
  let after = stop;
  if (bytes[stop] === openBracket) {
    const close = bracketEnd(bytes, stop, end);
    if (close < 0) return;
    out.procidStart = stop + 1;
    out.procidEnd = close;
    after = close + 1;
  }
  const ended = after < end && bytes[after] === colon;
  if (strict && !ended && after === stop) return;
  if (ended) after++;
  else if (after === stop && bytes[after] !== space) return;
  out.programStart = at;
  out.programEnd = stop;
  out.messageStart = after < end && bytes[after] === space ? after + 1 : after;
}

/** Offset of the `]` of `[pid]`, or −1: it comes soon and before any space. */
function bracketEnd(bytes: Uint8Array, open: number, end: number): number {
  const limit = Math.min(end, open + maxTagBytes);
  for (let at = open + 1; at < limit && bytes[at]! > space; at++) if (bytes[at] === closeBracket) return at;
  return -1;
}

/** Quotes and braces are none: a message of JSON has no tag. */
function isTagByte(byte: number): boolean {
  return byte > space && byte !== colon && byte !== openBracket && byte !== quote && byte !== openBrace && byte !== 127;
}

function skipSpaces(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at] === space) at++;
  return at;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || (byte >= 97 && byte <= 102) || (byte >= 65 && byte <= 70);
}

/** A longer word is no tag. */
const maxTagBytes = 64;
const space = 32;
const quote = 34;
const asterisk = 42;
const dot = 46;
const colon = 58;
const openBracket = 91;
const closeBracket = 93;
const openBrace = 123;
