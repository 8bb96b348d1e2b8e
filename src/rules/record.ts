/** One record of a batch as rules see it: offsets first, parsed only as far as somebody asks. */
import { priorityAt, readSyslogHeader, SyslogHeader } from "../formats/syslog.ts";
import type { Batch, Origin } from "../pipeline/batch.ts";

/** A cursor over the records of batches; made once, moved with {@linkcode open}. */
export class RecordView {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  origin: Origin = nowhere;
  readonly #header = new SyslogHeader();
  #headerRead = false;
  #json: unknown;
  #jsonRead = false;

  /** Moves to record `index` of `batch`. */
  open(batch: Batch, index: number): void {
    this.bytes = batch.bytes;
    this.start = batch.bounds[2 * index]!;
    this.end = batch.bounds[2 * index + 1]!;
    this.origin = batch.origin;
    this.#headerRead = false;
    this.#jsonRead = false;
  }

  /** Facility × 8 + severity: the record's own, else that of its origin. */
  get priority(): number {
    if (this.origin.form === "plain") return this.origin.priority;
    const own = priorityAt(this.bytes, this.start, this.end);
    return own < 0 ? this.origin.priority : own;
  }

  /** The header; of a plain record all is message. Valid until the next `open`. */
  get header(): SyslogHeader {
    if (!this.#headerRead) {
      this.#headerRead = true;
      if (this.origin.form === "plain") this.#header.reset(this.start, this.end);
      else readSyslogHeader(this.bytes, this.start, this.end, this.#header);
    }
    return this.#header;
  }

  /** The program as text: the record's own, else that of its origin. */
  programText(): string {
    const { programStart, programEnd } = this.header;
    return programEnd > programStart ? this.#text(programStart, programEnd) : this.origin.program;
  }

  /** The host as text: the record's own, else that of its origin. */
  hostText(): string {
    const { hostStart, hostEnd } = this.header;
    return hostEnd > hostStart ? this.#text(hostStart, hostEnd) : this.origin.host;
  }

  /** The message as a JSON object, parsed once; undefined when it is none. */
  json(): Readonly<Record<string, unknown>> | undefined {
    if (!this.#jsonRead) {
      this.#jsonRead = true;
      this.#json = this.#parse();
    }
    return this.#json as Readonly<Record<string, unknown>> | undefined;
  }

  #parse(): unknown {
    const { messageStart, messageEnd } = this.header;
    const first = jsonStart(this.bytes, messageStart, messageEnd);
    if (first < 0) return undefined;
    try {
      return JSON.parse(this.#text(first, messageEnd));
    } catch {
      return undefined; // begins like an object and is none
    }
  }

  #text(start: number, end: number): string {
    return decoder.decode(this.bytes.subarray(start, end));
  }
}

/** Offset of the `{` that begins a message of JSON, or −1. */
export function jsonStart(bytes: Uint8Array, start: number, end: number): number {
  while (start < end && (bytes[start] === 32 || bytes[start] === 9)) start++;
  return start < end && bytes[start] === 123 ? start : -1;
}

const nowhere: Origin = { source: "", host: "", program: "", priority: 13, form: "plain", readAtMs: 0 };
const decoder = new TextDecoder();
