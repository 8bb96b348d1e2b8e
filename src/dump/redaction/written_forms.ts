/** The forms in which a value may stand in other texts: as it is, URL- and JSON-escaped, hexadecimal, base64 at any offset. */
import { Buffer } from "node:buffer";

/** One form of a value. */
export interface WrittenForm {
  readonly bytes: Uint8Array;
  /** It is an encoding, so case counts and nothing need stand around it. */
  readonly encoded: boolean;
}

/** All forms of `value` that can be told from chance: an encoding is left out where less than 10 characters are certain. */
export function writtenForms(value: Uint8Array): readonly WrittenForm[] {
  const text = decoder.decode(value);
  const forms = new Map<string, boolean>();
  const add = (form: string, encoded: boolean): void => {
    if (!forms.has(form)) forms.set(form, encoded);
  };
  add(text, false);
  if (!text.includes("\ufffd")) {
    add(JSON.stringify(text).slice(1, -1), false);
    add(JSON.stringify(JSON.stringify(text).slice(1, -1)).slice(1, -1), false);
    add(encodeURIComponent(text), false);
    add(encodeURIComponent(text).replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()), false);
  }
  for (let offset = 0; offset < 3; offset++) {
    const code = base64At(value, offset);
    if (code.length < minEncoded) continue;
    add(code, true);
    add(code.replaceAll("+", "-").replaceAll("/", "_"), true);
  }
  const hex = Buffer.from(value).toString("hex");
  if (hex.length >= 16) add(hex, true);
  return [...forms].map(([form, encoded]) => ({ bytes: encoder.encode(form), encoded }));
}

/** The characters of base64 that `value` alone decides when it begins `offset` bytes behind a group of three. */
function base64At(value: Uint8Array, offset: number): string {
  const padded = new Uint8Array(offset + value.length);
  padded.set(value, offset);
  const code = Buffer.from(padded).toString("base64");
  const first = Math.ceil(8 * offset / 6);
  const stop = Math.floor(8 * padded.length / 6);
  return code.slice(first, stop);
}

const minEncoded = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
