/**
 * One record of a batch as stores want it: when, from where, how important, and the message. Plain records take all but
 * the message from their origin, records of syslog from their own header. Pure.
 */
import type { Batch } from "../pipeline/batch.ts";
import { readSyslogHeader, SyslogHeader } from "./syslog.ts";
import { readTimeMs } from "./syslog_time.ts";

/** A cursor over the records of batches; made once, moved with {@linkcode open}. */
export class RecordFields {
  batch!: Batch;
  /** Whether every field but time and message is the origin's: then they are the same for the whole batch. */
  ofOrigin = true;
  /** Facility × 8 + severity, 0..191. */
  priority = 13;
  /** Milliseconds since 1970, a whole number ≥ 0. */
  timeMs = 0;
  /** Nanoseconds within that millisecond, 0..999,999. */
  nanos = 0;
  host = "";
  program = "";
  /** Empty where there is none; so are the next two. */
  procid = "";
  msgid = "";
  /** Elements of structured data with their brackets (RFC 5424 section 6.3). */
  data = "";
  messageStart = 0;
  messageEnd = 0;
  readonly #header = new SyslogHeader();
  #counter = 0;

  /** Moves to record `index` of `batch`. */
  open(batch: Batch, index: number): void {
    const { origin, bounds } = batch;
    this.messageStart = bounds[2 * index]!;
    this.messageEnd = bounds[2 * index + 1]!;
    this.ofOrigin = origin.form === "plain";
    if (!this.ofOrigin) return this.#openSyslog(batch, index);
    if (batch !== this.batch) this.#takeOrigin(batch);
    // Stores that sort by time keep the order of a batch, and those that merge what is equal take no two lines for one.
    this.nanos = Math.min(maxNanos, this.messageStart);
  }

  /** RFC 3339 with nanoseconds, UTC. */
  timeText(): string {
    return new Date(this.timeMs).toISOString().slice(0, -1) + String(this.nanos).padStart(6, "0") + "Z";
  }

  /** Nanoseconds since 1970, as decimal digits. */
  timeNanos(): string {
    return this.timeMs === 0 ? String(this.nanos) : `${this.timeMs}${String(this.nanos).padStart(6, "0")}`;
  }

  #takeOrigin(batch: Batch): void {
    const { host, program, priority, readAtMs } = batch.origin;
    this.batch = batch;
    this.priority = priority;
    this.host = host;
    this.program = program;
    this.procid = this.msgid = this.data = "";
    this.timeMs = wholeTimeMs(readAtMs);
  }

  #openSyslog(batch: Batch, index: number): void {
    const { bytes, origin } = batch;
    const header = this.#header;
    this.batch = batch;
    readSyslogHeader(bytes, this.messageStart, this.messageEnd, header);
    this.priority = header.priority < 0 ? origin.priority : header.priority;
    this.host = textOf(bytes, header.hostStart, header.hostEnd) || origin.host;
    this.program = textOf(bytes, header.programStart, header.programEnd) || origin.program;
    this.procid = textOf(bytes, header.procidStart, header.procidEnd);
    this.msgid = textOf(bytes, header.msgidStart, header.msgidEnd);
    this.data = textOf(bytes, header.dataStart, header.dataEnd);
    this.messageStart = header.messageStart;
    this.messageEnd = header.messageEnd;
    this.#takeTime(bytes, header, batch, index);
  }

  #takeTime(bytes: Uint8Array, { timeStart, timeEnd }: SyslogHeader, { origin, places }: Batch, index: number): void {
    const ownMs = timeEnd > timeStart ? readTimeMs(bytes, timeStart, timeEnd, origin.readAtMs) : NaN;
    this.timeMs = wholeTimeMs(ownMs >= 0 ? ownMs : origin.readAtMs);
    const digits = ownMs >= 0 ? /[.,]\d{3}(\d{1,6})/.exec(textOf(bytes, timeStart, timeEnd))?.[1] : undefined;
    this.nanos = digits === undefined
      ? (places?.numberOf(index) ?? this.#counter++) % (maxNanos + 1)
      : Number(digits.padEnd(6, "0"));
  }
}

/** Severities by number (RFC 5424 section 6.2.1), as people and dashboards write them. */
export const severityWords = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"] as const;

function wholeTimeMs(timeMs: number): number {
  return timeMs >= 0 && timeMs < 253_402_300_800_000 ? Math.floor(timeMs) : 0; // four digits of a year
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return end > start ? decoder.decode(bytes.subarray(start, end)) : "";
}

const maxNanos = 999_999;
const decoder = new TextDecoder();
