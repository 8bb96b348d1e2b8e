/**
 * An event of the Forward Protocol as a record: an RFC 5424 header with its time, host and tag, and the event's map as JSON.
 * A map of one text under `message` or `log` alone is that text. Pure.
 */
import type { ByteWriter } from "./byte_writer.ts";
import type { ForwardEntry } from "./forward_protocol.ts";
import { endOfValue, MsgpackError, readToken, Token, type ValueScanner } from "./msgpack.ts";
import { writeJson } from "./msgpack_json.ts";
import { encodeElement } from "./syslog_encode.ts";

/** What all records of a message have in common. */
export interface ForwardRecordDefaults {
  /** Facility × 8 + severity, 0..191. */
  readonly priority: number;
  /** Of records that name none under `host` or `hostname`. */
  readonly host: string;
  /** Program of the records; undefined: the tag. */
  readonly program?: string;
  /** When the message came, milliseconds since 1970: the time of events without one. */
  readonly receivedAtMs: number;
}

/** Writes the events of one message. */
export class ForwardRecordWriter {
  readonly #defaults: ForwardRecordDefaults;
  readonly #begin: Uint8Array;
  /** From the program to the message. */
  readonly #rest: Uint8Array;
  readonly #host: Uint8Array;
  readonly #scanner: ValueScanner;
  readonly #key = new Token();
  readonly #value = new Token();
  #second = -1;
  #secondText = "";

  constructor(tag: string, defaults: ForwardRecordDefaults, scanner: ValueScanner) {
    this.#defaults = defaults;
    this.#scanner = scanner;
    const program = word(defaults.program ?? tag, maxProgramLength);
    const data = program === tag ? "-" : encodeElement("forward@0", { tag });
    this.#begin = encoder.encode(`<${defaults.priority}>1 `);
    this.#rest = encoder.encode(` ${program} - - ${data} `);
    this.#host = encoder.encode(word(defaults.host, maxHostLength));
  }

  /** Appends the event `entry` of `bytes`, without a line end. @throws {MsgpackError} for keys that JSON has no place for */
  write(bytes: Uint8Array, entry: ForwardEntry, writer: ByteWriter): void {
    const { recordStart, recordEnd } = entry;
    writer.append(this.#begin);
    writer.text(this.#time(entry));
    writer.byte(space);
    const host = this.#memberText(bytes, recordStart, recordEnd, hostKeys);
    if (host === undefined) writer.append(this.#host);
    else writer.text(word(decoder.decode(bytes.subarray(host.start, host.end)), maxHostLength));
    writer.append(this.#rest);
    const text = this.#onlyText(bytes, recordStart);
    if (text === undefined) writeJson(bytes, recordStart, writer);
    else writer.append(bytes, text.start, text.end);
  }

  /** With microseconds, which is what RFC 5424 section 6.2.3 has room for. */
  #time({ seconds, nanoseconds }: ForwardEntry): string {
    const { receivedAtMs } = this.#defaults;
    if (seconds === 0) return new Date(receivedAtMs).toISOString();
    if (seconds !== this.#second) {
      this.#second = seconds;
      this.#secondText = new Date(seconds * 1_000).toISOString().slice(0, 19);
    }
    return `${this.#secondText}.${String(Math.floor(nanoseconds / 1_000)).padStart(6, "0")}Z`;
  }

  /** The first text that is not empty under one of `keys`. */
  #memberText(bytes: Uint8Array, at: number, end: number, keys: readonly Uint8Array[]): Span | undefined {
    const [key, value] = [this.#key, this.#value];
    this.#read(bytes, at, key);
    let next = key.start;
    for (let pair = key.valueCount; pair > 0; pair -= 2) {
      this.#read(bytes, next, key);
      const keyEnd = key.valueCount > 0 ? endOfValue(bytes, next, end, this.#scanner) : key.start + key.sizeBytes;
      this.#read(bytes, keyEnd, value);
      if (isText(value) && value.sizeBytes > 0 && isOneOf(bytes, key, keys)) {
        return { start: value.start, end: value.start + value.sizeBytes };
      }
      next = value.valueCount > 0 ? endOfValue(bytes, keyEnd, end, this.#scanner) : value.start + value.sizeBytes;
    }
    return undefined;
  }

  /** The text of a map that holds nothing else, one line end at its end left out; undefined for other maps. */
  #onlyText(bytes: Uint8Array, at: number): Span | undefined {
    const [key, value] = [this.#key, this.#value];
    this.#read(bytes, at, key);
    if (key.valueCount !== 2) return undefined;
    this.#read(bytes, key.start, key);
    if (key.valueCount > 0 || !isOneOf(bytes, key, textKeys)) return undefined;
    this.#read(bytes, key.start + key.sizeBytes, value);
    if (!isText(value)) return undefined;
    const end = value.start + value.sizeBytes;
    return { start: value.start, end: value.sizeBytes > 0 && bytes[end - 1] === lineFeed ? end - 1 : end };
  }

  #read(bytes: Uint8Array, at: number, token: Token): void {
    if (!readToken(bytes, at, bytes.length, token)) throw new MsgpackError("a value ends before its end");
  }
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function isText({ kind }: Token): boolean {
  return kind === "str" || kind === "bin";
}

function isOneOf(bytes: Uint8Array, token: Token, keys: readonly Uint8Array[]): boolean {
  const { start, sizeBytes } = token;
  return isText(token) &&
    keys.some((key) => key.length === sizeBytes && key.every((byte, i) => byte === bytes[start + i]));
}

/** Printable ASCII without spaces, `-` when nothing is left. */
function word(text: string, maxLength: number): string {
  const safe = text.slice(0, maxLength).replaceAll(/[^!-~]/g, "_");
  return safe === "" ? "-" : safe;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const hostKeys = ["host", "hostname"].map((key) => encoder.encode(key));
const textKeys = ["message", "log"].map((key) => encoder.encode(key));
/** RFC 5424 section 6: APP-NAME and HOSTNAME. */
const maxProgramLength = 48;
const maxHostLength = 255;
const lineFeed = 10;
const space = 32;
