/**
 * Records as rsyslog's templates write them, byte for byte: what a server that was set up for rsyslog's output expects.
 *
 * ```text
 *   rfc5424   <13>1 2026-11-20T19:32:47.948037+00:00 vm kubelet 812 - -  message      RSYSLOG_SyslogProtocol23Format
 *   rfc3164   <13>Nov 20 19:32:47 vm kubelet[812]: message                            RSYSLOG_TraditionalForwardFormat
 *   gardener   foo bar 6f9d… vm 13 kubelet[812]: 2026-11-20T19:32:47.948037+00:00 812 -  message␣
 * ```
 *
 * The message of a record of RFC 3164 begins with the space behind its tag, as rsyslog's `%msg%` does; the LF at the end
 * of SyslogProtocol23Format, which a frame does not need, is left out. Pure.
 *
 * @see rsyslog doc/configuration/templates; gardener-extension-shoot-rsyslog-relp, template SyslogForwarderTemplate
 */
import type { Batch, Origin } from "../pipeline/batch.ts";
import { readSyslogHeader, SyslogHeader } from "./syslog.ts";
import { bsdTime, forwardTime } from "./syslog_encode.ts";
import { readTimeMs } from "./syslog_time.ts";

/** The templates beside RSYSLOG_ForwardFormat. */
export type PayloadTemplate = "rfc5424" | "rfc3164" | "gardener";

/** What names a cluster in Gardener's line; `-` for each that is missing. */
export interface GardenerNames {
  readonly project?: string;
  readonly shoot?: string;
  readonly uid?: string;
}

/** rsyslog's properties of a record. */
interface Properties {
  readonly pri: number;
  /** As `date-rfc3339` writes it: as the record has it, where it is of that form. */
  readonly isoTime: string;
  readonly bsdTime: string;
  readonly host: string;
  /** With `[pid]` and colon. */
  readonly tag: string;
  readonly program: string;
  readonly procid: string;
  readonly msgid: string;
  readonly data: string;
}

/** Finds what goes before and behind one record after the other. Made once per sink. */
export class RsyslogTemplate {
  /** What goes before the record last found. */
  bytes: Uint8Array = empty;
  /** Where the message of that record begins and ends. */
  start = 0;
  end = 0;
  /** What goes behind each record. */
  readonly tail: Uint8Array;
  readonly #write: (properties: Properties, space: boolean) => string;
  readonly #template: PayloadTemplate;
  readonly #header = new SyslogHeader();
  #batch: Batch | undefined;
  #plain: { readonly beforeText: Uint8Array; readonly beforeSpace: Uint8Array } | undefined;

  constructor(template: PayloadTemplate, names: GardenerNames = {}) {
    this.tail = template === "gardener" ? encoder.encode(" ") : empty;
    this.#template = template;
    this.#write = writers[template](names);
  }

  /** Fills the fields for record `index`. */
  find(batch: Batch, index: number): void {
    if (batch !== this.#batch) this.#begin(batch);
    this.start = batch.bounds[2 * index]!;
    this.end = batch.bounds[2 * index + 1]!;
    if (this.#plain === undefined) this.#findOwn(batch);
    else this.bytes = batch.bytes[this.start] === space ? this.#plain.beforeSpace : this.#plain.beforeText;
  }

  #begin(batch: Batch): void {
    this.#batch = batch;
    this.#plain = undefined;
    if (batch.origin.form === "syslog") return;
    const properties = originProperties(batch.origin);
    const beforeSpace = encoder.encode(this.#write(properties, false));
    // Where a tag stands before it, a plain record gets the space that would follow the tag.
    const beforeText = this.#template === "rfc5424" ? beforeSpace : encoder.encode(this.#write(properties, true));
    this.#plain = { beforeText, beforeSpace };
  }

  #findOwn({ bytes, origin }: Batch): void {
    const header = this.#header;
    const found = readSyslogHeader(bytes, this.start, this.end, header);
    const properties = ownProperties(bytes, header, found, origin);
    this.start = messageStart(bytes, header);
    const gap = bytes[this.start] !== space && this.#gapBefore(header);
    this.bytes = encoder.encode(this.#write(properties, gap));
  }

  /** RSYSLOG_TraditionalForwardFormat has `sp-if-no-1st-sp`; Gardener's line has what stood behind the tag. */
  #gapBefore(header: SyslogHeader): boolean {
    if (this.#template === "rfc3164") return true;
    return this.#template === "gardener" && header.form !== "rfc5424" && header.programEnd === header.programStart;
  }
}

/** One per template: the text before the message; `space`: with one more at its end. */
const writers: Readonly<
  Record<PayloadTemplate, (names: GardenerNames) => (properties: Properties, space: boolean) => string>
> = {
  rfc5424: () => (p, gap) =>
    `<${p.pri}>1 ${p.isoTime} ${p.host} ${p.program} ${p.procid} ${p.msgid} ${p.data} ${gap ? " " : ""}`,
  rfc3164: () => (p, gap) => `<${p.pri}>${p.bsdTime} ${p.host} ${p.tag.slice(0, 32)}${gap ? " " : ""}`,
  gardener: ({ project = "-", shoot = "-", uid = "-" }) => (p, gap) =>
    ` ${project} ${shoot} ${uid} ${p.host} ${p.pri} ${p.tag} ${p.isoTime} ${p.procid} ${p.msgid} ${gap ? " " : ""}`,
};

function originProperties(origin: Origin): Properties {
  const program = printable(origin.program);
  return {
    pri: origin.priority,
    isoTime: forwardTime(origin.readAtMs),
    bsdTime: bsdTime(origin.readAtMs),
    host: printable(origin.host),
    tag: `${program}:`,
    program: beforeSlash(program),
    procid: "-",
    msgid: "-",
    data: "-",
  };
}

function ownProperties(bytes: Uint8Array, header: SyslogHeader, found: boolean, origin: Origin): Properties {
  const text = (start: number, end: number): string => decoder.decode(bytes.subarray(start, end));
  const program = text(header.programStart, header.programEnd);
  const procid = text(header.procidStart, header.procidEnd);
  const ownProgram = program === "" ? printable(origin.program) : program;
  return {
    ...timesOf(bytes, header, origin.readAtMs),
    pri: found ? header.priority : origin.priority,
    host: text(header.hostStart, header.hostEnd) || printable(origin.host),
    tag: tagOf(bytes, header, program, procid) ?? `${ownProgram}:`,
    program: header.form === "rfc5424" ? ownProgram : beforeSlash(ownProgram),
    procid: procid === "" ? "-" : procid,
    msgid: text(header.msgidStart, header.msgidEnd) || "-",
    data: text(header.dataStart, header.dataEnd) || "-",
  };
}

/** The tag as it stands there; for RFC 5424 what rsyslog makes of name and process: no colon. */
function tagOf(bytes: Uint8Array, header: SyslogHeader, program: string, procid: string): string | undefined {
  if (program === "") return header.form === "rfc5424" ? "-" : undefined;
  const name = procid === "" ? program : `${program}[${procid}]`;
  if (header.form === "rfc5424") return name;
  const end = header.procidEnd > header.procidStart ? header.procidEnd + 1 : header.programEnd;
  return bytes[end] === colon ? `${name}:` : name;
}

function timesOf(
  bytes: Uint8Array,
  header: SyslogHeader,
  readAtMs: number,
): { readonly isoTime: string; readonly bsdTime: string } {
  const { timeStart, timeEnd } = header;
  const text = decoder.decode(bytes.subarray(timeStart, timeEnd));
  const timeMs = timeEnd > timeStart ? readTimeMs(bytes, timeStart, timeEnd, readAtMs) : NaN;
  if (Number.isNaN(timeMs)) return { isoTime: forwardTime(readAtMs), bsdTime: bsdTime(readAtMs) };
  const local = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  // rsyslog does not move a time to another zone: the digits stay.
  if (local !== null) return { isoTime: text, bsdTime: bsdTime(Date.parse(`${local[1]}Z`)) };
  return { isoTime: `${new Date(timeMs).toISOString().slice(0, 19)}+00:00`, bsdTime: bsdTime(timeMs) };
}

/** Where rsyslog's `%msg%` begins: at the space behind a tag, at the byte order mark of RFC 5424. */
function messageStart(bytes: Uint8Array, header: SyslogHeader): number {
  const at = header.messageStart;
  if (header.form === "rfc5424") return at >= 3 && isMark(bytes, at - 3) ? at - 3 : at;
  return header.programEnd > header.programStart && bytes[at - 1] === space ? at - 1 : at;
}

function isMark(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf;
}

/** rsyslog's `programname` ends at a slash. */
function beforeSlash(program: string): string {
  const slash = program.indexOf("/");
  return slash > 0 ? program.slice(0, slash) : program;
}

/** A name without what would end a header field: a file may be called anything. */
function printable(name: string): string {
  return name === "" ? "-" : name.replaceAll(/[^!-~]/g, "_");
}

const empty = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const space = 32;
const colon = 58;
