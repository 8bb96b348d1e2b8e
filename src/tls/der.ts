/**
 * DER, the binary form of certificates and requests: enough to write and to read them, and strict about what comes in.
 * By hand instead of `@peculiar/x509`, because that costs 21 MiB of memory and 80 ms at start, and `ship` renews its
 * certificate in a process that may use 50 MiB. The tests hold the result against that library and against openssl.
 *
 * @see ITU-T X.690 sections 8 and 10
 */
import { joinBytes } from "../formats/bytes.ts";

/** Tags that certificates use; the class and the constructed bit are part of the number. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  nothing: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Tag of a context-specific element: `[number]`; explicit ones and structures are constructed. */
export function contextTag(number: number, constructed = true): number {
  return (constructed ? 0xa0 : 0x80) | number;
}

/** One element as read: views of the input, not copies. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly raw: Uint8Array;
}

/** Reads elements one after the other. Every method throws on what is not DER; nothing is read past the end. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Tag of the next element, undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** The next element, whatever it is. */
  next(): DerElement {
    const start = this.#at;
    const tag = this.#octet();
    if ((tag & 0x1f) === 0x1f) throw new Error("not DER: a tag of several octets");
    const length = this.#length();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error("not DER: an element is cut short");
    const content = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return { tag, content, raw: this.#bytes.subarray(start, end) };
  }

  /** The next element, which must have this tag. */
  expect(tag: number): DerElement {
    if (this.nextTag !== tag) {
      const found = this.nextTag === undefined ? "nothing" : `0x${this.nextTag.toString(16)}`;
      throw new Error(`not as expected: ${found} where 0x${tag.toString(16)} belongs`);
    }
    return this.next();
  }

  /** The next element if it has this tag. */
  optional(tag: number): DerElement | undefined {
    return this.nextTag === tag ? this.next() : undefined;
  }

  /** A reader of the next element's content. */
  enter(tag: number = tags.sequence): DerReader {
    return new DerReader(this.expect(tag).content);
  }

  /** @throws unless all was read: what is left over would be unsigned or unseen */
  end(): void {
    if (!this.atEnd) throw new Error("not as expected: octets are left over");
  }

  #octet(): number {
    const octet = this.#bytes[this.#at++];
    if (octet === undefined) throw new Error("not DER: an element is cut short");
    return octet;
  }

  #length(): number {
    const first = this.#octet();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new Error("not DER: a length without end or too long");
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#octet();
    if (length < 0x80 || length < 256 ** (count - 1)) throw new Error("not DER: a length that is not minimal");
    return length;
  }
}

/** The single element that `bytes` are. @throws when they are none, or when something follows */
export function readSingle(bytes: Uint8Array, tag: number = tags.sequence): DerReader {
  const reader = new DerReader(bytes);
  const inside = reader.enter(tag);
  reader.end();
  return inside;
}

/** Dotted form of an object identifier's content. */
export function decodeOid(content: Uint8Array): string {
  if (content.length === 0 || content.at(-1)! >= 0x80) throw new Error("not DER: an object identifier is cut short");
  const arcs: number[] = [];
  let value = 0;
  for (const octet of content) {
    value = value * 128 + (octet & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER / 128) throw new Error("an object identifier is too large");
    if (octet >= 0x80) continue;
    if (arcs.length === 0) {
      arcs.push(Math.min(2, Math.floor(value / 40)), value - 40 * Math.min(2, Math.floor(value / 40)));
    } else arcs.push(value);
    value = 0;
  }
  return arcs.join(".");
}

/** Milliseconds since 1970 of a UTCTime or GeneralizedTime. @see RFC 5280 section 4.1.2.5 */
export function decodeTime(element: DerElement): number {
  const text = latin1(element.content);
  const long = element.tag === tags.generalizedTime;
  if (!long && element.tag !== tags.utcTime) throw new Error("not as expected: no time where a time belongs");
  const match = (long ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
    text,
  );
  if (match === null) throw new Error(`"${text.slice(0, 20)}" is no time of a certificate`);
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [number, ...number[]];
  const fullYear = long ? year : year < 50 ? 2000 + year : 1900 + year;
  return Date.UTC(fullYear, month! - 1, day, hour, minute, second);
}

/** Text of any of the string types. */
export function decodeString(element: DerElement): string {
  switch (element.tag) {
    case tags.utf8String:
      return new TextDecoder("utf-8", { fatal: true }).decode(element.content);
    case tags.printableString:
    case tags.ia5String:
    case tags.teletexString:
      return latin1(element.content);
    case tags.bmpString:
      return new TextDecoder("utf-16be", { fatal: true }).decode(element.content);
    default:
      throw new Error(`not as expected: 0x${element.tag.toString(16)} where text belongs`);
  }
}

/** Content of a BIT STRING that holds whole octets. */
export function decodeBits(content: Uint8Array): Uint8Array {
  if (content[0] !== 0) throw new Error("not as expected: a bit string with unused bits");
  return content.subarray(1);
}

/** An element: its tag, the length, then the parts. */
export function encodeElement(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = joinBytes(parts);
  return joinBytes([Uint8Array.of(tag, ...encodeLength(content.length)), content]);
}

/** SEQUENCE. */
export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return encodeElement(tags.sequence, ...parts);
}

/** SET OF: in the order that DER demands (X.690 section 11.6). */
export function setOf(...parts: readonly Uint8Array[]): Uint8Array {
  return encodeElement(tags.set, ...[...parts].sort(compareBytes));
}

/** `[number] EXPLICIT`, or a constructed `[number] IMPLICIT` when the parts are the content. */
export function explicit(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return encodeElement(contextTag(number), ...parts);
}

/** OBJECT IDENTIFIER from its dotted form. */
export function encodeOid(dotted: string): Uint8Array {
  const arcs = dotted.split(".").map(Number);
  if (!/^[012](\.\d+)+$/.test(dotted) || arcs.some((arc) => !Number.isSafeInteger(arc))) {
    throw new Error(`"${dotted}" is no object identifier`);
  }
  const octets = [arcs[0]! * 40 + arcs[1]!, ...arcs.slice(2)].flatMap(base128);
  return encodeElement(tags.oid, Uint8Array.from(octets));
}

/** INTEGER, not negative, from a number or from big-endian octets. */
export function encodeInteger(value: number | Uint8Array): Uint8Array {
  const octets = typeof value === "number" ? numberOctets(value) : [...value];
  while (octets.length > 1 && octets[0] === 0) octets.shift();
  if (octets[0]! >= 0x80) octets.unshift(0);
  return encodeElement(tags.integer, Uint8Array.from(octets));
}

/** BIT STRING of whole octets. */
export function encodeBits(bytes: Uint8Array): Uint8Array {
  return encodeElement(tags.bitString, Uint8Array.of(0), bytes);
}

/** BIT STRING of named bits, bit 0 first, without trailing zeros. */
export function encodeNamedBits(bits: readonly number[]): Uint8Array {
  if (bits.length === 0) return encodeElement(tags.bitString, Uint8Array.of(0));
  const highest = Math.max(...bits);
  const octets = new Uint8Array(1 + (highest >> 3) + 1);
  octets[0] = 7 - (highest & 7);
  for (const bit of bits) octets[1 + (bit >> 3)]! |= 0x80 >> (bit & 7);
  return encodeElement(tags.bitString, octets);
}

/** A string type; the text must fit it. */
export function encodeString(
  tag: typeof tags.utf8String | typeof tags.printableString | typeof tags.ia5String,
  text: string,
): Uint8Array {
  return encodeElement(tag, new TextEncoder().encode(text));
}

/** Time in the form that RFC 5280 section 4.1.2.5 asks for: UTCTime until 2049. Whole seconds. */
export function encodeTime(epochMs: number): Uint8Array {
  const text = new Date(epochMs).toISOString().replace(/\.\d+/, "").replaceAll(/[-:T]/g, "");
  const year = Number(text.slice(0, 4));
  const short = year >= 1950 && year < 2050;
  return encodeElement(
    short ? tags.utcTime : tags.generalizedTime,
    new TextEncoder().encode(short ? text.slice(2) : text),
  );
}

/** Whether the text has only the characters of PrintableString. @see X.680 section 41.4 */
export function isPrintable(text: string): boolean {
  return /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text);
}

/** Whether the two are equal, octet by octet. Not in constant time. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}

/**
 * BER with lengths "until the end mark" (as some CAs write PKCS#7) turned into definite lengths; other input stays as it
 * is. @throws on what is neither, and on more than 64 levels
 */
export function definiteLengths(bytes: Uint8Array): Uint8Array {
  const { element, end } = definiteElement(bytes, 0, 0);
  if (end !== bytes.length) throw new Error("not BER: octets are left over");
  return element;
}

function definiteElement(bytes: Uint8Array, at: number, depth: number): { element: Uint8Array; end: number } {
  if (depth > 64) throw new Error("not BER: nested too deeply");
  const tag = bytes[at];
  if (tag === undefined || at + 1 >= bytes.length) throw new Error("not BER: an element is cut short");
  if (bytes[at + 1] !== 0x80) {
    const reader = new DerReader(bytes.subarray(at));
    const { raw, content } = reader.next();
    if ((tag & 0x20) === 0 || !hasIndefinite(content)) return { element: raw, end: at + raw.length };
    const parts: Uint8Array[] = [];
    for (let inner = 0; inner < content.length;) {
      const { element, end } = definiteElement(content, inner, depth + 1);
      parts.push(element);
      inner = end;
    }
    return { element: encodeElement(tag, ...parts), end: at + raw.length };
  }
  const parts: Uint8Array[] = [];
  let inner = at + 2;
  while (bytes[inner] !== 0 || bytes[inner + 1] !== 0) {
    const { element, end } = definiteElement(bytes, inner, depth + 1);
    parts.push(element);
    inner = end;
  }
  if ((tag & 0x3f) === 0x24) { // an octet string in pieces
    const pieces = parts.map((part) => new DerReader(part).expect(tags.octetString).content);
    return { element: encodeElement(tags.octetString, ...pieces), end: inner + 2 };
  }
  return { element: encodeElement(tag, ...parts), end: inner + 2 };
}

/** A cheap look: an element whose length octet says "until the end mark" somewhere. False alarms cost only time. */
function hasIndefinite(content: Uint8Array): boolean {
  return content.includes(0x80);
}

function encodeLength(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const octets = numberOctets(length);
  return [0x80 | octets.length, ...octets];
}

function numberOctets(value: number): number[] {
  const octets: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return octets.length === 0 ? [0] : octets;
}

function base128(arc: number): readonly number[] {
  const octets = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift(0x80 | (rest % 128));
  return octets;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
