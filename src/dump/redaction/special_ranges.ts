/** Ranges of addresses that mean something by themselves, and keep that meaning when addresses are replaced. */

/** Whether an address says nothing about anybody, and so stays: loopback, unspecified, multicast, netmasks. */
export function isMeaningless(address: Uint8Array): boolean {
  return fixedBits(address) === 8 * address.length;
}

/** Whether it is of a range for private use, where no version number is likely: RFC 1918, RFC 6598, link-local. */
export function isPrivateRange(address: Uint8Array): boolean {
  return privateRanges.some((range) => address.length === 4 && commonBits(address, range.prefix) >= range.bits);
}

/** The same two of an IPv4 address of 32 bits, without an object: `whole` for {@linkcode isMeaningless}. */
export function rangeOfIpv4(address: number): "whole" | "private" | undefined {
  for (const { base, mask, whole } of numbers4) {
    if (((address & mask) >>> 0) === base) {
      return whole ? "whole" : "private";
    }
  }
  return undefined;
}

/** How many leading bits of an IPv4 address of 32 bits must stay: 16 at the most, or all. */
export function fixedBitsOfIpv4(address: number): number {
  let fixed = 0;
  for (const { base, bits, whole } of numbers4) {
    const common = Math.clz32(address ^ base);
    if (common < bits) fixed = Math.max(fixed, common + 1);
    else if (whole) return 32;
    else fixed = Math.max(fixed, bits);
  }
  return fixed;
}

/** How many leading bits must stay so that special ranges stay themselves. */
export function fixedBits(address: Uint8Array): number {
  let fixed = 0;
  for (const range of address.length === 4 ? ranges4 : ranges6) {
    const common = commonBits(address, range.prefix);
    if (common >= range.bits) {
      if (range.whole) return 8 * address.length;
      fixed = Math.max(fixed, range.bits);
    } else fixed = Math.max(fixed, common + 1);
  }
  return fixed;
}

function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! ^ b[i]!;
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24;
  }
  return 8 * a.length;
}

interface Range {
  readonly prefix: Uint8Array;
  readonly bits: number;
  /** Addresses in it are kept as they are. */
  readonly whole: boolean;
}

function range4(text: string, bits: number, whole = false): Range {
  return { prefix: Uint8Array.from(text.split("."), Number), bits, whole };
}

function range6(words: readonly number[], bits: number, whole = false): Range {
  const prefix = new Uint8Array(16);
  words.forEach((word, i) => prefix.set([word >> 8, word & 255], 2 * i));
  return { prefix, bits, whole };
}

/** RFC 1918, RFC 6598 (carrier-grade NAT), RFC 3927 (link-local). */
const privateRanges = [
  range4("10.0.0.0", 8),
  range4("172.16.0.0", 12),
  range4("192.168.0.0", 16),
  range4("100.64.0.0", 10),
  range4("169.254.0.0", 16),
];
/** Loopback, "this network", multicast, and from 240 on what is reserved: there the netmasks are. */
const ranges4 = [
  ...privateRanges,
  range4("0.0.0.0", 8, true),
  range4("127.0.0.0", 8, true),
  range4("224.0.0.0", 3, true),
];
const numbers4 = ranges4.map(({ prefix, bits, whole }) => ({
  bits,
  base: (prefix[0]! << 24 | prefix[1]! << 16 | prefix[2]! << 8 | prefix[3]!) >>> 0,
  mask: -1 << (32 - bits),
  whole,
}));
/** RFC 4291, RFC 4193 (fc00::/7), documentation and global unicast; `::` to `::ff` are unspecified, loopback and the like. */
const ranges6 = [
  range6([], 120, true),
  range6([0xff00], 8, true),
  range6([0xfe80], 64),
  range6([0xfc00], 7),
  range6([0x2001, 0x0db8], 32),
  range6([0x2000], 3),
  range6([0, 0, 0, 0, 0, 0xffff], 96),
  range6([0x0064, 0xff9b], 96),
];
