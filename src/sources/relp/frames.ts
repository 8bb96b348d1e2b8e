/**
 * Frames of a RELP client out of a stream of chunks, as imrelp takes them. Pure. Records are moved together in place, so
 * that a whole chunk becomes one packed batch without a copy per record:
 *
 * ```text
 *   chunk    2 syslog 5 hello LF 3 syslog 5 world LF 4 sysl…
 *   after    h e l l o LF w o r l d LF                        and the torn end is kept for the next chunk
 * ```
 */
import { freeBytes } from "../../formats/bytes.ts";
import { commands, type FrameHeader, isCommand, newFrameHeader, readFrameHeader } from "../../formats/relp.ts";

/** What to do with a message longer than the limit. */
export type OversizeMode = "truncate" | "abort" | "accept";

/** Limits of one session. */
export interface FrameLimits {
  /** Octets of a message. */
  readonly maxDataBytes: number;
  readonly oversizeMode: OversizeMode;
}

/** The records of one chunk. */
export interface FrameRun {
  readonly bytes: Uint8Array;
  readonly bounds: Uint32Array;
  readonly count: number;
  readonly packed: boolean;
}

/** A frame whose answer is not simply `200 OK` once its record is safe. */
export interface ControlFrame {
  /** `early`: a `syslog` before `open`, which is not kept. */
  readonly command: "open" | "close" | "early";
  readonly transaction: number;
  readonly data: string;
}

/** What came out of a chunk. After `mistake` the session is over; `records` are from before it. */
export interface FrameResult {
  readonly records: FrameRun;
  /** In order of their transactions. */
  readonly control: readonly ControlFrame[];
  /** Messages that were cut to the limit. */
  readonly truncated: number;
  readonly mistake: string | undefined;
}

/** The decoder of one session. */
export class FrameDecoder {
  /** Transaction of the newest frame taken. */
  last = 0;
  /** Whether `open` was accepted; set by the session. */
  opened = false;
  readonly #limits: FrameLimits;
  readonly #header: FrameHeader = newFrameHeader();
  /** The torn end of the stream, in the pieces it came in: joined once, when the frame can be whole. */
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  #neededBytes = 0;
  #headerComplete = false;
  /** Octets of a cut message, and its trailing LF, still to be passed over. */
  #skip = 0;
  // Of the chunk at hand:
  #bounds = new Uint32Array(0);
  #count = 0;
  #to = 0;
  #packed = true;
  #truncated = 0;
  #control: ControlFrame[] = [];

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** Takes the next chunk, which is the decoder's from here on: the records lie in it. */
  read(chunk: Uint8Array): FrameResult {
    const bytes = this.#begin(chunk);
    const header = this.#header;
    let mistake: string | undefined;
    let at = this.#passOver(bytes);
    while (at < bytes.length && mistake === undefined) {
      const result = readFrameHeader(bytes, at, bytes.length, header);
      this.#headerComplete = result === "complete";
      if (result === "invalid") mistake = "what is not a RELP frame";
      if (result !== "complete") break;
      mistake = this.#checkFrame(bytes);
      const next = mistake === undefined ? this.#takeFrame(bytes) : undefined;
      if (next === undefined) break;
      if (typeof next === "string") mistake = next;
      else at = next;
    }
    if (mistake === undefined && at < bytes.length) this.#keepRest(bytes.slice(at), header.dataStart - at);
    const records = { bytes, bounds: this.#bounds, count: this.#count, packed: this.#packed };
    return { records, control: this.#control, truncated: this.#truncated, mistake };
  }

  #begin(chunk: Uint8Array): Uint8Array {
    this.#bounds = new Uint32Array(256);
    this.#count = this.#to = this.#truncated = 0;
    this.#packed = true;
    this.#control = [];
    if (this.#restBytes === 0) return chunk;
    this.#rest.push(chunk);
    this.#restBytes += chunk.length;
    if (this.#restBytes < this.#neededBytes) return nothing;
    const bytes = new Uint8Array(this.#restBytes);
    let at = 0;
    for (const part of this.#rest) {
      bytes.set(part, at);
      at += part.length;
      freeBytes(part);
    }
    this.#rest = [];
    this.#restBytes = this.#neededBytes = 0;
    return bytes;
  }

  #keepRest(rest: Uint8Array, headerBytes: number): void {
    this.#rest = [rest];
    this.#restBytes = rest.length;
    this.#neededBytes = this.#headerComplete
      ? headerBytes + Math.min(this.#header.dataLength, this.#limits.maxDataBytes)
      : 0;
  }

  #passOver(bytes: Uint8Array): number {
    const passed = Math.min(this.#skip, bytes.length);
    this.#skip -= passed;
    return passed;
  }

  /** What is wrong with the header's order, command or size; nothing is taken then. */
  #checkFrame(bytes: Uint8Array): string | undefined {
    const { transaction, dataLength } = this.#header;
    const expected = this.last === 999_999_999 ? 1 : this.last + 1;
    if (transaction !== expected) return `transaction ${transaction} where ${expected} was due`;
    const { oversizeMode, maxDataBytes } = this.#limits;
    const isSyslog = isCommand(bytes, this.#header, commands.syslog);
    const limit = isSyslog ? maxDataBytes : maxControlBytes;
    if (dataLength <= limit || (isSyslog && oversizeMode === "truncate")) return undefined;
    if (isSyslog && oversizeMode === "accept" && dataLength <= maxAcceptedBytes) return undefined;
    return `a frame of ${dataLength} bytes, where ${limit} are allowed`;
  }

  /** Offset behind the frame; undefined when more bytes are needed; text when it is wrong. */
  #takeFrame(bytes: Uint8Array): number | string | undefined {
    const header = this.#header;
    const isSyslog = isCommand(bytes, header, commands.syslog);
    const cut = isSyslog && this.#limits.oversizeMode === "truncate" && header.dataLength > this.#limits.maxDataBytes;
    const taken = cut ? this.#limits.maxDataBytes : header.dataLength;
    const end = header.dataStart + taken;
    if (end + (cut ? 0 : 1) > bytes.length) return undefined;
    if (!cut && bytes[end] !== 10) return "a frame whose length does not fit its data";
    if (!isSyslog) {
      const mistake = this.#takeControl(bytes, end);
      if (mistake !== undefined) return mistake;
    }
    this.last = header.transaction;
    if (isSyslog && this.opened) this.#takeRecord(bytes, header.dataStart, end);
    else if (isSyslog) this.#control.push({ command: "early", transaction: header.transaction, data: "" });
    if (!cut) return end + 1;
    this.#truncated++;
    this.#skip = header.dataLength - taken + 1;
    const passed = Math.min(this.#skip, bytes.length - end);
    this.#skip -= passed;
    return end + passed;
  }

  #takeControl(bytes: Uint8Array, end: number): string | undefined {
    const header = this.#header;
    const command = isCommand(bytes, header, commands.open)
      ? "open"
      : isCommand(bytes, header, commands.close)
      ? "close"
      : undefined;
    if (command === undefined) {
      return `the command ${new TextDecoder().decode(bytes.subarray(header.commandStart, header.commandEnd))}`;
    }
    this.#control.push({
      command,
      transaction: header.transaction,
      data: new TextDecoder().decode(bytes.subarray(header.dataStart, end)),
    });
    // The records behind an accepted `open` in the same chunk belong to the session; the session checks the offers.
    if (command === "open") this.opened = true;
    return undefined;
  }

  #takeRecord(bytes: Uint8Array, start: number, end: number): void {
    if (end > start && bytes[end - 1] === 10) end--; // one trailing LF is dropped, as rsyslog does
    if (2 * this.#count === this.#bounds.length) {
      const larger = new Uint32Array(2 * this.#bounds.length);
      larger.set(this.#bounds);
      this.#bounds = larger;
    }
    const length = end - start;
    const feed = bytes.indexOf(10, start);
    if (feed >= 0 && feed < end) this.#packed = false;
    bytes.copyWithin(this.#to, start, end);
    this.#bounds[2 * this.#count] = this.#to;
    this.#bounds[2 * this.#count + 1] = this.#to + length;
    this.#count++;
    this.#to += length;
    bytes[this.#to++] = 10;
  }
}

const nothing = new Uint8Array(0);
/** An `open` needs a hundred; librelp's own limit for any frame is 128 KiB. */
const maxControlBytes = 8 * 1024;
/** Even `accept` has an end: one message may not take all memory. */
const maxAcceptedBytes = 16 * 1024 * 1024;
