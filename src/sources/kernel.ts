/**
 * The `kernel` source: `/dev/kmsg` from its oldest record on. Its position is boot id and sequence number, so that a
 * restart sends nothing again; a gap in the numbers becomes a record that says how many are missing.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { type KernelRecord, parseKernelRecord } from "../formats/kmsg.ts";
import { type Batch, batchOfLines, type Origin } from "../pipeline/batch.ts";
import type { Position } from "../pipeline/checkpoint.ts";
import { pause } from "../pipeline/backoff.ts";
import { failure } from "../pipeline/errors.ts";
import type { BatchLimits, Source } from "../pipeline/source.ts";
import { openLog } from "../system/log.ts";

/** Where to read, and as whom. */
export interface KernelSourceOptions {
  readonly id: string;
  readonly host: string;
  /** End when there is nothing more to read. */
  readonly once: boolean;
  /** Default `/dev/kmsg`. */
  readonly device?: string;
}

/** Opens the source. Reading fails where the device cannot be opened (it asks for CAP_SYSLOG). */
export function openKernelSource(options: KernelSourceOptions): Source {
  return {
    id: options.id,
    replayable: true,
    read: (from, limits, signal) => readKernel(options, from, limits, signal),
  };
}

async function* readKernel(
  options: KernelSourceOptions,
  from: Position | undefined,
  limits: BatchLimits,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const boot = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  const reader = new KernelReader(options, boot, lastSequence(from, boot));
  try {
    while (!signal.aborted) {
      const batch = reader.next(limits.maxRecords);
      if (batch !== undefined) yield batch;
      else if (options.once) return;
      else await pause(pollMs, signal);
    }
  } finally {
    reader.close();
  }
}

function lastSequence(from: Position | undefined, boot: string): number {
  const saved = from?.kmsg as { boot: string; sequence: number } | undefined;
  return saved?.boot === boot ? saved.sequence : -1;
}

class KernelReader {
  readonly #options: KernelSourceOptions;
  readonly #boot: string;
  readonly #file: number;
  readonly #buffer = new Uint8Array(16 * 1024);
  /** Wall clock at boot, milliseconds since 1970, as far as it is known now. */
  readonly #bootAtMs = Date.now() - Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]) * 1_000;
  #last: number;

  constructor(options: KernelSourceOptions, boot: string, last: number) {
    this.#options = options;
    this.#boot = boot;
    this.#last = last;
    const device = options.device ?? "/dev/kmsg";
    try {
      this.#file = openSync(device, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      throw failure("read", `"${device}"`, error, "run as root, or with the capability CAP_SYSLOG");
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  /** The records that are there now, `maxRecords` at the most; undefined when there are none. */
  next(maxRecords: number): Batch | undefined {
    const lines: string[] = [];
    while (lines.length < maxRecords) {
      const record = this.#readRecord();
      if (record === undefined) break;
      if (record.sequence <= this.#last) continue;
      const missing = record.sequence - this.#last - 1;
      if (this.#last >= 0 && missing > 0) lines.push(this.#gapLine(record, missing));
      this.#last = record.sequence;
      lines.push(this.#line(record.priority, record.timeUs, record.text));
    }
    if (lines.length === 0) return undefined;
    return batchOfLines(lines, this.#origin(), { kmsg: { boot: this.#boot, sequence: this.#last } });
  }

  #readRecord(): KernelRecord | undefined {
    for (;;) {
      try {
        const length = readSync(this.#file, this.#buffer, 0, this.#buffer.length, null);
        if (length === 0) return undefined;
        const record = parseKernelRecord(this.#buffer.subarray(0, length));
        if (record !== undefined) return record;
      } catch (error) {
        const code = (error as { code?: string }).code;
        if (code === "EAGAIN") return undefined;
        if (code !== "EPIPE") throw failure("read", `"${this.#options.device ?? "/dev/kmsg"}"`, error);
        // EPIPE: the ring overtook us and the position moved to its oldest record; the sequence tells how many are gone.
      }
    }
  }

  #gapLine(record: KernelRecord, missing: number): string {
    log.warning(`${missing} kernel records were overwritten before they could be read`);
    return this.#line(
      4,
      record.timeUs,
      `agent: gap of ${missing} kernel records: overwritten before they could be read`,
    );
  }

  #line(priority: number, timeUs: number, text: string): string {
    const time = new Date(this.#bootAtMs + timeUs / 1_000).toISOString().slice(0, -1);
    return `<${priority}>${time}${String(timeUs % 1_000).padStart(3, "0")}+00:00 ${this.#options.host} kernel: ${text}`;
  }

  #origin(): Origin {
    return {
      source: this.#options.id,
      host: this.#options.host,
      program: "kernel",
      priority: 6,
      form: "syslog",
      readAtMs: Date.now(),
    };
  }
}

const pollMs = 250;
const log = openLog("kernel");
