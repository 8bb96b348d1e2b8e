/**
 * Joins the records of one audit event, which may lie between those of others, and says how far reading may resume.
 *
 * ```text
 *   batch        1: A A B │ 2: A C B │ 3: …      A ends in batch 2, and B: then all that batch 1 began is complete,
 *   resume after          ▲                      and the position of batch 1 may be committed, with the note that one
 *                                                record of A and one of B are still to come and are to be passed over
 * ```
 *
 * Pure: times are told, nothing is read.
 */
import { type AuditHead, endsEvent, parseAuditHead } from "../../formats/audit.ts";
import type { Position, PositionValue } from "../../pipeline/checkpoint.ts";

/** A complete event, or a line that is no audit record. */
export interface AuditEvent {
  /** Undefined: no audit record. */
  readonly head: AuditHead | undefined;
  readonly records: readonly AuditRecord[];
}

/** One record of an event. */
export interface AuditRecord {
  readonly type: string;
  /** The whole line, a copy. */
  readonly bytes: Uint8Array;
  /** Where its fields begin. */
  readonly fieldsStart: number;
}

/** When an event is taken for complete though nothing says so. */
export interface JoinerLimits {
  /** No more records came for so long, or one of this stream is so much newer; `end_of_event_timeout` of auditd. */
  readonly timeoutMs: number;
  /** An event that has grown so large is given as it is; its further records are an event of their own. */
  readonly maxEventBytes: number;
  /** Incomplete events together; the oldest are given as they are. */
  readonly maxOpenBytes: number;
}

interface OpenEvent {
  readonly head: AuditHead;
  readonly stream: string;
  readonly records: AuditRecord[];
  /** Number of records by batch. */
  readonly perBatch: Map<number, number>;
  readonly firstBatch: number;
  sizeBytes: number;
  touchedMs: number;
}

interface Boundary {
  readonly batch: number;
  readonly position: Position;
  /** Records that were still to be passed over then. */
  readonly skip: ReadonlyMap<string, number>;
}

/** The events of one iteration over a source. */
export class EventJoiner {
  readonly #limits: JoinerLimits;
  /** By id, oldest first. */
  readonly #open = new Map<string, OpenEvent>();
  readonly #skip: Map<string, number>;
  #complete: AuditEvent[] = [];
  /** Ends of batches that were not given away yet, and complete events that lie on both sides of one. */
  #boundaries: Boundary[] = [];
  #spanning: { readonly id: string; readonly perBatch: ReadonlyMap<number, number> }[] = [];
  #openBytes = 0;
  #batch = 1;

  /** @param from the position to resume at: its key `audit` is ours */
  constructor(limits: JoinerLimits, from: Position | undefined) {
    this.#limits = limits;
    this.#skip = skipOf(from);
  }

  /** Takes the line `bytes[start..end)`. `stream`: what it was read from, a file; `nowMs`: any clock that goes on evenly. */
  add(bytes: Uint8Array, start: number, end: number, stream: string, nowMs: number): void {
    const head = parseAuditHead(bytes, start, end);
    if (head === undefined) {
      const record = { type: "", bytes: bytes.slice(start, end), fieldsStart: 0 };
      this.#complete.push({ head, records: [record] });
      return;
    }
    const id = `${head.node}|${head.stamp}`;
    if (head.type === "EOE") return this.#finish(id); // it says nothing but that
    if (this.#passOver(id)) return;
    this.#completeOlder(head, stream);
    const record = { type: head.type, bytes: bytes.slice(start, end), fieldsStart: head.fieldsStart - start };
    this.#append(id, head, record, stream, nowMs);
    if (endsEvent(head.type)) this.#finish(id);
    this.#keepBounds(id);
  }

  /** Ends a batch of the source: behind it lies `position`. */
  endBatch(position: Position): void {
    this.#boundaries.push({ batch: this.#batch++, position, skip: new Map(this.#skip) });
  }

  /** Completes what got no record for the timeout. */
  expire(nowMs: number): void {
    for (const [id, event] of this.#open) {
      if (nowMs - event.touchedMs >= this.#limits.timeoutMs) this.#finish(id);
    }
  }

  /** Completes everything. */
  finish(): void {
    for (const id of [...this.#open.keys()]) this.#finish(id);
  }

  /** How long until something is to be expired; undefined while nothing is open. */
  waitMs(nowMs: number): number | undefined {
    let soonest: number | undefined;
    for (const { touchedMs } of this.#open.values()) {
      const left = Math.max(0, touchedMs + this.#limits.timeoutMs - nowMs);
      if (soonest === undefined || left < soonest) soonest = left;
    }
    return soonest;
  }

  /** The complete events since the last call, and how far reading may resume once they are delivered. */
  take(): { readonly events: readonly AuditEvent[]; readonly position: Position } {
    const events = this.#complete;
    this.#complete = [];
    return { events, position: this.#settledPosition() };
  }

  #append(id: string, head: AuditHead, record: AuditRecord, stream: string, nowMs: number): void {
    let event = this.#open.get(id);
    if (event === undefined) {
      const firstBatch = this.#batch;
      event = { head, stream, records: [], perBatch: new Map(), firstBatch, sizeBytes: 0, touchedMs: nowMs };
      this.#open.set(id, event);
    }
    event.records.push(record);
    event.perBatch.set(this.#batch, (event.perBatch.get(this.#batch) ?? 0) + 1);
    event.sizeBytes += record.bytes.length;
    event.touchedMs = nowMs;
    this.#openBytes += record.bytes.length;
  }

  #finish(id: string): void {
    const event = this.#open.get(id);
    if (event === undefined) return;
    this.#open.delete(id);
    this.#openBytes -= event.sizeBytes;
    this.#complete.push({ head: event.head, records: event.records });
    if (event.perBatch.size > 1) this.#spanning.push({ id, perBatch: event.perBatch });
  }

  #completeOlder({ timeMs }: AuditHead, stream: string): void {
    for (const [id, event] of this.#open) {
      if (event.stream === stream && timeMs - event.head.timeMs > this.#limits.timeoutMs) this.#finish(id);
    }
  }

  #keepBounds(id: string): void {
    const { maxEventBytes, maxOpenBytes } = this.#limits;
    if ((this.#open.get(id)?.sizeBytes ?? 0) >= maxEventBytes) this.#finish(id);
    for (const oldest of this.#open.keys()) {
      if (this.#openBytes <= maxOpenBytes && this.#open.size <= maxOpenEvents) return;
      this.#finish(oldest);
    }
  }

  /** Whether the record belongs to an event that was delivered before the position was committed. */
  #passOver(id: string): boolean {
    const left = this.#skip.get(id);
    if (left === undefined) return false;
    if (left > 1) this.#skip.set(id, left - 1);
    else this.#skip.delete(id);
    return true;
  }

  #settledPosition(): Position {
    let firstOpen = Infinity;
    for (const { firstBatch } of this.#open.values()) firstOpen = Math.min(firstOpen, firstBatch);
    const settled = this.#boundaries.filter(({ batch }) => batch < firstOpen);
    const last = settled.at(-1);
    if (last === undefined) return {};
    this.#boundaries = this.#boundaries.slice(settled.length);
    const position: Record<string, PositionValue> = {};
    for (const boundary of settled) Object.assign(position, boundary.position);
    if (Object.keys(position).length === 0) return {}; // of a source that cannot be read again
    const skip = new Map(last.skip);
    for (const { id, perBatch } of this.#spanning) {
      const count = recordsAfter(perBatch, last.batch);
      if (count > 0 && recordsAfter(perBatch, 0) > count) skip.set(id, (skip.get(id) ?? 0) + count);
    }
    this.#spanning = this.#spanning.filter(({ perBatch }) => recordsAfter(perBatch, last.batch) > 0);
    return { ...position, audit: skip.size === 0 ? null : { skip: Object.fromEntries(skip) } };
  }
}

/** `from` without our own key: the position of the source beneath. */
export function innerPosition(from: Position | undefined): Position | undefined {
  if (from === undefined) return undefined;
  const { audit: _, ...inner } = from;
  return inner;
}

function skipOf(from: Position | undefined): Map<string, number> {
  const saved = from?.audit;
  const skip = new Map<string, number>();
  if (typeof saved !== "object" || saved === null || Array.isArray(saved)) return skip;
  for (const [id, count] of Object.entries((saved as Record<string, PositionValue>).skip ?? {})) {
    if (typeof count === "number" && Number.isInteger(count) && count > 0) skip.set(id, count);
  }
  return skip;
}

function recordsAfter(perBatch: ReadonlyMap<number, number>, batch: number): number {
  let sum = 0;
  for (const [number, count] of perBatch) if (number > batch) sum += count;
  return sum;
}

const maxOpenEvents = 4_096;
