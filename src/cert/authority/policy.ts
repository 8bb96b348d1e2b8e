/** What the authority signs and what not, whoever asks. Pure. */
import { matchesName } from "../../tls/peer_name.ts";
import { type Alternative, alternativeOfCommonName, formatAlternative } from "../alternatives.ts";
import { alternativesOf, basicConstraintsOf, keyUsageBit, keyUsageOf, usageOids, usagesOf } from "../extensions.ts";
import { describePublicKey } from "../keys.ts";
import { formatName, matchesNamePattern, type Name } from "../name.ts";
import type { CertificateRequest } from "../request.ts";

/** The rules. */
export interface Policy {
  /** Names with `*` in values; empty: any with one common name. */
  readonly subjects: readonly Name[];
  /** Alternative names besides the common name: patterns per label, as `*.devices.lab`, or addresses. */
  readonly alternatives: readonly string[];
  /** Whether certificates for TLS servers are given to whoever asks for one. */
  readonly serverAuth: boolean;
  readonly lifetimeMs: number;
  /** How far notBefore lies in the past, for devices whose clock is behind; never more than a quarter of the life. */
  readonly backdateMs: number;
}

/** A request that will not be granted, and the HTTP status that says so. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: 400 | 401 | 403 | 413 | 415 | 429;

  constructor(status: Refusal["status"], message: string) {
    super(message);
    this.status = status;
  }
}

/** What is granted of a request. */
export interface Grant {
  readonly commonName: string;
  readonly alternatives: readonly Alternative[];
  readonly usages: readonly string[];
}

/** Judges a request. @throws {Refusal} with the reason */
export function applyPolicy(policy: Policy, request: CertificateRequest): Grant {
  checkKey(request.publicKey);
  const commonName = checkSubject(policy, request.subject);
  if (basicConstraintsOf(request.extensions).ca) throw new Refusal(403, "a CA certificate is never signed here");
  const bits = keyUsageOf(request.extensions);
  if (bits?.has(keyUsageBit.keyCertSign) === true || bits?.has(keyUsageBit.cRLSign) === true) {
    throw new Refusal(403, "a key that signs certificates is never certified here");
  }
  return {
    commonName,
    alternatives: checkAlternatives(policy, request, commonName),
    usages: checkUsages(policy, request),
  };
}

/** P-256, P-384, Ed25519, and RSA of 2048 to 8192 bits. @throws {Refusal} for others */
function checkKey(publicKey: Uint8Array): void {
  let facts;
  try {
    facts = describePublicKey(publicKey);
  } catch (error) {
    throw new Refusal(403, `this kind of key is not certified here: ${(error as Error).message}`);
  }
  if (facts.kind === "rsa" && (facts.bits < 2048 || facts.bits > 8192)) {
    throw new Refusal(403, `an RSA key of ${facts.bits} bits is not certified here; 2048 to 8192 bits are`);
  }
}

function checkSubject(policy: Policy, subject: Name): string {
  const commonNames = subject.flat().filter(({ type }) => type === "CN");
  const commonName = commonNames[0]?.value;
  if (commonName === undefined || commonNames.length > 1) throw new Refusal(403, "the subject must have one CN");
  // deno-lint-ignore no-control-regex
  if (commonName === "" || commonName.length > 64 || /[\x00-\x1f\x7f]/.test(commonName)) {
    throw new Refusal(403, "the CN is empty, too long or has control characters");
  }
  if (policy.subjects.length > 0 && !policy.subjects.some((pattern) => matchesNamePattern(pattern, subject))) {
    throw new Refusal(403, `the subject ${formatName(subject)} is not allowed here`);
  }
  return commonName;
}

/** The common name, and what the rules allow; a request without any gets the common name. */
function checkAlternatives(policy: Policy, request: CertificateRequest, commonName: string): readonly Alternative[] {
  const own = alternativeOfCommonName(commonName);
  const asked = alternativesOf(request.extensions);
  const foreign = asked.filter((one) => {
    if (own !== undefined && formatAlternative(own) === formatAlternative(one)) return false;
    if (one.kind === "other" || one.value.includes("*")) return true;
    return !policy.alternatives.some((pattern) =>
      one.kind === "DNS" ? matchesName(pattern, one.value) : pattern === one.value || pattern === formatAlternative(one)
    );
  });
  if (foreign.length > 0) {
    throw new Refusal(403, `alternative names of others: ${foreign.map(formatAlternative).join(", ")}`);
  }
  return asked.length > 0 ? asked : own === undefined ? [] : [own];
}

function checkUsages(policy: Policy, request: CertificateRequest): readonly string[] {
  const asked = usagesOf(request.extensions) ?? [usageOids.clientAuth];
  const allowed: readonly string[] = policy.serverAuth
    ? [usageOids.clientAuth, usageOids.serverAuth]
    : [usageOids.clientAuth];
  if (asked.length === 0 || !asked.every((oid) => allowed.includes(oid))) {
    throw new Refusal(403, `this use is not certified here (${asked.join(", ")}); client authentication is`);
  }
  return asked;
}
