/** What takes the place of an address: another one with the same prefixes, or a name. */
import { formatIpv4, formatIpv6, ipv4Of, latin1, networkOf } from "./addresses.ts";
import type { AddressMap } from "./crypto_pan.ts";
import type { Names } from "./names.ts";

/** Replacements of addresses of one dump. */
export class AddressMasks {
  readonly #names: Names;
  readonly #map: AddressMap | undefined;
  readonly #known: ReadonlySet<string>;
  readonly #cache = new Map<string | number, Uint8Array>();
  readonly #emitted = new Set<string>();

  /**
   * @param map replaces by prefix; without it, addresses become `ip-…`
   * @param known the machine's own addresses
   */
  constructor(names: Names, map: AddressMap | undefined, known: ReadonlySet<string>) {
    this.#names = names;
    this.#map = map;
    this.#known = known;
  }

  /** Whether prefixes are kept: {@linkcode mapped} may be called. */
  get keepsPrefixes(): boolean {
    return this.#map !== undefined;
  }

  /** Known addresses that were written in the place of another one: seeing them is no leak. */
  get ambiguous(): ReadonlySet<string> {
    return this.#emitted;
  }

  /**
   * What takes the place of an IPv4 address, given as 32 bits.
   * @param bits of the prefix that follows: where the address is that network, its replacement is one, too
   */
  maskIpv4(value: number, bits: number | undefined): Uint8Array {
    const key = value * 256 + (bits ?? 255);
    return this.#cache.get(key) ?? this.#keep(key, ipv4Of(value), bits);
  }

  /** The same for the 16 bytes of an IPv6 address. */
  maskIpv6(address: Uint8Array, bits: number | undefined): Uint8Array {
    const key = `${latin1(address, 0, 16)}/${bits ?? ""}`;
    return this.#cache.get(key) ?? this.#keep(key, address, bits);
  }

  #keep(key: string | number, address: Uint8Array, bits: number | undefined): Uint8Array {
    const mask = encoder.encode(this.#text(address, bits));
    if (this.#cache.size >= maxCached) this.#cache.clear();
    this.#cache.set(key, mask);
    return mask;
  }

  #text(address: Uint8Array, bits: number | undefined): string {
    const format = address.length === 4 ? formatIpv4 : formatIpv6;
    if (this.#map === undefined) return this.#names.of("ip", format(address));
    const isNetwork = bits !== undefined && networkOf(address, bits).every((byte, i) => byte === address[i]);
    const mapped = this.mapped(address);
    return format(isNetwork ? networkOf(mapped, bits) : mapped);
  }

  mapped(address: Uint8Array): Uint8Array {
    const format = address.length === 4 ? formatIpv4 : formatIpv6;
    const mapped = this.#mapBytes(address);
    if (this.#known.has(format(mapped))) this.#emitted.add(format(mapped));
    this.#names.remember(format(mapped), format(address));
    return mapped;
  }

  /** An IPv4 address within an IPv6 one is mapped as the IPv4 address it is (RFC 4291 section 2.5.5.2, RFC 6052). */
  #mapBytes(address: Uint8Array): Uint8Array {
    const map = this.#map!;
    if (!holdsIpv4(address)) return map.map(address);
    const out = address.slice();
    out.set(map.map(address.subarray(12)), 12);
    return out;
  }
}

/** IPv4-mapped (RFC 4291) or translated (RFC 6052). */
export function holdsIpv4(address: Uint8Array): boolean {
  if (address.length !== 16) return false;
  const prefix = latin1(address, 0, 12);
  return prefix === mappedPrefix || prefix === translatedPrefix;
}

const encoder = new TextEncoder();
const mappedPrefix = "\0".repeat(10) + "\xff\xff";
const translatedPrefix = "\0\x64\xff\x9b" + "\0".repeat(8);
const maxCached = 65_536;
