/**
 * The live tail: what passes through the engine, for whoever looks, after redaction, without what the rules keep from
 * every sink. Nobody looks: one comparison per batch. A reader that is slow, or a flood that nobody could read, costs
 * records of the tail, which are counted, and never a moment of the shipping.
 */
import type { Batch } from "../pipeline/batch.ts";
import { RecordView } from "../rules/record.ts";
import type { RuleSet } from "../rules/rule_set.ts";
import type { TailFilter, TailRecord } from "../status/state.ts";

/** Who follows, and what they get. */
export class LiveTail {
  readonly #readers = new Set<TailReader>();
  readonly #record = new RecordView();

  /** Whether anybody looks. */
  get watched(): boolean {
    return this.#readers.size > 0;
  }

  /** Shows a redacted batch; `sinks` are all that may get it. */
  show(batch: Batch, rules: RuleSet, sinks: readonly string[]): void {
    const nowMs = performance.now();
    for (const reader of this.#readers) {
      if (!reader.wantsSource(batch.origin.source)) continue;
      const looks = reader.allowance(batch.count, nowMs);
      for (let i = 0; i < looks; i++) {
        if (reader.full) {
          reader.skip(looks - i);
          break;
        }
        this.#offer(reader, batch, i, rules, sinks);
      }
    }
  }

  /** The records from now on; ends when `signal` aborts. */
  async *follow(filter: TailFilter, signal: AbortSignal): AsyncGenerator<TailRecord> {
    const reader = new TailReader(filter);
    const wake = (): void => reader.wake();
    signal.addEventListener("abort", wake);
    this.#readers.add(reader);
    try {
      while (!signal.aborted) {
        const record = reader.take();
        if (record !== undefined) yield record;
        else await reader.arrived();
      }
    } finally {
      this.#readers.delete(reader);
      signal.removeEventListener("abort", wake);
    }
  }

  #offer(reader: TailReader, batch: Batch, index: number, rules: RuleSet, sinks: readonly string[]): void {
    const view = this.#record;
    view.open(batch, index);
    const severity = view.priority & 7;
    if (severity > reader.filter.severity) return;
    if (!rules.empty && !sinks.some((sink) => ships(rules, batch, index, sink))) return;
    const { messageStart, messageEnd } = view.header;
    const message = decoder.decode(
      batch.bytes.subarray(messageStart, Math.min(messageEnd, messageStart + maxMessageBytes)),
    );
    if (!reader.wantsText(message)) return;
    const { source, readAtMs } = batch.origin;
    reader.put({
      source,
      timeMs: readAtMs,
      host: view.hostText(),
      program: view.programText(),
      severity,
      message: messageEnd - messageStart > maxMessageBytes ? `${message}…` : message,
    });
  }
}

function ships(rules: RuleSet, batch: Batch, index: number, sink: string): boolean {
  try {
    return rules.decide(batch, index, sink).outcome === "ship";
  } catch {
    return false; // a rule that fails lets nothing through
  }
}

/** One who looks: a bounded queue, and an allowance of records that are looked at for it. */
class TailReader {
  readonly filter: TailFilter;
  readonly #contains: string;
  #waiting: TailRecord[] = [];
  #next = 0;
  #skipped = 0;
  #looked = 0;
  #windowMs = 0;
  #wake: (() => void) | undefined;

  constructor(filter: TailFilter) {
    this.filter = filter;
    this.#contains = filter.contains.toLowerCase();
  }

  get full(): boolean {
    return this.#waiting.length - this.#next >= maxWaiting;
  }

  wantsSource(source: string): boolean {
    return this.filter.sources.length === 0 || this.filter.sources.includes(source);
  }

  wantsText(message: string): boolean {
    return this.#contains === "" || message.toLowerCase().includes(this.#contains);
  }

  /** How many of `count` records may be looked at now; the others are skipped. */
  allowance(count: number, nowMs: number): number {
    if (nowMs - this.#windowMs >= windowMs) {
      this.#windowMs = nowMs;
      this.#looked = 0;
    }
    const looks = Math.min(count, Math.max(0, looksPerWindow - this.#looked));
    this.#looked += looks;
    this.skip(count - looks);
    return looks;
  }

  skip(records: number): void {
    this.#skipped += records;
  }

  put(record: Omit<TailRecord, "skipped">): void {
    this.#waiting.push({ ...record, skipped: this.#skipped });
    this.#skipped = 0;
    this.wake();
  }

  take(): TailRecord | undefined {
    const record = this.#waiting[this.#next];
    if (record === undefined) return undefined;
    if (++this.#next === this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    } else if (this.#next >= maxWaiting) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    return record;
  }

  arrived(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

const maxWaiting = 1_000;
/** Nobody reads faster; it bounds what a reader costs when a flood passes. */
const windowMs = 200;
const looksPerWindow = 2_000;
const maxMessageBytes = 4 * 1024;
const decoder = new TextDecoder();
