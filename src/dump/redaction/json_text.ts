/** Looks at JSON that is at hand as bytes. */

/** Place of the quote that ends the string whose first quote is at `at`, or the end. */
export function endOfString(bytes: Uint8Array, at: number): number {
  let stop = at + 1;
  while (stop < bytes.length && bytes[stop] !== quote) stop += bytes[stop] === backslash ? 2 : 1;
  return stop;
}

/** Whether a colon follows the string that ends at `stop`. */
export function isKey(bytes: Uint8Array, stop: number): boolean {
  let at = stop + 1;
  while (at < bytes.length && (bytes[at] === 32 || (bytes[at]! >= 9 && bytes[at]! <= 13))) at++;
  return bytes[at] === colon;
}

/** Whether an object has strings, and all of them could be base64. */
export function looksEncoded(bytes: Uint8Array, start: number, end: number): boolean {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes.subarray(start, end)));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const values = Object.values(value);
    const isBase64 = (text: unknown): boolean =>
      typeof text === "string" && text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
    return values.length > 0 && values.every(isBase64) && values.some((text) => text !== "");
  } catch {
    return true; // what cannot be read cannot be judged
  }
}

const quote = 34;
const backslash = 92;
const colon = 58;
const decoder = new TextDecoder();

/** The text that a string means: `\\u0053ecret` is `Secret` (RFC 8259 section 7). */
export function unescaped(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replaceAll(/\\u([0-9a-fA-F]{4})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    .replaceAll(/\\(["\\/])/g, "$1");
}
