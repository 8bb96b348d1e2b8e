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
import { freeAfter } from "../memory.ts";
import { Ipv4Pan } from "./ipv4_pan.ts";
import { fixedBits } from "./special_ranges.ts";

/** The reference algorithm. */
export class CryptoPan {
  readonly #cipher: Cipheriv;
  readonly #pad: Uint8Array;
  /** Blocks of which all but the first four bytes are the pad's; for {@linkcode CryptoPan.flips}. */
  #inputs4: Uint8Array<ArrayBuffer> | undefined;

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

  /**
   * The keyed function of many prefixes of at most 32 bits: 1 where the bit behind one is flipped. One call of the cipher for
   * all, since a call costs as much as a hundred blocks.
   * @param words the prefixes, each filled up to 32 bits with those of {@linkcode CryptoPan.padWord}
   */
  flips(words: Uint32Array, count: number, into: Uint8Array): void {
    this.#inputs4 ??= this.#paddedBlocks();
    const firsts = new Uint32Array(this.#inputs4.buffer);
    for (let from = 0; from < count; from += blocksAtOnce) {
      const size = Math.min(blocksAtOnce, count - from);
      for (let i = 0; i < size; i++) firsts[4 * i] = swapped(words[from + i]!);
      const blocks = this.#cipher.update(this.#inputs4.subarray(0, 16 * size));
      for (let i = 0; i < size; i++) into[from + i] = blocks[16 * i]! >> 7;
      freeAfter(blocks.length);
    }
  }

  /** The first 32 bits of the pad. */
  get padWord(): number {
    return ((this.#pad[0]! << 24) | (this.#pad[1]! << 16) | (this.#pad[2]! << 8) | this.#pad[3]!) >>> 0;
  }

  #paddedBlocks(): Uint8Array<ArrayBuffer> {
    const blocks = new Uint8Array(16 * blocksAtOnce);
    for (let i = 0; i < blocksAtOnce; i++) blocks.set(this.#pad, 16 * i);
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
  #ipv4: Ipv4Pan | undefined;

  /** @param key secret of the pseudonyms, at least 16 bytes */
  constructor(key: Uint8Array) {
    this.#pan = new CryptoPan(createHmac("sha256", key).update("crypto-pan").digest());
  }

  /** The replaced address, of 4 or 16 bytes; the same one for loopback, multicast, netmasks and their like. */
  map(address: Uint8Array): Uint8Array<ArrayBuffer> {
    return this.#pan.map(address, fixedBits(address));
  }

  /** The same for the first `count` of many IPv4 addresses, as numbers of 32 bits. */
  mapIpv4(addresses: Uint32Array, count: number, into: Uint32Array): void {
    this.#ipv4 ??= new Ipv4Pan(this.#pan);
    this.#ipv4.map(addresses, count, into);
  }
}

/** Highest byte first, as it stands in a block; all targets are little-endian. */
function swapped(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** 64 KiB of them. */
const blocksAtOnce = 4_096;
