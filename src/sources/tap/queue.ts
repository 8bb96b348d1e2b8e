/**
 * The bounded queue between the copying thread and the sender: one writer, one reader, shared memory, no locks, so that
 * neither ever waits for the other (invariant 3). It holds records of whole lines; what finds no room is counted.
 *
 * ```text
 *   control  head · tail · reader asleep · ended · in hand · stop · version of the counts    (32-bit integers)
 *   counts   dropped lines · dropped bytes · passed bytes                                    (doubles)
 *   data     ring of records, each at a multiple of 8:
 *              length · lines dropped so far · bytes dropped so far (doubles) · payload, padded; it may wrap
 * ```
 *
 * `head` and `tail` count bytes ever written and taken, modulo 2^32. Because every record carries the drops before it,
 * the reader can announce each gap exactly where it is.
 */

/** Lines and bytes that found no room, since the start. */
export interface DropCounts {
  readonly lines: number;
  readonly bytes: number;
}

/** A record that was taken out: whole lines, only the last one of the stream may lack its LF. */
export interface QueueRecord {
  readonly bytes: Uint8Array;
  /** Everything dropped before this record, since the start. */
  readonly droppedBefore: DropCounts;
}

/** Both ends' view of one queue; writer and reader each wrap the same memory. */
export class TapQueue {
  readonly memory: SharedArrayBuffer;
  /** Longest record that ever finds room. */
  readonly maxRecordBytes: number;
  readonly #control: Int32Array;
  readonly #counts: Float64Array;
  readonly #header: Float64Array;
  readonly #data: Uint8Array;
  readonly #capacityBytes: number;
  readonly #taken: Uint8Array;

  /** @param memory from {@linkcode TapQueue.create}, or the `memory` of the other end's queue */
  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#capacityBytes = memory.byteLength - dataOffset;
    this.maxRecordBytes = this.#capacityBytes - headerBytes;
    this.#control = new Int32Array(memory, 0, controlWords);
    this.#counts = new Float64Array(memory, countsOffset, 3);
    this.#header = new Float64Array(memory, dataOffset);
    this.#data = new Uint8Array(memory, dataOffset);
    this.#taken = new Uint8Array(Math.min(takeBytes, this.#capacityBytes));
  }

  /** A new, empty queue. @param capacityBytes power of two, 64 to 2^30 */
  static create(capacityBytes: number): TapQueue {
    return new TapQueue(new SharedArrayBuffer(dataOffset + capacityBytes));
  }

  /** Bytes in the queue, headers included. */
  get usedBytes(): number {
    return (Atomics.load(this.#control, slot.head) - Atomics.load(this.#control, slot.tail)) >>> 0;
  }

  /** Largest record that finds room now; 0 where none does. */
  get roomBytes(): number {
    return Math.max(0, this.#capacityBytes - this.usedBytes - headerBytes);
  }

  /** Whether at least half of the queue is free: time to go on after a drop, so that gaps are few and long. */
  get halfFree(): boolean {
    return this.usedBytes <= this.#capacityBytes / 2;
  }

  /** Writer: appends `parts` as one record. False, and nothing changed, when there is no room. */
  push(...parts: readonly Uint8Array[]): boolean {
    let length = 0;
    for (const part of parts) length += part.length;
    if (length + headerBytes > this.#capacityBytes - this.usedBytes) return false;
    const head = Atomics.load(this.#control, slot.head);
    this.#writeHeader(head, length);
    let at = this.#offset(head + headerBytes);
    for (const part of parts) at = this.#copyIn(part, at);
    Atomics.store(this.#control, slot.head, (head + headerBytes + padded(length)) | 0);
    return true;
  }

  /** Writer: counts lines that were not pushed. */
  countDropped(lines: number, bytes: number): void {
    Atomics.add(this.#control, slot.version, 1); // odd: the counts are being changed
    this.#counts[0]! += lines;
    this.#counts[1]! += bytes;
    Atomics.add(this.#control, slot.version, 1);
  }

  /** Writer: counts bytes that went through, for people. */
  countPassed(bytes: number): void {
    this.#counts[2]! += bytes;
  }

  /** Bytes that went through. */
  get passedBytes(): number {
    return this.#counts[2]!;
  }

  /** Everything dropped so far. Read it before finding the queue empty, and it belongs behind all that was taken. */
  get dropped(): DropCounts {
    for (;;) {
      const version = Atomics.load(this.#control, slot.version);
      const counts = { lines: this.#counts[0]!, bytes: this.#counts[1]! };
      if (version % 2 === 0 && Atomics.load(this.#control, slot.version) === version) return counts;
    }
  }

  /**
   * Reader: takes as many records as lie between two drops and fit a buffer; undefined when there is none. The bytes
   * are valid until the next call.
   */
  take(): QueueRecord | undefined {
    const first = this.#peek(Atomics.load(this.#control, slot.tail));
    if (first === undefined) return undefined;
    const bytes = first.length <= this.#taken.length ? this.#taken : new Uint8Array(first.length);
    let used = 0;
    for (let next: RecordHeader | undefined = first; next !== undefined;) {
      if (used + next.length > bytes.length || next.lines !== first.lines || next.bytes !== first.bytes) break;
      this.#copyOut(next, bytes.subarray(used, used + next.length));
      used += next.length;
      next = this.#peek(Atomics.load(this.#control, slot.tail));
    }
    return { bytes: bytes.subarray(0, used), droppedBefore: { lines: first.lines, bytes: first.bytes } };
  }

  /** Reader, which knows of `known` drops, says that it goes to sleep. False: there is something to do, stay awake. */
  fallAsleep(known: DropCounts): boolean {
    Atomics.store(this.#control, slot.asleep, 1);
    if (this.usedBytes === 0 && !this.ended && this.dropped.lines === known.lines) return true;
    Atomics.store(this.#control, slot.asleep, 0);
    return false;
  }

  /** Writer: whether the reader sleeps and must be woken; true once per sleep. */
  mustWake(): boolean {
    return Atomics.load(this.#control, slot.asleep) === 1 &&
      Atomics.compareExchange(this.#control, slot.asleep, 1, 0) === 1;
  }

  /** Writer: nothing more comes. */
  end(): void {
    Atomics.store(this.#control, slot.ended, 1);
  }

  /** Whether the writer has ended; read it before finding the queue empty. */
  get ended(): boolean {
    return Atomics.load(this.#control, slot.ended) === 1;
  }

  /** Writer: whether it holds bytes that it has read and not yet written through. */
  set inHand(held: boolean) {
    Atomics.store(this.#control, slot.inHand, held ? 1 : 0);
  }

  get inHand(): boolean {
    return Atomics.load(this.#control, slot.inHand) === 1;
  }

  /** Reader: asks the writer to read no more. */
  requestStop(): void {
    Atomics.store(this.#control, slot.stop, 1);
  }

  get stopRequested(): boolean {
    return Atomics.load(this.#control, slot.stop) === 1;
  }

  /** Waits in this thread; only the writer may, the reader has an event loop to run. */
  sleepMs(ms: number): void {
    Atomics.wait(this.#control, slot.never, 0, ms);
  }

  #writeHeader(head: number, length: number): void {
    const words = this.#capacityBytes / 8;
    const word = this.#offset(head) / 8;
    this.#header[word] = length;
    this.#header[(word + 1) % words] = this.#counts[0]!;
    this.#header[(word + 2) % words] = this.#counts[1]!;
  }

  #peek(tail: number): RecordHeader | undefined {
    if (Atomics.load(this.#control, slot.head) === tail) return undefined;
    const words = this.#capacityBytes / 8;
    const word = this.#offset(tail) / 8;
    return {
      tail,
      length: this.#header[word]!,
      lines: this.#header[(word + 1) % words]!,
      bytes: this.#header[(word + 2) % words]!,
    };
  }

  #copyIn(part: Uint8Array, at: number): number {
    const untilEnd = this.#capacityBytes - at;
    if (part.length <= untilEnd) this.#data.set(part, at);
    else {
      this.#data.set(part.subarray(0, untilEnd), at);
      this.#data.set(part.subarray(untilEnd), 0);
    }
    return this.#offset(at + part.length);
  }

  #copyOut({ tail, length }: RecordHeader, into: Uint8Array): void {
    const at = this.#offset(tail + headerBytes);
    const untilEnd = Math.min(length, this.#capacityBytes - at);
    into.set(this.#data.subarray(at, at + untilEnd));
    into.set(this.#data.subarray(0, length - untilEnd), untilEnd);
    Atomics.store(this.#control, slot.tail, (tail + headerBytes + padded(length)) | 0);
  }

  #offset(position: number): number {
    return (position >>> 0) & (this.#capacityBytes - 1);
  }
}

interface RecordHeader {
  readonly tail: number;
  readonly length: number;
  readonly lines: number;
  readonly bytes: number;
}

function padded(length: number): number {
  return (length + 7) & ~7;
}

const slot = { head: 0, tail: 1, asleep: 2, ended: 3, inHand: 4, stop: 5, version: 6, never: 7 } as const;
const controlWords = 8;
const countsOffset = 4 * controlWords;
const dataOffset = 64;
const headerBytes = 24;
/** What one write to the listener carries. */
const takeBytes = 64 * 1024;
