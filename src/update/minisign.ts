/**
 * Signatures of minisign and signify (the formats of minisign 0.11): Ed25519 over the file, or over its BLAKE2b-512 sum. The trusted
 * comment is signed together with the signature, and is checked too.
 *
 * ```text
 *   public key   base64( "Ed"  key id, 8 bytes  key, 32 bytes )
 *   signature    base64( "ED" (sum) or "Ed" (file)  key id, 8 bytes  signature, 64 bytes )
 *                base64( signature of the 64 bytes and the trusted comment )
 * ```
 */
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";

/** A public key. */
export interface MinisignKey {
  /** As minisign prints it: hexadecimal, most significant byte first. */
  readonly id: string;
  readonly key: KeyObject;
}

/** A signature, not yet checked. */
export interface MinisignSignature {
  readonly keyId: string;
  /** Whether the sum of the file is signed, or the file itself. */
  readonly prehashed: boolean;
  readonly signature: Uint8Array;
  readonly trustedComment: string;
  readonly globalSignature: Uint8Array;
}

/** Reads a public key: the file that `minisign -G` writes, or its second line alone. @throws when it is none */
export function parsePublicKey(text: string): MinisignKey {
  const line = linesOf(text).filter((one) => !one.startsWith("untrusted comment:"))[0] ?? "";
  const bytes = decodeBase64(line);
  if (bytes?.length !== 42 || ascii(bytes, 0, 2) !== "Ed") {
    throw new Error("it is not a public key of minisign\nTry: the second line of minisign.pub");
  }
  const der = new Uint8Array([...spkiPrefix, ...bytes.subarray(10)]);
  return { id: keyId(bytes), key: createPublicKey({ key: der as never, format: "der", type: "spki" }) };
}

/** Reads a `.minisig` file. @throws when it is none */
export function parseSignature(text: string): MinisignSignature {
  const [comment, first, trusted, second] = linesOf(text);
  const bytes = decodeBase64(first ?? "");
  const global = decodeBase64(second ?? "");
  const algorithm = bytes === undefined ? "" : ascii(bytes, 0, 2);
  const whole = comment?.startsWith("untrusted comment:") === true && trusted?.startsWith(trustedPrefix) === true &&
    bytes?.length === 74 && global?.length === 64 && (algorithm === "ED" || algorithm === "Ed");
  if (!whole) throw new Error("it is not a signature of minisign");
  return {
    keyId: keyId(bytes),
    prehashed: algorithm === "ED",
    signature: bytes.subarray(10),
    trustedComment: trusted.slice(trustedPrefix.length),
    globalSignature: global,
  };
}

/**
 * Checks a file against its signature and the key.
 * @returns the trusted comment
 * @throws saying which of the three does not fit
 */
export function verifySignature(content: Uint8Array, signature: MinisignSignature, { id, key }: MinisignKey): string {
  if (signature.keyId !== id) {
    throw new Error(`the signature is of key ${signature.keyId}, and key ${id} is the one that is trusted`);
  }
  const signed = signature.prehashed ? createHash("blake2b512").update(content).digest() : content;
  if (!verify(null, signed, key, signature.signature)) {
    throw new Error("the signature does not match: the file is not the one that was signed");
  }
  const comment = new TextEncoder().encode(signature.trustedComment);
  if (!verify(null, new Uint8Array([...signature.signature, ...comment]), key, signature.globalSignature)) {
    throw new Error("the signature of the trusted comment does not match");
  }
  return signature.trustedComment;
}

function linesOf(text: string): readonly string[] {
  return text.split(/\r?\n/).filter((line) => line !== "");
}

function keyId(bytes: Uint8Array): string {
  return [...bytes.subarray(2, 10)].reverse().map((byte) => byte.toString(16).padStart(2, "0")).join("").toUpperCase();
}

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

const trustedPrefix = "trusted comment: ";

/** SubjectPublicKeyInfo of an Ed25519 key, before its 32 bytes (RFC 8410 section 4). */
const spkiPrefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
