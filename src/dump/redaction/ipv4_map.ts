/**
 * The replacements of IPv4 addresses as numbers, remembered in tables of a fixed size: logs of firewalls hold hundreds of
 * thousands of different ones, and an object for each of them would cost more than its encryption.
 */
import { ipv4Of } from "./addresses.ts";
import type { AddressMap } from "./crypto_pan.ts";

/** Remembers what an {@linkcode AddressMap} says: 2 MiB. */
export class Ipv4Map {
  readonly #map: AddressMap;
  /** Addresses, each in the place that its hash names, and what takes its place. */
  readonly #addresses = new Float64Array(addressPlaces).fill(-1);
  readonly #mapped = new Uint32Array(addressPlaces);
  /** Networks of 256 addresses, the same way: which was asked for last, which is known, and its last octets. */
  readonly #missed = new Int32Array(networkPlaces).fill(-1);
  readonly #networks = new Int32Array(networkPlaces).fill(-1);
  readonly #heads = new Uint32Array(networkPlaces);
  readonly #lasts = new Uint8Array(256 * networkPlaces);

  constructor(map: AddressMap) {
    this.#map = map;
  }

  /** What takes the place of `address`; both are of 32 bits. */
  of(address: number): number {
    const network = address >>> 8;
    const at = hashed(network, networkBits);
    if (this.#networks[at] === network) return (this.#heads[at]! | this.#lasts[256 * at + (address & 255)]!) >>> 0;
    const place = hashed(address, addressBits);
    if (this.#addresses[place] === address) return this.#mapped[place]!;
    const mapped = valueOf(this.#map.map(ipv4Of(address)));
    if (this.#missed[at] === network) this.#keepNetwork(at, network, mapped);
    this.#missed[at] = network; // one alone may come from anywhere; a second one has neighbours
    this.#addresses[place] = address;
    this.#mapped[place] = mapped;
    return mapped;
  }

  #keepNetwork(at: number, network: number, mapped: number): void {
    this.#networks[at] = network;
    this.#heads[at] = (mapped & ~255) >>> 0;
    this.#lasts.set(this.#map.lastOctets(ipv4Of(network * 256)), 256 * at);
  }
}

function hashed(value: number, bits: number): number {
  return Math.imul(value, 0x9e3779b1) >>> (32 - bits); // Knuth's multiplicative hashing
}

function valueOf(address: Uint8Array): number {
  return ((address[0]! << 24) | (address[1]! << 16) | (address[2]! << 8) | address[3]!) >>> 0;
}

const addressBits = 16;
const addressPlaces = 2 ** addressBits;
const networkBits = 12;
const networkPlaces = 2 ** networkBits;
