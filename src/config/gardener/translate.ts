/** A `RsyslogRelpConfig` as the document of our own form: what Gardener's extension renders as 60-audit.conf. Pure. */
import { looksLikeFingerprint } from "../peers.ts";
import { given } from "../values.ts";
import type { RelpConfig } from "./schema.ts";

/** What stands around the configuration. */
export interface Surroundings {
  /** `project`, `shoot` and `uid` where a Shoot tells them. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Folder with a folder per reference. */
  readonly references: string;
  /** Audit rules of the ConfigMap that is referred to, where it stands in the same file. */
  readonly auditRules: string | undefined;
}

/** The sink has the name of the extension's action: metrics, panels and alerts that ask for it find it. */
export const sinkName = "rsyslog-relp";

/** The document, as plain values for the schema. */
export function translateRelpConfig(config: RelpConfig, around: Surroundings): Record<string, unknown> {
  const { agent = {}, auditConfig } = config;
  const metadata = { ...around.metadata, ...agent.metadata as Record<string, unknown> | undefined };
  const { references: _, ...own } = agent;
  return {
    sources: { journal: { type: "syslog", listen: `unix:${journalSocket}` } },
    ...auditConfig?.enabled === true ? { auditRules: auditRulesOf(auditConfig, around) } : {},
    ...own,
    ...Object.keys(metadata).length > 0 ? { metadata } : {},
    rules: config.loggingRules.map(ruleOf),
    sinks: { [sinkName]: sinkOf(config, around) },
  };
}

function sinkOf(config: RelpConfig, { references }: Surroundings): Record<string, unknown> {
  const { target, port, tls, timeout, rebindInterval, resumeRetryCount, reportSuspensionContinuation } = config;
  return {
    type: "relp",
    template: "gardener",
    target,
    port,
    ...tls?.enabled === true ? { tls: tlsOf(tls, references) } : {},
    ...given({
      rebindInterval,
      resumeRetryCount, // none: ours, for ever; the extension's own default throws records away
      reportSuspensionContinuation,
      timeout: timeout === undefined ? undefined : `${timeout}s`,
    }),
  };
}

function tlsOf(tls: NonNullable<RelpConfig["tls"]>, references: string): Record<string, unknown> {
  const { secretReferenceName, permittedPeer, tlsLib } = tls;
  const folder = `${references}/${secretReferenceName}`;
  const byFingerprint = permittedPeer !== undefined && looksLikeFingerprint(permittedPeer[0]!);
  return {
    // None: by name. In librelp it would be by fingerprint, and permit nobody.
    authMode: tls.authMode ?? (byFingerprint ? "fingerprint" : "name"),
    ca: `${folder}/ca`,
    cert: `${folder}/crt`,
    key: `${folder}/key`,
    ...given({ permittedPeer, tlsLib }),
  };
}

function ruleOf({ programNames, severity, messageContent }: RelpConfig["loggingRules"][number], i: number): unknown {
  const { regex, exclude } = messageContent ?? {};
  const message = messageContent === undefined ? undefined : given({ regex: ours(regex), exclude: ours(exclude) });
  return { name: `loggingRules[${i}]`, ...given({ programs: programNames, severity, message }) };
}

/** rsyslog's message begins with the space behind the tag, ours does not. */
function ours(pattern: string | undefined): string | undefined {
  return pattern?.replace(/^\^(?: |\[\[:(?:space|blank):\]\])(?![*+?{])/, "^");
}

function auditRulesOf(
  { configMapReferenceName }: NonNullable<RelpConfig["auditConfig"]>,
  { references, auditRules }: Surroundings,
): Record<string, unknown> {
  if (auditRules !== undefined) return { rules: auditRules };
  return configMapReferenceName === undefined ? {} : { dir: `${references}/${configMapReferenceName}/auditd` };
}

/** Where journald hands records on to a syslog daemon, as the extension has rsyslog read them. */
const journalSocket = "/run/systemd/journal/syslog";
