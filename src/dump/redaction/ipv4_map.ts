/**
 * The replacements of IPv4 addresses as numbers, remembered in tables of a fixed size: logs of firewalls hold hundreds of
 * thousands of different ones, and an object for each of them would cost more than its encryption.
 */
import type { AddressMap } from "./crypto_pan.ts";

/** Remembers what an {@linkcode AddressMap} says of the latest 65,536 addresses: 768 KiB. */
export class Ipv4Map {
  readonly #map: AddressMap;
  /** Addresses, each in the place that its hash names, and what takes its place. */
  readonly #addresses = new Float64Array(places).fill(-1);
  readonly #mapped = new Uint32Array(places);
  #unknown = new Uint32Array(256);
  #learned = new Uint32Array(256);
  /** Where in the question each of `#unknown` stood. */
  #asked = new Uint32Array(256);

  constructor(map: AddressMap) {
    this.#map = map;
  }

  /** What takes the place of each of the first `count` addresses, of 32 bits; those that are not remembered are asked for together. */
  map(addresses: Uint32Array, count: number, into: Uint32Array): void {
    if (this.#unknown.length < count) {
      [this.#unknown, this.#learned, this.#asked] = Array.from({ length: 3 }, () => new Uint32Array(count)) as Three;
    }
    let unknown = 0;
    for (let i = 0; i < count; i++) {
      const address = addresses[i]!;
      const place = placeOf(address);
      if (this.#addresses[place] === address) into[i] = this.#mapped[place]!;
      else {
        this.#asked[unknown] = i;
        this.#unknown[unknown++] = address;
      }
    }
    if (unknown > 0) this.#learn(unknown, into);
  }

  #learn(count: number, into: Uint32Array): void {
    this.#map.mapIpv4(this.#unknown, count, this.#learned);
    for (let i = 0; i < count; i++) {
      const address = this.#unknown[i]!;
      const mapped = this.#learned[i]!;
      const place = placeOf(address);
      into[this.#asked[i]!] = mapped;
      this.#addresses[place] = address;
      this.#mapped[place] = mapped;
    }
  }
}

type Three = [Uint32Array<ArrayBuffer>, Uint32Array<ArrayBuffer>, Uint32Array<ArrayBuffer>];

function placeOf(address: number): number {
  return Math.imul(address, 0x9e3779b1) >>> (32 - placeBits); // Knuth's multiplicative hashing
}

const placeBits = 16;
const places = 2 ** placeBits;
