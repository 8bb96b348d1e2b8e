/**
 * Times in syslog headers: RFC 3339 (RFC 5424 section 6.2.3) and `Nov 20 19:32:47` (RFC 3164 section 4.1.2) with what
 * senders add to it: a weekday before, a year before or after, fractions of a second. Two steps: where a time ends, for
 * every record; and what it is in milliseconds, for those who ask.
 */

/** End of the time that begins at `at`, or −1 when none does. */
export function timeEndAt(bytes: Uint8Array, at: number, end: number): number {
  if (at + minTimeBytes > end) return -1;
  return bytes[at]! <= 57 ? numericTimeEnd(bytes, at, end) : namedTimeEnd(bytes, at, end);
}

/**
 * Milliseconds since 1970 of the time in `bytes[start..end)`, NaN when it is none. A time without a zone is in that of
 * `zoneOffsetMinutes` (east of Greenwich is positive; default: the zone of this machine); one without a year is in
 * the year that brings it nearest to `nowMs`, at most a day ahead of it.
 */
export function readTimeMs(
  bytes: Uint8Array,
  start: number,
  end: number,
  nowMs: number,
  zoneOffsetMinutes?: number,
): number {
  if (timeEndAt(bytes, start, end) !== end) return NaN;
  const text = decoder.decode(bytes.subarray(start, end));
  const numeric = numericPattern.exec(text);
  if (numeric !== null) return numericMs(numeric, zoneOffsetMinutes);
  const named = namedPattern.exec(text);
  return named === null ? NaN : namedMs(named, nowMs, zoneOffsetMinutes);
}

/** `2026-11-20T19:32:47.948037+00:00`, also with a space for the `T` and without a zone; `2026 Nov 20 19:32:47`. */
function numericTimeEnd(bytes: Uint8Array, at: number, end: number): number {
  if (!digitsAt(bytes, at, 4, end)) return -1;
  if (bytes[at + 4] === space) return namedTimeEnd(bytes, at + 5, end);
  if (bytes[at + 4] !== dash || bytes[at + 7] !== dash || !digitsAt(bytes, at + 5, 2, end)) return -1;
  if (!digitsAt(bytes, at + 8, 2, end) || (bytes[at + 10] !== upperT && bytes[at + 10] !== space)) return -1;
  let stop = clockEnd(bytes, at + 11, end);
  if (stop < 0) return -1;
  if (bytes[stop] === upperZ && stop < end) stop++;
  else if (stop + 6 <= end && (bytes[stop] === plus || bytes[stop] === dash) && digitsAt(bytes, stop + 1, 2, end)) {
    if (bytes[stop + 3] === colon && digitsAt(bytes, stop + 4, 2, end)) stop += 6;
  }
  return stop === end || isSeparator(bytes[stop]!) ? stop : -1;
}

/** `Nov 20 19:32:47`, also with a weekday before, fractions, or a year before the clock or after it. */
function namedTimeEnd(bytes: Uint8Array, at: number, end: number): number {
  if (!isMonth(bytes, at, end)) {
    if (bytes[at + 3] === space && isLetter(bytes[at]!) && isMonth(bytes, at + 4, end)) at += 4; // a weekday
    else return -1;
  }
  at += 4;
  if (bytes[at] === space) at++;
  const day = at;
  while (at < end && at < day + 2 && isDigit(bytes[at]!)) at++;
  if (at === day || bytes[at] !== space) return -1;
  at++;
  if (isYear(bytes, at, end) && bytes[at + 4] === space) at += 5;
  const stop = clockEnd(bytes, at, end);
  if (stop < 0 || (stop < end && !isSeparator(bytes[stop]!))) return -1;
  const yearEnd = stop + 5;
  const hasYear = bytes[stop] === space && isYear(bytes, stop + 1, end) &&
    (yearEnd === end || bytes[yearEnd] === space || (bytes[yearEnd] === colon && bytes[yearEnd + 1] === space));
  return hasYear ? yearEnd : stop;
}

/** End of `19:32:47` with its fraction, or −1. */
function clockEnd(bytes: Uint8Array, at: number, end: number): number {
  if (!digitsAt(bytes, at, 2, end) || bytes[at + 2] !== colon || !digitsAt(bytes, at + 3, 2, end)) return -1;
  if (bytes[at + 5] !== colon || !digitsAt(bytes, at + 6, 2, end)) return -1;
  let stop = at + 8;
  if (stop + 1 < end && (bytes[stop] === dot || bytes[stop] === comma) && isDigit(bytes[stop + 1]!)) {
    stop++;
    while (stop < end && stop < at + 18 && isDigit(bytes[stop]!)) stop++;
  }
  return stop;
}

function numericMs(match: RegExpExecArray, zoneOffsetMinutes: number | undefined): number {
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  const clock = [Number(hour), Number(minute), Number(second), fractionMs(fraction)] as const;
  const offset = zone === undefined ? zoneOffsetMinutes : zoneMinutes(zone);
  return pointMs(Number(year), Number(month) - 1, Number(day), clock, offset);
}

function namedMs(match: RegExpExecArray, nowMs: number, zoneOffsetMinutes: number | undefined): number {
  const [, yearFirst, month, day, yearThere, hour, minute, second, fraction, yearLast] = match;
  const clock = [Number(hour), Number(minute), Number(second), fractionMs(fraction)] as const;
  const index = monthNames.indexOf(month!);
  const given = yearFirst ?? yearThere ?? yearLast;
  if (given !== undefined) return pointMs(Number(given), index, Number(day), clock, zoneOffsetMinutes);
  const year = new Date(nowMs).getFullYear();
  let best = NaN;
  for (const guess of [year + 1, year, year - 1]) {
    const ms = pointMs(guess, index, Number(day), clock, zoneOffsetMinutes);
    if (ms <= nowMs + 86_400_000 && Number.isNaN(best)) best = ms;
  }
  return best;
}

type Clock = readonly [hour: number, minute: number, second: number, millisecond: number];

/** NaN for a date that the calendar does not have. */
function pointMs(year: number, month: number, day: number, clock: Clock, offset: number | undefined): number {
  const [hour, minute, second, millisecond] = clock;
  if (hour > 23 || minute > 59 || second > 60 || month > 11 || month < 0) return NaN;
  const utcMs = Date.UTC(year, month, day, hour, minute, second, millisecond);
  if (new Date(Date.UTC(year, month, day)).getUTCDate() !== day) return NaN;
  if (offset !== undefined) return utcMs - offset * 60_000;
  return new Date(year, month, day, hour, minute, second, millisecond).getTime();
}

function fractionMs(fraction: string | undefined): number {
  return fraction === undefined ? 0 : Math.floor(Number(`0.${fraction}`) * 1_000 + 1e-9);
}

function zoneMinutes(zone: string): number {
  if (zone === "Z") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4));
  return zone.startsWith("-") ? -minutes : minutes;
}

function digitsAt(bytes: Uint8Array, at: number, count: number, end: number): boolean {
  if (at + count > end) return false;
  for (let i = at; i < at + count; i++) if (!isDigit(bytes[i]!)) return false;
  return true;
}

function isYear(bytes: Uint8Array, at: number, end: number): boolean {
  return digitsAt(bytes, at, 4, end) &&
    (bytes[at] === 50 && bytes[at + 1] === 48 || bytes[at] === 49 && bytes[at + 1] === 57);
}

function isMonth(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 4 > end || bytes[at + 3] !== space) return false;
  return months.has((bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!);
}

function isLetter(byte: number): boolean {
  return (byte | 32) >= 97 && (byte | 32) <= 122;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

function isSeparator(byte: number): boolean {
  return byte === space || byte === colon;
}

const monthNames = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const months: ReadonlySet<number> = new Set(
  monthNames.map((name) => (name.charCodeAt(0) << 16) | (name.charCodeAt(1) << 8) | name.charCodeAt(2)),
);
const clockSource = String.raw`(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?`;
const numericPattern = new RegExp(String.raw`^(\d{4})-(\d\d)-(\d\d)[T ]${clockSource}(Z|[+-]\d\d:\d\d)?$`);
const namedPattern = new RegExp(
  String.raw`^(?:(\d{4}) )?(?:[A-Za-z]{3} )?([A-Z][a-z]{2})  ?(\d\d?) (?:(\d{4}) )?${clockSource}(?: (\d{4}))?$`,
);
const decoder = new TextDecoder();
/** `Nov 5 1:02:03` is none: the clock always has two digits. */
const minTimeBytes = 14;
const space = 32;
const plus = 43;
const comma = 44;
const dash = 45;
const dot = 46;
const colon = 58;
const upperT = 84;
const upperZ = 90;
