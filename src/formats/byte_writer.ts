/** A buffer that grows, for bodies that are made of many pieces. Pure. */

/** Bytes in the order they were appended. Kept and used again: {@linkcode ByteWriter.clear} keeps the storage. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  /** @param sizeBytes storage to begin with, ≥ 1 */
  constructor(sizeBytes = 1_024) {
    this.#bytes = new Uint8Array(sizeBytes);
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** A view on what was appended; valid until the next call of any other method. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** Forgets what was appended after the first `length` bytes; 0 ≤ length ≤ what is there. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** Appends `bytes[start..end)`. */
  append(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    this.#reserve(end - start);
    this.#bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.#length);
    this.#length += end - start;
  }

  /** Appends text as UTF-8. */
  text(text: string): void {
    this.#reserve(3 * text.length);
    this.#length += encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Appends `bytes[start..end)` as a JSON string with its quotes; what is not UTF-8 becomes U+FFFD (RFC 8259 section 8.1). */
  jsonString(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    this.byte(quote);
    let plainFrom = start;
    for (let at = start; at < end; at++) {
      const kind = kinds[bytes[at]!]!;
      if (kind === plain) continue;
      if (kind === foreign) {
        if (isUtf8(bytes, at, end)) return this.#jsonRest(bytes, plainFrom, end);
        const repaired = encoder.encode(lenient.decode(bytes.subarray(plainFrom, end)));
        return this.#jsonRest(repaired, 0, repaired.length);
      }
      this.append(bytes, plainFrom, at);
      this.#escape(bytes[at]!);
      plainFrom = at + 1;
    }
    this.append(bytes, plainFrom, end);
    this.byte(quote);
  }

  /** Text as a JSON string with its quotes; halves of surrogate pairs become U+FFFD. */
  jsonText(text: string): void {
    this.jsonString(encoder.encode(text));
  }

  /** Appends a number as a varint of protocol buffers; 0 ≤ value < 2⁵³. */
  varint(value: number): void {
    this.#reserve(8);
    while (value > 0x7f) {
      this.#bytes[this.#length++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.#bytes[this.#length++] = value;
  }

  /** Appends 64 bits, the lowest byte first. */
  fixed64(value: bigint): void {
    this.#reserve(8);
    new DataView(this.#bytes.buffer, this.#bytes.byteOffset).setBigUint64(this.#length, value, true);
    this.#length += 8;
  }

  /** What is left of a JSON string that is UTF-8, with its closing quote. */
  #jsonRest(bytes: Uint8Array, start: number, end: number): void {
    let plainFrom = start;
    for (let at = start; at < end; at++) {
      if (kinds[bytes[at]!] !== escaped) continue;
      this.append(bytes, plainFrom, at);
      this.#escape(bytes[at]!);
      plainFrom = at + 1;
    }
    this.append(bytes, plainFrom, end);
    this.byte(quote);
  }

  #escape(byte: number): void {
    if (byte === quote || byte === backslash) this.byte(backslash), this.byte(byte);
    else if (byte === 9) this.text("\\t");
    else if (byte === 10) this.text("\\n");
    else if (byte === 13) this.text("\\r");
    else this.text(`\\u00${byte.toString(16).padStart(2, "0")}`);
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + size));
    larger.set(this.written);
    this.#bytes = larger;
  }
}

/** Whether `bytes[start..end)` is well-formed UTF-8 (RFC 3629). */
export function isUtf8(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
  try {
    strict.decode(bytes.subarray(start, end));
    return true;
  } catch {
    return false;
  }
}

const quote = 34;
const backslash = 92;
const plain = 0;
const escaped = 1;
const foreign = 2;
const kinds = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return foreign;
  return byte < 0x20 || byte === quote || byte === backslash ? escaped : plain;
});
const encoder = new TextEncoder();
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
