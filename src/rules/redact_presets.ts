/**
 * Ready-made redactions: what secrets, hardware addresses and network addresses look like in logs. A group in a pattern
 * is what is hidden; without one it is the whole match.
 */
import { commandSecrets } from "./redact_commands.ts";
import { deviceSecrets } from "./redact_devices.ts";
import { isMixed, notationSecrets } from "./redact_notations.ts";
import { tokenSecrets } from "./redact_tokens.ts";
import { secretName } from "./secret_name.ts";
import type { RedactPreset } from "./spec.ts";

/** Looks at what a pattern found: false leaves it as it is. */
export type Accept = (bytes: Uint8Array, start: number, end: number, recordStart: number, recordEnd: number) => boolean;

/** One pattern of a preset. */
export interface PresetPattern {
  /** What it finds, for counts: `jwt`, `authorization`. */
  readonly name: string;
  readonly regex: string;
  /** The kind of pseudonym that takes the place; without it, `[redacted]` does. */
  readonly pseudonym?: "ip" | "mac";
  readonly accept?: Accept;
}

export { secretName };
/**
 * A quoted value (also within a quoted text, where quotes are escaped), or a word, without the brackets that close behind
 * it.
 */
const value = String.raw`(?:\\+"([^"\\]*)|"((?:[^"\\]|\\.)*)|'([^']*)|([^[:space:],;&"'\\]*[^][:space:],;&"'\\)}]))`;
/** A byte of a word of a command line; a quote that closes what the line stands in (`["sh", "-c", "x -p y"]`) is none. */
const inWord = String.raw`(?:[^[:space:]"']|["'][^][:space:],}])`;
/** What may stand around a word in any of the notations. */
const quotes = String.raw`\\*["']?`;

const secrets: readonly PresetPattern[] = [
  {
    name: "assignment",
    regex: String.raw`(?i)${secretName}${quotes}[[:space:]]*[:=]+[[:space:]]*${value}`,
    accept: isValue,
  },
  {
    name: "option",
    regex: String
      .raw`(?i)(?:^|[[:space:]"'=])--?[a-z-]*${secretName}["',]*[[:space:]]+(?:a[0-9]+=)?(?:"([^"]+)|'([^']+)|([^-[:space:]"']${inWord}*))`,
  },
  {
    name: "authorization",
    regex: String
      .raw`(?i)authorization${quotes}[[:space:]]*[:=][[:space:]]*${quotes}(?:[a-z]+[[:space:]]+)?([^[:space:]"'\\,;]+)`,
  },
  { name: "bearer", regex: String.raw`(?i)\b(?:bearer|basic)[[:space:]]+([A-Za-z0-9+/_.~-]{16,}=*)` },
  {
    name: "bearer",
    regex: String.raw`(?i)\bbasic[[:space:]]+auth[a-z]*[[:space:]:=]+([A-Za-z0-9+/]{16,}=*)`,
    accept: isMixed,
  },
  {
    name: "cookie",
    regex: String.raw`(?i)\b(?:set-)?cookie${quotes}[[:space:]]*[:=][[:space:]]*${quotes}([^"'\\]+)`,
  },
  {
    name: "pem",
    regex: String
      .raw`(?:-----|---- )BEGIN[ A-Z0-9]*(?:PRIVATE KEY[ A-Z]*|OpenVPN Static key V1)(?:-----| ----)([^"']*?)(?:-----END|---- END|["']|$)`,
  },
  {
    name: "pem-base64", // as Kubernetes keeps it, at each of the three offsets
    regex: String.raw`[A-Za-z0-9+/]*(?:LS0tLS1CRUdJTi|0tLS0tQkVHSU4g|tLS0tLUJFR0lOI)[A-Za-z0-9+/=]+`,
  },
  // "ey" is the base64 of a brace and a quote; "ZXlK" is the base64 of that.
  { name: "jwt", regex: String.raw`\bey[A-Za-z0-9_-]{8,}\.ey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*` },
  { name: "jwt-base64", regex: String.raw`\bZXlK[A-Za-z0-9+/]{30,}=*` },
  { name: "url-password", regex: String.raw`://[^[:space:]/:@"']*:([^[:space:]/"']+)@` },
  { name: "url-password", regex: String.raw`://([0-9a-f]{32})(?::[0-9a-f]{32})?@` },
  { name: "url-password", regex: String.raw`[\w.-]+:([^[:space:]@/]+)@(?:tcp|udp|unix)\(` },
  {
    name: "url-key",
    regex: String
      .raw`(?i)[?&](?:sig|key|code|auth|jwt|x-amz-(?:signature|credential)|x-goog-(?:signature|credential))=([^&[:space:]"'\\]+)`,
  },
  {
    name: "password-hash",
    regex: String.raw`\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|sha1|argon2\w*)\$[A-Za-z0-9./$,=+-]{8,}`,
  },
  { name: "password-hash", regex: String.raw`\{(?:S?SHA(?:256|512)?|S?MD5|CRYPT)\}([A-Za-z0-9+/=]{16,})` },
  {
    name: "registry-auth",
    regex: String
      .raw`"_?auth"[[:space:]]*:[[:space:]]*"([A-Za-z0-9+/=]{8,})"|\b_auth[[:space:]]*=[[:space:]]*([^[:space:]]+)`,
  },
  { name: "assignment", regex: String.raw`\b[Pp](?:ass|ASS|w|W)=([^[:space:]"'&;,]+)` },
  { name: "assignment", regex: String.raw`\b[A-Z0-9_]*(?:PASS|PW)=([^[:space:]"'&;,]+)`, accept: isNoBypass },
  { name: "assignment", regex: String.raw`^[[:space:]]*["']?pass["']?:[[:space:]]+["']?([^[:space:]"']+)["']?$` },
  ...tokenSecrets,
  ...deviceSecrets,
  ...commandSecrets,
  ...notationSecrets,
];

const mac: readonly PresetPattern[] = [
  { name: "mac", regex: String.raw`\b[[:xdigit:]]{2}(?::[[:xdigit:]]{2}){5}\b`, pseudonym: "mac", accept: isMac },
  { name: "mac", regex: String.raw`\b[[:xdigit:]]{2}(?:-[[:xdigit:]]{2}){5}\b`, pseudonym: "mac", accept: isMac },
  { name: "mac", regex: String.raw`\b[[:xdigit:]]{4}\.[[:xdigit:]]{4}\.[[:xdigit:]]{4}\b`, pseudonym: "mac" },
];

const word6 = "[[:xdigit:]]{1,4}";
const ip: readonly PresetPattern[] = [
  { name: "ip", regex: String.raw`\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b`, pseudonym: "ip", accept: isIpv4 },
  { name: "ip", regex: String.raw`\b${word6}(?::${word6}){7}\b`, pseudonym: "ip", accept: isIpv6 },
  {
    name: "ip",
    regex: `${word6}(?::${word6}){0,6}::(?:${word6}(?::${word6}){0,6})?|::${word6}(?::${word6}){0,6}`,
    pseudonym: "ip",
    accept: isIpv6,
  },
];

/** The patterns of each preset. */
export const presetPatterns: Readonly<Record<RedactPreset, readonly PresetPattern[]>> = { secrets, mac, ip };

/** Not what merely says that there is a value or none, and not the bracket that opens a structure. */
function isValue(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start <= 9 && noValue.test(decoder.decode(bytes.subarray(start, end)))) return false;
  if (bytes[start] === slash && isWorkingFolder(bytes, start, end)) return false;
  if (bytes[start] !== 91 && bytes[start] !== 123) return true;
  let before = start - 1;
  while (bytes[before] === 32) before--;
  return bytes[before] !== colon;
}

/** `PWD=/root/work`, as every shell has it. */
function isWorkingFolder(bytes: Uint8Array, start: number, end: number): boolean {
  const before = decoder.decode(bytes.subarray(Math.max(0, start - 12), start));
  return /(?:^|[^A-Za-z0-9_])(?:OLD)?PWD=["']?$/.test(before) &&
    /^\/[\w.-]*(?:\/|$)/.test(decoder.decode(bytes.subarray(start, end)));
}

/** `BYPASS=1` and `COMPASS=north` are no passwords. */
function isNoBypass(bytes: Uint8Array, start: number, end: number): boolean {
  return isValue(bytes, start, end) &&
    !/(?:BY|COM|SUR|TRES)PASS=$/.test(decoder.decode(bytes.subarray(Math.max(0, start - 12), start)));
}

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
const noValue =
  /^(?:true|false|null|nil|none|yes|no|not|must|~|files|compat|systemd|expired|invalid|missing|required|incorrect|wrong|denied|unset|empty)$/i;
const dash = 45;
const slash = 47;
const dot = 46;
const colon = 58;
