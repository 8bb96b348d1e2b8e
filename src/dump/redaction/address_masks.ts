/** What takes the place of an address: another one with the same prefixes, or a name. */
import { formatIpv4, formatIpv6, ipv4Of, latin1, networkOf } from "./addresses.ts";
import type { AddressMap } from "./crypto_pan.ts";
import { Ipv4Map } from "./ipv4_map.ts";
import type { Names } from "./names.ts";

/** Replacements of addresses of one dump. */
export class AddressMasks {
  readonly #names: Names;
  readonly #map: AddressMap | undefined;
  readonly #ipv4: Ipv4Map | undefined;
  readonly #known: ReadonlySet<string>;
  readonly #knownIpv4: ReadonlySet<number>;
  /** Of IPv6, and of IPv4 where prefixes are not kept. */
  readonly #cache = new Map<string | number, Uint8Array>();
  readonly #emitted = new Set<string>();
  readonly #text = new Uint8Array(15);

  /**
   * @param map replaces by prefix; without it, addresses become `ip-…`
   * @param known the machine's own addresses
   */
  constructor(names: Names, map: AddressMap | undefined, known: ReadonlySet<string>) {
    this.#names = names;
    this.#map = map;
    this.#ipv4 = map === undefined ? undefined : new Ipv4Map(map);
    this.#known = known;
    this.#knownIpv4 = ipv4sOf(known);
  }

  /** Whether prefixes are kept: {@linkcode mapped} may be called. */
  get keepsPrefixes(): boolean {
    return this.#map !== undefined;
  }

  /** Known addresses that were written in the place of another one: seeing them is no leak. */
  get ambiguous(): ReadonlySet<string> {
    return this.#emitted;
  }

  /** What takes the place of each of the first `count` IPv4 addresses, given as 32 bits; nothing where prefixes are not kept. */
  mapIpv4(values: Uint32Array, count: number, into: Uint32Array): void {
    this.#ipv4?.map(values, count, into);
  }

  /**
   * The text that takes the place of an IPv4 address; valid until the next call.
   * @param mapped what {@linkcode AddressMasks.mapIpv4} says of it
   * @param bits of the prefix that follows: where the address is that network, its replacement is one, too
   */
  maskIpv4(value: number, mapped: number, bits: number | undefined): Uint8Array {
    if (this.#ipv4 === undefined) return this.#cached(value, () => this.#names.of("ip", formatIpv4(ipv4Of(value))));
    if (this.#knownIpv4.has(mapped)) this.#emitted.add(formatIpv4(ipv4Of(mapped)));
    if (this.#names.keepsPairs) this.#names.keepPair(formatIpv4(ipv4Of(mapped)), formatIpv4(ipv4Of(value)));
    const hostMask = bits === undefined || bits >= 32 ? 0 : 0xffffffff >>> bits;
    return this.#text.subarray(0, writeIpv4((value & hostMask) === 0 ? mapped & ~hostMask : mapped, this.#text));
  }

  /** The same for the 16 bytes of an IPv6 address. */
  maskIpv6(address: Uint8Array, bits: number | undefined): Uint8Array {
    return this.#cached(`${latin1(address, 0, 16)}/${bits ?? ""}`, () => {
      if (this.#map === undefined) return this.#names.of("ip", formatIpv6(address));
      const isNetwork = bits !== undefined && networkOf(address, bits).every((byte, i) => byte === address[i]);
      const mapped = this.mapped(address);
      return formatIpv6(isNetwork ? networkOf(mapped, bits) : mapped);
    });
  }

  #cached(key: string | number, text: () => string): Uint8Array {
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    const mask = encoder.encode(text());
    if (this.#cache.size >= maxCached) this.#cache.clear();
    this.#cache.set(key, mask);
    return mask;
  }

  /** The replacement of an address of 4 or 16 bytes, where prefixes are kept. */
  mapped(address: Uint8Array): Uint8Array {
    const format = address.length === 4 ? formatIpv4 : formatIpv6;
    const mapped = this.#mapBytes(address);
    if (this.#known.has(format(mapped))) this.#emitted.add(format(mapped));
    if (this.#names.keepsPairs) this.#names.keepPair(format(mapped), format(address));
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

/** Writes an address in decimal; returns how many bytes it took. */
function writeIpv4(value: number, into: Uint8Array): number {
  let at = 0;
  for (let shift = 24; shift >= 0; shift -= 8) {
    const octet = (value >>> shift) & 255;
    if (shift < 24) into[at++] = 46;
    if (octet >= 100) into[at++] = 48 + Math.floor(octet / 100);
    if (octet >= 10) into[at++] = 48 + Math.floor(octet / 10) % 10;
    into[at++] = 48 + octet % 10;
  }
  return at;
}

/** The IPv4 addresses among texts, as 32 bits. */
export function ipv4sOf(texts: Iterable<string>): ReadonlySet<number> {
  return new Set(
    [...texts].filter((text) => !text.includes(":"))
      .map((text) => text.split(".").reduce((value, octet) => value * 256 + Number(octet), 0)),
  );
}

const encoder = new TextEncoder();
const mappedPrefix = "\0".repeat(10) + "\xff\xff";
const translatedPrefix = "\0\x64\xff\x9b" + "\0".repeat(8);
const maxCached = 65_536;
