/** Records gathered for one write: each behind its header, as a line or with its length before it (RFC 6587). Pure. */
import { decimalLength, writeDecimal } from "./decimal.ts";

/** How records are told apart: RFC 6587 section 3.4.1 (also RFC 5425), or section 3.4.2 with LF. */
export type RecordFraming = "octetCounted" | "newline";

/** A buffer that is filled, written and cleared, again and again. */
export class LineBuffer {
  #bytes: Uint8Array;
  #length = 0;
  #records = 0;

  /** @param sizeBytes a single longer record makes it grow */
  constructor(sizeBytes: number) {
    this.#bytes = new Uint8Array(sizeBytes);
  }

  /** What was appended since the last `clear`; valid until the next call of any method. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Records since the last `clear`. */
  get records(): number {
    return this.#records;
  }

  clear(): void {
    this.#length = 0;
    this.#records = 0;
  }

  /**
   * Appends `prefix` and `bytes[start..end)`; false when a buffer that is not empty has no room.
   * @param mayFeed whether an LF may be inside: in a line it becomes `#012`, as rsyslog writes it
   */
  append(
    framing: RecordFraming,
    prefix: Uint8Array,
    bytes: Uint8Array,
    start: number,
    end: number,
    mayFeed: boolean,
  ): boolean {
    let record = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    if (mayFeed && framing === "newline" && record.includes(lineFeed)) record = escapedFeeds(record);
    const length = prefix.length + record.length;
    if (!this.#makeRoom(length + maxFrameBytes)) return false;
    const into = this.#bytes;
    let at = this.#length;
    if (framing === "octetCounted") {
      at = writeDecimal(length, into, at);
      into[at++] = space;
    }
    into.set(prefix, at);
    into.set(record, at + prefix.length);
    at += length;
    if (framing === "newline") into[at++] = lineFeed;
    this.#length = at;
    this.#records++;
    return true;
  }

  #makeRoom(bytes: number): boolean {
    if (this.#length + bytes <= this.#bytes.length) return true;
    if (this.#length > 0) return false;
    this.#bytes = new Uint8Array(bytes);
    return true;
  }
}

/** `record` as one line with its LF; LFs inside become `#012`. */
export function escapedLine(record: Uint8Array): Uint8Array {
  const escaped = record.includes(lineFeed) ? escapedFeeds(record) : record;
  const line = new Uint8Array(escaped.length + 1);
  line.set(escaped);
  line[escaped.length] = lineFeed;
  return line;
}

/** `record` with every LF written as `#012`. */
export function escapedFeeds(record: Uint8Array): Uint8Array {
  let feeds = 0;
  for (let at = record.indexOf(lineFeed); at >= 0; at = record.indexOf(lineFeed, at + 1)) feeds++;
  const line = new Uint8Array(record.length + (escapedFeed.length - 1) * feeds);
  let to = 0;
  for (const byte of record) {
    if (byte === lineFeed) {
      line.set(escapedFeed, to);
      to += escapedFeed.length;
    } else line[to++] = byte;
  }
  return line;
}

const lineFeed = 10;
const space = 32;
const escapedFeed = new TextEncoder().encode("#012");
const maxFrameBytes = decimalLength(2 ** 31) + 1;
