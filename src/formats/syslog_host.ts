/** The host in the header of a syslog record, found without making a string. */

/** Start and end of a host in bytes; the same object is filled again and again. */
export interface HostSpan {
  start: number;
  end: number;
}

/**
 * Finds the host of `<PRI>1 TIME HOST …` (RFC 5424 section 6), `<PRI>RFC3339 HOST …` and `<PRI>Mmm dd hh:mm:ss HOST …`
 * (RFC 3164 section 4.1.2) in `bytes[start..end)`.
 * @returns whether there is one
 */
export function findHost(bytes: Uint8Array, start: number, end: number, span: HostSpan): boolean {
  let at = start;
  if (bytes[at] !== lessThan) return false;
  const close = bytes.indexOf(greaterThan, at);
  if (close < 0 || close > at + 4 || close >= end) return false;
  at = close + 1;
  if (bytes[at] === digitOne && bytes[at + 1] === space) at += 2;
  if (bytes[at]! >= 65) at += 15; // a month: the time is fifteen characters with spaces in it
  else at = skipToken(bytes, at, end);
  if (at >= end || bytes[at] !== space) return false;
  span.start = at + 1;
  span.end = skipToken(bytes, span.start, end);
  return span.end > span.start && !isTag(bytes, span.start, span.end);
}

/** `su:` or `su[12]:`: what comes from `/dev/log` has no host. */
function isTag(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[end - 1] === colon && bytes[end - 2] !== colon) return true;
  for (let at = start; at < end; at++) if (bytes[at] === openBracket) return true;
  return false;
}

function skipToken(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at] !== space) at++;
  return at;
}

const lessThan = 60;
const greaterThan = 62;
const digitOne = 49;
const space = 32;
const colon = 58;
const openBracket = 91;
