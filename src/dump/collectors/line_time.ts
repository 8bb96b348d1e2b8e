/**
 * When a line of a log was written, for any of the forms that logs have: RFC 3339 and its kin, RFC 3164, TAI64N, seconds
 * since boot (kernel), JSON of journald and of programs, audit, klog, Go, web servers. Only the first 4 KiB are looked at.
 */
import { readTimeMs, timeEndAt } from "../../formats/syslog_time.ts";
import { readTai64n } from "../../formats/tai64n.ts";
import { earliestTimeMs } from "../../system/clock.ts";

/** What times without a date or a zone are counted from. */
export interface LineTimeBasis {
  readonly nowMs: number;
  /** When the machine was started; undefined where it is not running: times since boot then mean nothing. */
  readonly bootAtMs?: number;
}

/** Milliseconds since 1970; undefined for a line without a time, or with one of a clock that was not set. */
export function lineTimeMs(line: Uint8Array, basis: LineTimeBasis): number | undefined {
  const timeMs = anyTimeMs(line, basis);
  // Devices without a battery begin in 1970: such lines are of this boot as likely as not, and must not be filtered.
  return timeMs === undefined || Number.isNaN(timeMs) || timeMs < earliestTimeMs ? undefined : timeMs;
}

function anyTimeMs(line: Uint8Array, { nowMs, bootAtMs }: LineTimeBasis): number | undefined {
  const end = Math.min(line.length, 4_096);
  let at = 0;
  if (line[0] === atSign) return readTai64n(line, 0, end, "s6");
  if (line[0] === lessThan) at = Math.min(line.indexOf(greaterThan) + 1, 6);
  if (line[at] === digit1 && line[at + 1] === space) at += 2; // RFC 5424: the version
  const stop = timeEndAt(line, at, end);
  if (stop > 0) return readTimeMs(line, at, stop, nowMs);
  if (line[0] === openBrace) return jsonTimeMs(decoder.decode(line.subarray(0, end)));
  return textTimeMs(decoder.decode(line.subarray(at, Math.min(end, at + 512))), nowMs, bootAtMs);
}

/** `__REALTIME_TIMESTAMP` of journald in microseconds; `time`, `ts`, `@timestamp` as text or as seconds. */
function jsonTimeMs(text: string): number | undefined {
  const journal = /"__REALTIME_TIMESTAMP"\s*:\s*"?(\d{13,17})/.exec(text)?.[1];
  if (journal !== undefined) return Number(journal) / 1_000;
  const [, words, figure] =
    /"(?:time|ts|timestamp|@timestamp|t)"\s*:\s*(?:"([^"]+)"|(\d{9,19}(?:\.\d+)?))/.exec(text) ??
      [];
  if (words !== undefined) return Date.parse(words);
  return figure === undefined ? undefined : scaledMs(Number(figure));
}

function textTimeMs(text: string, nowMs: number, bootAtMs: number | undefined): number | undefined {
  const kernel = /^(?:<\d+>)?\[ *(\d+)\.(\d{3,6})(?:\]| )/.exec(text);
  if (kernel !== null) {
    return bootAtMs === undefined ? undefined : bootAtMs + Number(`${kernel[1]}.${kernel[2]}`) * 1_000;
  }
  const audit = /\baudit\((\d{9,11}\.\d{3}):/.exec(text)?.[1];
  if (audit !== undefined) return Number(audit) * 1_000;
  const klog = /^[IWEF](\d\d)(\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) /.exec(text);
  if (klog !== null) return nearestYearMs(`${klog[1]}-${klog[2]}`, klog[3]!, nowMs);
  const web = /\[(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})\]/.exec(text);
  if (web !== null) return Date.parse(`${web[1]} ${web[2]} ${web[3]} ${web[4]} ${web[5]}`);
  // `[2026-11-20 …]`, `time="2026-11-20T…"`, `2026/11/20 19:32:47`.
  const other = /^\W{0,2}(?:\w{1,9}=")?(\d{4})[/-](\d\d)[/-](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:?\d\d)?/
    .exec(text);
  if (other !== null) {
    const [, year, month, day, clock, fraction, zone] = other;
    return Date.parse(`${year}-${month}-${day}T${clock}.${(fraction ?? "0").slice(0, 3)}${zone ?? ""}`);
  }
  const seconds = /^\[?(\d{10}(?:\.\d+)?)[\]: ]/.exec(text)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}

/** A date without a year, UTC or not, is the nearest that is not more than a day ahead. */
function nearestYearMs(monthDay: string, clock: string, nowMs: number): number {
  const year = new Date(nowMs).getFullYear();
  const timeMs = Date.parse(`${year}-${monthDay}T${clock}`);
  return timeMs > nowMs + 86_400_000 ? Date.parse(`${year - 1}-${monthDay}T${clock}`) : timeMs;
}

/** Seconds, milliseconds, microseconds or nanoseconds, by their size. */
function scaledMs(figure: number): number {
  if (figure < 1e11) return figure * 1_000;
  if (figure < 1e14) return figure;
  return figure < 1e17 ? figure / 1e3 : figure / 1e6;
}

const decoder = new TextDecoder();
const space = 32;
const digit1 = 49;
const lessThan = 60;
const greaterThan = 62;
const atSign = 64;
const openBrace = 123;
