/** Extensions of certificates and requests (RFC 5280 section 4.2): those that we write and judge. */
import {
  decodeOid,
  DerReader,
  encodeElement,
  encodeInteger,
  encodeNamedBits,
  encodeOid,
  readSingle,
  sequence,
  tags,
} from "../tls/der.ts";
import { type Alternative, decodeAlternatives } from "./alternatives.ts";

/** Extensions by their object identifiers. */
export type Extensions = ReadonlyMap<string, { readonly critical: boolean; readonly value: Uint8Array }>;

/** Object identifiers of the extensions. */
export const extensionOids = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  crlNumber: "2.5.29.20",
  reasonCode: "2.5.29.21",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
} as const;

/** Extended key usages (RFC 5280 section 4.2.1.12). */
export const usageOids = {
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  any: "2.5.29.37.0",
} as const;

/** Bits of the key usage (RFC 5280 section 4.2.1.3). */
export const keyUsageBit = { digitalSignature: 0, keyEncipherment: 2, keyCertSign: 5, cRLSign: 6 } as const;

/** What a basicConstraints extension says. */
export interface BasicConstraints {
  readonly ca: boolean;
  /** CA certificates that may follow below; undefined: any number. */
  readonly pathLength?: number;
}

/** One extension. */
export function encodeExtension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? [encodeElement(tags.boolean, Uint8Array.of(0xff))] : [];
  return sequence(encodeOid(oid), ...flag, encodeElement(tags.octetString, value));
}

/** Reads the content of an Extensions sequence. @throws on extensions that are there twice */
export function decodeExtensions(content: Uint8Array): Extensions {
  const reader = new DerReader(content);
  const found = new Map<string, { critical: boolean; value: Uint8Array }>();
  while (!reader.atEnd) {
    const one = reader.enter();
    const oid = decodeOid(one.expect(tags.oid).content);
    const critical = one.optional(tags.boolean);
    const value = one.expect(tags.octetString).content;
    one.end();
    if (found.has(oid)) throw new Error(`extension ${oid} is there twice`);
    found.set(oid, { critical: critical?.content[0] !== undefined && critical.content[0] !== 0, value });
  }
  return found;
}

/** Value of keyUsage. */
export function encodeKeyUsage(bits: readonly number[]): Uint8Array {
  return encodeNamedBits(bits);
}

/** Numbers of the bits that are set; undefined without the extension. */
export function keyUsageOf(extensions: Extensions): ReadonlySet<number> | undefined {
  const value = extensions.get(extensionOids.keyUsage)?.value;
  if (value === undefined) return undefined;
  const octets = new DerReader(value).expect(tags.bitString).content.subarray(1);
  const bits = new Set<number>();
  octets.forEach((octet, i) => {
    for (let bit = 0; bit < 8; bit++) if ((octet & (0x80 >> bit)) !== 0) bits.add(8 * i + bit);
  });
  return bits;
}

/** Value of extendedKeyUsage. */
export function encodeUsages(oids: readonly string[]): Uint8Array {
  return sequence(...oids.map(encodeOid));
}

/** Extended key usages; undefined without the extension, which means: for any use. */
export function usagesOf(extensions: Extensions): readonly string[] | undefined {
  const value = extensions.get(extensionOids.extendedKeyUsage)?.value;
  if (value === undefined) return undefined;
  const reader = readSingle(value);
  const oids: string[] = [];
  while (!reader.atEnd) oids.push(decodeOid(reader.expect(tags.oid).content));
  return oids;
}

/** Value of basicConstraints. */
export function encodeBasicConstraints({ ca, pathLength }: BasicConstraints): Uint8Array {
  if (!ca) return sequence();
  const flag = encodeElement(tags.boolean, Uint8Array.of(0xff));
  return sequence(flag, ...(pathLength === undefined ? [] : [encodeInteger(pathLength)]));
}

/** What basicConstraints says; not a CA without the extension. */
export function basicConstraintsOf(extensions: Extensions): BasicConstraints {
  const value = extensions.get(extensionOids.basicConstraints)?.value;
  if (value === undefined) return { ca: false };
  const reader = readSingle(value);
  const flag = reader.optional(tags.boolean)?.content[0] ?? 0;
  const length = reader.optional(tags.integer)?.content;
  reader.end();
  return { ca: flag !== 0, ...(length === undefined ? {} : { pathLength: Number(length.at(-1)) }) };
}

/** Alternative names; none without the extension. */
export function alternativesOf(extensions: Extensions): readonly Alternative[] {
  const value = extensions.get(extensionOids.subjectAltName)?.value;
  return value === undefined ? [] : decodeAlternatives(value);
}
