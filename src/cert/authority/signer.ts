/** The decision: who asks, whether that is proved, whether the policy allows it; then the certificate, logged before it is given. */
import { createHash } from "node:crypto";
import { equalBytes } from "../../tls/der.ts";
import { formatAlternative } from "../alternatives.ts";
import { type Certificate, fingerprintOf, titleOf } from "../certificate.ts";
import { formatName } from "../name.ts";
import { alternativesOf, usageOids, usagesOf } from "../extensions.ts";
import { type CertificateRequest, decodeRequest, isRequestSigned } from "../request.ts";
import { verifySignature } from "../keys.ts";
import { isoSeconds } from "../verify.ts";
import type { Authority } from "./authority.ts";
import type { Challenges } from "./challenges.ts";
import type { IssueLog } from "./issue_log.ts";
import { applyPolicy, type Grant, type Policy, Refusal } from "./policy.ts";
import { newSerial, serialText } from "./encode.ts";

/** Who asks, and with what proof. */
export interface Claim {
  readonly protocol: "certifix" | "est";
  readonly address: string;
  /** The secret that came beside the request (HTTP Basic); else that in the request counts. */
  readonly challenge?: string;
  /** The certificate that the TLS connection was made with, and its key proved; anything else about it is unchecked. */
  readonly peer?: Certificate;
  /** Whether only a renewal by certificate is wanted (EST simplereenroll). */
  readonly renewalOnly?: boolean;
}

/** An authority at work. */
export class Signer {
  readonly authority: Authority;
  readonly #log: IssueLog;
  readonly #challenges: Challenges;
  readonly #policy: Policy;
  readonly #now: () => number;

  constructor(
    parts: {
      readonly authority: Authority;
      readonly log: IssueLog;
      readonly challenges: Challenges;
      readonly policy: Policy;
      readonly now?: () => number;
    },
  ) {
    this.authority = parts.authority;
    this.#log = parts.log;
    this.#challenges = parts.challenges;
    this.#policy = parts.policy;
    this.#now = parts.now ?? Date.now;
  }

  /**
   * Signs a request.
   * @param der the request as it came
   * @throws {Refusal} with status and reason · Error when the log cannot be written: then nothing was issued
   */
  sign(der: Uint8Array, claim: Claim): Certificate {
    const request = readRequest(der);
    const grant = applyPolicy(this.#policy, request);
    if (!isRequestSigned(request)) throw new Refusal(400, "the request is not signed with its key");
    return this.#log.exclusively(() => {
      const proof = this.#prove(request, grant, claim);
      return this.#issue(request, grant, claim, proof);
    });
  }

  /** Whether a certificate is one of ours, in force, for clients, and not revoked. */
  isGenuine(certificate: Certificate): boolean {
    return this.#flawOf(certificate) === undefined;
  }

  #issue(request: CertificateRequest, grant: Grant, claim: Claim, proof: Proof): Certificate {
    const { lifetimeMs, backdateMs } = this.#policy;
    const nowMs = Math.floor(this.#now() / 1_000) * 1_000;
    const serial = newSerial();
    const certificate = this.authority.issue({
      subjectDer: request.subjectDer,
      publicKey: request.publicKey,
      alternatives: grant.alternatives,
      usages: grant.usages,
      notBeforeMs: nowMs - Math.min(backdateMs, lifetimeMs / 4),
      notAfterMs: nowMs + lifetimeMs,
    }, serial);
    this.#log.append({
      event: "issued",
      time: isoSeconds(nowMs),
      serial: serialText(serial),
      subject: formatName(certificate.subject),
      alternatives: grant.alternatives.map(formatAlternative),
      notBefore: isoSeconds(certificate.notBeforeMs),
      notAfter: isoSeconds(certificate.notAfterMs),
      fingerprint: fingerprintOf(certificate),
      keyDigest: digestOf(request.publicKey),
      protocol: claim.protocol,
      address: claim.address,
      proof: proof.text,
      ...(proof.challengeDigest === undefined ? {} : { challengeDigest: proof.challengeDigest }),
    });
    return certificate;
  }

  /** A certificate in force renews itself; everything else needs a challenge. @throws {Refusal} */
  #prove(request: CertificateRequest, grant: Grant, claim: Claim): Proof {
    const { peer } = claim;
    const flaw = peer === undefined
      ? "no certificate was shown"
      : this.#flawOf(peer) ?? differenceOf(peer, request, grant);
    if (peer !== undefined && flaw === undefined) return { text: `certificate:${peer.serial}` };
    if (claim.renewalOnly === true) throw new Refusal(claim.peer === undefined ? 401 : 403, `not renewed: ${flaw}`);
    const challenge = claim.challenge ?? request.challenge;
    const unproved = claim.protocol === "est" ? 401 : 403;
    if (challenge === undefined || challenge === "") {
      throw new Refusal(unproved, peer === undefined ? "no challenge password" : `no challenge password, and ${flaw}`);
    }
    const verdict = this.#challenges.judge(challenge, grant.commonName);
    if (verdict.kind === "wrong") throw new Refusal(unproved, "wrong challenge password");
    if (verdict.kind === "shared") return { text: "challenge" };
    const usedFor = this.#log.keyOfChallenge(verdict.digest);
    // The same key once more is the same device, whose answer was lost on the way.
    if (usedFor !== undefined && usedFor !== digestOf(request.publicKey)) {
      throw new Refusal(unproved, "the one-time challenge password was used before");
    }
    return { text: `device:${verdict.device}`, challengeDigest: verdict.digest };
  }

  #flawOf(certificate: Certificate): string | undefined {
    const ca = this.authority.certificate;
    const { signatureAlgorithm, signedPart, signature, issuerDer, serial } = certificate;
    if (
      !equalBytes(issuerDer, ca.subjectDer) || !verifySignature(ca.publicKey, signatureAlgorithm, signedPart, signature)
    ) {
      return "the certificate shown is not from here";
    }
    const nowMs = this.#now();
    if (certificate.notAfterMs <= nowMs || certificate.notBeforeMs > nowMs) {
      return `the certificate shown is good from ${isoSeconds(certificate.notBeforeMs)} until ${
        isoSeconds(certificate.notAfterMs)
      }`;
    }
    if (usagesOf(certificate.extensions)?.includes(usageOids.clientAuth) !== true) {
      return "the certificate shown is no client's";
    }
    return this.#log.isRevoked(serial) ? `the certificate shown, ${titleOf(certificate)}, is revoked` : undefined;
  }
}

interface Proof {
  readonly text: string;
  readonly challengeDigest?: string;
}

/** A renewal is for the same names (RFC 7030 section 4.2.2). */
function differenceOf(peer: Certificate, request: CertificateRequest, grant: Grant): string | undefined {
  const [old, wanted] = [alternativesOf(peer.extensions), grant.alternatives].map((list) =>
    list.map(formatAlternative).sort().join(", ")
  );
  if (!equalBytes(peer.subjectDer, request.subjectDer) || old !== wanted) {
    return `the certificate shown is of ${formatName(peer.subject)} (${old})`;
  }
  return undefined;
}

function readRequest(der: Uint8Array): CertificateRequest {
  let request: CertificateRequest;
  try {
    request = decodeRequest(der);
    alternativesOf(request.extensions);
    usagesOf(request.extensions);
  } catch (error) {
    throw new Refusal(400, `not a certificate request: ${(error as Error).message}`);
  }
  return request;
}

function digestOf(publicKey: Uint8Array): string {
  return createHash("sha256").update(publicKey).digest("hex");
}
