/**
 * MessagePack walked through in its bytes, without making a value: what a hostile peer announces costs nothing until its
 * bytes are there. Pure. @see https://github.com/msgpack/msgpack/blob/master/spec.md
 */

/** What a value is. Numbers of a token are read by {@linkcode integerOf} and {@linkcode floatOf}. */
export type TokenKind = "nil" | "false" | "true" | "int" | "float" | "str" | "bin" | "array" | "map" | "ext";

/** The head of a value; the same object is filled again and again. */
export class Token {
  kind: TokenKind = "nil";
  /** First byte of the value. */
  code = 0;
  /** Bytes behind the head, from `start` on: all of a scalar, text or ext; 0 for arrays and maps. */
  sizeBytes = 0;
  /** Values inside: elements of an array, keys and values of a map. */
  valueCount = 0;
  /** Of `ext`: −128..127. */
  extType = 0;
  /** First byte behind the head. */
  start = 0;
}

/** Bytes that are no MessagePack, or beyond a limit. */
export class MsgpackError extends Error {
  override readonly name = "MsgpackError";
}

/**
 * Reads the head of the value at `at`.
 * @returns false when the head is not all in `bytes[at..end)`
 * @throws {MsgpackError} for the one byte that begins nothing
 */
export function readToken(bytes: Uint8Array, at: number, end: number, token: Token): boolean {
  if (at >= end) return false;
  const code = bytes[at]!;
  token.code = code;
  token.sizeBytes = 0;
  token.valueCount = 0;
  token.start = at + 1;
  if (code <= 0x7f || code >= 0xe0) token.kind = "int";
  else if (code <= 0x8f) (token.kind = "map"), token.valueCount = 2 * (code & 0x0f);
  else if (code <= 0x9f) (token.kind = "array"), token.valueCount = code & 0x0f;
  else if (code <= 0xbf) (token.kind = "str"), token.sizeBytes = code & 0x1f;
  else return readLongHead(bytes, at, end, token);
  return true;
}

/** The forms `0xc0` to `0xdf`, by the table of the specification. */
function readLongHead(bytes: Uint8Array, at: number, end: number, token: Token): boolean {
  const form = forms[token.code - 0xc0];
  if (form === undefined) throw new MsgpackError("0xc1 begins no value of MessagePack");
  const { kind, lengthBytes, sizeBytes } = form;
  const headBytes = 1 + lengthBytes + (kind === "ext" ? 1 : 0);
  if (at + headBytes > end) return false;
  const length = lengthBytes === 0 ? sizeBytes : unsignedAt(bytes, at + 1, lengthBytes);
  token.kind = kind;
  token.start = at + headBytes;
  if (kind === "array") token.valueCount = length;
  else if (kind === "map") token.valueCount = 2 * length;
  else token.sizeBytes = length;
  if (kind === "ext") token.extType = bytes[at + headBytes - 1]! << 24 >> 24;
  return true;
}

/** An integer of 1 to 8 bytes; exact. */
export function integerOf(bytes: Uint8Array, { code, start, sizeBytes }: Token): number | bigint {
  if (sizeBytes === 0) return code <= 0x7f ? code : code - 0x100;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, sizeBytes);
  switch (code) {
    case 0xd0:
      return view.getInt8(0);
    case 0xd1:
      return view.getInt16(0);
    case 0xd2:
      return view.getInt32(0);
    case 0xd3:
      return view.getBigInt64(0);
    case 0xcf:
      return view.getBigUint64(0);
    default:
      return unsignedAt(bytes, start, sizeBytes);
  }
}

/** A float of 4 or 8 bytes. */
export function floatOf(bytes: Uint8Array, { start, sizeBytes }: Token): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, sizeBytes);
  return sizeBytes === 4 ? view.getFloat32(0) : view.getFloat64(0);
}

/** Limits of a {@linkcode ValueScanner}. */
export interface ScanLimits {
  /** Bytes of one value, ≥ 1. */
  readonly maxBytes: number;
  /** Arrays and maps within each other, ≥ 1. */
  readonly maxDepth: number;
}

/**
 * Finds the end of a value that arrives in pieces. It goes over each byte once, and holds one number per level: a value
 * that announces more than its limit is refused at its head.
 */
export class ValueScanner {
  readonly limits: ScanLimits;
  readonly #token = new Token();
  /** Values that are still to come, per level. */
  readonly #left: Float64Array;
  #depth = 0;
  #at = 0;

  constructor(limits: ScanLimits) {
    this.limits = limits;
    this.#left = new Float64Array(limits.maxDepth + 1);
    this.reset();
  }

  /** Begins another value. */
  reset(): void {
    this.#depth = 0;
    this.#left[0] = 1;
    this.#at = 0;
  }

  /** Length of the value in bytes, once `advance` said that it is whole. */
  get length(): number {
    return this.#at;
  }

  /**
   * Goes on in `bytes[start..end)`, which begins with the same value each time and has grown.
   * @returns whether the value is whole
   * @throws {MsgpackError} for what is no MessagePack, too long or too deep
   */
  advance(bytes: Uint8Array, start: number, end: number): boolean {
    const token = this.#token;
    while (this.#depth >= 0) {
      if (!readToken(bytes, start + this.#at, end, token)) return false;
      this.#at = token.start - start + token.sizeBytes;
      if (this.#at + token.valueCount > this.limits.maxBytes) {
        throw new MsgpackError(`a message is longer than ${this.limits.maxBytes} bytes`);
      }
      this.#left[this.#depth]!--;
      if (token.valueCount > 0) {
        if (++this.#depth > this.limits.maxDepth) throw new MsgpackError("a value is nested too deeply");
        this.#left[this.#depth] = token.valueCount;
      }
      while (this.#depth >= 0 && this.#left[this.#depth] === 0) this.#depth--;
    }
    return start + this.#at <= end;
  }
}

/** Where the value at `at` ends. @throws {MsgpackError} when it is not whole in `bytes[at..end)`, or deeper than the scanner allows */
export function endOfValue(bytes: Uint8Array, at: number, end: number, scanner: ValueScanner): number {
  scanner.reset();
  if (!scanner.advance(bytes, at, end)) throw new MsgpackError("a value ends before its end");
  return at + scanner.length;
}

/** A number of 1, 2, 4 or 8 bytes, the highest first; exact up to 2⁵³. */
function unsignedAt(bytes: Uint8Array, at: number, sizeBytes: number): number {
  let value = 0;
  for (let i = 0; i < sizeBytes; i++) value = value * 256 + bytes[at + i]!;
  return value;
}

/** A row of the table: the length stands behind the first byte (`lengthBytes`), or is fixed (`sizeBytes`). */
interface Form {
  readonly kind: TokenKind;
  readonly lengthBytes: number;
  readonly sizeBytes: number;
}

function form(kind: TokenKind, lengthBytes: number, sizeBytes = 0): Form {
  return { kind, lengthBytes, sizeBytes };
}

/** From 0xc0 on. */
const forms: readonly (Form | undefined)[] = [
  form("nil", 0),
  undefined,
  form("false", 0),
  form("true", 0),
  ...[1, 2, 4].map((bytes) => form("bin", bytes)),
  ...[1, 2, 4].map((bytes) => form("ext", bytes)),
  form("float", 0, 4),
  form("float", 0, 8),
  ...[1, 2, 4, 8].map((bytes) => form("int", 0, bytes)),
  ...[1, 2, 4, 8].map((bytes) => form("int", 0, bytes)),
  ...[1, 2, 4, 8, 16].map((bytes) => form("ext", 0, bytes)),
  ...[1, 2, 4].map((bytes) => form("str", bytes)),
  ...[2, 4].map((bytes) => form("array", bytes)),
  ...[2, 4].map((bytes) => form("map", bytes)),
];
