/**
 * Replaces network, hardware and mail addresses in a block of text: one pass that stops only at `.`, `:`, `-`, `@` and `/`
 * before what can follow them.
 * What merely looks like one stays: versions, times, fingerprints, unit names.
 */
import {
  beginnings,
  endOfPlain,
  isUpperHex,
  looksLikeVersion,
  mayEndKernelHex,
  networkBits,
  numerals,
} from "./address_hints.ts";
import { AddressMasks, holdsIpv4, ipv4sOf } from "./address_masks.ts";
import { endOfIpv4, formatIpv4, ipv4Value, isDigit, isHex, latin1, parseIpv4, parseIpv6 } from "./addresses.ts";
import type { ByteBuffer } from "./byte_buffer.ts";
import type { AddressMap } from "./crypto_pan.ts";
import { isMeaningless, isPrivateRange, rangeOfIpv4 } from "./special_ranges.ts";
import { isAlnum } from "./literals.ts";
import { isCommonName, type Names } from "./names.ts";
import type { Tally } from "./tally.ts";

/** What is found at a place. */
interface Find {
  readonly start: number;
  readonly end: number;
  /** Of an IPv4 address it is asked for when all of a text are known. */
  readonly mask: Uint8Array | Ipv4Find;
  readonly rule: string;
}

interface Ipv4Find {
  /** Its place among the addresses of the text. */
  readonly index: number;
  /** Of the prefix that is written behind it. */
  readonly bits: number | undefined;
}

/** Finds addresses of one dump. */
export class AddressScan {
  readonly #names: Names;
  readonly #masks: AddressMasks;
  readonly #known: ReadonlySet<string>;
  readonly #knownIpv4: ReadonlySet<number>;
  /** Those of the text at hand. */
  readonly #finds: Find[] = [];
  #values = new Uint32Array(1_024);
  #mapped = new Uint32Array(1_024);
  #valueCount = 0;

  /**
   * @param map replaces by prefix; without it, addresses become `ip-…`
   * @param known the machine's own addresses: they are replaced whatever stands around them
   */
  constructor(names: Names, map: AddressMap | undefined, known: ReadonlySet<string>) {
    this.#names = names;
    this.#knownIpv4 = ipv4sOf(known);
    this.#masks = new AddressMasks(names, map, known);
    this.#known = known;
  }

  /** Known addresses that were written in the place of another one: seeing them is no leak. */
  get ambiguous(): ReadonlySet<string> {
    return this.#masks.ambiguous;
  }

  /** Appends `bytes[start..end)` to `out`, addresses replaced. `versions`: the text is a list of packages. */
  apply(bytes: Uint8Array, start: number, end: number, out: ByteBuffer, tally: Tally, versions: boolean): void {
    this.#find(bytes, start, end, versions);
    this.#masks.mapIpv4(this.#values, this.#valueCount, this.#mapped);
    let at = start;
    for (const { start: from, end: to, mask, rule } of this.#finds) {
      out.append(bytes, at, from);
      out.append(mask instanceof Uint8Array ? mask : this.#maskOf(mask));
      tally.add(rule);
      at = to;
    }
    out.append(bytes, at, end);
    this.#finds.length = 0;
  }

  #find(bytes: Uint8Array, start: number, end: number, versions: boolean): void {
    const begins = beginnings;
    const last = end - 1; // nothing begins with the last byte
    let at = start;
    let plainUntil = start; // up to there, colons belong to times and the like
    this.#finds.length = this.#valueCount = 0;
    for (let i = start;; i++) {
      // Nearly all time is spent in this loop: no call in it.
      while (i < last && begins[(bytes[i]! << 8) | bytes[i + 1]!] === 0) i++;
      if (i >= last) return;
      const kind = bytes[i]!;
      if (kind === colon) {
        if (i >= plainUntil) plainUntil = endOfPlain(bytes, i, end);
        if (i < plainUntil && !mayEndKernelHex(bytes, at, i)) continue;
      } else if ((kind === dot || kind === dash) && (i === start || numerals[bytes[i - 1]!] === 0)) continue;
      const find = this.#at(kind, bytes, at, i, end, versions);
      if (find === undefined) continue;
      this.#finds.push(find);
      at = find.end;
      i = at - 1;
    }
  }

  #maskOf({ index, bits }: Ipv4Find): Uint8Array {
    return this.#masks.maskIpv4(this.#values[index]!, this.#mapped[index]!, bits);
  }

  #at(kind: number, bytes: Uint8Array, from: number, at: number, end: number, versions: boolean): Find | undefined {
    switch (kind) {
      case dot:
        return this.#ipv4(bytes, from, at, end, versions);
      case colon:
        return this.#colon(bytes, from, at, end);
      case dash:
        return at > from ? this.#dashed(bytes, from, at, end) : undefined;
      case slash:
        return this.#home(bytes, at, end);
      default:
        return this.#mail(bytes, from, at, end);
    }
  }

  #ipv4(bytes: Uint8Array, from: number, at: number, end: number, versions: boolean): Find | undefined {
    let start = at;
    while (start > from && at - start < 4 && isDigit(bytes[start - 1]!)) start--;
    const stop = endOfIpv4(bytes, start, end, dot);
    if (stop < 0) return undefined;
    const value = ipv4Value(bytes, start, stop);
    const range = rangeOfIpv4(value);
    if (range === "whole") return undefined;
    if (start > from && (bytes[start - 1] === dot || isDigit(bytes[start - 1]!))) return undefined;
    if (stop + 1 < end && bytes[stop] === dot && isDigit(bytes[stop + 1]!)) return undefined;
    const certain = range === "private" || this.#knownIpv4.has(value);
    if (!certain && (versions || looksLikeVersion(bytes, from, start, stop, end))) return undefined;
    return { start, end: stop, mask: this.#keep(value, networkBits(bytes, stop, end)), rule: "ipv4" };
  }

  #keep(value: number, bits: number | undefined): Ipv4Find {
    if (this.#valueCount === this.#values.length) {
      const values = new Uint32Array(2 * this.#values.length);
      values.set(this.#values);
      this.#values = values;
      this.#mapped = new Uint32Array(values.length);
    }
    this.#values[this.#valueCount] = value;
    return { index: this.#valueCount++, bits };
  }

  /** `dhcp-192-168-0-66`, and hardware addresses with dashes. */
  #dashed(bytes: Uint8Array, from: number, at: number, end: number): Find | undefined {
    const mac = this.#mac(bytes, from, at, end, dash);
    if (mac !== undefined) return mac;
    let start = at;
    while (start > from && at - start < 4 && isDigit(bytes[start - 1]!)) start--;
    if (start === at) return undefined;
    const found = parseIpv4(bytes, start, end, dash);
    if (found === undefined || isMeaningless(found.address)) return undefined;
    const before = start > from ? bytes[start - 1]! : 32;
    const behind = found.end < end ? bytes[found.end]! : 32;
    if (isAlnum(before) || isAlnum(behind) || (before === dash && isDigit(bytes[start - 2] ?? 32))) return undefined;
    const named = (before === dash || before === 95) && start - 2 >= from && isAlnum(bytes[start - 2]!);
    const likely = named && found.address.some((octet) => octet >= 64);
    if (!likely && !isPrivateRange(found.address) && !this.#known.has(formatIpv4(found.address))) return undefined;
    const mask = this.#masks.keepsPrefixes
      ? formatIpv4(this.#masks.mapped(found.address), "-")
      : this.#names.of("ip", formatIpv4(found.address));
    return { start, end: found.end, mask: encoder.encode(mask), rule: "ipv4" };
  }

  #colon(bytes: Uint8Array, from: number, at: number, end: number): Find | undefined {
    const next = bytes[at + 1]!;
    if (at + 1 >= end || (next !== colon && !isHex(next))) return undefined;
    const hex = this.#kernelHex(bytes, from, at, end);
    if (hex !== undefined) return hex;
    return this.#mac(bytes, from, at, end, colon) ?? this.#ipv6(bytes, from, at, end);
  }

  /** `0100007F:0016`: addresses as /proc/net/tcp writes them, words in the order of a little-endian machine. */
  #kernelHex(bytes: Uint8Array, from: number, at: number, end: number): Find | undefined {
    let start = at;
    while (start > from && at - start < 33 && isUpperHex(bytes[start - 1]!)) start--;
    const size = at - start;
    if (size !== 8 && size !== 32) return undefined;
    if (start > from && isAlnum(bytes[start - 1]!)) return undefined;
    for (let i = 1; i <= 4; i++) if (at + i >= end || !isUpperHex(bytes[at + i]!)) return undefined;
    if (at + 5 < end && isAlnum(bytes[at + 5]!)) return undefined;
    const raw = Uint8Array.from(
      { length: size / 2 },
      (_, i) => parseInt(latin1(bytes, start + 2 * i, start + 2 * i + 2), 16),
    );
    const address = swapWords(raw);
    if (isMeaningless(address) || !this.#masks.keepsPrefixes && address.every((byte) => byte === 0)) return undefined;
    const mapped = swapWords(
      this.#masks.keepsPrefixes ? this.#masks.mapped(address) : new Uint8Array(address.length).fill(255),
    );
    const mask = Array.from(mapped, (byte) => byte.toString(16).padStart(2, "0")).join("").toUpperCase();
    return { start, end: at, mask: encoder.encode(mask), rule: size === 8 ? "ipv4" : "ipv6" };
  }

  /** Six pairs, or the first two addresses of netfilter's fourteen; longer rows are fingerprints. */
  #mac(bytes: Uint8Array, from: number, at: number, end: number, separator: number): Find | undefined {
    const start = at - 2;
    if (start < from || !isHex(bytes[start]!) || !isHex(bytes[start + 1]!)) return undefined;
    if (start > from && (isAlnum(bytes[start - 1]!) || bytes[start - 1] === separator)) return undefined;
    let stop = at;
    while (stop + 2 < end && bytes[stop] === separator && isHex(bytes[stop + 1]!) && isHex(bytes[stop + 2]!)) stop += 3;
    const pairs = (stop - start + 1) / 3;
    if ((pairs !== 6 && pairs !== 14) || (stop < end && (isAlnum(bytes[stop]!) || bytes[stop] === separator))) {
      return undefined;
    }
    const text = latin1(bytes, start, stop);
    const sign = String.fromCharCode(separator);
    const groups = text.split(sign);
    const parts = pairs === 6 ? [groups] : [groups.slice(0, 6), groups.slice(6, 12), groups.slice(12)];
    const mask = parts.map((part) => part.length === 6 ? this.#macMask(part, sign) : part.join(sign)).join(sign);
    return mask === text ? undefined : { start, end: stop, mask: encoder.encode(mask), rule: "mac" };
  }

  #macMask(groups: readonly string[], sign: string): string {
    const octets = groups.map((group) => parseInt(group, 16));
    if (octets.every((octet) => octet === 0) || (octets[0]! & 1) === 1) return groups.join(sign);
    const canonical = groups.join(":").toLowerCase();
    const text = this.#names.mac(canonical).match(/../g)!.join(sign);
    return /[A-F]/.test(groups.join("")) ? text.toUpperCase() : text;
  }

  #ipv6(bytes: Uint8Array, from: number, at: number, end: number): Find | undefined {
    let start = at;
    while (start > from && at - start < 40 && (isHex(bytes[start - 1]!) || bytes[start - 1] === colon)) start--;
    let stop = at;
    let colons = 0;
    let double = false;
    for (; stop < end && stop - start < 46; stop++) {
      const byte = bytes[stop]!;
      if (byte === colon) {
        colons++;
        if (bytes[stop + 1] === colon && stop + 1 < end) double = true;
      } else if (!isHex(byte) && !(byte === dot && isDigit(bytes[stop + 1]!) && colons > 1)) break;
    }
    if (bytes[stop - 1] === colon && bytes[stop - 2] !== colon) stop--;
    if (!double && colons < 7) return undefined;
    const before = start > from ? bytes[start - 1]! : 32;
    const behind = stop < end ? bytes[stop]! : 32;
    if (isAlnum(before) || before === 95 || isAlnum(behind) || behind === 95) return undefined;
    const text = latin1(bytes, start, stop);
    const address = text.length < 6 && !/\d/.test(text) ? undefined : parseIpv6(text); // `a::b` is a name in a program
    if (address === undefined || isMeaningless(address)) return undefined;
    if (holdsIpv4(address) && isMeaningless(address.subarray(12))) return undefined;
    return { start, end: stop, mask: this.#masks.maskIpv6(address, networkBits(bytes, stop, end)), rule: "ipv6" };
  }

  #mail(bytes: Uint8Array, from: number, at: number, end: number): Find | undefined {
    let start = at;
    while (start > from && at - start < 64 && isLocalByte(bytes[start - 1]!)) start--;
    while (start < at && !isAlnum(bytes[start]!)) start++;
    let stop = at + 1;
    while (stop < end && stop - at < 255 && (isAlnum(bytes[stop]!) || bytes[stop] === dash || bytes[stop] === dot)) {
      stop++;
    }
    while (stop > at + 1 && !isAlnum(bytes[stop - 1]!)) stop--;
    const domain = decoder.decode(bytes.subarray(at + 1, stop));
    const top = /\.([a-z]{2,})$/i.exec(domain)?.[1]?.toLowerCase();
    if (start === at || top === undefined || unitSuffixes.has(top)) return undefined;
    const local = decoder.decode(bytes.subarray(start, at));
    return { start, end: stop, mask: encoder.encode(this.#names.mail(local, domain)), rule: "email" };
  }

  /** `/home/NAME`: a user, also one that no list knows. */
  #home(bytes: Uint8Array, at: number, end: number): Find | undefined {
    const next = bytes[at + 1];
    if (next !== 104 && next !== 85) return undefined;
    const word = next === 104 ? homeFolder : usersFolder;
    for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return undefined;
    const start = at + word.length;
    let stop = start;
    while (stop < end && stop - start < 64 && (isAlnum(bytes[stop]!) || bytes[stop] === dash || bytes[stop] === 95)) {
      stop++;
    }
    const name = decoder.decode(bytes.subarray(start, stop));
    if (name.length === 0 || (isCommonName(name) && name.length > 1)) return undefined;
    return { start, end: stop, mask: encoder.encode(this.#names.user(name)), rule: "user" };
  }
}

function swapWords(bytes: Uint8Array): Uint8Array {
  return bytes.map((_, i) => bytes[i - (i % 4) + 3 - (i % 4)]!);
}

function isLocalByte(byte: number): boolean {
  return isAlnum(byte) || byte === dot || byte === dash || byte === 95 || byte === 43 || byte === 37;
}

const dot = 46;
const colon = 58;
const dash = 45;
const slash = 47;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const homeFolder = encoder.encode("/home/");
const usersFolder = encoder.encode("/Users/");
/** What follows `name@instance.` in names of systemd units and in file names. */
const unitSuffixes = new Set(
  "service socket timer mount automount target slice scope path device swap conf log gz sh py js json yaml yml txt so"
    .split(" "),
);
