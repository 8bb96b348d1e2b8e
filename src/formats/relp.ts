/**
 * RELP frames as librelp reads and writes them (protocol version 0). Pure: bytes in, numbers out.
 *
 * ```text
 *   TXNR SP COMMAND SP DATALEN [SP DATA] LF        TXNR     1..9 digits, +1 per frame from 1; 0 is a hint
 *   "2 syslog 5 hello\n"                           COMMAND  1..32 letters
 *   "2 rsp 6 200 OK\n"                             DATALEN  1..9 digits, octets of DATA alone; 0: no SP, no DATA
 * ```
 *
 * @see librelp doc/relp.md; where its text and librelp differ, librelp is followed
 */
import { decimalLength, writeDecimal } from "./decimal.ts";

/** The highest transaction number that can be framed. librelp's own step from it to 1 is broken: stay far below. */
export const maxTransaction = 999_999_999;

/** After this many frames a client begins a new session, long before the numbers end. */
export const sessionFrames = 900_000_000;

/** What the header of a frame says; the parser fills the same object again and again. */
export interface FrameHeader {
  transaction: number;
  /** Start and end of the command in the bytes. */
  commandStart: number;
  commandEnd: number;
  /** First byte of DATA, or of the trailing LF when there is none. */
  dataStart: number;
  dataLength: number;
}

/** A header object to be filled by {@linkcode readFrameHeader}. */
export function newFrameHeader(): FrameHeader {
  return { transaction: 0, commandStart: 0, commandEnd: 0, dataStart: 0, dataLength: 0 };
}

/**
 * Reads the header that begins at `at` of `bytes[..end)`.
 * @returns `complete` with `header` filled, `partial` when more bytes are needed, `invalid` when no more bytes can help
 */
export function readFrameHeader(
  bytes: Uint8Array,
  at: number,
  end: number,
  header: FrameHeader,
): "complete" | "partial" | "invalid" {
  let digits = 0;
  let transaction = 0;
  for (; at < end && isDigit(bytes[at]!); at++) {
    if (++digits > 9) return "invalid";
    transaction = transaction * 10 + bytes[at]! - 48;
  }
  if (at === end) return "partial";
  if (digits === 0 || bytes[at++] !== space) return "invalid";
  header.transaction = transaction;
  header.commandStart = at;
  while (at < end && isLetter(bytes[at]!)) at++;
  if (at - header.commandStart > 32) return "invalid";
  if (at === end) return "partial";
  if (at === header.commandStart || bytes[at] !== space) return "invalid";
  header.commandEnd = at;
  return readLength(bytes, at + 1, end, header);
}

function readLength(
  bytes: Uint8Array,
  at: number,
  end: number,
  header: FrameHeader,
): "complete" | "partial" | "invalid" {
  let digits = 0;
  let length = 0;
  for (; at < end && isDigit(bytes[at]!); at++) {
    if (++digits > 9) return "invalid";
    length = length * 10 + bytes[at]! - 48;
  }
  if (at === end) return "partial";
  header.dataLength = length;
  if (bytes[at] === lineFeed && length === 0) header.dataStart = at; // librelp takes "2 syslog \n" as length 0 too
  else if (bytes[at] === space && digits > 0 && length > 0) header.dataStart = at + 1;
  else return "invalid";
  return "complete";
}

/** Whether the command of `header` is `name`. */
export function isCommand(bytes: Uint8Array, header: FrameHeader, name: Uint8Array): boolean {
  if (header.commandEnd - header.commandStart !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[header.commandStart + i] !== name[i]) return false;
  return true;
}

/** The commands of the protocol, as bytes for {@linkcode isCommand} and {@linkcode FrameEncoder}. */
export const commands = {
  open: ascii("open"),
  close: ascii("close"),
  syslog: ascii("syslog"),
  rsp: ascii("rsp"),
  serverclose: ascii("serverclose"),
} as const;

/** The offers that both ends of the agent send: what librelp 1.11 needs to read, no more. */
export function encodeOffers(version: string): string {
  return `relp_version=0\nrelp_software=agent,${version}\ncommands=syslog`;
}

/** Offers of an `open` or its answer by name; unknown ones are kept, empty lines skipped. */
export function parseOffers(text: string): ReadonlyMap<string, string> {
  const offers = new Map<string, string>();
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=");
    if (line !== "") offers.set(equals < 0 ? line : line.slice(0, equals), equals < 0 ? "" : line.slice(equals + 1));
  }
  return offers;
}

/** One frame as a string of bytes, for everything that is not sent by the million. */
export function encodeFrame(transaction: number, command: string, data = ""): Uint8Array {
  const bytes = encoder.encode(data);
  const head = encoder.encode(`${transaction} ${command} ${bytes.length}${bytes.length > 0 ? " " : ""}`);
  const frame = new Uint8Array(head.length + bytes.length + 1);
  frame.set(head);
  frame.set(bytes, head.length);
  frame[frame.length - 1] = lineFeed;
  return frame;
}

/** Writes many frames into one buffer that is used again after each `clear`. */
export class FrameEncoder {
  #bytes: Uint8Array;
  #length = 0;

  /** @param sizeBytes size of the buffer; a longer single frame makes it grow once */
  constructor(sizeBytes: number) {
    this.#bytes = new Uint8Array(sizeBytes);
  }

  /** Bytes written since the last `clear`. Valid until the next call of any method. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /**
   * Appends a frame whose DATA is `prefix`, then `bytes[start..end)`, then `tail`; false when a non-empty buffer has no
   * room.
   */
  append(
    transaction: number,
    command: Uint8Array,
    prefix: Uint8Array,
    bytes: Uint8Array,
    start: number,
    end: number,
    tail: Uint8Array = noTail,
  ): boolean {
    const dataLength = prefix.length + end - start + tail.length;
    if (!this.#makeRoom(dataLength + command.length + 24)) return false;
    const into = this.#bytes;
    let at = writeDecimal(transaction, into, this.#length);
    into[at++] = space;
    at = copy(command, 0, command.length, into, at);
    into[at++] = space;
    at = writeDecimal(dataLength, into, at);
    if (dataLength > 0) into[at++] = space;
    at = copy(prefix, 0, prefix.length, into, at);
    at = copy(bytes, start, end, into, at);
    if (tail.length > 0) at = copy(tail, 0, tail.length, into, at);
    into[at++] = lineFeed;
    this.#length = at;
    return true;
  }

  /** Appends `N rsp 6 200 OK` for every transaction from `first` to `last`. The buffer grows as needed. */
  appendAcknowledgements(first: number, last: number): void {
    const needed = (last - first + 1) * (decimalLength(last) + okAnswer.length);
    if (this.#bytes.length - this.#length < needed) this.#grow(this.#length + needed);
    for (let transaction = first; transaction <= last; transaction++) {
      const at = writeDecimal(transaction, this.#bytes, this.#length);
      this.#length = copy(okAnswer, 0, okAnswer.length, this.#bytes, at);
    }
  }

  /** Appends bytes that are frames already. The buffer grows as needed. */
  appendRaw(frames: Uint8Array): void {
    if (this.#bytes.length - this.#length < frames.length) this.#grow(this.#length + frames.length);
    this.#bytes.set(frames, this.#length);
    this.#length += frames.length;
  }

  #makeRoom(needed: number): boolean {
    if (this.#bytes.length - this.#length >= needed) return true;
    if (this.#length > 0) return false;
    this.#grow(needed);
    return true;
  }

  #grow(sizeBytes: number): void {
    const larger = new Uint8Array(sizeBytes);
    larger.set(this.written);
    this.#bytes = larger;
  }
}

/** Copies `from[start..end)` and returns the offset behind it. Short runs by hand: a call costs more than 24 bytes do. */
function copy(from: Uint8Array, start: number, end: number, into: Uint8Array, at: number): number {
  if (end - start > 24) {
    into.set(from.subarray(start, end), at);
    return at + end - start;
  }
  for (let i = start; i < end; i++) into[at++] = from[i]!;
  return at;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

function isLetter(byte: number): boolean {
  return (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const space = 32;
const lineFeed = 10;
const encoder = new TextEncoder();
const noTail = new Uint8Array(0);
const okAnswer = ascii(" rsp 6 200 OK\n");
