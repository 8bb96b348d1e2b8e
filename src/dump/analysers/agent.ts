/** The agent's own state: a spool that fills, destinations that are down, records that were dropped. */
import type { Analyser, Finding } from "../report.ts";
import { analyserOf, finding } from "./finding.ts";

const path = "agent/state.json";

/** What is read of the state; all of it may be missing. */
interface State {
  readonly spool?: { readonly usedBytes?: number; readonly maxBytes?: number; readonly records?: number } & Dropping;
  readonly sources?: readonly ({ readonly id?: string; readonly error?: string } & Dropping)[];
  readonly sinks?: readonly (
    & { readonly id?: string; readonly up?: boolean; readonly lastError?: string; readonly lagMs?: number }
    & Dropping
  )[];
  readonly certificate?: { readonly ok?: boolean; readonly problem?: string; readonly notAfterMs?: number };
}

interface Dropping {
  readonly drops?: readonly { readonly reason?: string; readonly records?: number; readonly intended?: boolean }[];
}

/** Reads `agent/state.json`, the state that the status server shows too. */
export const agentAnalyser: Analyser = analyserOf("agent", path, (text) => {
  const state = JSON.parse(text) as State;
  return [...spoolFindings(state), ...sinkFindings(state), ...dropFindings(state), ...certificateFindings(state)];
});

/** What `agent spool` reports of a spool, as far as it is read here. */
interface Spool {
  readonly bytes?: number;
  readonly damagedBytes?: number;
  readonly missingRecords?: number;
  readonly readers?: readonly { readonly id?: string; readonly held?: number }[];
  readonly untold?: Readonly<Record<string, number>>;
}

const spoolPath = "agent/spool.json";

/** Reads the spool as it lies on the disk: that is there also when no agent runs. */
export const spoolAnalyser: Analyser = {
  id: "spool",
  analyse: async (read) => {
    const spool = JSON.parse(await read(spoolPath) ?? "{}") as Spool;
    const config = JSON.parse(await read("agent/configuration.resolved.json") ?? "{}") as {
      spool?: { maxBytes?: number };
    };
    return [...fillFindings(spool, config.spool?.maxBytes ?? Infinity), ...lossFindings(spool)];
  },
};

function fillFindings({ bytes = 0, readers = [] }: Spool, maxBytes: number): readonly Finding[] {
  const share = bytes / maxBytes;
  const behind = readers.filter(({ held }) => (held ?? 0) > 0);
  if (!(share >= 0.5) || behind.length === 0) return [];
  return [finding({
    id: share >= 0.95 ? "spool-full" : "spool-growing",
    severity: share >= 0.8 ? "critical" : "warning",
    title: `The spool is ${Math.round(share * 100)} % full`,
    evidence: [`${bytes} of ${maxBytes} bytes`, ...behind.map(({ id, held }) => `${id}: ${held} records wait`)],
    artifact: spoolPath,
    advice: "A destination takes less than comes in: look at network/reachability.txt, and at the agent's log.",
  })];
}

function lossFindings({ damagedBytes = 0, missingRecords = 0, untold = {} }: Spool): readonly Finding[] {
  const lines = [
    ...(damagedBytes > 0 ? [`${damagedBytes} bytes are damaged`] : []),
    ...(missingRecords > 0 ? [`${missingRecords} records are missing between others`] : []),
    ...Object.entries(untold).filter(([why, times]) => why !== "hand" && times > 0).map(([why, times]) =>
      `${times} records dropped: ${why}`
    ),
  ];
  return lines.length === 0 ? [] : [finding({
    id: "spool-loss",
    severity: "critical",
    title: "Records of the spool are lost",
    evidence: lines,
    artifact: spoolPath,
    advice: "Damage comes from the disk: look at kernel/dmesg.log. Drops come from its size: raise spool.maxSize.",
  })];
}

function spoolFindings({ spool }: State): readonly Finding[] {
  const share = (spool?.usedBytes ?? 0) / (spool?.maxBytes ?? Infinity);
  if (share < 0.5) return [];
  return [finding({
    id: share >= 0.95 ? "spool-full" : "spool-growing",
    severity: share >= 0.8 ? "critical" : "warning",
    title: `The spool is ${Math.round(share * 100)} % full`,
    evidence: [`${spool?.usedBytes} of ${spool?.maxBytes} bytes, ${spool?.records ?? "?"} records wait`],
    artifact: path,
    advice: "Its destination takes less than comes in: look at the sinks below, and at network/reachability.txt.",
  })];
}

function sinkFindings({ sinks = [] }: State): readonly Finding[] {
  const down = sinks.filter(({ up }) => up === false);
  return down.length === 0 ? [] : [finding({
    id: "sink-down",
    severity: "critical",
    title: down.length === 1 ? `Destination ${down[0]!.id} is down` : `${down.length} destinations are down`,
    evidence: down.map(({ id, lastError, lagMs }) =>
      `${id}: ${lastError ?? "no error known"}, ${lagMs ?? 0} ms behind`
    ),
    artifact: path,
    advice: "The error says why. Nothing is lost while the spool has room and files are not removed.",
  })];
}

function dropFindings({ sources = [], sinks = [], spool }: State): readonly Finding[] {
  const places = [...sources, ...sinks, { id: "spool", ...spool }];
  const lines = places.flatMap(({ id, drops = [] }) =>
    drops.filter(({ intended, records }) => intended !== true && (records ?? 0) > 0)
      .map(({ reason, records }) => `${id}: ${records} records, ${reason}`)
  );
  return lines.length === 0 ? [] : [finding({
    id: "records-dropped",
    severity: "critical",
    title: "Log records were dropped",
    evidence: lines,
    artifact: path,
    advice: "What is missing will not come again. The reason says which limit or fault it was.",
  })];
}

/** Reads what `agent cert status` says. */
export const ownCertificateAnalyser: Analyser = analyserOf("own-certificate", "agent/certificate.json", (text) => {
  const { present, ok, chain, keyMatches, needsRenewal, notAfter } = JSON.parse(text) as CertificateFacts;
  if (present === true && ok === true && needsRenewal !== true) return [];
  const isBroken = present !== true || ok !== true;
  return [finding({
    id: isBroken ? "agent-certificate" : "certificate-expiring",
    severity: isBroken ? "critical" : "warning",
    title: isBroken ? "The agent's own certificate cannot be used" : "The agent's own certificate is due for renewal",
    evidence: [
      present === true
        ? `good until ${notAfter}, chain: ${chain}, key ${keyMatches === true ? "matches" : "does not match"}`
        : "there is none",
    ],
    artifact: "agent/certificate.json",
    advice: "agent cert enroll gets one; the log of agent ship says why the renewal does not succeed.",
  })];
});

interface CertificateFacts {
  readonly present?: boolean;
  readonly ok?: boolean;
  readonly chain?: string;
  readonly keyMatches?: boolean;
  readonly needsRenewal?: boolean;
  readonly notAfter?: string;
}

function certificateFindings({ certificate }: State): readonly Finding[] {
  if (certificate === undefined || certificate.ok !== false) return [];
  return [finding({
    id: "agent-certificate",
    severity: "critical",
    title: "The agent's own certificate cannot be used",
    evidence: [certificate.problem ?? "no reason known"],
    artifact: path,
    advice: "agent cert status says more; agent cert renews it.",
  })];
}
