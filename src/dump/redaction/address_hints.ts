/** Where in a text there can be no address: cheap looks at a few bytes, for the places at which nearly all text is passed. */
import { endOfIpv4, isDigit, isHex, latin1 } from "./addresses.ts";
import { isAlnum } from "./literals.ts";

/**
 * Where the digits, colons and dots from the colon `at` on end, if they are too few for a hardware address (five colons) and
 * for IPv6 (seven, or two together); otherwise `at`.
 */
export function endOfPlain(bytes: Uint8Array, at: number, end: number): number {
  const limit = Math.min(end, at + maxPlainRun);
  let colons = 0;
  let stop = at;
  for (; stop < limit; stop++) {
    const byte = bytes[stop]!;
    if (byte === colon) {
      if (++colons === 5 || (stop + 1 < end && bytes[stop + 1] === colon)) return at;
    } else if (numerals[byte] === 0 && byte !== dot) break;
  }
  return stop === limit && limit < end ? at : stop;
}

/** Whether eight upper-case digits may stand before the colon `at`, and one behind it. */
export function mayEndKernelHex(bytes: Uint8Array, from: number, at: number): boolean {
  if (at - 8 < from || !isUpperHex(bytes[at + 1]!)) return false;
  for (let i = 1; i <= 8; i++) if (!isUpperHex(bytes[at - i]!)) return false;
  return true;
}

/** Digits and `A` to `F`, as the kernel writes them. */
export function isUpperHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 65 && byte <= 70);
}

/** Whether the four numbers `bytes[start..stop)` are a version: `v1.2.3.4`, `foo-1.2.3.4`, `1.2.3.4-5`, `1.2.3.4rc1`, `version 1.2.3.4`. */
export function looksLikeVersion(bytes: Uint8Array, from: number, start: number, stop: number, end: number): boolean {
  const before = start > from ? bytes[start - 1]! : 32;
  const behind = stop < end ? bytes[stop]! : 32;
  if (isAlnum(before) || before === dash || before === 95 || before === 43 || before === 126) return true;
  if (isAlnum(behind) || behind === 43 || behind === 126) return true;
  if (behind === dash && endOfIpv4(bytes, stop + 1, end, dot) < 0) return true;
  return /(?:version|release|revision|\bver\.?)["']?[\s:=]*["']?$/i.test(
    latin1(bytes, Math.max(from, start - 16), start),
  );
}

/** The number behind `/` at `at`; undefined without one. */
export function networkBits(bytes: Uint8Array, at: number, end: number): number | undefined {
  if (bytes[at] !== slash || at + 1 >= end || !isDigit(bytes[at + 1]!)) return undefined;
  const bits = parseInt(latin1(bytes, at + 1, Math.min(end, at + 4)), 10);
  return bits <= 128 ? bits : undefined;
}

const dot = 46;
const colon = 58;
const dash = 45;
const slash = 47;
const atSign = 64;
/** 1 for every hexadecimal digit. */
export const numerals: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => isHex(byte) ? 1 : 0);
/** 1 for every two bytes, the first one in the higher half, at which something may be found. */
export const beginnings: Uint8Array = new Uint8Array(0x10000);
for (let next = 0; next < 256; next++) {
  beginnings[(dot << 8) | next] = isDigit(next) ? 1 : 0;
  beginnings[(colon << 8) | next] = isHex(next) || next === colon ? 1 : 0;
  beginnings[(dash << 8) | next] = isHex(next) ? 1 : 0;
  beginnings[(atSign << 8) | next] = 1;
}
for (const letter of "hU") beginnings[(slash << 8) | letter.charCodeAt(0)] = 1; // /home, /Users
/** A longer row is looked at as a whole each time. */
const maxPlainRun = 64;
