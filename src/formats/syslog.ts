/**
 * The header of a syslog record, found in its bytes without making a string: RFC 5424, RFC 3164 as it is found in the
 * wild, and rsyslog's forward format, which is RFC 3164 with a time of RFC 3339.
 *
 * ```text
 *   <165>1 2026-11-20T19:32:47.5Z router1 kubelet 812 ID47 [meta a="b"] message      RFC 5424 section 6
 *   <134>2026-11-20T19:32:47.948037+00:00 router1 kubelet[812]: message              RSYSLOG_ForwardFormat
 *   <13>Nov 20 19:32:47 router1 su: message                                          RFC 3164 section 4.1
 *   <13>Nov 20 19:32:47 su: message                                                  the same from /dev/log: no host
 * ```
 */
import { readBsdHeader } from "./syslog_3164.ts";
import { readHeader5424 } from "./syslog_5424.ts";

/**
 * What a header says, as offsets into the bytes it was read from; start = end where a part is absent or `-`.
 * Made once and filled again and again.
 */
export class SyslogHeader {
  /** `none`: no header at all, the record is the message. */
  form: "none" | "rfc3164" | "rfc5424" = "none";
  /** Facility × 8 + severity, 0..191; −1 without a `<PRI>`. */
  priority = -1;
  timeStart = 0;
  timeEnd = 0;
  hostStart = 0;
  hostEnd = 0;
  /** The tag of RFC 3164 without `[pid]` and colon, APP-NAME of RFC 5424. */
  programStart = 0;
  programEnd = 0;
  procidStart = 0;
  procidEnd = 0;
  msgidStart = 0;
  msgidEnd = 0;
  /** All elements with their brackets. In RFC 5424 the place is known where there are none: at the `-`, or at the end. */
  dataStart = 0;
  dataEnd = 0;
  /** Without the space before it and without a byte order mark. */
  messageStart = 0;
  messageEnd = 0;

  /** Makes every part empty and all of `start..end` the message. */
  reset(start: number, end: number): void {
    this.form = "none";
    this.priority = -1;
    this.timeStart =
      this.timeEnd =
      this.hostStart =
      this.hostEnd =
        start;
    this.programStart =
      this.programEnd =
      this.procidStart =
      this.procidEnd =
        start;
    this.msgidStart =
      this.msgidEnd =
      this.dataStart =
      this.dataEnd =
        start;
    this.messageStart = start;
    this.messageEnd = end;
  }
}

/**
 * Fills `out` from the record `bytes[start..end)`; reads nothing outside, never throws, whatever the bytes are.
 * @returns whether the record begins with a valid `<PRI>`; without one a time may still be found, as in files of syslog
 */
export function readSyslogHeader(bytes: Uint8Array, start: number, end: number, out: SyslogHeader): boolean {
  out.reset(start, end);
  const priority = priorityAt(bytes, start, end);
  const at = priority < 0 ? start : afterPriority(bytes, start);
  if (priority < 0 || !readHeader5424(bytes, at, end, out)) readBsdHeader(bytes, at, end, priority >= 0, out);
  out.priority = priority;
  return priority >= 0;
}

/** Facility × 8 + severity of the `<PRI>` at `start`, or −1 where none stands (RFC 5424 section 6.2.1). */
export function priorityAt(bytes: Uint8Array, start: number, end: number): number {
  if (start + 2 >= end || bytes[start] !== 60) return -1;
  let value = 0;
  for (let at = start + 1; at < end && at <= start + 4; at++) {
    const digit = bytes[at]! - 48;
    if (digit >= 0 && digit <= 9) value = 10 * value + digit;
    else return bytes[at] === 62 && at > start + 1 && value <= 191 ? value : -1;
  }
  return -1;
}

/** Offset behind the `>` of a `<PRI>` that {@linkcode priorityAt} found at `start`. */
function afterPriority(bytes: Uint8Array, start: number): number {
  return bytes[start + 2] === 62 ? start + 3 : bytes[start + 3] === 62 ? start + 4 : start + 5;
}
