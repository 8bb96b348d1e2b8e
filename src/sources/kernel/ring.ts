/**
 * The kernel's ring as batches. Its position is boot id and sequence number, so that a restart sends nothing again; a gap
 * in the numbers becomes a record that says how many are missing.
 */
import { type KernelRecord, parseKernelRecord } from "../../formats/kmsg.ts";
import { forwardTime } from "../../formats/syslog_encode.ts";
import { type Batch, batchOfLines, type Origin } from "../../pipeline/batch.ts";
import type { Position } from "../../pipeline/checkpoint.ts";
import type { BatchLimits } from "../../pipeline/source.ts";
import type { BootClock } from "../../system/boot.ts";
import type { KernelDevice } from "./device.ts";

/** What a ring is read with. */
export interface RingOptions {
  readonly id: string;
  readonly host: string;
  /** Whether the dictionary (SUBSYSTEM, DEVICE) follows the text. */
  readonly fields: boolean;
  readonly bootId: string;
  readonly clock: BootClock;
  /** Told how many records were overwritten before they could be read. */
  onGap(missing: number): void;
}

/** Reads a device from behind the position. The device stays the caller's. */
export class RingReader {
  readonly #options: RingOptions;
  readonly #device: KernelDevice;
  /** Sequence number of the last record that was given; −1 before the first. */
  #last: number;

  constructor(options: RingOptions, device: KernelDevice, from: Position | undefined) {
    this.#options = options;
    this.#device = device;
    this.#last = lastSequence(from, options.bootId);
  }

  /** The records that are there now, within the limits; undefined when there are none. */
  next({ maxRecords, maxBytes }: BatchLimits): Batch | undefined {
    const lines: string[] = [];
    for (let bytes = 0; lines.length < maxRecords && bytes < maxBytes;) {
      const record = this.#read();
      if (record === undefined) break;
      if (record.sequence <= this.#last) continue;
      const missing = record.sequence - this.#last - 1;
      if (this.#last >= 0 && missing > 0) lines.push(this.#gapLine(record, missing));
      this.#last = record.sequence;
      const line = this.#line(record.priority, record.timeUs, this.#textOf(record));
      lines.push(line);
      bytes += line.length;
    }
    if (lines.length === 0) return undefined;
    return batchOfLines(lines, this.#origin(), { kmsg: { boot: this.#options.bootId, sequence: this.#last } });
  }

  #read(): KernelRecord | undefined {
    for (;;) {
      const bytes = this.#device.read();
      if (bytes === "end") return undefined;
      if (bytes === "overrun") continue; // the numbers tell how many are gone
      const record = parseKernelRecord(bytes);
      if (record !== undefined) return record;
    }
  }

  #textOf({ text, fields }: KernelRecord): string {
    const pairs = this.#options.fields ? Object.entries(fields).map(([key, value]) => `${key}=${value}`) : [];
    return pairs.length === 0 ? text : `${text} {${pairs.join(" ")}}`;
  }

  #gapLine(record: KernelRecord, missing: number): string {
    this.#options.onGap(missing);
    const text = `agent: gap of ${missing} kernel records: overwritten before they could be read`;
    return this.#line(gapPriority, record.timeUs, text);
  }

  #line(priority: number, timeUs: number, text: string): string {
    const time = forwardTime(this.#options.clock.bootAtMs() + timeUs / 1_000);
    return `<${priority}>${time} ${this.#options.host} kernel: ${text}`;
  }

  #origin(): Origin {
    const { id, host } = this.#options;
    return { source: id, host, program: "kernel", priority: 6, form: "syslog", readAtMs: Date.now() };
  }
}

function lastSequence(from: Position | undefined, bootId: string): number {
  const saved = from?.kmsg;
  if (typeof saved !== "object" || saved === null || !("boot" in saved) || saved.boot !== bootId) return -1;
  return typeof saved.sequence === "number" ? saved.sequence : -1;
}

/** kern.warning (RFC 5424 section 6.2.1). */
const gapPriority = 4;
