/** Sources as a configuration has them once it is read. */
import type { HostPort, NatsCredentials, SyslogAddress, TlsConfig } from "./endpoint_config.ts";

/** Any source. */
export type SourceConfig =
  | FileSourceConfig
  | StdinSourceConfig
  | TapSourceConfig
  | KernelSourceConfig
  | SyslogSourceConfig
  | LinesSourceConfig
  | RelpSourceConfig
  | WebhookSourceConfig
  | ForwardSourceConfig
  | NatsSourceConfig
  | JournalSourceConfig
  | AuditSourceConfig
  | KubernetesAuditSourceConfig;

/** What plain records say of themselves. */
export interface RecordConfig {
  /** Undefined: the source's own choice (`file`: the file's name). */
  readonly program?: string;
  /** Facility × 8 + severity, 0..191 (RFC 5424 section 6.2.1). */
  readonly priority: number;
}

/** Files by path pattern. */
export interface FileSourceConfig extends RecordConfig {
  readonly type: "file";
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly start: "beginning" | "end";
  readonly maxLineBytes: number;
  readonly longLines: "truncate" | "split" | "skip";
  readonly stripCarriageReturn: boolean;
  /** What a line is: the record, or one of a container runtime with the record inside. */
  readonly format: "plain" | "cri" | "docker";
  /** Whether inotify is asked beside polling. */
  readonly watch: boolean;
  /** Longest pause between looks at a file that was active of late, and at the folders. */
  readonly pollMs?: number;
  readonly multiline?: MultilineConfig;
}

/** How lines are joined to records; at least one pattern (rules/pattern) is there. */
export interface MultilineConfig {
  readonly startPattern?: string;
  readonly continuePattern?: string;
  readonly timeoutMs: number;
}

/** The standard input. */
export interface StdinSourceConfig extends RecordConfig {
  readonly type: "stdin";
  readonly maxLineBytes: number;
}

/** What `agent tap` sends. */
export interface TapSourceConfig extends RecordConfig {
  readonly type: "tap";
  /** Unix stream socket to listen on. */
  readonly socket: string;
  /** Folder of the log behind the tap (s6-log, logtap): read with a position, and the socket only wakes its reader. */
  readonly backfill?: string;
  readonly maxLineBytes: number;
  /** Who writes the stamps in `backfill`: s6 (with leap seconds) or daemontools. */
  readonly tai: "s6" | "djb";
}

/** The kernel's log. */
export interface KernelSourceConfig {
  readonly type: "kernel";
  /** Append the dictionary of a record to its text. */
  readonly fields: boolean;
  /** Remove records of an earlier boot from pstore once every sink has them. */
  readonly removePstore: boolean;
}

/** The systemd journal. */
export interface JournalSourceConfig {
  readonly type: "journal";
  /** None: everything. */
  readonly units: readonly string[];
  /** Least important severity, 0..7. */
  readonly priority?: number;
  readonly namespace?: string;
  readonly start: "beginning" | "end";
  readonly maxLineBytes: number;
}

/** Events of the Linux audit system. */
export interface AuditSourceConfig extends RecordConfig {
  readonly type: "audit";
  readonly include: readonly string[];
  /** Socket of auditd's plugin af_unix, read in place of the files. */
  readonly socket?: string;
  readonly decode: boolean;
  readonly start: "beginning" | "end";
  readonly maxLineBytes: number;
}

/** Events of a Kubernetes API server's audit log: followed, or posted to `webhook`. */
export interface KubernetesAuditSourceConfig extends RecordConfig {
  readonly type: "kubernetesAudit";
  /** None exactly when `webhook` is there. */
  readonly include: readonly string[];
  readonly webhook?: Omit<WebhookSourceConfig, "type" | "tls" | "program" | "priority">;
  /** With `webhook` alone. */
  readonly tls?: TlsConfig;
  readonly start: "beginning" | "end";
  readonly maxLineBytes: number;
  /** None: all. */
  readonly levels: readonly string[];
  /** None: all. */
  readonly stages: readonly string[];
  /** Resources whose bodies are hidden. */
  readonly redactBodies: readonly string[];
  /** Events that are remembered to know one that comes again; 0: none. */
  readonly rememberedEvents: number;
  /** The policy of the API server, for `agent check` alone. */
  readonly policyFile?: string;
}

/** A syslog server. */
export interface SyslogSourceConfig extends RecordConfig {
  readonly type: "syslog";
  readonly listen: SyslogAddress;
  /** There when `listen` is `tls`, and only then. */
  readonly tls?: TlsConfig;
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
}

/** A server that takes plain lines, over TCP or TLS. */
export interface LinesSourceConfig extends RecordConfig {
  readonly type: "tcp" | "tls";
  readonly listen: HostPort;
  /** There when `type` is `tls`, and only then. */
  readonly tls?: TlsConfig;
  readonly maxLineBytes: number;
  readonly maxConnections: number;
}

/** A RELP server. */
export interface RelpSourceConfig {
  readonly type: "relp";
  readonly listen: HostPort;
  readonly tls?: TlsConfig;
  readonly maxDataBytes: number;
  readonly oversizeMode: "truncate" | "abort" | "accept";
  readonly maxSessions: number;
  /** 0: never. */
  readonly idleTimeoutMs: number;
}

/** A server for the protocol of Fluentd and Fluent Bit. */
export interface ForwardSourceConfig extends RecordConfig {
  readonly type: "forward";
  readonly listen: HostPort | { readonly path: string };
  /** File with the keys that clients prove to hold. */
  readonly sharedKeyFile?: string;
  readonly tls?: TlsConfig;
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  /** 0: never. */
  readonly idleTimeoutMs: number;
}

/** An HTTP server for what can only push. */
export interface WebhookSourceConfig extends RecordConfig {
  readonly type: "webhook";
  readonly listen: HostPort | { readonly path: string };
  readonly path: string;
  /** File with the tokens that callers show. */
  readonly tokenFile?: string;
  readonly tls?: TlsConfig;
  readonly maxBodyBytes: number;
  readonly maxConnections: number;
}

/** A durable consumer of a stream of NATS JetStream. */
export interface NatsSourceConfig extends RecordConfig {
  readonly type: "nats";
  readonly servers: readonly HostPort[];
  readonly stream: string;
  readonly consumer: string;
  readonly filter?: string;
  readonly ackWaitMs: number;
  readonly tls?: TlsConfig;
  readonly credentials?: NatsCredentials;
  readonly connectionTimeoutMs: number;
}
