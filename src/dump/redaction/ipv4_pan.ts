/**
 * Crypto-PAn for many IPv4 addresses at a time: logs of firewalls hold a new one in each line, and a cipher's call for each
 * of them takes ten times as long as their share of a common one.
 *
 * What is done with the first 16 bits is asked for once for all 65,535 prefixes (a millisecond, 64 KiB); special ranges
 * are decided within them. Each address has 16 blocks of its own for the rest.
 */
import type { CryptoPan } from "./crypto_pan.ts";
import { fixedBitsOfIpv4 } from "./special_ranges.ts";

/** Maps as {@linkcode CryptoPan.map} does, special ranges staying what they are. */
export class Ipv4Pan {
  readonly #pan: CryptoPan;
  readonly #pad: number;
  /** By node of the tree of prefixes, whose node n has the nodes 2n and 2n + 1: whether the bit behind it is flipped. */
  readonly #headFlips = new Uint8Array(2 ** headBits);
  readonly #words = new Uint32Array(tailBits * addressesAtOnce);
  readonly #flips = new Uint8Array(tailBits * addressesAtOnce);

  constructor(pan: CryptoPan) {
    this.#pan = pan;
    this.#pad = pan.padWord;
    const words = new Uint32Array(2 ** headBits);
    for (let node = 1; node < words.length; node++) {
      const depth = 31 - Math.clz32(node);
      words[node] = this.#padded(depth === 0 ? 0 : node << (32 - depth), depth);
    }
    pan.flips(words, words.length, this.#headFlips);
  }

  /** What takes the place of the first `count` of `addresses`, as numbers of 32 bits. */
  map(addresses: Uint32Array, count: number, into: Uint32Array): void {
    for (let from = 0; from < count; from += addressesAtOnce) {
      this.#mapSome(addresses, from, Math.min(addressesAtOnce, count - from), into);
    }
  }

  #mapSome(addresses: Uint32Array, from: number, size: number, into: Uint32Array): void {
    for (let i = 0; i < size; i++) {
      const address = addresses[from + i]!;
      for (let bit = 0; bit < tailBits; bit++) this.#words[tailBits * i + bit] = this.#padded(address, headBits + bit);
    }
    this.#pan.flips(this.#words, tailBits * size, this.#flips);
    for (let i = 0; i < size; i++) {
      const address = addresses[from + i]!;
      into[from + i] = fixedBitsOfIpv4(address) === 32 ? address : this.#head(address) | this.#tail(address, i);
    }
  }

  /** The first 16 bits; the others are zero. */
  #head(address: number): number {
    let out = 0;
    let node = 1;
    const fixed = fixedBitsOfIpv4(address);
    for (let bit = 0; bit < headBits; bit++) {
      const value = (address >>> (31 - bit)) & 1;
      out |= (bit < fixed ? value : value ^ this.#headFlips[node]!) << (31 - bit);
      node = 2 * node + value;
    }
    return out;
  }

  /** The last 16 bits of the `index`th address of those that were asked for together. */
  #tail(address: number, index: number): number {
    let flipped = 0;
    for (let bit = 0; bit < tailBits; bit++) flipped = (flipped << 1) | this.#flips[tailBits * index + bit]!;
    return (address & 0xffff) ^ flipped;
  }

  /** The first `bits` bits of `prefix`, 0 to 31 of them, and the pad's behind them. */
  #padded(prefix: number, bits: number): number {
    const rest = 0xffffffff >>> bits;
    return ((prefix & ~rest) | (this.#pad & rest)) >>> 0;
  }
}

/** No special range is smaller. */
const headBits = 16;
const tailBits = 32 - headBits;
const addressesAtOnce = 256;
