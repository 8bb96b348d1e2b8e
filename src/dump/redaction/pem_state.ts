/**
 * Private keys that go over several lines, with whatever a logger puts before each: from BEGIN on everything that can be
 * a line of the key is masked, until END, or a line that cannot be one. No END is needed. What has only bodies (the
 * beginning was cut off) is found as three long lines of base64 in a row.
 */

/** What to do with a line. */
export type PemVerdict = "pass" | "body" | "span";

/** Where the masked part of a line is. */
export interface PemSpan {
  readonly start: number;
  readonly end: number;
}

/** State of one text. */
export class PemState {
  /** Words before BEGIN in its line, and what the word with BEGIN begins with. */
  #inside: { words: number; prefix: Uint8Array; lines: number } | undefined;
  #public = false;

  /** Whether a private key is open. */
  get isInside(): boolean {
    return this.#inside !== undefined;
  }

  /** Whether a certificate or public key is open: its base64 is no secret. */
  get isPublic(): boolean {
    return this.#public;
  }

  /** Looks at a line outside of a private key: does one begin here that does not end here? */
  enter(bytes: Uint8Array, start: number, end: number): void {
    const text = latin1(bytes, start, end);
    const at = Math.max(text.lastIndexOf("-----BEGIN"), text.lastIndexOf("---- BEGIN"));
    if (/^Private-Lines: \d/.test(text)) return this.#enterPutty();
    if (at < 0) {
      if (this.#public && (text.includes("-----END") || !/[A-Za-z0-9+/=]{4}/.test(text))) this.#public = false;
      return;
    }
    const behind = text.slice(at + 10);
    if (behind.includes("---- END") || behind.includes("-----END")) return;
    const isPrivate = /^[ A-Z0-9]*(?:PRIVATE KEY|OpenVPN Static key)/.test(behind);
    this.#public = !isPrivate;
    if (!isPrivate || /[A-Za-z0-9+/]{24}[^]*["']/.test(behind)) return; // a quoted one ends with its quote
    const head = text.slice(0, at);
    const cut = Math.max(head.lastIndexOf(" "), head.lastIndexOf("\t")) + 1;
    this.#inside = { words: wordCount(head.slice(0, cut)), prefix: encode(head.slice(cut)), lines: 0 };
  }

  /** PuTTY's own form has no words of BEGIN and END: the key ends with the line `Private-MAC:`. */
  #enterPutty(): void {
    this.#public = false;
    this.#inside = { words: 0, prefix: new Uint8Array(), lines: 0 };
  }

  /** What of the line inside a key is to be masked; undefined when the key is over and the line is none of it. */
  mask(bytes: Uint8Array, start: number, end: number): PemSpan | undefined {
    const inside = this.#inside!;
    const text = latin1(bytes, start, end);
    if (text.includes("-----END") || text.includes("---- END")) {
      this.#inside = undefined;
      const at = Math.max(text.indexOf("-----END"), text.indexOf("---- END"));
      // Body and END in one line: what stands directly before it is body.
      const body = /[A-Za-z0-9+/=\\]{4,}$/.exec(text.slice(0, at));
      return { start: start + (body?.index ?? at), end: start + at };
    }
    if (++inside.lines > maxLines || !this.#canBeBody(text)) {
      this.#inside = undefined;
      return undefined;
    }
    return payloadOf(text, inside.words, inside.prefix, start);
  }

  #canBeBody(text: string): boolean {
    if (/[A-Za-z0-9+/]{24}/.test(text)) return true;
    const words = wordCount(text);
    return words <= this.#inside!.words + 1 || /(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): /.test(text);
  }
}

/** Start and end of a row of 60 to 80 characters of base64 in `bytes[start..end)`, as bodies of keys have; undefined without. */
export function bodyRun(bytes: Uint8Array, start: number, end: number): PemSpan | undefined {
  for (let at = start + minRun - 1; at < end; at += minRun) {
    if (base64[bytes[at]!] === 0) continue;
    let first = at;
    while (first > start && base64[bytes[first - 1]!] === 1) first--;
    let last = at + 1;
    while (last < end && base64[bytes[last]!] === 1) last++;
    const size = last - first;
    if (size >= minRun && size <= maxRun && !isPlain(bytes, first, last)) return { start: first, end: last };
    at = last - 1;
  }
  return undefined;
}

/** A row of one character, a hash in hexadecimal, a path: no base64 of random bytes. */
function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  let upper = 0;
  let lower = 0;
  let digits = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (byte >= 65 && byte <= 90) upper++;
    else if (byte >= 97 && byte <= 122) lower++;
    else if (byte >= 48 && byte <= 57) digits++;
  }
  return upper < 8 || lower < 8 || digits === 0;
}

/** What stands behind as many words, and the same beginning of a word, as before BEGIN. */
function payloadOf(text: string, words: number, prefix: Uint8Array, start: number): PemSpan {
  let at = 0;
  for (let i = 0; i < words; i++) {
    const word = /\s*\S+/y;
    word.lastIndex = at;
    if (!word.test(text)) break;
    at = word.lastIndex;
  }
  if (words > 0 && wordCount(text) <= words) at = 0;
  while (at < text.length && /\s/.test(text[at]!)) at++;
  const begin = latin1(prefix, 0, prefix.length);
  if (begin !== "" && text.startsWith(begin, at)) at += begin.length;
  const quoted = /["']/.test(begin);
  let stop = text.length;
  if (quoted) {
    const quote = text.slice(at).search(/\\*["']/);
    if (quote >= 0) stop = at + quote;
  } else if (text.endsWith("\r")) stop--;
  return { start: start + at, end: start + stop };
}

function wordCount(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  // A line of a key is short; only the beginning of a longer one is looked at.
  return latin1Decoder.decode(bytes.subarray(start, Math.min(end, start + maxLooked)));
}

function encode(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0) & 255);
}

const base64 = new Uint8Array(256);
for (const char of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") base64[char.charCodeAt(0)] = 1;
const latin1Decoder = new TextDecoder("latin1");
const minRun = 60;
const maxRun = 80;
const maxLines = 200;
const maxLooked = 64 * 1024;
