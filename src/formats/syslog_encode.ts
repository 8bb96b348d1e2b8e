/** Headers of syslog records, written: the counterpart of `syslog.ts`. */

/** What goes into a header. Text that a format does not allow is made to fit: never refused, never split in two lines. */
export interface SyslogFields {
  /** Facility × 8 + severity, 0..191. */
  readonly priority: number;
  /** Milliseconds since 1970; NaN where unknown. */
  readonly timeMs: number;
  readonly host: string;
  readonly program: string;
  readonly procid?: string;
  readonly msgid?: string;
  /** Complete elements `[id name="value"]`, see {@linkcode encodeElement}; only RFC 5424 has a place for it. */
  readonly data?: string;
}

/** The layouts a record can be sent in. */
export type SyslogForm = "forward" | "rfc3164" | "rfc5424";

/**
 * The bytes that go before the message. `forward` is rsyslog's RSYSLOG_ForwardFormat: the time has microseconds and the
 * zone `+00:00`, the tag is cut at 32 characters; the message follows behind one space, which is part of the header.
 */
export function encodeSyslogHeader(form: SyslogForm, fields: SyslogFields): Uint8Array {
  if (form === "rfc5424") return encoder.encode(header5424(fields));
  const time = form === "forward" ? forwardTime(fields.timeMs) : bsdTime(fields.timeMs);
  const pid = fields.procid === undefined || fields.procid === "" ? "" : `[${word(fields.procid, 128)}]`;
  const tag = `${word(fields.program, 255)}${pid}:`.slice(0, 32);
  return encoder.encode(`<${fields.priority}>${time} ${word(fields.host, 255)} ${tag} `);
}

/** One element of structured data (RFC 5424 section 6.3); values are escaped, names lose what they may not hold. */
export function encodeElement(id: string, parameters: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(parameters).map(([name, value]) => ` ${elementName(name)}="${escapeValue(value)}"`);
  return `[${elementName(id)}${pairs.join("")}]`;
}

/**
 * `2026-11-20T20:30:00.123000+00:00`, as rsyslog writes it in its forward format. The unknown time is 1970; a fraction of
 * `timeMs` becomes microseconds.
 */
export function forwardTime(timeMs: number): string {
  const microseconds = Math.min(999, Math.round((timeMs % 1) * 1_000));
  return isoTime(timeMs).replace("Z", `${microseconds > 0 ? String(microseconds).padStart(3, "0") : "000"}+00:00`);
}

/** `Nov 20 20:30:00` in UTC (RFC 3164 section 4.1.2 leaves the zone open; all that the agent writes is UTC). */
export function bsdTime(timeMs: number): string {
  const iso = isoTime(timeMs);
  const day = String(Number(iso.slice(8, 10))).padStart(2);
  return `${monthNames[Number(iso.slice(5, 7)) - 1]} ${day} ${iso.slice(11, 19)}`;
}

function header5424(fields: SyslogFields): string {
  const time = Number.isNaN(fields.timeMs) ? "-" : isoTime(fields.timeMs);
  const words = [
    word(fields.host, 255),
    word(fields.program, 48),
    word(fields.procid ?? "", 128),
    word(fields.msgid ?? "", 32),
  ];
  const data = fields.data === undefined || fields.data === "" ? "-" : fields.data;
  return `<${fields.priority}>1 ${time} ${words.join(" ")} ${data} `;
}

function isoTime(timeMs: number): string {
  const inRange = timeMs >= 0 && timeMs < 253_402_300_800_000; // up to year 9999: four digits
  return new Date(inRange ? timeMs : 0).toISOString();
}

/** Printable ASCII without spaces, `-` when nothing is left. */
function word(text: string, maxLength: number): string {
  const safe = text.replaceAll(/[^!-~]/g, "_").slice(0, maxLength);
  return safe === "" ? "-" : safe;
}

function elementName(name: string): string {
  const safe = name.replaceAll(/[^!#-<>-\\^-~]/g, "_").slice(0, 32);
  return safe === "" ? "_" : safe;
}

function escapeValue(value: string): string {
  // deno-lint-ignore no-control-regex -- a control character would break the line that the record is written to
  return value.replaceAll(/["\\\]]/g, "\\$&").replaceAll(/[\x00-\x1f\x7f]/g, " ");
}

const monthNames = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const encoder = new TextEncoder();
