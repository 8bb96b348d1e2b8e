/**
 * Getting a certificate once: key, request, answer, check, install. Both `enroll` and `renew` are this; what differs is
 * what proves that we may.
 */
import { createHash } from "node:crypto";
import { pause } from "../pipeline/backoff.ts";
import { failure } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import type { Alternative } from "./alternatives.ts";
import { type Certificate, decodeCertificates, encodeCertificates, titleOf } from "./certificate.ts";
import { ClockError } from "./errors.ts";
import { generateKey, type KeyType, publicKeyOf, readPrivateKey } from "./keys.ts";
import { formatName, type Name, wordOf } from "./name.ts";
import { decodePem, encodePem } from "./pem.ts";
import type { EnrolmentProtocol, Proof } from "./protocol.ts";
import { encodeRequest } from "./request.ts";
import { machineShare, renewalDueMs } from "./schedule.ts";
import type { Generation } from "./generation.ts";
import type { CertificateStore, Pending } from "./store.ts";
import { checkClock, isoSeconds, verifyAnswer } from "./verify.ts";

/** What certificate is wanted, and from whom. */
export interface EnrolmentOptions {
  readonly protocol: EnrolmentProtocol;
  readonly url: URL;
  /** File of the CA certificates that are trusted. */
  readonly ca: string;
  readonly subject: Name;
  readonly alternatives: readonly Alternative[];
  /** Undefined: what the CA asks for, else P-256. */
  readonly keyType?: KeyType;
  /** Whether a renewal keeps the key. */
  readonly reuseKey: boolean;
  /** Reads the secret when it is needed; undefined where there is none. */
  readonly challenge: () => string | undefined;
  /** Name that goes with the secret (EST); default: the common name. */
  readonly userName?: string;
  /** Deadline of one exchange. */
  readonly timeoutMs: number;
  /** What the machine's share of the jitter is made of; see `machineSeed`. */
  readonly seed: string;
  /** The time; default: the system's. */
  readonly now?: () => number;
}

/** What came of it. */
export interface EnrolmentResult {
  /** False when there was nothing to do. */
  readonly changed: boolean;
  readonly generation: Generation;
  /** When the next renewal is due, milliseconds since 1970. */
  readonly dueMs: number;
}

/**
 * Makes sure that there is a certificate that is not due for renewal.
 * @param force also when the one there is good
 * @throws {RefusedError} · {TryLaterError} · {ClockError} · Error when the answer cannot be used; the pair in use stays
 */
export async function enrol(
  store: CertificateStore,
  options: EnrolmentOptions,
  force: boolean,
  signal: AbortSignal,
): Promise<EnrolmentResult> {
  const nowMs = (options.now ?? Date.now)();
  const anchors = readAnchors(options.ca);
  checkClock(nowMs, anchors);
  using _lock = await store.lock(signal);
  const current = store.current();
  if (current !== undefined && !force && !needsRenewal(current, options, nowMs)) {
    return { changed: false, generation: current, dueMs: dueOf(current, options.seed) };
  }
  const generation = await obtain(store, options, current, anchors, signal);
  log.info(`installed certificate ${titleOf(generation.leaf)}, good until ${isoSeconds(generation.leaf.notAfterMs)}`);
  return { changed: true, generation, dueMs: dueOf(generation, options.seed) };
}

/** Whether a new certificate must be asked for: due, expired, or other words are wanted now. */
export function needsRenewal(current: Generation, options: EnrolmentOptions, nowMs: number): boolean {
  const otherNames = current.meta.names !== "" && current.meta.names !== namesOf(options);
  return otherNames || nowMs >= dueOf(current, options.seed);
}

/** When this generation is due for renewal, milliseconds since 1970. */
export function dueOf({ leaf, meta }: Generation, seed: string): number {
  const life = { ...meta, notBeforeMs: leaf.notBeforeMs, notAfterMs: leaf.notAfterMs };
  return renewalDueMs(life, machineShare(seed));
}

/** The certificates of a CA file. @throws naming the file */
export function readAnchors(path: string): readonly Certificate[] {
  try {
    return decodeCertificates(Deno.readTextFileSync(path));
  } catch (error) {
    throw failure("use", `CA file "${path}"`, error, "name a PEM file with --ca");
  }
}

/** A request for carrying by hand: the key stays in the store and waits for `installAnswer`. PEM. */
export async function makeRequest(
  store: CertificateStore,
  options: EnrolmentOptions,
  signal: AbortSignal,
): Promise<string> {
  using _lock = await store.lock(signal);
  return (await pendingFor(store, options, store.current(), options.keyType ?? "ec-p256")).request;
}

/**
 * Checks an answer that was carried by hand, and installs it.
 * @param answer certificates in any order
 */
export async function installAnswer(
  store: CertificateStore,
  answer: readonly Certificate[],
  anchors: readonly Certificate[],
  nowMs: number,
  signal: AbortSignal,
): Promise<Generation> {
  checkClock(nowMs, anchors);
  using _lock = await store.lock(signal);
  const pending = store.pending();
  if (pending === undefined) {
    throw new Error(`Cannot install certificate in "${store.dir}": no request waits there\nTry: agent cert csr`);
  }
  const [subject, alternatives] = JSON.parse(pending.names) as [Name, readonly Alternative[]];
  const publicKey = publicKeyOf(readPrivateKey(pending.key));
  const chain = verifyAnswer(answer, { publicKey, subject, alternatives, anchors, nowMs });
  return installPair(store, pending, chain, anchors, nowMs);
}

/** From the key to the installed pair. */
async function obtain(
  store: CertificateStore,
  options: EnrolmentOptions,
  current: Generation | undefined,
  given: readonly Certificate[],
  signal: AbortSignal,
): Promise<Generation> {
  const now = options.now ?? Date.now;
  const { protocol } = options;
  const end = { url: options.url, ca: options.ca, timeoutMs: options.timeoutMs };
  const preparation = await protocol.prepare(end, signal);
  const keyType = options.keyType ?? preparation.keyType ?? "ec-p256";
  const pending = await pendingFor(store, options, current, keyType);
  const request = decodePem(pending.request, "CERTIFICATE REQUEST")[0]!;
  const answer = await protocol.submit(request, proofOf(store, options, current, now()), end, signal);
  const anchors = [
    ...given,
    ...preparation.anchors.filter((one) => !given.some(({ raw }) => raw.toHex() === one.raw.toHex())),
  ];
  const expected = {
    publicKey: publicKeyOf(readPrivateKey(pending.key)),
    subject: options.subject,
    alternatives: options.alternatives,
    anchors,
  };
  await waitForBegin(answer, expected.publicKey, now, signal);
  const chain = verifyAnswer(answer, { ...expected, nowMs: now() });
  return installPair(store, pending, chain, anchors, now());
}

function installPair(
  store: CertificateStore,
  pending: Pending,
  chain: readonly Certificate[],
  anchors: readonly Certificate[],
  nowMs: number,
): Generation {
  return store.install({ key: pending.key, cert: encodeCertificates(chain), ca: encodeCertificates(anchors) }, {
    installedAtMs: nowMs,
    names: pending.names,
    first: store.current() === undefined,
  });
}

/** The key on its way, when it was made for the same words; else a new one, on disk before anybody hears of it. */
async function pendingFor(
  store: CertificateStore,
  options: EnrolmentOptions,
  current: Generation | undefined,
  keyType: KeyType,
): Promise<Pending> {
  const challenge = options.protocol.challengeInRequest ? readChallenge(options, current) : undefined;
  const names = namesOf(options);
  const details = JSON.stringify([
    options.reuseKey && current !== undefined ? "same key" : keyType,
    digestOf(challenge),
  ]);
  const found = store.pending();
  if (found?.names === names && found.details === details) return found;
  const key = options.reuseKey && current !== undefined ? current.key : await generateKey(keyType);
  const { subject, alternatives } = options;
  const request = encodeRequest(readPrivateKey(key), {
    subject,
    alternatives,
    ...(challenge === undefined ? {} : { challenge }),
  });
  const pending = { key, request: encodePem("CERTIFICATE REQUEST", request), names, details };
  store.savePending(pending);
  return pending;
}

/** What the certificate shall say, in a form that can be compared and read again. */
function namesOf({ subject, alternatives }: EnrolmentOptions): string {
  return JSON.stringify([subject, alternatives]);
}

function proofOf(
  store: CertificateStore,
  options: EnrolmentOptions,
  current: Generation | undefined,
  nowMs: number,
): Proof {
  const challenge = readChallenge(options, current);
  const alive = isAlive(current, nowMs);
  return {
    ...(challenge === undefined ? {} : { challenge }),
    userName: options.userName ?? wordOf(options.subject, "CN") ?? formatName(options.subject),
    ...(alive ? { pair: { cert: store.certPath, key: store.keyPath } } : {}),
  };
}

/** A secret that was taken away after the first enrolment is not missed while the certificate itself can renew. */
function readChallenge(options: EnrolmentOptions, current: Generation | undefined): string | undefined {
  try {
    return options.challenge();
  } catch (error) {
    if (!isAlive(current, (options.now ?? Date.now)())) throw error;
    log.debug(`renewing without the challenge: ${(error as Error).message}`);
    return undefined;
  }
}

function isAlive(current: Generation | undefined, nowMs: number): boolean {
  return current !== undefined && current.leaf.notBeforeMs <= nowMs && nowMs < current.leaf.notAfterMs;
}

/** A CA whose clock is a little ahead of ours: wait for the first second of the certificate instead of refusing it. */
async function waitForBegin(
  answer: readonly Certificate[],
  publicKey: Uint8Array,
  now: () => number,
  signal: AbortSignal,
): Promise<void> {
  const leaf = answer.find((one) => one.publicKey.toHex() === publicKey.toHex());
  const aheadMs = (leaf?.notBeforeMs ?? 0) - now();
  if (aheadMs <= 0 || aheadMs > 120_000) return;
  log.info(`the CA's clock is ${Math.ceil(aheadMs / 1_000)} s ahead of ours; waiting for the certificate to begin`);
  await pause(aheadMs + 100, signal);
  if (signal.aborted) throw new ClockError("Cannot install certificate: it has not begun, and we were told to stop");
}

function digestOf(challenge: string | undefined): string {
  return challenge === undefined ? "" : createHash("sha256").update(challenge).digest("hex").slice(0, 16);
}

const log = openLog("cert");
