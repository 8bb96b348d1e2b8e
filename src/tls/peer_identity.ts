/**
 * Who a certificate says its owner is, read from its DER. The text that the runtime makes of a subject alternative name
 * is no basis for a decision: it joins the names with commas and does not escape those inside, so that the one name
 * `evil.lab, DNS:good.lab` reads as two (CVE-2021-44532 was that in Node).
 *
 * @see RFC 5280 sections 4.1 and 4.2.1.6, RFC 6125 section 6.4
 */
import { createHash } from "node:crypto";
import { contextTag, decodeOid, decodeString, DerReader, readSingle, tags } from "./der.ts";

/** What a certificate says about its owner. */
export interface PeerIdentity {
  /** DNS names and IP addresses of the SAN; the CN when there is no SAN at all, and one CN only. */
  readonly names: readonly string[];
  /** Upper-case hex with colons. */
  readonly sha1: string;
  readonly sha256: string;
}

/** The identity in a certificate. @throws on what is not DER of a certificate */
export function peerIdentity(der: Uint8Array): PeerIdentity {
  const { subject, alternatives } = readParts(der);
  return {
    names: alternatives === undefined ? commonNames(subject) : alternativeNames(alternatives),
    sha1: digest("sha1", der),
    sha256: digest("sha256", der),
  };
}

/** The content of subject, and of the SAN where there is one. */
function readParts(der: Uint8Array): { subject: Uint8Array; alternatives: Uint8Array | undefined } {
  const body = readSingle(der).enter();
  body.optional(contextTag(0));
  body.expect(tags.integer);
  body.expect(tags.sequence); // the algorithm of the signature
  body.expect(tags.sequence); // the issuer
  body.expect(tags.sequence); // validity
  const subject = body.expect(tags.sequence).content;
  body.expect(tags.sequence); // the public key
  body.optional(contextTag(1, false));
  body.optional(contextTag(2, false));
  const extensions = body.optional(contextTag(3));
  return { subject, alternatives: extensions === undefined ? undefined : findAlternatives(extensions.content) };
}

function findAlternatives(content: Uint8Array): Uint8Array | undefined {
  const extensions = new DerReader(content).enter();
  let found: Uint8Array | undefined;
  while (!extensions.atEnd) {
    const extension = extensions.enter();
    const id = decodeOid(extension.expect(tags.oid).content);
    extension.optional(tags.boolean);
    const value = extension.expect(tags.octetString).content;
    if (id !== subjectAltName) continue;
    if (found !== undefined) throw new Error("two lists of alternative names");
    found = value;
  }
  return found;
}

/** DNS names and IP addresses alone: a mail address or a URI is no name of a machine. */
function alternativeNames(value: Uint8Array): readonly string[] {
  const names = readSingle(value);
  const found: string[] = [];
  while (!names.atEnd) {
    const { tag, content } = names.next();
    if (tag === dnsName) found.push(...plainName(latin1.decode(content)));
    else if (tag === ipAddress) found.push(...formatIp(content));
  }
  return found;
}

/** The CN, if there is exactly one: where there are several, each reader takes another one. */
function commonNames(subject: Uint8Array): readonly string[] {
  const found: string[] = [];
  const name = new DerReader(subject);
  while (!name.atEnd) {
    const set = name.enter(tags.set);
    while (!set.atEnd) {
      const attribute = set.enter();
      if (decodeOid(attribute.expect(tags.oid).content) === commonName) found.push(decodeString(attribute.next()));
    }
  }
  return found.length === 1 ? found.flatMap(plainName) : [];
}

/** None for what holds blanks, commas, NULs or other octets that no name has and some reader stumbles over. */
function plainName(name: string): readonly string[] {
  return /^[!-+\--~]+$/.test(name) ? [name] : [];
}

function formatIp(content: Uint8Array): readonly string[] {
  if (content.length === 4) return [content.join(".")];
  if (content.length !== 16) return [];
  const groups = Array.from({ length: 8 }, (_, i) => ((content[2 * i]! << 8) | content[2 * i + 1]!).toString(16));
  return [new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1)];
}

function digest(algorithm: "sha1" | "sha256", der: Uint8Array): string {
  return createHash(algorithm).update(der).digest("hex").toUpperCase().match(/../g)!.join(":");
}

const latin1 = new TextDecoder("latin1");
const subjectAltName = "2.5.29.17";
const commonName = "2.5.4.3";
const dnsName = contextTag(2, false);
const ipAddress = contextTag(7, false);
