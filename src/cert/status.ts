/** What can be said about the certificate of this machine: for people, for programs, and for the metrics page. */
import { formatDuration } from "../formats/duration.ts";
import { alternativesOf, usageOids, usagesOf } from "./extensions.ts";
import { formatAlternative } from "./alternatives.ts";
import { fingerprintOf } from "./certificate.ts";
import { dueOf } from "./enrolment.ts";
import { machineSeed } from "./machine.ts";
import { formatName } from "./name.ts";
import { lifeUsed } from "./schedule.ts";
import type { CertificateStore } from "./store.ts";
import { chainAbove, isoSeconds } from "./verify.ts";

/** The facts; `present: false` says that there is no pair that can be used. */
export type CertificateStatus = { readonly dir: string; readonly present: false; readonly requestPending: boolean } | {
  readonly dir: string;
  readonly present: true;
  readonly generation: number;
  /** The generation that a roll-back would go to. */
  readonly previous?: number;
  readonly subject: string;
  readonly alternatives: readonly string[];
  readonly issuer: string;
  readonly serial: string;
  /** SHA-256. */
  readonly fingerprint: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** Seconds since 1970. */
  readonly notAfterTimestamp: number;
  /** Seconds until it expires; negative afterwards. */
  readonly secondsLeft: number;
  /** 0..1 */
  readonly lifeUsed: number;
  readonly renewalDue: string;
  readonly needsRenewal: boolean;
  /** Whether the key is the certificate's. */
  readonly keyMatches: boolean;
  readonly clientAuth: boolean;
  /** `ok`, or why the chain does not hold. */
  readonly chain: string;
  readonly requestPending: boolean;
  /** Whether it can be used now. */
  readonly ok: boolean;
};

/** Reads the store. */
export function readStatus(store: CertificateStore, nowMs: number): CertificateStatus {
  const requestPending = store.pending() !== undefined;
  const current = store.current();
  if (current === undefined) return { dir: store.dir, present: false, requestPending };
  const { leaf, meta } = current;
  const previous = store.usable().find((number) => number < current.number);
  const dueMs = dueOf(current, machineSeed(askedSubject(meta.names) ?? formatName(leaf.subject)));
  const usages = usagesOf(leaf.extensions);
  let chain = "ok";
  try {
    chainAbove(leaf, current.intermediates, current.anchors, nowMs);
  } catch (error) {
    chain = (error as Error).message;
  }
  return {
    dir: store.dir,
    present: true,
    generation: current.number,
    ...(previous === undefined ? {} : { previous }),
    subject: formatName(leaf.subject),
    alternatives: alternativesOf(leaf.extensions).map(formatAlternative),
    issuer: formatName(leaf.issuer),
    serial: leaf.serial,
    fingerprint: fingerprintOf(leaf),
    notBefore: isoSeconds(leaf.notBeforeMs),
    notAfter: isoSeconds(leaf.notAfterMs),
    notAfterTimestamp: leaf.notAfterMs / 1_000,
    secondsLeft: Math.floor((leaf.notAfterMs - nowMs) / 1_000),
    lifeUsed: Number(
      lifeUsed({ ...meta, notBeforeMs: leaf.notBeforeMs, notAfterMs: leaf.notAfterMs }, nowMs).toFixed(4),
    ),
    renewalDue: isoSeconds(dueMs),
    needsRenewal: nowMs >= dueMs,
    keyMatches: true, // a generation whose key does not match is not usable, and not `present`
    clientAuth: usages === undefined || usages.includes(usageOids.clientAuth) || usages.includes(usageOids.any),
    chain,
    requestPending,
    ok: chain === "ok" && leaf.notBeforeMs <= nowMs && nowMs < leaf.notAfterMs,
  };
}

/** The subject that was asked for, which the enrolment's seed is made of; a CA may have granted another. */
function askedSubject(names: string): string | undefined {
  try {
    return formatName((JSON.parse(names) as [Parameters<typeof formatName>[0]])[0]);
  } catch {
    return undefined;
  }
}

/** The facts as lines for people. */
export function formatStatus(status: CertificateStatus): string {
  if (!status.present) {
    const waiting = status.requestPending ? "; a request is on its way" : "";
    return `no usable certificate in ${status.dir}${waiting}\n`;
  }
  const left = status.secondsLeft > 0 ? `${formatDuration(status.secondsLeft * 1_000)} left` : "EXPIRED";
  const rows: readonly (readonly [string, string])[] = [
    ["subject", status.subject],
    ["good for", status.alternatives.join(", ") || "(no alternative names)"],
    ["issuer", status.issuer],
    ["serial", status.serial],
    ["sha256", status.fingerprint],
    ["valid", `${status.notBefore} until ${status.notAfter} (${left})`],
    ["life used", `${(status.lifeUsed * 100).toFixed(1)} %`],
    ["renewal", `${status.needsRenewal ? "due since" : "due on"} ${status.renewalDue}`],
    ["key", status.keyMatches ? "matches" : "DOES NOT MATCH"],
    ["chain", status.chain],
    ["generation", `${status.generation}${status.previous === undefined ? "" : ` (before: ${status.previous})`}`],
  ];
  return rows.map(([name, value]) => `${name.padEnd(11)} ${value}\n`).join("");
}

/** The facts in the text format of Prometheus; expiry as a timestamp, so that rules subtract `time()` themselves. */
export function formatMetrics(status: CertificateStatus): string {
  const rows: readonly (readonly [string, string, number])[] = status.present
    ? [
      ["agent_certificate_not_after_timestamp_seconds", "End of the certificate's life.", status.notAfterTimestamp],
      ["agent_certificate_renewal_timestamp_seconds", "When it is renewed.", Date.parse(status.renewalDue) / 1_000],
      ["agent_certificate_usable", "Whether it can be used now.", status.ok ? 1 : 0],
    ]
    : [["agent_certificate_usable", "Whether it can be used now.", 0]];
  return rows.map(([name, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`).join("");
}
