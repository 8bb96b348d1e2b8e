/**
 * What a configuration is once it is read: plain data with every default filled in, units in the names, and nothing left
 * to interpret. The YAML file (`load.ts`) and the quick form of the command line (`quick.ts`) both end here.
 */
import type { KeyType } from "../cert/keys.ts";
import type { RecordFraming } from "../formats/line_buffer.ts";
import type { PayloadTemplate } from "../formats/rsyslog_template.ts";
import type { SyslogForm } from "../formats/syslog_encode.ts";
import type { BackoffLimits } from "../pipeline/backoff.ts";
import type { RedactSpec, RuleSpec, RuleTestSpec } from "../rules/spec.ts";
import type { TlsOptions } from "../tls/dial.ts";

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
  | NatsSourceConfig
  | JournalSourceConfig
  | AuditSourceConfig
  | KubernetesAuditSourceConfig;

/** Any sink. */
export type SinkConfig =
  | RelpSinkConfig
  | SyslogSinkConfig
  | StreamSinkConfig
  | FileSinkConfig
  | ExecSinkConfig
  | NatsSinkConfig
  | StdoutSinkConfig
  | ElasticsearchSinkConfig
  | LokiSinkConfig
  | OtlpSinkConfig
  | VictoriaLogsSinkConfig
  | PlainHttpSinkConfig;

/** A host and a port; the host of an IPv6 address is without brackets. */
export interface HostPort {
  readonly host: string;
  /** 0..65535; 0 takes a free one and is for listening alone. */
  readonly port: number;
}

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

/** Where syslog comes in; `unix` is a datagram socket, `unix-stream` a stream socket. */
export type SyslogAddress =
  | { readonly transport: "udp" | "tcp" } & HostPort
  | { readonly transport: "tls" } & HostPort
  | { readonly transport: "unix" | "unix-stream"; readonly path: string };

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

/** TLS on one end, switched on. */
export interface TlsConfig extends TlsOptions {
  /** Accepted for rsyslog's sake and without effect: there is one implementation here. */
  readonly tlsLib?: "openssl" | "gnutls";
}

/** What all sinks have: when to try again, and what to say meanwhile. */
export interface RetryConfig {
  readonly backoff: BackoffLimits;
  readonly reportSuspension: boolean;
  readonly reportSuspensionContinuation: boolean;
  readonly aside: AsideConfig;
}

/** When records are no longer tried, and how much room there is for them. */
export interface AsideConfig {
  /** −1: for ever. */
  readonly resumeRetryCount: number;
  /** How often records that the peer refuses are sent again. */
  readonly refusedRetryCount: number;
  /** All dead letters of the sink together. */
  readonly maxBytes: number;
}

/** A RELP client. */
export interface RelpSinkConfig extends NetworkSinkConfig {
  readonly type: "relp";
  readonly windowSize: number;
  /** A new session after so many messages; 0 never. */
  readonly rebindMessages: number;
  /** A new session after so long; 0 never. */
  readonly rebindMs: number;
  readonly template: "forward" | PayloadTemplate;
}

/** What sinks have whose peer is reached over a network. */
export interface NetworkSinkConfig extends HostPort, RetryConfig {
  /** Servers to use while those before them cannot be reached, in order. */
  readonly fallbacks?: readonly HostPort[];
  readonly tls?: TlsConfig;
  readonly connectionTimeoutMs: number;
  readonly timeoutMs: number;
  readonly keepAliveMs: number;
  readonly localAddress?: string;
}

/** A syslog server. */
export interface SyslogSinkConfig extends NetworkSinkConfig {
  readonly type: "syslog";
  /** `tls` exactly when `tls` is there. */
  readonly transport: "udp" | "tcp" | "tls";
  readonly format: SyslogForm;
  readonly framing: RecordFraming;
  readonly maxDatagramBytes: number;
}

/** Plain lines over TCP or TLS. */
export interface StreamSinkConfig extends NetworkSinkConfig {
  readonly type: "stream";
  /** `tls` exactly when `tls` is there. */
  readonly transport: "tcp" | "tls";
  readonly withHeader: boolean;
}

/** Who we say we are to NATS; secrets are in files. At most one kind. */
export interface NatsCredentials {
  readonly user?: string;
  readonly passwordFile?: string;
  readonly tokenFile?: string;
  readonly credsFile?: string;
  readonly nkeyFile?: string;
}

/** A stream of NATS JetStream. */
export interface NatsSinkConfig extends RetryConfig {
  readonly type: "nats";
  readonly servers: readonly HostPort[];
  readonly stream: string;
  /** Undefined: what the stream's subjects suggest. */
  readonly subject?: string;
  /** Undefined: a missing stream is an error. */
  readonly createReplicas?: number;
  readonly tls?: TlsConfig;
  readonly credentials?: NatsCredentials;
  readonly connectionTimeoutMs: number;
  readonly timeoutMs: number;
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

/** A command that gets lines on its standard input. */
export interface ExecSinkConfig extends RetryConfig {
  readonly type: "exec";
  readonly command: string;
  readonly acknowledge: boolean;
  readonly timeoutMs: number;
}

/** What sinks have whose peer is a web service. */
export interface HttpSinkConfig extends NetworkSinkConfig {
  /** With its query, if any. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: "gzip" | "zstd" | "none";
  readonly maxRequestBytes: number;
  readonly maxRequestRecords: number;
  readonly batchWaitMs: number;
  readonly credentials?: HttpCredentials;
}

/** Who we are. */
export interface HttpCredentials {
  readonly kind: "basic" | "bearer" | "apiKey";
  /** File with the password, token or key. */
  readonly secretFile: string;
  /** For `basic`. */
  readonly user?: string;
}

/** A store with the `_bulk` interface of Elasticsearch. */
export interface ElasticsearchSinkConfig extends HttpSinkConfig {
  readonly type: "elasticsearch";
  /** Index or data stream. */
  readonly index: string;
  /** Whether documents get ids, so that what is sent twice is stored once. */
  readonly ids: boolean;
}

/** Grafana Loki. */
export interface LokiSinkConfig extends HttpSinkConfig {
  readonly type: "loki";
  readonly labels: readonly ("source" | "host" | "program" | "severity" | "facility")[];
  readonly structuredMetadata: boolean;
  readonly tenant?: string;
}

/** A receiver of OpenTelemetry's protocol over HTTP. */
export interface OtlpSinkConfig extends HttpSinkConfig {
  readonly type: "otlp";
  readonly encoding: "json" | "protobuf";
}

/** VictoriaLogs. */
export interface VictoriaLogsSinkConfig extends HttpSinkConfig {
  readonly type: "victorialogs";
  /** Fields that tell streams apart. */
  readonly streamFields: readonly string[];
}

/** Any web service. */
export interface PlainHttpSinkConfig extends HttpSinkConfig {
  readonly type: "http";
  readonly method: "POST" | "PUT";
  readonly format: "ndjson" | "json" | "text";
}

/** Files, one folder per host. */
export interface FileSinkConfig extends RetryConfig {
  readonly type: "file";
  readonly folder: string;
  readonly maxFileBytes: number;
  readonly maxAgeMs: number;
  readonly maxOpenFiles: number;
  /** In place of one folder per host, with `maxFileBytes` and `maxAgeMs` without effect. */
  readonly slices?: SlicesConfig;
}

/** Files by time and fields of their records. */
export interface SlicesConfig {
  /** Template of the path below the folder (`sinks/file/template.ts`). */
  readonly path: string;
  /** Dotted path of the member of JSON records that holds their time. */
  readonly timeField: string;
  readonly localTime: boolean;
  /** Level of gzip, 1..9; for paths that end in `.gz`. */
  readonly gzipLevel: number;
  readonly flushMs: number;
  readonly keepForMs?: number;
  readonly keepBytes?: number;
}

/** The standard output. */
export interface StdoutSinkConfig extends RetryConfig {
  readonly type: "stdout";
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
