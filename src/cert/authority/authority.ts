/**
 * The CA in a folder: its key, its certificate, and the service's own pair.
 *
 * ```text
 *   DIR/ca.key 0600 · ca.crt · ca.crl      the authority
 *   DIR/service/…                          the service's own pair, a certificate store that renews itself
 *   DIR/issued.jsonl                       every certificate and revocation, in order (issue_log.ts)
 * ```
 */
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { failure } from "../../pipeline/errors.ts";
import { readTextIfThere, writeFileAtomic } from "../../system/atomic_file.ts";
import { equalBytes } from "../../tls/der.ts";
import { type Alternative, encodeAlternatives } from "../alternatives.ts";
import { type Certificate, decodeCertificate, decodeCertificates, encodeCertificates } from "../certificate.ts";
import {
  basicConstraintsOf,
  encodeBasicConstraints,
  encodeExtension,
  encodeKeyUsage,
  encodeUsages,
  extensionOids,
  keyUsageBit,
} from "../extensions.ts";
import { describePublicKey, generateKey, publicKeyOf, readPrivateKey } from "../keys.ts";
import { encodeName, type Name } from "../name.ts";
import { encodePem } from "../pem.ts";
import { isoSeconds } from "../verify.ts";
import { encodeCertificate, keyIdentifiers, newSerial } from "./encode.ts";

/** What is to be certified. */
export interface Issue {
  readonly subjectDer: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly alternatives: readonly Alternative[];
  /** Object identifiers of extended key usages, at least one. */
  readonly usages: readonly string[];
  readonly notBeforeMs: number;
  /** Cut at the end of the CA's own life. */
  readonly notAfterMs: number;
}

/** A CA that can sign. */
export class Authority {
  readonly dir: string;
  readonly certificate: Certificate;
  /** The CA's certificate and those above it, PEM. */
  readonly chain: readonly Certificate[];
  readonly #key: KeyObject;

  private constructor(dir: string, key: KeyObject, chain: readonly Certificate[]) {
    this.dir = dir;
    this.#key = key;
    this.chain = chain;
    this.certificate = chain[0]!;
  }

  /** Reads key and certificate. @throws naming what is missing or does not fit */
  static open(dir: string): Authority {
    const keyPath = join(dir, "ca.key");
    const [keyPem, certPem] = [readTextIfThere(keyPath), readTextIfThere(join(dir, "ca.crt"))];
    if (keyPem === undefined || certPem === undefined) {
      throw new Error(`Cannot use CA in "${dir}": there is none\nTry: agent sign --init --dir ${dir}`);
    }
    try {
      const key = readPrivateKey(keyPem);
      const chain = decodeCertificates(certPem);
      if (!equalBytes(chain[0]!.publicKey, publicKeyOf(key))) throw new Error("ca.key is not the key of ca.crt");
      if (!basicConstraintsOf(chain[0]!.extensions).ca) throw new Error("ca.crt is not the certificate of a CA");
      if (((Deno.statSync(keyPath).mode ?? 0) & 0o077) !== 0) {
        throw new Error(`others may read ca.key (chmod 600 ${keyPath})`);
      }
      return new Authority(dir, key, chain);
    } catch (error) {
      throw failure("use", `CA in "${dir}"`, error);
    }
  }

  /**
   * Makes a CA where there is none; one that a crash left half made is completed with the same key.
   * @returns the CA, and whether it was made now
   */
  static async init(
    dir: string,
    subject: Name,
    lifetimeMs: number,
    nowMs: number,
  ): Promise<{ authority: Authority; made: boolean }> {
    const [keyPath, certPath] = [join(dir, "ca.key"), join(dir, "ca.crt")];
    Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
    if (readTextIfThere(certPath) !== undefined) return { authority: Authority.open(dir), made: false };
    let keyPem = readTextIfThere(keyPath);
    if (keyPem === undefined) {
      keyPem = await generateKey("ec-p256");
      writeFileAtomic(keyPath, keyPem, { mode: 0o600 });
    }
    const key = readPrivateKey(keyPem);
    const name = encodeName(subject);
    const der = encodeCertificate({
      serial: newSerial(),
      issuerDer: name,
      subjectDer: name,
      notBeforeMs: nowMs - caBackdateMs,
      notAfterMs: nowMs + lifetimeMs,
      publicKey: publicKeyOf(key),
      extensions: [
        encodeExtension(extensionOids.basicConstraints, true, encodeBasicConstraints({ ca: true, pathLength: 0 })),
        encodeExtension(extensionOids.keyUsage, true, encodeKeyUsage([keyUsageBit.keyCertSign, keyUsageBit.cRLSign])),
        ...keyIdentifiers(publicKeyOf(key)),
      ],
    }, key);
    writeFileAtomic(certPath, encodePem("CERTIFICATE", der));
    return { authority: Authority.open(dir), made: true };
  }

  /** Signs. It judges nothing: that is the policy's work. @throws when the CA's own certificate has ended */
  issue(issue: Issue, serial: Uint8Array = newSerial()): Certificate {
    const { notBeforeMs, notAfterMs } = this.certificate;
    if (issue.notAfterMs <= notBeforeMs || issue.notBeforeMs >= notAfterMs) {
      throw new Error(
        `Cannot sign with CA in "${this.dir}": its certificate is good from ${isoSeconds(notBeforeMs)} until ${
          isoSeconds(notAfterMs)
        }`,
      );
    }
    const key = describePublicKey(issue.publicKey);
    const bits = key.kind === "rsa"
      ? [keyUsageBit.digitalSignature, keyUsageBit.keyEncipherment]
      : [keyUsageBit.digitalSignature];
    const alternatives = issue.alternatives.length === 0
      ? []
      : [encodeExtension(extensionOids.subjectAltName, false, encodeAlternatives(issue.alternatives))];
    return decodeCertificate(encodeCertificate({
      serial,
      issuerDer: this.certificate.subjectDer,
      subjectDer: issue.subjectDer,
      notBeforeMs: Math.max(issue.notBeforeMs, notBeforeMs),
      notAfterMs: Math.min(issue.notAfterMs, notAfterMs),
      publicKey: issue.publicKey,
      extensions: [
        encodeExtension(extensionOids.basicConstraints, true, encodeBasicConstraints({ ca: false })),
        encodeExtension(extensionOids.keyUsage, true, encodeKeyUsage(bits)),
        encodeExtension(extensionOids.extendedKeyUsage, false, encodeUsages(issue.usages)),
        ...alternatives,
        ...keyIdentifiers(issue.publicKey, this.certificate.publicKey),
      ],
    }, this.#key));
  }

  /** Signs something else, for the revocation list. */
  withKey<T>(use: (key: KeyObject) => T): T {
    return use(this.#key);
  }

  /** PEM of the CA's certificate and those above it. */
  get pem(): string {
    return encodeCertificates(this.chain);
  }
}

/** Devices whose clock is a little behind must be able to use a CA that was made a minute ago. */
const caBackdateMs = 24 * 3_600_000;
