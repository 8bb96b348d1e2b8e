/** X.509 certificates (RFC 5280 section 4.1), read into facts. Nothing here says that one is to be trusted. */
import { createHash } from "node:crypto";
import { contextTag, decodeBits, decodeTime, DerReader, readSingle, tags } from "../tls/der.ts";
import type { Alternative } from "./alternatives.ts";
import { alternativesOf, decodeExtensions, type Extensions } from "./extensions.ts";
import { decodeName, formatName, type Name } from "./name.ts";
import { decodePem, encodePem } from "./pem.ts";

/** A certificate as read. */
export interface Certificate {
  readonly raw: Uint8Array;
  /** 1, 2 or 3. */
  readonly version: number;
  /** Lower-case hexadecimal without leading zeros. */
  readonly serial: string;
  readonly issuer: Name;
  readonly issuerDer: Uint8Array;
  readonly subject: Name;
  readonly subjectDer: Uint8Array;
  /** Milliseconds since 1970, both included. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly extensions: Extensions;
  readonly alternatives: readonly Alternative[];
  readonly signedPart: Uint8Array;
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
}

/** Reads a certificate. @throws on what is none */
export function decodeCertificate(der: Uint8Array): Certificate {
  const reader = readSingle(der);
  const body = reader.expect(tags.sequence);
  const signatureAlgorithm = reader.expect(tags.sequence).content;
  const signature = decodeBits(reader.expect(tags.bitString).content);
  reader.end();
  const inside = new DerReader(body.content);
  const version = inside.optional(contextTag(0));
  const serial = inside.expect(tags.integer).content;
  inside.expect(tags.sequence); // the algorithm once more
  const issuerDer = inside.expect(tags.sequence).raw;
  const validity = inside.enter();
  const notBeforeMs = decodeTime(validity.next());
  const notAfterMs = decodeTime(validity.next());
  const subjectDer = inside.expect(tags.sequence).raw;
  const publicKey = inside.expect(tags.sequence).raw;
  inside.optional(contextTag(1, false));
  inside.optional(contextTag(2, false));
  const extensions = readExtensions(inside.optional(contextTag(3))?.content);
  inside.end();
  return {
    raw: der,
    version: version === undefined ? 1 : new DerReader(version.content).expect(tags.integer).content[0]! + 1,
    serial: formatSerial(serial),
    issuer: decodeName(issuerDer),
    issuerDer,
    subject: decodeName(subjectDer),
    subjectDer,
    notBeforeMs,
    notAfterMs,
    publicKey,
    extensions,
    alternatives: alternativesOf(extensions),
    signedPart: body.raw,
    signatureAlgorithm,
    signature,
  };
}

/** All certificates of a PEM text, in order. @throws when there is none, or one that cannot be read */
export function decodeCertificates(pem: string): readonly Certificate[] {
  const blocks = decodePem(pem, "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE");
  if (blocks.length === 0) throw new Error("it holds no PEM block of a certificate");
  return blocks.map(decodeCertificate);
}

/** PEM of these certificates, in order. */
export function encodeCertificates(certificates: readonly Certificate[]): string {
  return certificates.map(({ raw }) => encodePem("CERTIFICATE", raw)).join("");
}

/** SHA-256 over the certificate: upper-case hexadecimal with colons, as openssl prints it. */
export function fingerprintOf(certificate: Certificate): string {
  return createHash("sha256").update(certificate.raw).digest("hex").toUpperCase().match(/../g)!.join(":");
}

/** Subject and serial number, to name a certificate in a message. */
export function titleOf(certificate: Certificate): string {
  return `${formatName(certificate.subject)} (serial ${certificate.serial})`;
}

/** Lower-case hexadecimal of a serial number's octets, without leading zeros. */
export function formatSerial(octets: Uint8Array): string {
  return octets.toHex().replace(/^0+(?=.)/, "");
}

function readExtensions(content: Uint8Array | undefined): Extensions {
  return content === undefined ? new Map() : decodeExtensions(new DerReader(content).expect(tags.sequence).content);
}
