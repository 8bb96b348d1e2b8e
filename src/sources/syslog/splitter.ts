/** How a stream becomes batches: as syslog, or as lines that are nothing but lines. Pure. */
import { LineSplitter } from "../../formats/lines.ts";
import { SyslogSplitter } from "../../formats/syslog_framing.ts";
import type { Batch, Origin } from "../../pipeline/batch.ts";
import { batchesOfRecords } from "./records.ts";

/** Splits one stream. Memory is bounded by the longest record and a chunk. */
export interface StreamSplitter {
  /** Records that were split so far, for being too long. */
  readonly splitRecords: number;
  /** Bytes of the unfinished record that are kept. */
  readonly restBytes: number;
  /** Takes a chunk, which is the splitter's from here on; `origin` is that of plain records. */
  push(chunk: Uint8Array, origin: Origin): Iterable<Batch>;
  /** Gives what is unfinished at the end of the stream. */
  flush(origin: Origin): Iterable<Batch>;
}

/**
 * The splitter of one stream.
 * @param maxRecordBytes longer records are split
 * @param nulEnds a NUL ends a record of syslog, too: what `syslog(3)` puts behind them on a Unix stream
 */
export function openSplitter(records: "syslog" | "lines", maxRecordBytes: number, nulEnds: boolean): StreamSplitter {
  if (records === "lines") return new PlainLines(maxRecordBytes);
  return new SyslogRecords(new SyslogSplitter({ maxRecordBytes, nulEnds }));
}

class SyslogRecords implements StreamSplitter {
  readonly #splitter: SyslogSplitter;

  constructor(splitter: SyslogSplitter) {
    this.#splitter = splitter;
  }

  get splitRecords(): number {
    return this.#splitter.splitRecords;
  }

  get restBytes(): number {
    return this.#splitter.restBytes;
  }

  push(chunk: Uint8Array, origin: Origin): Iterable<Batch> {
    return batchesOfRecords(this.#splitter.push(chunk), origin);
  }

  flush(origin: Origin): Iterable<Batch> {
    return batchesOfRecords(this.#splitter.flush(), origin);
  }
}

class PlainLines implements StreamSplitter {
  splitRecords = 0;
  readonly #maxLineBytes: number;
  readonly #splitter: LineSplitter;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
    this.#splitter = new LineSplitter(maxLineBytes);
  }

  get restBytes(): number {
    return this.#splitter.restBytes;
  }

  push(chunk: Uint8Array, origin: Origin): Iterable<Batch> {
    if (this.restBytes + chunk.length > this.#maxLineBytes && chunk.indexOf(10) < 0) this.splitRecords++;
    return this.#batches(this.#splitter.push(chunk), origin);
  }

  flush(origin: Origin): Iterable<Batch> {
    return this.#batches(this.#splitter.flush(), origin);
  }

  #batches(run: ReturnType<LineSplitter["push"]>, origin: Origin): readonly Batch[] {
    if (run.count === 0) return [];
    return [{ ...run, packed: true, origin, position: {}, release: () => {} }];
  }
}
