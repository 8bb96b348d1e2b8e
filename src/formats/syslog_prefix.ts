/** What goes before each record of a batch on its way to a syslog server, and where its message begins. Pure. */
import type { Batch } from "../pipeline/batch.ts";
import { forwardHeader } from "./forward.ts";
import { readSyslogHeader, SyslogHeader } from "./syslog.ts";
import { encodeSyslogHeader, type SyslogForm } from "./syslog_encode.ts";
import { readTimeMs } from "./syslog_time.ts";

/**
 * Finds the header of one record after the other. Plain records get one from their origin, made once per batch. Records
 * with a header of their own keep it where it is of the wanted form, or the form is `forward`; otherwise it is written
 * anew, and what the form has no place for (structured data in RFC 3164) is left out.
 */
export class SyslogPrefix {
  /** Header of the record last found. */
  bytes: Uint8Array = empty;
  /** Where the rest of that record begins and ends. */
  start = 0;
  end = 0;
  readonly #form: SyslogForm;
  readonly #header = new SyslogHeader();
  #batch: Batch | undefined;
  #plain: { readonly beforeText: Uint8Array; readonly beforeSpace: Uint8Array } | undefined;

  constructor(form: SyslogForm) {
    this.#form = form;
  }

  /** Fills the fields for record `index`. */
  find(batch: Batch, index: number): void {
    if (batch !== this.#batch) this.#begin(batch);
    this.start = batch.bounds[2 * index]!;
    this.end = batch.bounds[2 * index + 1]!;
    if (this.#plain !== undefined) {
      this.bytes = batch.bytes[this.start] === space ? this.#plain.beforeSpace : this.#plain.beforeText;
    } else this.#findOwn(batch);
  }

  #begin(batch: Batch): void {
    this.#batch = batch;
    const { form, host, program, priority, readAtMs } = batch.origin;
    if (form === "syslog") this.#plain = this.#form === "forward" ? noHeader : undefined;
    else if (this.#form === "forward") this.#plain = forwardHeader(batch.origin);
    else {
      const header = encodeSyslogHeader(this.#form, { priority, timeMs: readAtMs, host, program });
      const bare = this.#form === "rfc3164" ? header.subarray(0, -1) : header;
      this.#plain = { beforeText: header, beforeSpace: bare };
    }
  }

  #findOwn(batch: Batch): void {
    const { bytes, origin } = batch;
    const header = this.#header;
    const found = readSyslogHeader(bytes, this.start, this.end, header);
    this.bytes = empty;
    if (found && header.form === this.#form && !isIsoInBsd(bytes, header)) return;
    const text = (start: number, end: number): string => decoder.decode(bytes.subarray(start, end));
    const timeMs = header.timeEnd > header.timeStart
      ? readTimeMs(bytes, header.timeStart, header.timeEnd, origin.readAtMs)
      : NaN;
    const { messageStart, messageEnd } = header;
    this.bytes = encodeSyslogHeader(this.#form, {
      priority: found ? header.priority : origin.priority,
      timeMs: Number.isNaN(timeMs) ? origin.readAtMs : timeMs,
      host: text(header.hostStart, header.hostEnd) || origin.host,
      program: text(header.programStart, header.programEnd) || origin.program,
      procid: text(header.procidStart, header.procidEnd),
      msgid: text(header.msgidStart, header.msgidEnd),
      data: text(header.dataStart, header.dataEnd),
    });
    this.start = messageStart;
    this.end = messageEnd;
  }
}

/** Whether the header is of RFC 3164 but for its time. */
function isIsoInBsd(bytes: Uint8Array, header: SyslogHeader): boolean {
  const first = bytes[header.timeStart]!;
  return header.form === "rfc3164" && header.timeEnd > header.timeStart && first >= 48 && first <= 57;
}

const empty = new Uint8Array(0);
const noHeader = { beforeText: empty, beforeSpace: empty };
const decoder = new TextDecoder();
const space = 32;
