/**
 * Records out of a stream of syslog (RFC 6587): octet counting (`LEN SP MSG`) and lines, told apart record by record, as
 * senders mix them. Pure; memory is bounded by the longest record.
 */
import { joinBytes } from "./bytes.ts";

/** Records in `bytes` by their boundaries. */
export interface RecordRun {
  readonly bytes: Uint8Array;
  /** Start and end of record i at 2i and 2i+1. */
  readonly bounds: Uint32Array;
  readonly count: number;
  /** Whether every record is followed by one LF, none has an LF inside, and nothing lies between them. */
  readonly packed: boolean;
}

/** What a stream looks like. */
export interface FramingOptions {
  /** Longer records are split; also the most that is kept between chunks. */
  readonly maxRecordBytes: number;
  /** A NUL ends a line, too: what `syslog(3)` puts behind records on a Unix stream. */
  readonly nulEnds: boolean;
}

/** Splits one stream. A counted record begins with digits, a space and `<`; everything else is a line. */
export class SyslogSplitter {
  readonly #options: FramingOptions;
  #rest: Uint8Array = new Uint8Array(0);
  /** Bytes still to come of a counted record whose beginning was given out already, because it is too long. */
  #owedBytes = 0;
  #split = 0;
  #bounds = new Uint32Array(256);
  #count = 0;
  #packed = true;

  constructor(options: FramingOptions) {
    this.#options = options;
  }

  /** Records that were split so far, for being too long. */
  get splitRecords(): number {
    return this.#split;
  }

  /** Bytes of the unfinished record that are kept. */
  get restBytes(): number {
    return this.#rest.length;
  }

  /** Takes a chunk, which is the splitter's from here on, and gives the records that are whole now. */
  push(chunk: Uint8Array): RecordRun {
    const bytes = this.#rest.length === 0 ? chunk : joinBytes([this.#rest, chunk]);
    let at = 0;
    while (at < bytes.length) {
      const after = this.#next(bytes, at);
      if (after < 0) break;
      at = after;
    }
    this.#rest = at === bytes.length ? empty : bytes.slice(at);
    return this.#take(bytes);
  }

  /** Gives what is unfinished at the end of the stream. */
  flush(): RecordRun {
    const bytes = this.#rest;
    const count = this.#owedBytes > 0 ? undefined : countAt(bytes, 0);
    this.#rest = empty;
    this.#owedBytes = 0;
    const start = count === undefined || count === "torn" ? 0 : count.start;
    this.#add(start, lineEnd(bytes, bytes.length), false);
    return this.#take(bytes);
  }

  /** Takes one record that begins at `at`; returns the offset behind it, or −1 when more bytes are needed. */
  #next(bytes: Uint8Array, at: number): number {
    if (this.#owedBytes > 0) return this.#counted(bytes, at, this.#owedBytes);
    const count = countAt(bytes, at);
    if (count === "torn") return -1;
    return count === undefined ? this.#line(bytes, at) : this.#counted(bytes, count.start, count.length);
  }

  #counted(bytes: Uint8Array, start: number, length: number): number {
    const { maxRecordBytes } = this.#options;
    const piece = Math.min(length, maxRecordBytes);
    if (bytes.length - start < piece) return -1;
    if (length > maxRecordBytes && this.#owedBytes === 0) this.#split++;
    this.#owedBytes = length - piece;
    this.#add(start, lineEnd(bytes, start + piece, start), false);
    return start + piece;
  }

  #line(bytes: Uint8Array, at: number): number {
    const { maxRecordBytes, nulEnds } = this.#options;
    let stop = bytes.indexOf(lineFeed, at);
    let fed = stop >= 0;
    if (nulEnds) {
      const nul = bytes.subarray(at, stop < 0 ? bytes.length : stop).indexOf(0);
      if (nul >= 0) {
        stop = at + nul;
        fed = false;
      }
    }
    if (stop < 0) {
      if (bytes.length - at <= maxRecordBytes) return -1;
      stop = bytes.length;
    }
    if (stop - at <= maxRecordBytes) {
      const end = bytes[stop - 1] === carriageReturn && stop > at ? stop - 1 : stop;
      this.#add(at, end, fed && end === stop);
      return stop + 1;
    }
    this.#split++;
    this.#add(at, at + maxRecordBytes, false);
    return at + maxRecordBytes;
  }

  #add(start: number, end: number, fed: boolean): void {
    if (end <= start) return;
    if (!fed || (this.#count > 0 && this.#bounds[2 * this.#count - 1]! + 1 !== start)) this.#packed = false;
    if (2 * this.#count === this.#bounds.length) {
      const larger = new Uint32Array(2 * this.#bounds.length);
      larger.set(this.#bounds);
      this.#bounds = larger;
    }
    this.#bounds[2 * this.#count] = start;
    this.#bounds[2 * this.#count++ + 1] = end;
  }

  #take(bytes: Uint8Array): RecordRun {
    const run = { bytes, bounds: this.#bounds.slice(0, 2 * this.#count), count: this.#count, packed: this.#packed };
    this.#count = 0;
    this.#packed = true;
    return run;
  }
}

/** `LEN SP MSG` of RFC 6587 section 3.4.1, before the message. @param sizeBytes length of the message in bytes */
export function encodeCount(sizeBytes: number): Uint8Array {
  return encoder.encode(`${sizeBytes} `);
}

/** The count at `at`; undefined when a line begins there, `torn` when the bytes end before it can be told. */
function countAt(bytes: Uint8Array, at: number): { start: number; length: number } | "torn" | undefined {
  let length = 0;
  let stop = at;
  for (; stop < bytes.length && stop < at + maxCountDigits; stop++) {
    const digit = bytes[stop]! - 48;
    if (digit < 0 || digit > 9) break;
    length = 10 * length + digit;
  }
  if (stop === at || bytes[at] === zero) return undefined;
  if (stop < bytes.length && bytes[stop] !== space) return undefined;
  if (stop + 1 >= bytes.length) return "torn";
  return bytes[stop + 1] === lessThan ? { start: stop + 1, length } : undefined;
}

/** `end` without the line end or NUL that some senders count in. */
function lineEnd(bytes: Uint8Array, end: number, start = 0): number {
  while (end > start && (bytes[end - 1] === lineFeed || bytes[end - 1] === carriageReturn || bytes[end - 1] === 0)) {
    end--;
  }
  return end;
}

const empty = new Uint8Array(0);
const encoder = new TextEncoder();
const maxCountDigits = 9;
const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const zero = 48;
const lessThan = 60;
