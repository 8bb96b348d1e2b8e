/**
 * What a configuration is once it is read: plain data with every default filled in, units in the names, and nothing left
 * to interpret. The YAML file (`load.ts`) and the quick form of the command line (`quick.ts`) both end here.
 */
import type { KeyType } from "../cert/keys.ts";
import type { RedactSpec, RuleSpec, RuleTestSpec } from "../rules/spec.ts";
import type { HostPort, TlsConfig } from "./endpoint_config.ts";
import type { SinkConfig } from "./sink_config.ts";
import type { SourceConfig } from "./source_config.ts";

export type * from "./endpoint_config.ts";
export type * from "./sink_config.ts";
export type * from "./source_config.ts";

/** The whole of it. Sources and sinks are keyed by their names, which also name their positions. */
export interface AgentConfig {
  /** Folder of spool, checkpoints, certificates and the lock. */
  readonly state: string;
  readonly hostname: string;
  /** Goes with every record. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly certificate?: CertificateConfig;
  readonly sources: Readonly<Record<string, SourceConfig>>;
  /** In order, first match decides; none: everything is shipped. */
  readonly rules: readonly RuleSpec[];
  /** What is blotted out before anything is written or sent. */
  readonly redact: RedactSpec;
  readonly sinks: Readonly<Record<string, SinkConfig>>;
  readonly spool: SpoolConfig;
  readonly status?: StatusConfig;
  /** What `agent self-update` trusts; none: no updates. */
  readonly update?: { readonly publicKey: string };
  /** What the rules are expected to do, for `agent check --tests`. */
  readonly tests: readonly RuleTestSpec[];
  readonly dump?: DumpConfig;
  readonly auditRules?: AuditRulesConfig;
}

/** Audit rules of the node, kept in step; neither `path` nor `rules`: those of Gardener. */
export interface AuditRulesConfig {
  /** A folder, or a file with an Auditd document. */
  readonly path?: string;
  readonly rules?: string;
  /** The node's disk. */
  readonly root: string;
  readonly everyMs: number;
  /** Below `root`. */
  readonly metricFile: string;
}

/** What `agent dump` gathers, and how; its options come first. */
export interface DumpConfig {
  readonly profile: "speed" | "complete" | "size";
  readonly deadlineMs?: number;
  readonly jobs: number;
  readonly folder?: string;
  readonly maxBytes?: number;
  /** age public keys. */
  readonly recipients: readonly string[];
  readonly upload?: string;
  /** Words of commands by name. */
  readonly commands: Readonly<Record<string, readonly string[]>>;
  readonly files: readonly string[];
  readonly processes: readonly string[];
  readonly metrics: readonly string[];
  readonly words: readonly string[];
  readonly patterns: readonly string[];
  readonly pseudonymKeyFile?: string;
  /** How often `ship` keeps last good outputs; undefined: never. */
  readonly precacheEveryMs?: number;
}

/** The disk queue of live sources. */
export interface SpoolConfig {
  readonly maxBytes: number;
  readonly whenFull: "block" | "dropOldest" | "dropNewest";
}

/** The local HTTP server. */
export interface StatusConfig {
  readonly listen: HostPort | { readonly path: string };
  readonly tls?: TlsConfig;
  /** File with the tokens that callers show. */
  readonly tokenFile?: string;
  /** Names beside the host's own that callers may address the server by. */
  readonly hosts: readonly string[];
  /** File for the textfile collector of node_exporter. */
  readonly textfile?: string;
  readonly dump: StatusDumpConfig;
}

/** Dumps that are asked for over HTTP. */
export interface StatusDumpConfig {
  readonly enabled: boolean;
  /** Of those that name none; undefined: that of the section `dump`. */
  readonly profile?: DumpConfig["profile"];
  /** How long a finished one can be fetched. */
  readonly keepMs: number;
}

/** How the machine gets its certificate. */
export interface CertificateConfig {
  readonly protocol: "certifix" | "est";
  readonly url: string;
  /** CA certificates that the signing end's own certificate comes from. */
  readonly ca?: string;
  readonly subject: string;
  /** `DNS:`, `IP:`, `email:`, `URI:`; none: the common name. */
  readonly san?: readonly string[];
  readonly keyType?: KeyType;
  readonly reuseKey: boolean;
  readonly challengeFile?: string;
  /** Name that goes with the secret, for EST. */
  readonly user?: string;
  /** Shell command after each change. */
  readonly exec?: string;
  /** Folder of `key`, `cert` and `ca`. */
  readonly folder: string;
}
