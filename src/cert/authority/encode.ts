/** Certificates and revocation lists, written and signed (RFC 5280 sections 4 and 5). */
import { createHash, type KeyObject, randomBytes } from "node:crypto";
import { formatSerial } from "../certificate.ts";
import { encodeExtension, extensionOids } from "../extensions.ts";
import { signatureAlgorithmOf, signData } from "../keys.ts";
import {
  decodeBits,
  encodeBits,
  encodeElement,
  encodeInteger,
  encodeTime,
  explicit,
  readSingle,
  sequence,
  tags,
} from "../../tls/der.ts";

/** What a certificate says. Names and keys are DER as they came, so that they stay equal octet by octet. */
export interface CertificateBody {
  /** From {@linkcode newSerial}. */
  readonly serial: Uint8Array;
  readonly issuerDer: Uint8Array;
  readonly subjectDer: Uint8Array;
  /** Milliseconds since 1970; written in whole seconds. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKey: Uint8Array;
  /** Each from `encodeExtension`. */
  readonly extensions: readonly Uint8Array[];
}

/** A certificate in DER, signed by the issuer's key. */
export function encodeCertificate(body: CertificateBody, issuerKey: KeyObject): Uint8Array {
  const algorithm = signatureAlgorithmOf(issuerKey);
  const signed = sequence(
    explicit(0, encodeInteger(2)), // version 3
    encodeInteger(body.serial),
    algorithm,
    body.issuerDer,
    sequence(encodeTime(body.notBeforeMs), encodeTime(body.notAfterMs)),
    body.subjectDer,
    body.publicKey,
    explicit(3, sequence(...body.extensions)),
  );
  return sequence(signed, algorithm, encodeBits(signData(issuerKey, signed)));
}

/** A serial number that nobody can guess: 128 random bits, positive (section 4.1.2.2). */
export function newSerial(): Uint8Array {
  const serial = new Uint8Array(randomBytes(16));
  return serial.some((octet) => octet !== 0) ? serial : newSerial();
}

/** The serial number as it is written everywhere: lower-case hexadecimal. */
export function serialText(serial: Uint8Array): string {
  return formatSerial(serial);
}

/** Extensions that tell keys apart: that of the subject, and where given that of the issuer. */
export function keyIdentifiers(subjectKey: Uint8Array, issuerKey?: Uint8Array): readonly Uint8Array[] {
  const own = encodeExtension(
    extensionOids.subjectKeyIdentifier,
    false,
    encodeElement(tags.octetString, keyIdentifier(subjectKey)),
  );
  return issuerKey === undefined ? [own] : [own, authorityKeyIdentifier(issuerKey)];
}

/** One revoked certificate. */
export interface RevokedCertificate {
  readonly serial: string;
  readonly revokedAtMs: number;
  /** CRLReason, section 5.3.1: 0 unspecified, 1 keyCompromise, 4 superseded, 5 cessationOfOperation. */
  readonly reason: number;
}

/** What a revocation list says. */
export interface RevocationListBody {
  readonly issuerDer: Uint8Array;
  readonly issuerPublicKey: Uint8Array;
  /** Grows with every list. */
  readonly number: number;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly revoked: readonly RevokedCertificate[];
}

/** A revocation list in DER, version 2, signed by the issuer's key. */
export function encodeRevocationList(body: RevocationListBody, issuerKey: KeyObject): Uint8Array {
  const algorithm = signatureAlgorithmOf(issuerKey);
  const entries = body.revoked.map(({ serial, revokedAtMs, reason }) =>
    sequence(
      encodeInteger(Uint8Array.fromHex(serial.padStart(serial.length + (serial.length % 2), "0"))),
      encodeTime(revokedAtMs),
      ...(reason === 0 ? [] : [sequence(reasonExtension(reason))]),
    )
  );
  const signed = sequence(
    encodeInteger(1),
    algorithm,
    body.issuerDer,
    encodeTime(body.thisUpdateMs),
    encodeTime(body.nextUpdateMs),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    explicit(
      0,
      sequence(
        authorityKeyIdentifier(body.issuerPublicKey),
        encodeExtension(extensionOids.crlNumber, false, encodeInteger(body.number)),
      ),
    ),
  );
  return sequence(signed, algorithm, encodeBits(signData(issuerKey, signed)));
}

function reasonExtension(reason: number): Uint8Array {
  return encodeExtension(extensionOids.reasonCode, false, encodeElement(tags.enumerated, Uint8Array.of(reason)));
}

function authorityKeyIdentifier(issuerKey: Uint8Array): Uint8Array {
  const value = sequence(encodeElement(0x80, keyIdentifier(issuerKey)));
  return encodeExtension(extensionOids.authorityKeyIdentifier, false, value);
}

/** SHA-1 over the key's bits (section 4.2.1.2, method 1): a name, not a proof. */
function keyIdentifier(publicKey: Uint8Array): Uint8Array {
  const reader = readSingle(publicKey);
  reader.expect(tags.sequence);
  return new Uint8Array(createHash("sha1").update(decodeBits(reader.expect(tags.bitString).content)).digest());
}
