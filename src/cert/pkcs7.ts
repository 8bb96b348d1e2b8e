/**
 * PKCS#7 with certificates and nothing else, as EST answers (RFC 7030 section 4.1.3; RFC 5652 section 5.1): a SignedData that nobody signed.
 */
import {
  contextTag,
  decodeOid,
  definiteLengths,
  DerReader,
  encodeInteger,
  encodeOid,
  explicit,
  readSingle,
  sequence,
  setOf,
  tags,
} from "../tls/der.ts";
import { type Certificate, decodeCertificate } from "./certificate.ts";

const signedData = "1.2.840.113549.1.7.2";
const data = "1.2.840.113549.1.7.1";

/** The certificates as PKCS#7, DER. */
export function encodeCertsOnly(certificates: readonly Uint8Array[]): Uint8Array {
  return sequence(
    encodeOid(signedData),
    explicit(0, sequence(encodeInteger(1), setOf(), sequence(encodeOid(data)), explicit(0, ...certificates), setOf())),
  );
}

/** The certificates in a PKCS#7, DER or BER. @throws on anything else, and when there are none */
export function decodeCertsOnly(bytes: Uint8Array): readonly Certificate[] {
  const outer = readSingle(definiteLengths(bytes));
  const type = decodeOid(outer.expect(tags.oid).content);
  if (type !== signedData) throw new Error(`not a PKCS#7 with certificates (${type})`);
  const inside = new DerReader(outer.expect(contextTag(0)).content).enter();
  inside.expect(tags.integer);
  inside.expect(tags.set);
  inside.expect(tags.sequence);
  const certificates = new DerReader(inside.optional(contextTag(0))?.content ?? new Uint8Array());
  const found: Certificate[] = [];
  while (!certificates.atEnd) found.push(decodeCertificate(certificates.expect(tags.sequence).raw));
  if (found.length === 0) throw new Error("a PKCS#7 without certificates");
  return found;
}
