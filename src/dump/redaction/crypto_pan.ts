/**
 * Addresses that keep their neighbours: Crypto-PAn (Fan, Xu, Ammar, Moon: "Prefix-preserving IP address anonymization").
 * Bit i is flipped or not by a keyed function of the i bits before it, so two addresses share exactly as many leading
 * bits afterwards as before. No table is kept. Whoever knows one pair of real and replaced address learns the
 * prefix that others share with it: `ipMode: "token"` avoids that.
 *
 * The reference maps 10.0.0.1 anywhere. To keep the meaning of ranges, {@linkcode AddressMap} never flips at a node of the
 * tree of prefixes that leads to a special range: such a range is mapped onto itself and nothing else into it.
 */
import { type Cipheriv, createCipheriv, createHmac } from "node:crypto";

/** The reference algorithm. */
export class CryptoPan {
  readonly #cipher: Cipheriv;
  readonly #pad: Uint8Array;

  /** @param key 32 bytes: 16 of the AES-128 key, 16 of the padding */
  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new Error("the key of Crypto-PAn has 32 bytes");
    this.#cipher = createCipheriv("aes-128-ecb", key.subarray(0, 16), null).setAutoPadding(false);
    this.#pad = this.#cipher.update(key.subarray(16));
  }

  /** The replaced address, of 4 or 16 bytes; the first `fixedBits` bits stay. */
  map(address: Uint8Array, fixedBits = 0): Uint8Array<ArrayBuffer> {
    const bits = 8 * address.length;
    const out = address.slice() as Uint8Array<ArrayBuffer>;
    if (fixedBits >= bits) return out;
    const blocks = this.#cipher.update(this.#inputs(address, fixedBits));
    for (let bit = fixedBits; bit < bits; bit++) {
      out[bit >> 3]! ^= (blocks[16 * (bit - fixedBits)]! >> 7) << (7 - (bit & 7));
    }
    return out;
  }

  /** What takes the place of each last octet in the network of an IPv4 address; its first 24 bits are {@linkcode map}'s. */
  lastOctets(address: Uint8Array): Uint8Array {
    const blocks = this.#cipher.update(this.#nodesOfLast(address));
    return Uint8Array.from({ length: 256 }, (_, octet) => {
      let out = 0;
      let node = 1; // of a tree whose node n has the nodes 2n and 2n + 1
      for (let bit = 7; bit >= 0; bit--) {
        const value = (octet >> bit) & 1;
        out |= (value ^ (blocks[16 * node]! >> 7)) << bit;
        node = 2 * node + value;
      }
      return out;
    });
  }

  /** Blocks of the 255 prefixes that are longer than the network's and shorter than an address; the first block is not used. */
  #nodesOfLast(address: Uint8Array): Uint8Array {
    const blocks = new Uint8Array(16 * 256);
    for (let node = 1; node < 256; node++) {
      const depth = 31 - Math.clz32(node);
      const kept = (0xff00 >> depth) & 0xff;
      blocks.set(this.#pad, 16 * node);
      blocks.set(address.subarray(0, 3), 16 * node);
      blocks[16 * node + 3] = ((node << (8 - depth)) & kept) | (this.#pad[3]! & ~kept);
    }
    return blocks;
  }

  /** For each bit from `fixedBits` on, a block: the bits before it, filled up with the pad. */
  #inputs(address: Uint8Array, fixedBits: number): Uint8Array {
    const bits = 8 * address.length;
    const blocks = new Uint8Array(16 * (bits - fixedBits));
    for (let bit = fixedBits; bit < bits; bit++) {
      const block = 16 * (bit - fixedBits);
      const whole = bit >> 3;
      blocks.set(this.#pad, block);
      for (let i = 0; i < whole; i++) blocks[block + i] = address[i]!;
      const kept = 0xff00 >> (bit & 7) & 0xff;
      blocks[block + whole] = (address[whole]! & kept) | (this.#pad[whole]! & ~kept);
    }
    return blocks;
  }
}

/** Replaces addresses by prefix, special ranges staying what they are. */
export class AddressMap {
  readonly #pan: CryptoPan;

  /** @param key secret of the pseudonyms, at least 16 bytes */
  constructor(key: Uint8Array) {
    this.#pan = new CryptoPan(createHmac("sha256", key).update("crypto-pan").digest());
  }

  /** The replaced address, of 4 or 16 bytes; the same one for loopback, multicast, netmasks and their like. */
  map(address: Uint8Array): Uint8Array<ArrayBuffer> {
    return this.#pan.map(address, fixedBits(address));
  }

  /** Of the 256 addresses around an IPv4 address, what takes the place of their last octets: no special range is that small. */
  lastOctets(address: Uint8Array): Uint8Array {
    if (isMeaningless(address)) return Uint8Array.from({ length: 256 }, (_, octet) => octet);
    return this.#pan.lastOctets(address);
  }
}

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

/** How many leading bits must stay so that special ranges stay themselves. */
function fixedBits(address: Uint8Array): number {
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
