/**
 * Distinguished names: the text that people write (`C=GB,ST=London,O=Telent,OU=devices,CN=router1`), in the order
 * given, with the escapes of RFC 4514 section 2.4, and their DER. Unlike RFC 4514 the text is not reversed: the first word is the
 * first in the certificate, as in certifix and in openssl's `-subj`.
 */
import {
  decodeOid,
  decodeString,
  type DerElement,
  DerReader,
  encodeOid,
  encodeString,
  isPrintable,
  readSingle,
  sequence,
  setOf,
  tags,
} from "../tls/der.ts";

/** One word of a name: `CN=router1`. */
export interface NameWord {
  /** Short name as in {@linkcode wordTypes}, or a dotted object identifier. */
  readonly type: string;
  readonly value: string;
}

/** A name: words, most of them alone, some joined by `+`. */
export type Name = readonly (readonly NameWord[])[];

/** Object identifiers of the words, by the names that openssl prints. */
export const wordTypes: Readonly<Record<string, string>> = {
  C: "2.5.4.6",
  ST: "2.5.4.8",
  L: "2.5.4.7",
  STREET: "2.5.4.9",
  O: "2.5.4.10",
  OU: "2.5.4.11",
  CN: "2.5.4.3",
  serialNumber: "2.5.4.5",
  SN: "2.5.4.4",
  GN: "2.5.4.42",
  title: "2.5.4.12",
  dnQualifier: "2.5.4.46",
  DC: "0.9.2342.19200300.100.1.25",
  UID: "0.9.2342.19200300.100.1.1",
  emailAddress: "1.2.840.113549.1.9.1",
};

/** Reads a name. @throws saying what is wrong and where */
export function parseName(text: string): Name {
  const name: NameWord[][] = [];
  let at = 0;
  let joined = false;
  while (at <= text.length) {
    const equals = text.indexOf("=", at);
    if (equals < 0) throw new Error(`"${text.slice(at)}" in the name "${text}" has no "="`);
    const { value, end } = readValue(text, equals + 1);
    const word = { type: canonicalType(text.slice(at, equals).trim()), value };
    checkWord(word);
    if (joined) name.at(-1)!.push(word);
    else name.push([word]);
    joined = text[end] === "+";
    at = end + 1;
  }
  return name;
}

/** The name as text: what {@linkcode parseName} reads. */
export function formatName(name: Name): string {
  return name.map((words) => words.map(({ type, value }) => `${type}=${escapeValue(value)}`).join("+")).join(",");
}

/** DER of a name (RFC 5280 section 4.1.2.4). */
export function encodeName(name: Name): Uint8Array {
  return sequence(
    ...name.map((words) =>
      setOf(
        ...words.map(({ type, value }) =>
          sequence(encodeOid(wordTypes[type] ?? type), encodeString(stringTag(type), value))
        ),
      )
    ),
  );
}

/** The name in DER. @throws on what is no name */
export function decodeName(der: Uint8Array): Name {
  const reader = readSingle(der);
  const name: NameWord[][] = [];
  while (!reader.atEnd) {
    const set = reader.enter(tags.set);
    const words: NameWord[] = [];
    while (!set.atEnd) words.push(decodeWord(set.enter()));
    name.push(words);
  }
  return name;
}

/** Value of the last word of this type, undefined where there is none. */
export function wordOf(name: Name, type: string): string | undefined {
  return name.flat().findLast((word) => word.type === type)?.value;
}

/**
 * Whether a name has the shape of `pattern`: the same words in the same order, where `*` in a value of the pattern
 * stands for any text.
 */
export function matchesNamePattern(pattern: Name, name: Name): boolean {
  return pattern.length === name.length && pattern.every((words, i) => {
    const given = name[i]!;
    return words.length === given.length &&
      words.every(({ type, value }, k) => given[k]!.type === type && matchesText(value, given[k]!.value));
  });
}

function matchesText(pattern: string, text: string): boolean {
  const parts = pattern.split("*");
  if (parts.length === 1) return pattern === text;
  const first = parts[0]!;
  const last = parts.at(-1)!;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > text.length - last.length) return false;
    at = found + part.length;
  }
  return true;
}

function decodeWord(reader: DerReader): NameWord {
  const oid = decodeOid(reader.expect(tags.oid).content);
  const value: DerElement = reader.next();
  reader.end();
  const known = Object.entries(wordTypes).find(([, dotted]) => dotted === oid);
  return { type: known?.[0] ?? oid, value: decodeString(value) };
}

function canonicalType(type: string): string {
  if (/^[012](\.\d+)+$/.test(type)) return Object.entries(wordTypes).find(([, oid]) => oid === type)?.[0] ?? type;
  const known = Object.keys(wordTypes).find((name) => name.toLowerCase() === type.toLowerCase());
  if (known === undefined) {
    throw new Error(`"${type}" is no word of a name; known: ${Object.keys(wordTypes).join(", ")}, or a dotted number`);
  }
  return known;
}

/** Upper bounds of RFC 5280 appendix A.1; strict CAs refuse what is longer. */
function checkWord({ type, value }: NameWord): void {
  if (value === "") throw new Error(`${type} is empty`);
  if (value.includes("\0")) throw new Error(`${type} holds a NUL character`);
  if (type === "C" && !/^[A-Za-z]{2}$/.test(value)) {
    throw new Error(`C is "${value}", and must be a country in two letters`);
  }
  const limit = { CN: 64, O: 64, OU: 64, serialNumber: 64, ST: 128, L: 128 }[type];
  if (limit !== undefined && [...value].length > limit) {
    throw new Error(`${type} is longer than ${limit} characters: "${value}"`);
  }
  if (stringTag(type) === tags.printableString && !isPrintable(value)) {
    throw new Error(`${type} is "${value}", and must consist of letters, digits and ' ( ) + , - . / : = ?`);
  }
  // deno-lint-ignore no-control-regex
  if (stringTag(type) === tags.ia5String && !/^[\x01-\x7f]*$/.test(value)) {
    throw new Error(`${type} is "${value}", and must be ASCII`);
  }
}

function stringTag(type: string): typeof tags.utf8String | typeof tags.printableString | typeof tags.ia5String {
  if (type === "C" || type === "serialNumber" || type === "dnQualifier") return tags.printableString;
  return type === "DC" || type === "emailAddress" ? tags.ia5String : tags.utf8String;
}

/** The value from `start` to the next separator, without escapes and without blanks around it that are not escaped. */
function readValue(text: string, start: number): { value: string; end: number } {
  const octets: number[] = [];
  let keep = 0; // octets that a trailing blank may not take away
  let at = start;
  while (text[at] === " ") at++;
  if (text[at] === "#") {
    throw new Error(`a value in hexadecimal ("${text.slice(at)}") is not supported; write it as text`);
  }
  for (; at < text.length && text[at] !== "," && text[at] !== "+" && text[at] !== ";"; at++) {
    if (text[at] === "\\") {
      const hex = /^[0-9a-fA-F]{2}/.exec(text.slice(at + 1))?.[0];
      if (hex !== undefined) octets.push(parseInt(hex, 16));
      else if (at + 1 < text.length && ' "#+,;<=>\\'.includes(text[at + 1]!)) octets.push(text.charCodeAt(at + 1));
      else throw new Error(`"\\${text[at + 1] ?? ""}" is no escape of a name; write \\\\ for a backslash`);
      at += hex === undefined ? 1 : 2;
      keep = octets.length;
      continue;
    }
    if ('"<>'.includes(text[at]!)) throw new Error(`${text[at]} in a name must be escaped: \\${text[at]}`);
    const character = String.fromCodePoint(text.codePointAt(at)!);
    octets.push(...new TextEncoder().encode(character));
    at += character.length - 1;
    if (character !== " ") keep = octets.length;
  }
  return { value: new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(octets.slice(0, keep))), end: at };
}

function escapeValue(value: string): string {
  return value.replaceAll(/[",+;<>\\]/g, "\\$&").replace(/^[# ]/, "\\$&").replace(/(?<!^) $/, "\\ ")
    // deno-lint-ignore no-control-regex
    .replaceAll(/[\x00-\x1f\x7f]/g, (octet) => "\\" + octet.charCodeAt(0).toString(16).padStart(2, "0"));
}
