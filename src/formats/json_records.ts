/**
 * JSON as a webhook gets it, cut to records of one line each: bytes are dropped (white space, commas) and never
 * rewritten, so that numbers of any length, escapes and the order of keys stay as they were sent. Pure.
 */
import type { LineRun } from "./lines.ts";

/** What is wrong with a body, for its sender. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
}

/** The object, or the objects of the array, in `body`: one record each, without white space. @throws {MalformedError} */
export function parseJsonRecords(body: Uint8Array): LineRun {
  const value = parseJson(body, "the body");
  if (Array.isArray(value)) {
    const odd = value.findIndex((entry) => !isObject(entry));
    if (odd >= 0) throw new MalformedError(`entry ${odd} of the array is no object`);
    return compactObjects(body, value.length);
  }
  if (!isObject(value)) throw new MalformedError("the body is neither an object nor an array of objects");
  return compactObjects(body, 1);
}

/** The objects of newline-delimited JSON, one per line; empty lines are passed over. @throws {MalformedError} */
export function parseNdjsonRecords(body: Uint8Array): LineRun {
  const { bytes, bounds, count } = splitBody(body);
  const kept = new Uint32Array(2 * count);
  let records = 0;
  for (let i = 0; i < count; i++) {
    const [start, end] = [bounds[2 * i]!, bounds[2 * i + 1]!];
    if (isBlank(bytes, start, end)) continue;
    if (!isObject(parseJson(bytes.subarray(start, end), `line ${i + 1}`))) {
      throw new MalformedError(`line ${i + 1} is no object`);
    }
    kept[2 * records] = start;
    kept[2 * records + 1] = end;
    records++;
  }
  return { bytes, bounds: kept, count: records };
}

/** The lines of `body`, a CR before the LF left out; the last one needs no LF. */
export function splitBody(body: Uint8Array): LineRun {
  let count = 0;
  for (let at = 0; at < body.length; count++) {
    const feed = body.indexOf(lineFeed, at);
    at = feed < 0 ? body.length : feed + 1;
  }
  const bounds = new Uint32Array(2 * count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const feed = body.indexOf(lineFeed, at);
    const end = feed < 0 ? body.length : feed;
    bounds[2 * i] = at;
    bounds[2 * i + 1] = end > at && body[end - 1] === carriageReturn ? end - 1 : end;
    at = end + 1;
  }
  return { bytes: body, bounds, count };
}

/** `body` is JSON by now, and every object at its top level or in its top array is a record. */
function compactObjects(body: Uint8Array, count: number): LineRun {
  const bytes = new Uint8Array(body.length + 1);
  const bounds = new Uint32Array(2 * count);
  let to = 0;
  let depth = 0; // of braces and brackets within an object
  let records = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]!;
    if (byte === quote && depth > 0) {
      const end = endOfText(body, at);
      bytes.set(body.subarray(at, end), to);
      to += end - at;
      at = end - 1;
      continue;
    }
    if (isSpace(byte) || depth === 0 && byte !== openBrace) continue; // the array's own brackets and commas
    if (byte === openBrace && depth === 0) bounds[2 * records] = to;
    bytes[to++] = byte;
    if (byte === openBrace || byte === openBracket) depth++;
    else if (byte === closeBrace || byte === closeBracket) {
      if (--depth > 0) continue;
      bounds[2 * records++ + 1] = to;
      bytes[to++] = lineFeed; // takes the place of the comma or bracket behind it, or the byte that is spare
    }
  }
  return { bytes: bytes.subarray(0, to), bounds, count };
}

/** Index behind the closing quote of the text that begins at `at`. */
function endOfText(body: Uint8Array, at: number): number {
  for (let i = at + 1;; i++) {
    if (body[i] === backslash) i++;
    else if (body[i] === quote) return i + 1;
  }
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    const reason = error instanceof TypeError ? "not UTF-8" : "not JSON"; // or nested too deep to be looked into
    throw new MalformedError(`${what} is ${reason}`);
  }
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (!isSpace(bytes[i]!)) return false;
  return true;
}

/** White space of RFC 8259 section 2. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === lineFeed || byte === carriageReturn;
}

/** A byte order mark is an error here: RFC 8259 section 8.1 forbids it. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
