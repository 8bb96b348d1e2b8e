/**
 * Ready-made redactions: what secrets, hardware addresses and network addresses look like in logs. A group in a pattern
 * is what is hidden; without one it is the whole match.
 */
import type { RedactPreset } from "./spec.ts";

/** Looks at what a pattern found: false leaves it as it is. */
export type Accept = (bytes: Uint8Array, start: number, end: number, recordStart: number, recordEnd: number) => boolean;

/** One pattern of a preset. */
export interface PresetPattern {
  readonly regex: string;
  /** The kind of pseudonym that takes the place; without it, `[redacted]` does. */
  readonly pseudonym?: "ip" | "mac";
  readonly accept?: Accept;
}

/** Names whose values are secret, as the end of a longer name: `DB_PASSWORD`, `aws_secret_access_key`. */
const secretName =
  "(?:pass(?:word|wd|phrase|code)|pwd|secret|token|credentials?|psk|pre-?shared-?key|community|api[_-]?key" +
  "|access[_-]?key(?:[_-]?id)?|(?:client|secret|private|encryption|signing|account|session|auth)[_-]?(?:key|secret|token)(?:[_-]?data)?)";
/**
 * A quoted value (also within a quoted text, where quotes are escaped), or a word, without the brackets that close behind
 * it.
 */
const value = String.raw`(?:\\+"([^"\\]*)|"((?:[^"\\]|\\.)*)|'([^']*)|([^[:space:],;&"'\\]*[^][:space:],;&"'\\)}]))`;

const secrets: readonly PresetPattern[] = [
  { regex: String.raw`(?i)${secretName}\\*["']?[[:space:]]*[:=]+[[:space:]]*${value}` },
  { regex: String.raw`(?i)(?:^|[[:space:]"'=])--?[a-z-]*${secretName}[[:space:]]+([^-[:space:]][^[:space:]]*)` },
  {
    regex: String
      .raw`(?i)authorization\\*["']?[[:space:]]*[:=][[:space:]]*\\*["']?(?:[a-z]+[[:space:]]+)?([^[:space:]"'\\,;]+)`,
  },
  { regex: String.raw`(?i)\b(?:bearer|basic)[[:space:]]+([A-Za-z0-9+/_.~-]{16,}=*)` },
  { regex: String.raw`(?i)\b(?:set-)?cookie\\*["']?[[:space:]]*[:=][[:space:]]*\\*["']?([^"'\\]+)` },
  { regex: String.raw`-----BEGIN[ A-Z0-9]*PRIVATE KEY[ A-Z]*-----(.*?)(?:-----END|$)` },
  { regex: "LS0tLS1CRUdJTi[A-Za-z0-9+/=]+" }, // the same in base64, as Kubernetes keeps it
  { regex: String.raw`\bey[A-Za-z0-9_-]{8,}\.ey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*` }, // JWT
  { regex: String.raw`://[^[:space:]/:@"']*:([^[:space:]/@"']+)@` },
  { regex: String.raw`[?&]sig=([^&[:space:]"']+)` },
  { regex: String.raw`\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b` },
  {
    regex: String
      .raw`\b(?:gh[oprsu]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{22}|glpat-[\w-]{20}|npm_[0-9A-Za-z]{36})[\w-]*`,
  },
  { regex: String.raw`\b(?:xox[abeoprs]-[\w-]{10}|AIza[\w-]{35})[\w-]*` },
  { regex: String.raw`\bAGE-SECRET-KEY-[0-9A-Z-]+` },
  { regex: String.raw`\bK10[0-9a-f]{64}::[^[:space:]"']+` },
];

const mac: readonly PresetPattern[] = [
  { regex: String.raw`\b[[:xdigit:]]{2}(?::[[:xdigit:]]{2}){5}\b`, pseudonym: "mac", accept: isMac },
  { regex: String.raw`\b[[:xdigit:]]{2}(?:-[[:xdigit:]]{2}){5}\b`, pseudonym: "mac", accept: isMac },
  { regex: String.raw`\b[[:xdigit:]]{4}\.[[:xdigit:]]{4}\.[[:xdigit:]]{4}\b`, pseudonym: "mac" },
];

const word6 = "[[:xdigit:]]{1,4}";
const ip: readonly PresetPattern[] = [
  { regex: String.raw`\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b`, pseudonym: "ip", accept: isIpv4 },
  { regex: String.raw`\b${word6}(?::${word6}){7}\b`, pseudonym: "ip", accept: isIpv6 },
  {
    regex: `${word6}(?::${word6}){0,6}::(?:${word6}(?::${word6}){0,6})?|::${word6}(?::${word6}){0,6}`,
    pseudonym: "ip",
    accept: isIpv6,
  },
];

/** The patterns of each preset. */
export const presetPatterns: Readonly<Record<RedactPreset, readonly PresetPattern[]>> = { secrets, mac, ip };

/**
 * Six groups that stand alone, or the two addresses at the head of the fourteen groups of netfilter's `MAC=`. Longer rows
 * are fingerprints, and they stay; so do broadcast and zero.
 */
function isMac(bytes: Uint8Array, start: number, end: number, recordStart: number, recordEnd: number): boolean {
  const separator = bytes[start + 2]!;
  let first = start;
  while (first - 3 >= recordStart && bytes[first - 1] === separator && isHexPair(bytes, first - 3)) first -= 3;
  let last = end;
  while (last + 3 <= recordEnd && bytes[last] === separator && isHexPair(bytes, last + 1)) last += 3;
  const groups = (last - first + 1) / 3;
  if (groups !== 6 && groups !== 14) return false;
  const text = decoder.decode(bytes.subarray(start, end)).replaceAll(/[:-]/g, "").toLowerCase();
  return text !== "000000000000" && text !== "ffffffffffff";
}

/** Four numbers up to 255 that are no part of a longer row; loopback, netmasks and 0.0.0.0 stay. */
function isIpv4(bytes: Uint8Array, start: number, end: number, recordStart: number, recordEnd: number): boolean {
  if (start > recordStart && (bytes[start - 1] === dot || bytes[start - 1] === dash)) return false;
  if (end + 1 < recordEnd && bytes[end] === dot && isDigit(bytes[end + 1]!)) return false;
  const parts = decoder.decode(bytes.subarray(start, end)).split(".").map(Number);
  return parts.every((part) => part <= 255) && parts[0] !== 127 && parts[0] !== 255 && parts[0] !== 0;
}

/** Up to eight groups that no word and no further group touches; `::` and `::1` stay. */
function isIpv6(bytes: Uint8Array, start: number, end: number, recordStart: number, recordEnd: number): boolean {
  if (start > recordStart && touches(bytes[start - 1]!)) return false;
  if (
    end < recordEnd && (touches(bytes[end]!) || (bytes[end] === dot && end + 1 < recordEnd && isDigit(bytes[end + 1]!)))
  ) {
    return false;
  }
  const text = decoder.decode(bytes.subarray(start, end));
  const groups = text.split(":").filter((group) => group !== "").length;
  return text !== "::1" && groups <= 8;
}

function touches(byte: number): boolean {
  return isDigit(byte) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte === 95 || byte === colon;
}

function isHexPair(bytes: Uint8Array, at: number): boolean {
  return isHex(bytes[at]!) && isHex(bytes[at + 1]!);
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 97 && byte <= 102) || (byte >= 65 && byte <= 70);
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

const decoder = new TextDecoder();
const dash = 45;
const dot = 46;
const colon = 58;
