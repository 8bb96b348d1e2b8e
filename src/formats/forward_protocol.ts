/**
 * Messages of Fluentd's Forward Protocol, version 1, as values of MessagePack in bytes. Pure.
 * @see https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
 *
 * ```text
 *   Message                   [tag, time, record, option?]
 *   Forward                   [tag, [[time, record], …], option?]
 *   PackedForward             [tag, bin of [time, record] …, option?]
 *   CompressedPackedForward   the same, gzip in the bin, {"compressed": "gzip"} in the option
 * ```
 */
import { endOfValue, floatOf, integerOf, MsgpackError, readToken, Token, ValueScanner } from "./msgpack.ts";

/** A message, its entries not looked at yet. */
export interface ForwardMessage {
  readonly tag: string;
  /** Who waits for `{"ack": chunk}`. */
  readonly chunk?: string;
  /** Whether `bytes[start..end)` is gzip with entries inside. */
  readonly compressed: boolean;
  /** Number of entries; undefined where they are packed: as many as there are. */
  readonly count?: number;
  /** In Message mode: one entry, without an array around it. */
  readonly single: boolean;
  readonly start: number;
  readonly end: number;
}

/** An event: its time and where its record, a map, lies. The same object is filled again and again. */
export class ForwardEntry {
  /** Seconds since 1970; 0 where the sender says none. */
  seconds = 0;
  nanoseconds = 0;
  recordStart = 0;
  recordEnd = 0;
}

/**
 * The message that fills `bytes[start..end)`; undefined for nil, which is a heartbeat.
 * @throws {MsgpackError} for what is no message of the protocol
 */
export function parseForwardMessage(
  bytes: Uint8Array,
  start: number,
  end: number,
  scanner: ValueScanner,
): ForwardMessage | undefined {
  const token = tokenAt(bytes, start, end);
  if (token.kind === "nil") return undefined;
  if (token.kind !== "array") throw new MsgpackError(`a message is no array but of type ${token.kind}`);
  const count = token.valueCount;
  if (count < 2 || count > 4) throw new MsgpackError(`a message has ${count} elements; allowed: 2 to 4`);
  const tag = textAt(bytes, token.start, end, "the tag", maxTagBytes);
  const second = tokenAt(bytes, tag.end, end);
  const afterSecond = endOfValue(bytes, tag.end, end, scanner);
  const base = { tag: tag.text, compressed: false };
  if (second.kind === "array" && !isTimeWithMetadata(bytes, second, end)) {
    const chunk = optionOf(bytes, count, 2, afterSecond, end, scanner).chunk;
    return { ...base, ...chunk, single: false, count: second.valueCount, start: second.start, end: afterSecond };
  }
  if (second.kind === "bin" || second.kind === "str") {
    const { chunk, compressed } = optionOf(bytes, count, 2, afterSecond, end, scanner);
    return { ...base, ...chunk, compressed, single: false, start: second.start, end: afterSecond };
  }
  if (count < 3) throw new MsgpackError(`the second element is of type ${second.kind}, and there is no third`);
  const afterRecord = endOfValue(bytes, afterSecond, end, scanner);
  const { chunk } = optionOf(bytes, count, 3, afterRecord, end, scanner);
  return { ...base, ...chunk, single: true, count: 1, start: tag.end, end: afterRecord };
}

/**
 * Reads the entry at `at`, `[time, record]`, or of a `single` message `time, record` without the array.
 * @returns where it ends
 * @throws {MsgpackError} for what is no entry
 */
export function readForwardEntry(
  bytes: Uint8Array,
  at: number,
  end: number,
  single: boolean,
  scanner: ValueScanner,
  entry: ForwardEntry,
): number {
  let next = at;
  if (!single) {
    const token = tokenAt(bytes, at, end);
    if (token.kind !== "array" || token.valueCount < 2) throw new MsgpackError("an entry is no [time, record]");
    if (token.valueCount > 2) throw new MsgpackError(`an entry has ${token.valueCount} elements`);
    next = token.start;
  }
  const time = tokenAt(bytes, next, end);
  readTime(bytes, isTimeWithMetadata(bytes, time, end) ? tokenAt(bytes, time.start, end) : time, end, entry);
  entry.recordStart = endOfValue(bytes, next, end, scanner);
  const record = tokenAt(bytes, entry.recordStart, end);
  if (record.kind !== "map") throw new MsgpackError(`a record is no map but of type ${record.kind}`);
  entry.recordEnd = endOfValue(bytes, entry.recordStart, end, scanner);
  return entry.recordEnd;
}

/** Fluent Bit's `[time, {metadata}]` in the place of a time. */
function isTimeWithMetadata(bytes: Uint8Array, token: Token, end: number): boolean {
  if (token.kind !== "array" || token.valueCount !== 2 || token.start >= end) return false;
  const { kind } = tokenAt(bytes, token.start, end);
  return kind === "ext" || kind === "int" || kind === "float";
}

/** Seconds as a number, or EventTime: ext type 0 with seconds and nanoseconds, 32 bits each. */
function readTime(bytes: Uint8Array, token: Token, end: number, entry: ForwardEntry): void {
  const { kind, start, sizeBytes, extType } = token;
  if (start + sizeBytes > end) throw new MsgpackError("a value ends before its end");
  entry.nanoseconds = 0;
  if (kind === "ext" && extType === 0 && sizeBytes === 8) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, 8);
    entry.seconds = view.getUint32(0);
    entry.nanoseconds = Math.min(999_999_999, view.getUint32(4));
  } else if (kind === "int") entry.seconds = boundedSeconds(Number(integerOf(bytes, token)));
  else if (kind === "float") {
    const time = boundedSeconds(floatOf(bytes, token));
    entry.seconds = Math.floor(time);
    entry.nanoseconds = Math.min(999_999_999, Math.round((time - entry.seconds) * 1e9));
  } else if (kind === "nil") entry.seconds = 0;
  else throw new MsgpackError(`a time is of type ${kind}`);
}

/** What no calendar of four digits holds is no time. */
function boundedSeconds(seconds: number): number {
  return seconds > 0 && seconds < 253_402_300_800 ? seconds : 0;
}

interface Option {
  readonly chunk: { readonly chunk?: string };
  readonly compressed: boolean;
}

/** The option at `at`, element `index` of `count`; none says nothing. */
function optionOf(
  bytes: Uint8Array,
  count: number,
  index: number,
  at: number,
  end: number,
  scanner: ValueScanner,
): Option {
  if (count > index + 1) throw new MsgpackError(`a message has ${count} elements, one too many for its mode`);
  const none: Option = { chunk: {}, compressed: false };
  if (count === index) return none;
  const token = tokenAt(bytes, at, end);
  if (token.kind === "nil") return none;
  if (token.kind !== "map") throw new MsgpackError(`an option is no map but of type ${token.kind}`);
  let { chunk, compressed } = none;
  let next = token.start;
  for (let pair = 0; pair < token.valueCount; pair += 2) {
    const key = textAt(bytes, next, end, "a key of the option", maxTagBytes);
    const value = key.end;
    if (key.text === "chunk") chunk = { chunk: textAt(bytes, value, end, "chunk", maxChunkBytes).text };
    if (key.text === "compressed") compressed = isGzip(textAt(bytes, value, end, "compressed", maxTagBytes).text);
    if (key.text === "fluent_signal") refuseOtherSignals(bytes, tokenAt(bytes, value, end));
    next = endOfValue(bytes, value, end, scanner);
  }
  return { chunk, compressed };
}

function isGzip(method: string): boolean {
  if (method === "gzip") return true;
  if (method === "text" || method === "") return false;
  throw new MsgpackError(`"compressed" is ${JSON.stringify(method.slice(0, 40))}; allowed: gzip`);
}

/** Fluent Bit sends metrics (1) and traces (2) the same way; they are no logs. */
function refuseOtherSignals(bytes: Uint8Array, token: Token): void {
  if (token.kind === "int" && Number(integerOf(bytes, token)) === 0) return;
  throw new MsgpackError("it holds metrics or traces, not logs");
}

function tokenAt(bytes: Uint8Array, at: number, end: number): Token {
  const token = new Token();
  if (!readToken(bytes, at, end, token)) throw new MsgpackError("a value ends before its end");
  return token;
}

function textAt(
  bytes: Uint8Array,
  at: number,
  end: number,
  what: string,
  maxBytes: number,
): { readonly text: string; readonly end: number } {
  const { kind, start, sizeBytes } = tokenAt(bytes, at, end);
  if (kind !== "str" && kind !== "bin") throw new MsgpackError(`${what} is no text but of type ${kind}`);
  if (sizeBytes > maxBytes) throw new MsgpackError(`${what} is longer than ${maxBytes} bytes`);
  if (start + sizeBytes > end) throw new MsgpackError("a value ends before its end");
  return { text: decoder.decode(bytes.subarray(start, start + sizeBytes)), end: start + sizeBytes };
}

const maxTagBytes = 1_024;
const maxChunkBytes = 256;
const decoder = new TextDecoder();
