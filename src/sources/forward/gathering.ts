/** Events of one connection, gathered into batches; a message is taken whole or not at all. */
import { ByteWriter } from "../../formats/byte_writer.ts";
import { ForwardEntry, type ForwardMessage, readForwardEntry } from "../../formats/forward_protocol.ts";
import { type ForwardRecordDefaults, ForwardRecordWriter } from "../../formats/forward_record.ts";
import { MsgpackError, ValueScanner } from "../../formats/msgpack.ts";
import type { Batch, Origin } from "../../pipeline/batch.ts";
import type { BatchLimits } from "../../pipeline/source.ts";
import { maxDepth } from "./message_reader.ts";

/** Records, and the chunks of the messages that end with them. */
export interface Gathered {
  readonly batch: Batch;
  readonly chunks: readonly string[];
}

/** What it is told. */
export interface GatheringOptions {
  /** Longest record, as it is written. */
  readonly maxRecordBytes: number;
  /** Longest message, unpacked. */
  readonly maxMessageBytes: number;
  readonly limits: () => BatchLimits;
  /** Told of records that are left out. */
  readonly onDrop: (reason: "longRecord" | "badKey", bytes: number) => void;
}

/** Records that are not in a batch yet. */
export class Gathering {
  readonly #options: GatheringOptions;
  readonly #scanner: ValueScanner;
  readonly #entry = new ForwardEntry();
  #writer = new ByteWriter();
  #bounds: number[] = [];
  #chunks: string[] = [];
  #packed = true;

  constructor(options: GatheringOptions) {
    this.#options = options;
    this.#scanner = new ValueScanner({ maxBytes: options.maxMessageBytes, maxDepth });
  }

  /** For those who parse messages for it. */
  get scanner(): ValueScanner {
    return this.#scanner;
  }

  /** Messages without a record each are answered, too: they must not pile up. */
  get isCrowded(): boolean {
    return this.#chunks.length >= maxChunks;
  }

  /** Whether nothing waits for `flush`. */
  get isEmpty(): boolean {
    return this.#bounds.length === 0 && this.#chunks.length === 0;
  }

  /**
   * Takes the entries `bytes[start..end)` of a message; yields batches that are full.
   * @throws {MsgpackError} before anything is taken, when one of them is none
   */
  *add(
    message: ForwardMessage,
    bytes: Uint8Array,
    start: number,
    end: number,
    defaults: ForwardRecordDefaults,
    origin: Origin,
  ): Generator<Gathered> {
    const count = this.#countEntries(message, bytes, start, end);
    const records = new ForwardRecordWriter(message.tag, defaults, this.#scanner);
    let at = start;
    for (let i = 0; i < count; i++) {
      at = readForwardEntry(bytes, at, end, message.single, this.#scanner, this.#entry);
      this.#write(bytes, records);
      const { maxRecords, maxBytes } = this.#options.limits();
      if (this.#bounds.length >= 2 * maxRecords || this.#writer.length >= maxBytes) {
        if (i === count - 1) this.#end(message);
        yield this.flush(origin);
        if (i === count - 1) return;
      }
    }
    this.#end(message);
  }

  /** All that is held, as one batch; maybe without records, for the chunks' sake. */
  flush(origin: Origin): Gathered {
    const bounds = Uint32Array.from(this.#bounds);
    const batch: Batch = {
      bytes: this.#writer.written.slice(),
      bounds,
      count: bounds.length / 2,
      packed: this.#packed,
      origin,
      position: {},
      release: () => {},
    };
    const chunks = this.#chunks;
    if (this.#writer.length > keptBytes) this.#writer = new ByteWriter();
    else this.#writer.clear();
    [this.#bounds, this.#chunks, this.#packed] = [[], [], true];
    return { batch, chunks };
  }

  #end({ chunk }: ForwardMessage): void {
    if (chunk !== undefined) this.#chunks.push(chunk);
  }

  /** Looks at every entry, so that nothing is taken of a message that is damaged further on. */
  #countEntries(message: ForwardMessage, bytes: Uint8Array, start: number, end: number): number {
    let count = 0;
    for (let at = start; at < end && count !== message.count; count++) {
      at = readForwardEntry(bytes, at, end, message.single, this.#scanner, this.#entry);
    }
    return count;
  }

  #write(bytes: Uint8Array, records: ForwardRecordWriter): void {
    const { maxRecordBytes, onDrop } = this.#options;
    const writer = this.#writer;
    const sizeBytes = this.#entry.recordEnd - this.#entry.recordStart;
    if (sizeBytes > maxRecordBytes) return onDrop("longRecord", sizeBytes);
    const start = writer.length;
    if (!isWritten(() => records.write(bytes, this.#entry, writer))) {
      onDrop("badKey", sizeBytes);
      return writer.truncate(start);
    }
    const record = writer.written.subarray(start);
    if (record.length > maxRecordBytes) {
      onDrop("longRecord", sizeBytes);
      return writer.truncate(start);
    }
    if (record.indexOf(lineFeed) >= 0) this.#packed = false;
    this.#bounds.push(start, writer.length);
    writer.byte(lineFeed);
  }
}

/** Whether `write` finds keys that JSON has a place for. */
function isWritten(write: () => void): boolean {
  try {
    write();
    return true;
  } catch (error) {
    if (error instanceof MsgpackError) return false;
    throw error;
  }
}

const maxChunks = 1_000;
const lineFeed = 10;
/** Storage that is kept for the next batch. */
const keptBytes = 512 * 1_024;
