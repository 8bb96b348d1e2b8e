/** Names and values that say they are secret, in the notations that are neither a plain assignment nor JSON or YAML. */
import type { PresetPattern } from "./redact_presets.ts";
import { secretName } from "./secret_name.ts";

const space = "[[:space:]]*";
/** A value in percent encoding; what ends it is a quote, an ampersand or a space, encoded or not. */
const encoded = String.raw`((?:[A-Za-z0-9._~!*()-]|%(?:2[1345489A-F]|[3-6][0-9A-F]|7[0-9A-CEF]|[89A-F][0-9A-F]))+)`;
const equals = String.raw`(?:%22|%27|%5d)?%(?:25)*3[ad](?:%2[027]|\+)*`;
const colour = String.raw`(?:\e\[[0-9;]*m)`;

/** Patterns for texts as they come in URLs, markup, SQL, source code, coloured logs and the records of auditd. */
export const notationSecrets: readonly PresetPattern[] = [
  {
    name: "assignment-in-markup",
    regex: `(?i)${secretName}(?:${
      [
        `${equals}${encoded}`, // password%3Dx
        `(?:[[:space:]][^<>]*)?>([^<>]+)</`, // <password>x</password>
        `&gt;([^&]+)&lt;/`,
        `(?:&quot;|&#3[49];)?${space}[:=]${space}(?:&quot;|&#3[49];)([^&]+)`, // password=&quot;x&quot;
        `${colour}+${space}[:=]${space}${colour}*["']?([^[:space:]"'\\e]+)`,
        `${space}=${space}(?:"""|''')([^"']+)`,
        String.raw`\\*["']?,?${space}\\*["']?value\\*["']?${space}[:=]${space}\\*["']?([^[:space:]"'\\,}\]]+)`, // name="password" value="x"
        `["']${space},${space}["']([^"']+)["']${space}[)]`, // define('DB_PASSWORD', 'x')
        `["']?${space}=>${space}["']([^"']+)`,
      ].join("|")
    })`,
  },
  { name: "assignment", regex: `(?i)"[a-z0-9_.-]*${secretName}=([^"\\\\]+)"` }, // Environment="DB_PASSWORD=two words"
  { name: "authorization", regex: String.raw`(?i)authorization%3a(?:\+|%20)*(?:[a-z]+(?:\+|%20)+)?([^[:space:]&"']+)` },
  { name: "url-password", regex: `(?i)%3a%2f%2f[a-z0-9._~-]*%3a${encoded}%40` },
  { name: "sql-password", regex: String.raw`(?i)\bpass(?:word|phrase|wd)[[:space:](]+["']([^"']+)["']` },
  {
    name: "sql-password",
    regex: String
      .raw`(?i)\bidentified${space}(?:with[[:space:]]+[^[:space:]]+[[:space:]]+)?(?:by|as)[[:space:]]+["']([^"']+)`,
  },
  // No writer of JSON escapes a letter of a name: who does hides it.
  {
    name: "escaped-name",
    regex: String.raw`\\u00[4-7][[:xdigit:]](?:[^"\\]|\\.)*\\*"${space}:${space}\\*"((?:[^"\\]|\\.)*)`,
  },
  {
    name: "jwk",
    regex: String.raw`"(?:[dpqk]|d[pq]|qi)\\*"${space}:${space}\\*"([A-Za-z0-9_-]{20}[A-Za-z0-9_-]*)`,
    accept: isMixed,
  },
  {
    name: "key", // whatever a variable KEY holds, if it looks like one
    regex: String
      .raw`\b[A-Za-z0-9_]*(?:KEY|KEK|Key|key|kek)["']?[[:space:]]*=[[:space:]]*["']?([A-Za-z0-9+/_-]{24}[A-Za-z0-9+/_-]*=*)`,
    accept: isKeyMaterial,
  },
  {
    name: "kubernetes-secret",
    regex: String.raw`\bkind:${space}["']?Secret["']?,.*ata:${space}\{[^:}]*:${space}([^}]+)`,
  },
  {
    name: "kubernetes-secret",
    regex: String.raw`ata:${space}\{[^:}]*:${space}([^}]+)\}.*\bkind:${space}["']?Secret\b`,
  },
  { name: "putty-key", regex: String.raw`Private-MAC:${space}([[:xdigit:]]+)` },
  { name: "audit", regex: String.raw`\ba0="mysql[a-z]*".*[[:space:]]a[0-9]+="-p([^"]+)` },
  {
    name: "audit",
    regex: String.raw`\b(?:proctitle|cmd|a[0-9]+|data)=((?:[0-9A-F]{2}){6}[0-9A-F]*)\b`,
    accept: isTellingHex,
  },
];

/** Capitals, small letters and digits: random, and no word. */
export function isMixed(bytes: Uint8Array, start: number, end: number): boolean {
  const text = decoder.decode(bytes.subarray(start, end));
  return /[0-9]/.test(text) && /[a-z]/.test(text) && /[A-Z]/.test(text);
}

/** Random in base64, or 32 hexadecimal digits and more; keys that are public, or name a thing, stay. */
function isKeyMaterial(bytes: Uint8Array, start: number, end: number): boolean {
  const before = decoder.decode(bytes.subarray(Math.max(0, start - 48), start));
  if (
    /(?:pub(?:lic)?|host|cache|object|primary|foreign|partition|row|sort|routing|idempotency)[_-]?key["' =]*$/i.test(
      before,
    )
  ) {
    return false;
  }
  const text = decoder.decode(bytes.subarray(start, end));
  return /^(?:[0-9a-f]{32,}|[0-9A-F]{32,})$/.test(text) || isMixed(bytes, start, end);
}

/** What auditd writes as hexadecimal digits is what somebody else chose; keys that were typed (`data=`) are always secret. */
function isTellingHex(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start - 2] === 97 && bytes[start - 3] === 116) return true; // data=
  const text = decoder.decode(bytes.subarray(start, Math.min(end, start + maxHexDigits)));
  const plain = text.replaceAll(/../g, (pair) => String.fromCharCode(parseInt(pair, 16)));
  return end - start > maxHexDigits || telling.test(plain);
}

const telling = /pass|pwd|secret|token|key|cred|auth|bearer|basic|:[^/@\s]+@|[\s\0]-[pPuaw]/i;
const maxHexDigits = 16 * 1024;
const decoder = new TextDecoder();
