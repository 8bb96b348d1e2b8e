/**
 * The `audit` source: events of the Linux audit system, each one record. It reads nothing itself: lines come from
 * another source, the log file or the socket of auditd, and positions are that source's own. A position is passed on
 * only when every event that began before it is complete, so that an event which is cut off by a crash is read again.
 */
import { pause } from "../../pipeline/backoff.ts";
import type { Batch, Origin } from "../../pipeline/batch.ts";
import type { Position } from "../../pipeline/checkpoint.ts";
import type { BatchLimits, Source } from "../../pipeline/source.ts";
import { EventJoiner, innerPosition } from "./joiner.ts";
import { encodeAuditEvent } from "./record.ts";

/** Where lines come from, and what is made of them. */
export interface AuditSourceOptions {
  readonly id: string;
  /** Host of events that name none (`node=`). */
  readonly host: string;
  /** Gives the lines. Disposed with the audit source. */
  readonly inner: Source;
  /** Default `audit`. Rules for the records of auditd's own plugin ask for `audisp-syslog`. */
  readonly program?: string;
  /** Facility × 8 + severity; default 110: facility `audit`, severity `info`. */
  readonly priority?: number;
  /** Makes hexadecimal text readable; default false: records as auditd wrote them, joined. */
  readonly decode?: boolean;
  /** An event is complete when no record of it came for so long; default 2,000. */
  readonly timeoutMs?: number;
}

/** Opens the source over `options.inner`; it can be read again where that one can. */
export function openAuditSource(options: AuditSourceOptions): Source {
  const { id, inner } = options;
  return {
    id,
    replayable: inner.replayable,
    read: (from, limits, signal) => new Iteration(options, from, limits).run(from, signal),
    ...(inner.drops === undefined ? {} : { drops: () => inner.drops!() }),
    ...(inner.figures === undefined ? {} : { figures: () => inner.figures!() }),
    [Symbol.asyncDispose]: async () => await inner[Symbol.asyncDispose]?.(),
  };
}

class Iteration {
  readonly #options: AuditSourceOptions;
  readonly #limits: BatchLimits;
  readonly #joiner: EventJoiner;
  /** How long the consumer held us up in all: that time makes no event older. */
  #heldMs = 0;
  #readAtMs = 0;

  constructor(options: AuditSourceOptions, from: Position | undefined, limits: BatchLimits) {
    this.#options = options;
    this.#limits = limits;
    const timeoutMs = options.timeoutMs ?? 2_000;
    this.#joiner = new EventJoiner({ timeoutMs, maxEventBytes: 64 * 1_024, maxOpenBytes: 4 * 2 ** 20 }, from);
  }

  async *run(from: Position | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
    const leaving = new AbortController();
    const stop = AbortSignal.any([signal, leaving.signal]);
    const batches = this.#options.inner.read(innerPosition(from), this.#limits, stop)[Symbol.asyncIterator]();
    let coming: Promise<IteratorResult<Batch>> | undefined;
    try {
      for (;;) {
        coming ??= batches.next();
        const next = await firstOf(coming, this.#joiner.waitMs(this.#nowMs()));
        if (next?.done === true) break;
        if (next !== undefined) {
          coming = undefined;
          this.#add(next.value);
        }
        this.#joiner.expire(this.#nowMs());
        yield* this.#give();
      }
      // What is cut off by a stop is read again; what cannot be read again is given as it is.
      if (signal.aborted && this.#options.inner.replayable) return;
      this.#joiner.finish();
      yield* this.#give();
    } finally {
      leaving.abort(); // so that a `next` that still waits ends
      await coming?.catch(() => {});
      await batches.return?.();
    }
  }

  #add(batch: Batch): void {
    this.#readAtMs = batch.origin.readAtMs;
    const [stream = ""] = Object.keys(batch.position); // of a file: the key of that file
    for (let i = 0; i < batch.count; i++) {
      this.#joiner.add(batch.bytes, batch.bounds[2 * i]!, batch.bounds[2 * i + 1]!, stream, this.#nowMs());
    }
    this.#joiner.endBatch(batch.position);
    batch.release();
  }

  /** Everything complete, within the limits; the position is that of the last batch. */
  *#give(): Generator<Batch> {
    const { events, position } = this.#joiner.take();
    const lines = events.map((event) => encodeAuditEvent(event, this.#style(), this.#readAtMs));
    let first = 0;
    do {
      let end = first;
      let sizeBytes = 0;
      for (; end < lines.length && end - first < this.#limits.maxRecords; end++) {
        const more = lines[end]!.length + 1;
        if (end > first && sizeBytes + more > this.#limits.maxBytes) break;
        sizeBytes += more;
      }
      const done = end === lines.length;
      if (done && end === first && Object.keys(position).length === 0) return;
      const sinceMs = performance.now();
      yield batchOf(lines.slice(first, end), sizeBytes, this.#origin(), done ? position : {});
      this.#heldMs += performance.now() - sinceMs;
      first = end;
    } while (first < lines.length);
  }

  #nowMs(): number {
    return performance.now() - this.#heldMs;
  }

  #style(): { host: string; program: string; priority: number; decode: boolean } {
    const { host, program = "audit", priority = defaultPriority, decode = false } = this.#options;
    return { host, program, priority, decode };
  }

  #origin(): Origin {
    const { host, program, priority } = this.#style();
    return { source: this.#options.id, host, program, priority, form: "syslog", readAtMs: Date.now() };
  }
}

/** What `coming` gives, or undefined after `waitMs`; without `waitMs` as long as it takes. */
async function firstOf<T>(coming: Promise<T>, waitMs: number | undefined): Promise<T | undefined> {
  if (waitMs === undefined) return await coming;
  const done = new AbortController();
  try {
    return await Promise.race([coming, pause(waitMs, done.signal).then(() => undefined)]);
  } finally {
    done.abort();
  }
}

function batchOf(lines: readonly Uint8Array[], sizeBytes: number, origin: Origin, position: Position): Batch {
  const bytes = new Uint8Array(sizeBytes);
  const bounds = new Uint32Array(2 * lines.length);
  let at = 0;
  lines.forEach((line, i) => {
    bytes.set(line, at);
    bounds[2 * i] = at;
    at += line.length;
    bounds[2 * i + 1] = at;
    bytes[at++] = 10;
  });
  return { bytes, bounds, count: lines.length, packed: true, origin, position, release: () => {} };
}

const defaultPriority = 8 * 13 + 6;
