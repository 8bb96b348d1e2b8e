/** Records that were taken over and are not in frames yet, batch after batch, and how each becomes a frame. */
import { forwardHeader, type PayloadHeader } from "../../formats/forward.ts";
import { commands, type FrameEncoder } from "../../formats/relp.ts";
import type { Batch } from "../../pipeline/batch.ts";
import type { Delivery } from "./window.ts";

/** What finds the text around one record after the other: a template. */
export interface RecordLayout {
  /** What goes before the record last found, and behind every one. */
  readonly bytes: Uint8Array;
  readonly tail: Uint8Array;
  /** Where the message of that record begins and ends. */
  readonly start: number;
  readonly end: number;
  find(batch: Batch, index: number): void;
}

interface Work {
  readonly batch: Batch;
  /** Of the forward format, which is made once for a batch. */
  readonly header: PayloadHeader | undefined;
  readonly delivery: Delivery;
}

/** Oldest first. Pure. */
export class Outgoing {
  readonly #layout: RecordLayout | undefined;
  readonly #queue: Work[] = [];

  /** @param layout how records are written; undefined: rsyslog's forward format */
  constructor(layout: RecordLayout | undefined) {
    this.#layout = layout;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Records that are in no frame. */
  get records(): number {
    let sum = 0;
    for (const { delivery } of this.#queue) sum += delivery.count - delivery.sent;
    return sum;
  }

  add(batch: Batch, delivery: Delivery): void {
    this.#queue.push({ batch, header: this.#layout === undefined ? forwardHeader(batch.origin) : undefined, delivery });
  }

  clear(): void {
    this.#queue.length = 0;
  }

  /** Makes frames of up to `room` records, as many as `frames` takes, the first with transaction `next`. @returns the next one */
  encode(frames: FrameEncoder, next: number, room: number): number {
    const end = next + room;
    while (next < end && this.#queue.length > 0) {
      const work = this.#queue[0]!;
      const before = work.delivery.sent;
      const full = work.header === undefined
        ? this.#encodeLaidOut(frames, work, next, end - next)
        : encodeForward(frames, work, work.header, next, end - next);
      next += work.delivery.sent - before;
      if (work.delivery.sent === work.batch.count) this.#queue.shift();
      if (full) break;
    }
    return next;
  }

  /** Encodes up to `room` records, looking into every one; true when the buffer is full. */
  #encodeLaidOut(frames: FrameEncoder, { batch, delivery }: Work, next: number, room: number): boolean {
    const layout = this.#layout!;
    const end = Math.min(batch.count, delivery.sent + room);
    while (delivery.sent < end) {
      layout.find(batch, delivery.sent);
      const { bytes: prefix, start, end: stop, tail } = layout;
      if (!frames.append(next++, commands.syslog, prefix, batch.bytes, start, stop, tail)) return true;
      delivery.sent++;
    }
    return false;
  }
}

/** The same with a header that all records of a batch share. */
function encodeForward(
  frames: FrameEncoder,
  { batch: { bytes, bounds, count }, delivery }: Work,
  header: PayloadHeader,
  next: number,
  room: number,
): boolean {
  const end = Math.min(count, delivery.sent + room);
  while (delivery.sent < end) {
    const start = bounds[2 * delivery.sent]!;
    const prefix = bytes[start] === 32 ? header.beforeSpace : header.beforeText;
    if (!frames.append(next++, commands.syslog, prefix, bytes, start, bounds[2 * delivery.sent + 1]!)) return true;
    delivery.sent++;
  }
  return false;
}
