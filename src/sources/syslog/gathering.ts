/** Datagrams that came one by one, gathered into batches: one per sender and form, as long as they follow each other. */
import { priorityAt } from "../../formats/syslog.ts";
import type { Batch, Origin } from "../../pipeline/batch.ts";

/** Datagrams that nobody has taken yet, oldest first. */
export class Gathering {
  readonly #maxRecordBytes: number;
  readonly #batches: (Growing | Ready)[] = [];
  #bytes = 0;
  #split = 0;

  /** @param maxRecordBytes longer datagrams are split */
  constructor(maxRecordBytes: number) {
    this.#maxRecordBytes = maxRecordBytes;
  }

  /** What is held, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Records that were split so far, for being too long. */
  get splitRecords(): number {
    return this.#split;
  }

  /** Copies a datagram in; `origin` is made only when a new batch begins. Line ends and NULs at its end are left out. */
  add(datagram: Uint8Array, sender: string, origin: () => Omit<Origin, "form">): void {
    let end = datagram.length;
    while (end > 0 && (datagram[end - 1] === 10 || datagram[end - 1] === 13 || datagram[end - 1] === 0)) end--;
    if (end > this.#maxRecordBytes) this.#split++;
    for (let at = 0; at < end; at += this.#maxRecordBytes) {
      this.#addRecord(datagram.subarray(at, Math.min(end, at + this.#maxRecordBytes)), sender, origin);
    }
  }

  /** Puts a batch of one's own behind what came so far. */
  append(batch: Batch): void {
    this.#batches.push({ cost: 0, finish: () => batch });
  }

  /** The oldest batch; undefined when there is none. */
  take(): Batch | undefined {
    const growing = this.#batches.shift();
    if (growing === undefined) return undefined;
    this.#bytes -= growing.cost;
    return growing.finish();
  }

  #addRecord(record: Uint8Array, sender: string, origin: () => Omit<Origin, "form">): void {
    const form = priorityAt(record, 0, record.length) < 0 ? "plain" : "syslog";
    const last = this.#batches.at(-1);
    const fits = last instanceof Growing && last.sender === sender && last.origin.form === form &&
      last.length + record.length < batchBytes;
    const growing = fits ? last : this.#begin(sender, { ...origin(), form }, record.length);
    const before = growing.cost;
    growing.add(record);
    this.#bytes += growing.cost - before;
  }

  #begin(sender: string, origin: Origin, firstBytes: number): Growing {
    const growing = new Growing(sender, origin, firstBytes);
    this.#batches.push(growing);
    this.#bytes += growing.cost;
    return growing;
  }
}

/** A batch that was made elsewhere. */
interface Ready {
  readonly cost: number;
  finish(): Batch;
}

/** A batch that grows. */
class Growing {
  readonly sender: string;
  readonly origin: Origin;
  length = 0;
  #bytes: Uint8Array;
  readonly #bounds: number[] = [];
  #packed = true;

  constructor(sender: string, origin: Origin, firstBytes: number) {
    this.sender = sender;
    this.origin = origin;
    this.#bytes = new Uint8Array(Math.max(512, 2 * firstBytes));
  }

  /** What it takes in memory, about. */
  get cost(): number {
    return this.#bytes.length + 16 * this.#bounds.length + overheadBytes;
  }

  add(record: Uint8Array): void {
    const end = this.length + record.length;
    if (end + 1 > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, end + 1));
      larger.set(this.#bytes.subarray(0, this.length));
      this.#bytes = larger;
    }
    this.#bytes.set(record, this.length);
    this.#bytes[end] = 10;
    if (record.indexOf(10) >= 0) this.#packed = false;
    this.#bounds.push(this.length, end);
    this.length = end + 1;
  }

  finish(): Batch {
    return {
      bytes: this.#bytes,
      bounds: Uint32Array.from(this.#bounds),
      count: this.#bounds.length / 2,
      packed: this.#packed,
      origin: this.origin,
      position: {},
      release: () => {},
    };
  }
}

const batchBytes = 64 * 1024;
const overheadBytes = 256;
