/** The header of RFC 5424 section 6, behind its `<PRI>`. */
import type { SyslogHeader } from "./syslog.ts";

/**
 * Fills `out` from `1 TIME HOST APP PROCID MSGID SD MSG` at `at`. Lenient where senders are: a header that ends early
 * has an empty message, and structured data that is no such thing is the beginning of the message.
 * @returns false, with `out` as it was, when this is not RFC 5424
 */
export function readHeader5424(bytes: Uint8Array, at: number, end: number, out: SyslogHeader): boolean {
  const time = afterVersion(bytes, at, end);
  if (time < 0) return false;
  const timeEnd = tokenEnd(bytes, time, end);
  if (!looksLikeTime(bytes, time, timeEnd)) return false;
  out.form = "rfc5424";
  if (!isNil(bytes, time, timeEnd)) {
    out.timeStart = time;
    out.timeEnd = timeEnd;
  }
  let start = next(timeEnd, end);
  let stop = tokenEnd(bytes, start, end);
  if (!isNil(bytes, start, stop)) {
    out.hostStart = start;
    out.hostEnd = stop;
  }
  stop = tokenEnd(bytes, start = next(stop, end), end);
  if (!isNil(bytes, start, stop)) {
    out.programStart = start;
    out.programEnd = stop;
  }
  stop = tokenEnd(bytes, start = next(stop, end), end);
  if (!isNil(bytes, start, stop)) {
    out.procidStart = start;
    out.procidEnd = stop;
  }
  stop = tokenEnd(bytes, start = next(stop, end), end);
  if (!isNil(bytes, start, stop)) {
    out.msgidStart = start;
    out.msgidEnd = stop;
  }
  readBody(bytes, next(stop, end), end, out);
  return true;
}

/**
 * End of the elements `[id name="value"]…` that begin at `at` (RFC 5424 section 6.3), or −1 when they are not well
 * formed. Quotes, backslashes and brackets within values are escaped by a backslash.
 */
function structuredDataEnd(bytes: Uint8Array, at: number, end: number): number {
  let quoted = false;
  let open = false;
  for (let i = at; i < end; i++) {
    const byte = bytes[i];
    if (quoted) {
      if (byte === backslash) i++;
      else if (byte === quote) quoted = false;
    } else if (open) {
      if (byte === quote) quoted = true;
      else if (byte === closeBracket) open = false;
    } else if (byte === openBracket) open = true;
    else return i;
  }
  return open || quoted ? -1 : end;
}

function readBody(bytes: Uint8Array, at: number, end: number, out: SyslogHeader): void {
  let message = at;
  out.dataStart = out.dataEnd = at;
  if (bytes[at] === dash && (at + 1 === end || bytes[at + 1] === space) && at < end) message = next(at + 1, end);
  else if (bytes[at] === openBracket && at < end) {
    const dataEnd = structuredDataEnd(bytes, at, end);
    if (dataEnd > 0 && (dataEnd === end || bytes[dataEnd] === space)) {
      out.dataStart = at;
      out.dataEnd = dataEnd;
      message = next(dataEnd, end);
    }
  }
  const marked = message + 3 <= end && bytes[message] === 0xef && bytes[message + 1] === 0xbb &&
    bytes[message + 2] === 0xbf;
  out.messageStart = marked ? message + 3 : message;
  out.messageEnd = end;
}

function afterVersion(bytes: Uint8Array, at: number, end: number): number {
  let stop = at;
  while (stop < end && stop < at + 3 && isDigit(bytes[stop]!)) stop++;
  return stop > at && bytes[at] !== zero && stop + 1 < end && bytes[stop] === space ? stop + 1 : -1;
}

/** A date with its `T`, or `-`. */
function looksLikeTime(bytes: Uint8Array, at: number, end: number): boolean {
  return isNil(bytes, at, end) ||
    (end >= at + 19 && isDigit(bytes[at]!) && bytes[at + 4] === dash && bytes[at + 10] === 84);
}

function tokenEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at] !== space) at++;
  return at;
}

function next(at: number, end: number): number {
  return at < end ? at + 1 : end;
}

function isNil(bytes: Uint8Array, at: number, end: number): boolean {
  return end === at + 1 && bytes[at] === dash;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

const space = 32;
const quote = 34;
const dash = 45;
const zero = 48;
const openBracket = 91;
const backslash = 92;
const closeBracket = 93;
