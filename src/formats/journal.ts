/**
 * Entries of the systemd journal as `journalctl -o json` prints them, one object per line, and the syslog record that
 * is made of one.
 *
 * ```text
 *   {"__CURSOR":"s=…;i=1;b=…","__REALTIME_TIMESTAMP":"1700000000000001","PRIORITY":"3","MESSAGE":"text"}
 *   MESSAGE: "text" · [27,91,51] (octets that are no text) · ["once","twice"] (the field was given twice) · null
 * ```
 *
 * @see systemd's docs/JOURNAL_EXPORT_FORMATS.md, "Journal JSON Format"
 */
import { encodeSyslogHeader } from "./syslog_encode.ts";

/** One entry, as far as a record needs it. */
export interface JournalEntry {
  /** Names the entry for ever, in this journal; never empty. */
  readonly cursor: string;
  /** When journald took it, microseconds since 1970; 0 where unknown. */
  readonly realtimeUs: number;
  /** Facility × 8 + severity; user.notice for what does not say. */
  readonly priority: number;
  /** SYSLOG_IDENTIFIER, else _COMM; may be empty. */
  readonly program: string;
  /** SYSLOG_PID, else _PID; may be empty. */
  readonly pid: string;
  /** Empty where the entry does not say. */
  readonly host: string;
  /** The octets as they were logged; may hold LF and anything else. */
  readonly message: Uint8Array;
}

/** The fields that {@linkcode parseJournalEntry} looks at, for `--output-fields`; `__CURSOR` and times always come. */
export const journalFields: readonly string[] = [
  "MESSAGE",
  "PRIORITY",
  "SYSLOG_FACILITY",
  "SYSLOG_IDENTIFIER",
  "SYSLOG_PID",
  "_COMM",
  "_PID",
  "_HOSTNAME",
];

/** Reads one line; undefined when it is no entry (torn, not JSON, without a cursor). */
export function parseJournalEntry(line: Uint8Array): JournalEntry | undefined {
  let fields: Record<string, unknown>;
  try {
    const value: unknown = JSON.parse(decoder.decode(line));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    fields = value as Record<string, unknown>;
  } catch {
    return undefined; // torn or garbage: there is nothing in it that could be told apart
  }
  const cursor = fields.__CURSOR;
  if (typeof cursor !== "string" || cursor === "") return undefined;
  return {
    cursor,
    realtimeUs: wholeNumber(fields.__REALTIME_TIMESTAMP, Number.MAX_SAFE_INTEGER) ?? 0,
    priority: 8 * (wholeNumber(fields.SYSLOG_FACILITY, 23) ?? 1) + (wholeNumber(fields.PRIORITY, 7) ?? 5),
    program: firstText(fields.SYSLOG_IDENTIFIER) || firstText(fields._COMM),
    pid: firstText(fields.SYSLOG_PID) || firstText(fields._PID),
    host: firstText(fields._HOSTNAME),
    message: octetsOf(fields.MESSAGE),
  };
}

/** What goes before the message: rsyslog's forward format with the microseconds of the entry. `host`: if it has none. */
export function encodeJournalHeader(entry: JournalEntry, host: string): Uint8Array {
  const program = entry.program === "" ? "unknown" : entry.program;
  const header = encodeSyslogHeader("forward", {
    priority: entry.priority,
    timeMs: Math.floor(entry.realtimeUs / 1_000),
    host: entry.host === "" ? host : entry.host,
    program,
    // A tag is cut at 32 characters: better without its pid than with half of it.
    ...(program.length + entry.pid.length <= maxTagLength - 3 ? { procid: entry.pid } : {}),
  });
  const microseconds = String(entry.realtimeUs % 1_000).padStart(3, "0");
  header.set(encoder.encode(microseconds), header.indexOf(rightAngle) + 1 + "2026-11-20T20:30:00.123".length);
  return header;
}

/** How many entries lie between two cursors of one journal (`s=ID;i=HEX;…`); undefined when they are of different ones. */
export function entriesBetween(earlier: string, later: string): number | undefined {
  const [a, b] = [cursorPattern.exec(earlier), cursorPattern.exec(later)];
  if (a === null || b === null || a[1] !== b[1]) return undefined;
  return Math.max(0, parseInt(b[2]!, 16) - parseInt(a[2]!, 16) - 1);
}

/** The octets of a field: text, a list of octets, or several values, which are joined by LF. */
function octetsOf(value: unknown): Uint8Array {
  if (typeof value === "string") return encoder.encode(value);
  if (!Array.isArray(value)) return new Uint8Array(0);
  if (value.every((item) => typeof item === "number")) return Uint8Array.from(value as number[]);
  const parts = value.map(octetsOf);
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length + 1, -1));
  let at = 0;
  parts.forEach((part, i) => {
    if (i > 0) all[at++] = lineFeed;
    all.set(part, at);
    at += part.length;
  });
  return all;
}

function firstText(value: unknown): string {
  if (typeof value === "string") return value;
  const first: unknown = Array.isArray(value) && typeof value[0] !== "number" ? value[0] : value;
  return decoder.decode(octetsOf(first));
}

function wholeNumber(value: unknown, max: number): number | undefined {
  const text = firstText(value);
  if (!/^\d{1,16}$/.test(text)) return undefined;
  const number = Number(text);
  return number <= max ? number : undefined;
}

const cursorPattern = /^s=([0-9a-f]+);i=([0-9a-f]{1,13});/;
const maxTagLength = 32;
const rightAngle = 62;
const lineFeed = 10;
const decoder = new TextDecoder();
const encoder = new TextEncoder();
