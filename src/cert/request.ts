/**
 * Requests for a certificate: PKCS#10 (RFC 2986) with the attributes challengePassword and extensionRequest (RFC 2985).
 * Encoded by `cert`, decoded by `sign`.
 */
import type { KeyObject } from "node:crypto";
import {
  contextTag,
  decodeBits,
  decodeOid,
  decodeString,
  DerReader,
  encodeBits,
  encodeInteger,
  encodeOid,
  encodeString,
  explicit,
  isPrintable,
  readSingle,
  sequence,
  setOf,
  tags,
} from "../tls/der.ts";
import { type Alternative, encodeAlternatives } from "./alternatives.ts";
import {
  decodeExtensions,
  encodeExtension,
  encodeKeyUsage,
  encodeUsages,
  extensionOids,
  type Extensions,
  keyUsageBit,
  usageOids,
} from "./extensions.ts";
import { publicKeyOf, signatureAlgorithmOf, signData, verifySignature } from "./keys.ts";
import { decodeName, encodeName, type Name } from "./name.ts";

/** What is asked for. */
export interface RequestOptions {
  readonly subject: Name;
  readonly alternatives: readonly Alternative[];
  /** Shared secret for the signer; not empty. */
  readonly challenge?: string;
  /** Object identifiers of the extended key usages; default: client authentication. */
  readonly usages?: readonly string[];
}

/** A request as read. Its signature has not been checked: see {@linkcode isRequestSigned}. */
export interface CertificateRequest {
  readonly subject: Name;
  readonly subjectDer: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly challenge?: string;
  readonly extensions: Extensions;
  readonly raw: Uint8Array;
  /** The part that is signed. */
  readonly signedPart: Uint8Array;
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
}

const attributeOids = { challengePassword: "1.2.840.113549.1.9.7", extensionRequest: "1.2.840.113549.1.9.14" } as const;

/** A request signed with `key`, DER. @throws on an empty challenge, which some libraries pass over in silence */
export function encodeRequest(key: KeyObject, options: RequestOptions): Uint8Array {
  const attributes = [attribute(attributeOids.extensionRequest, requestedExtensions(options))];
  if (options.challenge !== undefined) {
    attributes.push(attribute(attributeOids.challengePassword, encodeChallenge(options.challenge)));
  }
  const body = sequence(
    encodeInteger(0),
    encodeName(options.subject),
    publicKeyOf(key),
    explicit(0, new DerReader(setOf(...attributes)).next().content), // [0] IMPLICIT SET OF
  );
  return sequence(body, signatureAlgorithmOf(key), encodeBits(signData(key, body)));
}

/** Reads a request. @throws on anything that is none */
export function decodeRequest(der: Uint8Array): CertificateRequest {
  const reader = readSingle(der);
  const body = reader.expect(tags.sequence);
  const algorithm = reader.expect(tags.sequence).content;
  const signature = decodeBits(reader.expect(tags.bitString).content);
  reader.end();
  const inside = new DerReader(body.content);
  inside.expect(tags.integer); // version: 0, though old clients wrote others
  const subjectDer = inside.expect(tags.sequence).raw;
  const publicKey = inside.expect(tags.sequence).raw;
  const attributes = readAttributes(inside.optional(contextTag(0))?.content ?? new Uint8Array());
  inside.end();
  return {
    subject: decodeName(subjectDer),
    subjectDer,
    publicKey,
    ...attributes,
    raw: der,
    signedPart: body.raw,
    signatureAlgorithm: algorithm,
    signature,
  };
}

/** Whether the request is signed with the key in it: its sender has that key. */
export function isRequestSigned(request: CertificateRequest): boolean {
  const { publicKey, signatureAlgorithm, signedPart, signature } = request;
  return verifySignature(publicKey, signatureAlgorithm, signedPart, signature);
}

/** PrintableString where it can hold the secret (RFC 2985 section 5.4.1), else UTF8String. */
function encodeChallenge(challenge: string): Uint8Array {
  if (challenge === "") throw new Error("the challenge password is empty");
  if (challenge.length > 255) throw new Error("the challenge password is longer than 255 characters");
  return encodeString(isPrintable(challenge) ? tags.printableString : tags.utf8String, challenge);
}

function requestedExtensions(options: RequestOptions): Uint8Array {
  const extensions = [encodeExtension(extensionOids.keyUsage, true, encodeKeyUsage([keyUsageBit.digitalSignature]))];
  extensions.push(
    encodeExtension(extensionOids.extendedKeyUsage, false, encodeUsages(options.usages ?? [usageOids.clientAuth])),
  );
  if (options.alternatives.length > 0) {
    extensions.push(encodeExtension(extensionOids.subjectAltName, false, encodeAlternatives(options.alternatives)));
  }
  return sequence(...extensions);
}

function attribute(oid: string, value: Uint8Array): Uint8Array {
  return sequence(encodeOid(oid), setOf(value));
}

function readAttributes(content: Uint8Array): { extensions: Extensions; challenge?: string } {
  const reader = new DerReader(content);
  const found: { extensions: Extensions; challenge?: string } = { extensions: new Map() };
  const seen = new Set<string>();
  while (!reader.atEnd) {
    const one = reader.enter();
    const oid = decodeOid(one.expect(tags.oid).content);
    const values = one.enter(tags.set);
    one.end();
    if (seen.has(oid)) throw new Error("an attribute is there twice");
    seen.add(oid);
    if (oid === attributeOids.challengePassword) found.challenge = decodeString(values.next());
    else if (oid === attributeOids.extensionRequest) {
      found.extensions = decodeExtensions(values.expect(tags.sequence).content);
    }
  }
  return found;
}
