/** IPv4 and IPv6 addresses in text: parsed strictly, written as RFC 5952 asks. */

/** An address found in text: its bytes and where it ends. */
export interface FoundAddress {
  readonly address: Uint8Array;
  readonly end: number;
}

/** Four numbers up to 255 with dots from `start` on; undefined when there are none. `separator` is a dot or a dash. */
export function parseIpv4(bytes: Uint8Array, start: number, limit: number, separator = 46): FoundAddress | undefined {
  const end = endOfIpv4(bytes, start, limit, separator);
  return end < 0 ? undefined : { address: ipv4Of(ipv4Value(bytes, start, end)), end };
}

/** Where the address that {@linkcode parseIpv4} finds ends; -1 without one. It makes no objects. */
export function endOfIpv4(bytes: Uint8Array, start: number, limit: number, separator: number): number {
  let at = start;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && (at >= limit || bytes[at++] !== separator)) return -1;
    const first = at;
    let octet = 0;
    for (; at < limit && at - first < 4 && isDigit(bytes[at]!); at++) octet = 10 * octet + bytes[at]! - 48;
    if (at === first || at - first > 3 || octet > 255) return -1;
  }
  return at;
}

/** The four numbers of `bytes[start..end)` as one of 32 bits, unsigned. */
export function ipv4Value(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  let octet = 0;
  for (let at = start; at < end; at++) {
    if (isDigit(bytes[at]!)) octet = 10 * octet + bytes[at]! - 48;
    else {
      value = (value << 8) | octet;
      octet = 0;
    }
  }
  return ((value << 8) | octet) >>> 0;
}

/** The four bytes of a number, the highest first. */
export function ipv4Of(value: number): Uint8Array {
  const address = new Uint8Array(4); // Uint8Array.of takes five times as long
  for (let i = 0; i < 4; i++) address[i] = value >>> (24 - 8 * i);
  return address;
}

/** The 16 bytes of an IPv6 address (RFC 4291 section 2.2, also with IPv4 at its end); undefined for anything else. */
export function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45 || !/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
  let rest = text;
  const dotted = /(?<=:)\d{1,3}(?:\.\d{1,3}){3}$/.exec(text);
  if (dotted !== null) {
    const parts = dotted[0].split(".").map(Number);
    if (parts.some((part) => part > 255)) return undefined;
    rest = text.slice(0, dotted.index) +
      [parts[0]! * 256 + parts[1]!, parts[2]! * 256 + parts[3]!].map((word) => word.toString(16)).join(":");
  }
  const halves = rest.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => half === "" ? [] : half.split(":"));
  const words = [...head!, ...(tail ?? [])];
  if (!words.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word))) return undefined;
  if (tail === undefined ? words.length !== 8 : words.length > 7) return undefined;
  const address = new Uint8Array(16);
  const set = (word: string, i: number): void =>
    address.set([parseInt(word, 16) >> 8, parseInt(word, 16) & 255], 2 * i);
  head!.forEach(set);
  tail?.forEach((word, i) => set(word, 8 - tail.length + i));
  return address;
}

/** `10.1.2.3`, or with another separator. */
export function formatIpv4(address: Uint8Array, separator = "."): string {
  return address.join(separator);
}

/** `2001:db8::1`: lower case, the longest row of zeros shortened (RFC 5952 section 4). */
export function formatIpv6(address: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => address[2 * i]! * 256 + address[2 * i + 1]!);
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    return `::ffff:${formatIpv4(address.subarray(12))}`;
  }
  let best = { start: -1, size: 1 };
  for (let start = 0; start < 8; start++) {
    let size = 0;
    while (start + size < 8 && words[start + size] === 0) size++;
    if (size > best.size) best = { start, size };
  }
  const hex = words.map((word) => word.toString(16));
  if (best.start < 0) return hex.join(":");
  return `${hex.slice(0, best.start).join(":")}::${hex.slice(best.start + best.size).join(":")}`;
}

/** The address with all bits behind the first `bits` cleared. */
export function networkOf(address: Uint8Array, bits: number): Uint8Array {
  return address.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))));
}

/** ASCII digit. */
export function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

/** ASCII hexadecimal digit. */
export function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 97 && byte <= 102) || (byte >= 65 && byte <= 70);
}

/** A character for each byte of `bytes[start..end)`; for short ones. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}
