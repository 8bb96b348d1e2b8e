/** From entries to batches: each entry one record, or several when it is too long; the position rides on the last one. */
import { encodeJournalHeader, type JournalEntry } from "../../formats/journal.ts";
import type { Batch, Origin } from "../../pipeline/batch.ts";
import type { BatchLimits } from "../../pipeline/source.ts";
import { type JournalPlace, positionOf } from "./place.ts";

interface Piece {
  readonly header: Uint8Array;
  readonly message: Uint8Array;
  /** Set on the last piece of an entry. */
  readonly place: JournalPlace | undefined;
}

/** Gathers records until they are taken as batches. */
export class RecordCollector {
  readonly #host: string;
  readonly #maxRecordBytes: number;
  #pieces: Piece[] = [];

  /** @param host for entries that name none; @param maxRecordBytes longest message; longer ones are split */
  constructor(host: string, maxRecordBytes: number) {
    this.#host = host;
    this.#maxRecordBytes = maxRecordBytes;
  }

  /** Adds an entry that was read. */
  add(entry: JournalEntry): void {
    const header = encodeJournalHeader(entry, this.#host);
    const { cursor, realtimeUs, message } = entry;
    let start = 0;
    while (message.length - start > this.#maxRecordBytes) {
      const end = characterStart(message, start, start + this.#maxRecordBytes);
      this.#pieces.push({ header, message: message.subarray(start, end), place: undefined });
      start = end;
    }
    this.#pieces.push({ header, message: message.subarray(start), place: { cursor, realtimeUs } });
  }

  /** Adds a record of our own: a gap. It has no position; it comes again when what follows is read again. */
  addNotice(text: string): void {
    const message = new TextEncoder().encode(text);
    const realtimeUs = Date.now() * 1_000;
    const entry = { cursor: "", realtimeUs, priority: 44, program: "agent", pid: "", host: this.#host, message };
    this.#pieces.push({ header: encodeJournalHeader(entry, this.#host), message, place: undefined });
  }

  /** Everything gathered so far, in order, within the limits. */
  *take(limits: BatchLimits, origin: Origin): Generator<Batch> {
    const pieces = this.#pieces;
    this.#pieces = [];
    for (let first = 0; first < pieces.length;) {
      let end = first;
      let sizeBytes = 0;
      for (; end < pieces.length && end - first < limits.maxRecords; end++) {
        const { header, message } = pieces[end]!;
        const more = header.length + message.length + 1;
        if (end > first && sizeBytes + more > limits.maxBytes) break;
        sizeBytes += more;
      }
      yield batchOf(pieces.slice(first, end), sizeBytes, origin);
      first = end;
    }
  }
}

function batchOf(pieces: readonly Piece[], sizeBytes: number, origin: Origin): Batch {
  const bytes = new Uint8Array(sizeBytes);
  const bounds = new Uint32Array(2 * pieces.length);
  let at = 0;
  let packed = true;
  let place: JournalPlace | undefined;
  pieces.forEach((piece, i) => {
    bounds[2 * i] = at;
    bytes.set(piece.header, at);
    bytes.set(piece.message, at + piece.header.length);
    at += piece.header.length + piece.message.length;
    bounds[2 * i + 1] = at;
    bytes[at++] = lineFeed;
    if (piece.message.includes(lineFeed)) packed = false;
    place = piece.place ?? place;
  });
  const position = place === undefined ? {} : positionOf(place);
  return { bytes, bounds, count: pieces.length, packed, origin, position, release: () => {} };
}

/** The largest index up to `end` at which a character of UTF-8 begins; `end` itself where these are no characters. */
function characterStart(bytes: Uint8Array, start: number, end: number): number {
  for (let at = end; at > start && at > end - 4; at--) {
    if ((bytes[at]! & 0xc0) !== 0x80) return at;
  }
  return end;
}

const lineFeed = 10;
