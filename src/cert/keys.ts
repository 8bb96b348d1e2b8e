/** Keys and signatures: which kinds there are, how they are made, and how a signature in DER is made and checked. */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign, verify } from "node:crypto";
import { decodeBits, decodeOid, DerReader, encodeElement, encodeOid, readSingle, sequence, tags } from "../tls/der.ts";

/** What a device may make: P-256 by default, because RSA takes seconds on a router. */
export const keyTypes = ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072"] as const;
/** One of those. */
export type KeyType = typeof keyTypes[number];

/** Object identifiers of key and signature algorithms. */
export const algorithmOids = {
  ecPublicKey: "1.2.840.10045.2.1",
  p256: "1.2.840.10045.3.1.7",
  p384: "1.3.132.0.34",
  rsaEncryption: "1.2.840.113549.1.1.1",
  ed25519: "1.3.101.112",
} as const;

/** A new key, as PEM (PKCS#8). */
export async function generateKey(type: KeyType): Promise<string> {
  const { privateKey } = await new Promise<{ privateKey: KeyObject }>((resolve, reject) => {
    const done = (error: Error | null, _public: KeyObject, key: KeyObject): void =>
      error === null ? resolve({ privateKey: key }) : reject(error);
    if (type === "ec-p256") generateKeyPair("ec", { namedCurve: "prime256v1" }, done);
    else if (type === "ec-p384") generateKeyPair("ec", { namedCurve: "secp384r1" }, done);
    else generateKeyPair("rsa", { modulusLength: type === "rsa-2048" ? 2048 : 3072 }, done);
  });
  return privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}

/** A private key from PEM. @throws without any of its content in the message */
export function readPrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new Error("the private key cannot be decoded (encrypted keys are not supported)");
  }
}

/** SubjectPublicKeyInfo of a private key, DER. */
export function publicKeyOf(key: KeyObject): Uint8Array {
  return new Uint8Array(createPublicKey(key).export({ type: "spki", format: "der" }) as Uint8Array);
}

/** What a public key is; `bits` of the RSA modulus or of the curve. */
export interface KeyFacts {
  readonly kind: "ec" | "rsa" | "ed25519";
  readonly bits: number;
}

/** Reads a SubjectPublicKeyInfo. @throws for keys of other kinds, and for numbers that are no key */
export function describePublicKey(spki: Uint8Array): KeyFacts {
  const reader = readSingle(spki);
  const algorithm = reader.enter();
  const oid = decodeOid(algorithm.expect(tags.oid).content);
  const bits = decodeBits(reader.expect(tags.bitString).content);
  reader.end();
  if (oid === algorithmOids.ed25519) return { kind: "ed25519", bits: 256 };
  if (oid === algorithmOids.rsaEncryption) return { kind: "rsa", bits: modulusBits(bits) };
  if (oid !== algorithmOids.ecPublicKey) throw new Error(`a key of an unknown kind (${oid})`);
  const curve = decodeOid(algorithm.expect(tags.oid).content);
  if (curve === algorithmOids.p256) return { kind: "ec", bits: 256 };
  if (curve === algorithmOids.p384) return { kind: "ec", bits: 384 };
  throw new Error(`a key on an unknown curve (${curve})`);
}

/** Signs `data` with the algorithm that suits the key: the AlgorithmIdentifier and the BIT STRING's content. */
export function signData(key: KeyObject, data: Uint8Array): Uint8Array {
  const digest = digestFor(describePublicKey(publicKeyOf(key)));
  return new Uint8Array(sign(digest, data, key));
}

/** AlgorithmIdentifier of the signatures that {@linkcode signData} makes with this key. */
export function signatureAlgorithmOf(key: KeyObject): Uint8Array {
  const facts = describePublicKey(publicKeyOf(key));
  const name = facts.kind === "ed25519" ? "ed25519" : `${facts.kind}-${digestFor(facts)}`;
  const oid = Object.entries(signatures).find(([, value]) => `${value.kind}-${value.digest}` === name)?.[0];
  const parameters = facts.kind === "rsa" ? [encodeElement(tags.nothing)] : [];
  return sequence(encodeOid(oid ?? algorithmOids.ed25519), ...parameters);
}

/**
 * Whether `signature` over `data` is of the owner of `spki`. False also for algorithms that are too weak (MD5, SHA-1) or unknown.
 * @param algorithm content of the AlgorithmIdentifier
 */
export function verifySignature(
  spki: Uint8Array,
  algorithm: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    const known = signatures[decodeOid(new DerReader(algorithm).expect(tags.oid).content)];
    if (known === undefined || known.kind !== describePublicKey(spki).kind) return false;
    const key = createPublicKey({ key: new Uint8Array(spki) as never, format: "der", type: "spki" });
    return verify(known.digest, data, key, signature);
  } catch {
    return false; // a key or signature that cannot be decoded proves nothing
  }
}

function digestFor(facts: KeyFacts): "sha256" | "sha384" | null {
  if (facts.kind === "ed25519") return null;
  return facts.kind === "ec" && facts.bits === 384 ? "sha384" : "sha256";
}

const signatures: Readonly<Record<string, { kind: KeyFacts["kind"]; digest: string | null }>> = {
  "1.2.840.10045.4.3.2": { kind: "ec", digest: "sha256" },
  "1.2.840.10045.4.3.3": { kind: "ec", digest: "sha384" },
  "1.2.840.10045.4.3.4": { kind: "ec", digest: "sha512" },
  "1.2.840.113549.1.1.11": { kind: "rsa", digest: "sha256" },
  "1.2.840.113549.1.1.12": { kind: "rsa", digest: "sha384" },
  "1.2.840.113549.1.1.13": { kind: "rsa", digest: "sha512" },
  "1.3.101.112": { kind: "ed25519", digest: null },
};

function modulusBits(der: Uint8Array): number {
  const reader = readSingle(der);
  const modulus = reader.expect(tags.integer).content;
  const exponent = reader.expect(tags.integer).content;
  reader.end();
  if (modulus[0]! >= 0x80 || (exponent.length === 1 && exponent[0]! < 3)) throw new Error("an RSA key that is none");
  const first = modulus.findIndex((octet) => octet !== 0);
  if (first < 0) throw new Error("an RSA key that is none");
  return (modulus.length - first) * 8 - Math.clz32(modulus[first]!) + 24;
}
