/** Subject alternative names: the names that a certificate is good for (RFC 5280 section 4.2.1.6). */
import { isIP } from "node:net";
import { contextTag, DerReader, encodeElement, readSingle, sequence } from "../tls/der.ts";

/** One of them. `other` is a kind that is not read any further; it is only counted. */
export interface Alternative {
  readonly kind: "DNS" | "IP" | "email" | "URI" | "other";
  /** IP addresses in their shortest form, DNS names in lower case. */
  readonly value: string;
}

const kindTags = { email: contextTag(1, false), DNS: contextTag(2, false), URI: contextTag(6, false) } as const;
const addressTag = contextTag(7, false);

/** Reads `DNS:a.lab`, `IP:127.0.0.1`, `email:…`, `URI:…`; a bare word is an address or a DNS name. @throws on others */
export function parseAlternative(text: string): Alternative {
  const match = /^(DNS|IP|email|URI):(.*)$/is.exec(text.trim());
  const value = match?.[2] ?? text.trim();
  const kind = match === null ? isIP(value) === 0 ? "DNS" : "IP" : canonicalKind(match[1]!);
  if (kind === "IP") return { kind, value: formatAddressOctets(addressOctets(value)) };
  if (kind === "DNS" && !isDnsName(value)) throw new Error(`"${value}" is no DNS name`);
  if (value === "" || !/^[\x21-\x7e]+$/.test(value)) {
    throw new Error(`"${value}" is no ${kind} name: ASCII without blanks`);
  }
  return { kind, value: kind === "DNS" ? value.toLowerCase() : value };
}

/** `DNS:a.lab`, what {@linkcode parseAlternative} reads. */
export function formatAlternative({ kind, value }: Alternative): string {
  return `${kind}:${value}`;
}

/** The name that a common name stands for: DNS or address; undefined where it cannot be either (`CN=Router of Ann`). */
export function alternativeOfCommonName(commonName: string): Alternative | undefined {
  if (isIP(commonName) !== 0) return parseAlternative(`IP:${commonName}`);
  return isDnsName(commonName) ? { kind: "DNS", value: commonName.toLowerCase() } : undefined;
}

/** Value of the extension. */
export function encodeAlternatives(alternatives: readonly Alternative[]): Uint8Array {
  return sequence(...alternatives.map(({ kind, value }) => {
    if (kind === "IP") return encodeElement(addressTag, addressOctets(value));
    if (kind === "other") throw new TypeError("Cannot encode an alternative name of another kind");
    return encodeElement(kindTags[kind], new TextEncoder().encode(value));
  }));
}

/** Reads the value of the extension. @throws on what is none */
export function decodeAlternatives(der: Uint8Array): readonly Alternative[] {
  const reader: DerReader = readSingle(der);
  const found: Alternative[] = [];
  while (!reader.atEnd) {
    const { tag, content } = reader.next();
    const kind = (Object.keys(kindTags) as (keyof typeof kindTags)[]).find((name) => kindTags[name] === tag);
    if (kind !== undefined) {
      const text = String.fromCharCode(...content);
      if (!/^[\x21-\x7e]+$/.test(text)) throw new Error("an alternative name holds octets that no name has");
      found.push({ kind, value: kind === "DNS" ? text.toLowerCase() : text });
    } else if (tag === addressTag) found.push({ kind: "IP", value: formatAddressOctets(content) });
    else found.push({ kind: "other", value: `0x${tag.toString(16)}` });
  }
  if (found.length === 0) throw new Error("an empty list of alternative names");
  return found;
}

/** Whether `wanted` are all among `given`. */
export function includesAlternatives(given: readonly Alternative[], wanted: readonly Alternative[]): boolean {
  const texts = new Set(given.map(formatAlternative));
  return wanted.every((one) => texts.has(formatAlternative(one)));
}

function canonicalKind(text: string): "DNS" | "IP" | "email" | "URI" {
  return ({ dns: "DNS", ip: "IP", email: "email", uri: "URI" } as const)[text.toLowerCase() as "dns"];
}

function isDnsName(text: string): boolean {
  return text.length <= 253 &&
    /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*$/.test(text);
}

function addressOctets(text: string): Uint8Array {
  const version = isIP(text);
  if (version === 4) return Uint8Array.from(text.split(".").map(Number));
  if (version !== 6 || text.includes("%")) throw new Error(`"${text}" is no IP address`);
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const full = dotted === null
    ? text
    : `${dotted[1]}${(Number(dotted[2]) * 256 + Number(dotted[3])).toString(16)}:${
      (Number(dotted[4]) * 256 + Number(dotted[5])).toString(16)
    }`;
  const [head, tail] = full.split("::");
  const groups = (part: string | undefined): readonly string[] =>
    part === undefined || part === "" ? [] : part.split(":");
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [
    ...groups(head),
    ...Array.from({ length: tail === undefined ? 0 : missing }, () => "0"),
    ...groups(tail),
  ];
  return Uint8Array.from(all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}

function formatAddressOctets(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  if (octets.length !== 16) throw new Error("an IP address of neither 4 nor 16 octets");
  const groups = Array.from({ length: 8 }, (_, i) => (octets[2 * i]! * 256 + octets[2 * i + 1]!).toString(16));
  // The URL parser shortens as RFC 5952 asks.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
