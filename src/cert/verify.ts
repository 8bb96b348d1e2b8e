/**
 * The answer of a CA, judged before it is installed (invariant 7): version 3, our key, our names, dates, a chain to a
 * CA that we trust, and the right use. A signer that is wrong or evil must not be able to take the old pair from us.
 */
import { equalBytes } from "../tls/der.ts";
import { isClockSet } from "../system/clock.ts";
import { type Alternative, formatAlternative, includesAlternatives } from "./alternatives.ts";
import { type Certificate, titleOf } from "./certificate.ts";
import { ClockError } from "./errors.ts";
import { basicConstraintsOf, keyUsageBit, keyUsageOf, usageOids, usagesOf } from "./extensions.ts";
import { verifySignature } from "./keys.ts";
import { formatName, type Name, wordOf } from "./name.ts";

/** What the answer must fit. */
export interface Expectation {
  /** SubjectPublicKeyInfo of our key, DER. */
  readonly publicKey: Uint8Array;
  readonly subject: Name;
  /** Names that it must be good for. */
  readonly alternatives: readonly Alternative[];
  /** CA certificates that we trust. */
  readonly anchors: readonly Certificate[];
  readonly nowMs: number;
}

/**
 * The chain to install: the leaf and its intermediates, without the anchor.
 * @param answer certificates in any order, the leaf among them
 * @throws {ClockError} when it is the clock here that is wrong · saying what is wrong with the certificate otherwise
 */
export function verifyAnswer(answer: readonly Certificate[], expected: Expectation): readonly Certificate[] {
  const leaf = answer.find((one) => equalBytes(one.publicKey, expected.publicKey));
  if (leaf === undefined) throw unusable(answer[0], "it is not for our key");
  if (leaf.version !== 3) throw unusable(leaf, `it is X.509 version ${leaf.version}, and TLS needs version 3`);
  checkDates(leaf, expected.nowMs);
  checkUse(leaf);
  checkNames(leaf, expected);
  return [leaf, ...chainAbove(leaf, answer, expected.anchors, expected.nowMs)];
}

/**
 * The intermediates between `leaf` and one of `anchors`, from the leaf upwards.
 * @throws naming the certificate at which the chain breaks
 */
export function chainAbove(
  leaf: Certificate,
  others: readonly Certificate[],
  anchors: readonly Certificate[],
  nowMs: number,
): readonly Certificate[] {
  const chain: Certificate[] = [];
  for (let below = leaf; chain.length < maxChainLength;) {
    const anchor = anchors.find((one) => isIssuer(one, below, chain.length));
    if (anchor !== undefined) {
      checkDates(anchor, nowMs);
      return chain;
    }
    const next = others.find((one) => !chain.includes(one) && one !== below && isIssuer(one, below, chain.length));
    if (next === undefined) {
      throw unusable(below, `its issuer "${formatName(below.issuer)}" did not sign it with a key that we trust`);
    }
    checkDates(next, nowMs);
    chain.push(next);
    below = next;
  }
  throw unusable(leaf, `its chain is longer than ${maxChainLength}`);
}

/**
 * Checks that time is known well enough to judge certificates: later than any release of this program, and than the
 * beginning of the CA.
 * @throws {ClockError}
 */
export function checkClock(nowMs: number, anchors: readonly Certificate[]): void {
  const beginsMs = anchors.length === 0 ? 0 : Math.min(...anchors.map(({ notBeforeMs }) => notBeforeMs));
  if (isClockSet(nowMs) && nowMs >= beginsMs) return;
  const state = isClockSet(nowMs)
    ? `it is ${isoSeconds(nowMs)} here, and the CA's certificate begins on ${isoSeconds(beginsMs)}`
    : `it is ${isoSeconds(nowMs)} here`;
  throw new ClockError(
    `Cannot judge certificates: clock not set (${state})\nTry: wait for the time service, or set the clock`,
  );
}

/** `2026-11-20T21:48:11Z`. */
export function isoSeconds(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d+/, "");
}

/** Whether `issuer` may sign certificates, has the right name and did sign `subject`. @param below CAs between it and the leaf */
function isIssuer(issuer: Certificate, subject: Certificate, below: number): boolean {
  if (!equalBytes(issuer.subjectDer, subject.issuerDer)) return false;
  const { ca, pathLength } = basicConstraintsOf(issuer.extensions);
  // A version 1 certificate cannot say that it is a CA; as an anchor the person who configured it says so.
  if (issuer.version === 3 && (!ca || (pathLength !== undefined && below > pathLength))) return false;
  if (keyUsageOf(issuer.extensions)?.has(keyUsageBit.keyCertSign) === false) return false;
  return verifySignature(issuer.publicKey, subject.signatureAlgorithm, subject.signedPart, subject.signature);
}

function checkDates(certificate: Certificate, nowMs: number): void {
  if (certificate.notAfterMs <= nowMs) {
    throw unusable(certificate, `it expired on ${isoSeconds(certificate.notAfterMs)}`);
  }
  if (certificate.notBeforeMs <= nowMs) return;
  throw new ClockError(
    `Cannot use certificate "${titleOf(certificate)}": it begins on ${
      isoSeconds(certificate.notBeforeMs)
    }, and it is ` +
      `${isoSeconds(nowMs)} here: clock not set, or ahead at the CA\nTry: wait for the time service, or set the clock`,
  );
}

function checkUse(leaf: Certificate): void {
  const usages = usagesOf(leaf.extensions);
  if (usages !== undefined && !usages.includes(usageOids.clientAuth) && !usages.includes(usageOids.any)) {
    throw unusable(leaf, "it is not for TLS clients (extended key usage without clientAuth)");
  }
  if (basicConstraintsOf(leaf.extensions).ca) throw unusable(leaf, "it is a CA's, not a device's");
}

function checkNames(leaf: Certificate, { subject, alternatives }: Expectation): void {
  const [asked, given] = [wordOf(subject, "CN"), wordOf(leaf.subject, "CN")];
  if (asked !== given) throw unusable(leaf, `its CN is "${given ?? ""}", and "${asked ?? ""}" was asked for`);
  if (includesAlternatives(leaf.alternatives, alternatives)) return;
  const missing = alternatives.filter((one) => !includesAlternatives(leaf.alternatives, [one]));
  throw unusable(leaf, `it is not good for ${missing.map(formatAlternative).join(", ")}`);
}

function unusable(certificate: Certificate | undefined, state: string): Error {
  return new Error(
    `Cannot use certificate "${certificate === undefined ? "" : titleOf(certificate)}" that the CA sent: ${state}`,
  );
}

const maxChainLength = 8;
