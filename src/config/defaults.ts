/** The value of every key that is not given. They stand here alone: file, quick form, schema and sample take them from here. */
import type { RetryConfig } from "./config.ts";

const kib = 1024;
const mib = 1024 * kib;
const second = 1_000;

/** The document's own keys. */
export const defaults = {
  state: "/var/lib/agent",
  /** Folder of the certificate, below the state folder. */
  certificateFolder: "cert",
  tapSocket: "/run/agent/tap.sock",
} as const;

/** user.notice (RFC 5424 section 6.2.1). */
export const defaultPriority = 13;

/** audit.info. */
export const auditPriority = 110;

/** Keys of sources. */
export const sourceDefaults = {
  maxLineBytes: 64 * kib,
  longLines: "split",
  start: "beginning",
  multilineTimeoutMs: 1 * second,
} as const;

/** Keys of the `file` source alone. */
export const fileSourceDefaults = { stripCarriageReturn: false, format: "plain", watch: true } as const;

/** Keys of the `nats` source and sink. */
export const natsDefaults = { consumer: "agent", ackWaitMs: 30_000, timeoutMs: 10_000 } as const;

/** Keys of the `webhook` source. A body of 1 MiB is some thousand records. */
export const webhookDefaults = { path: "/", maxBodyBytes: 1 * mib, maxConnections: 256 } as const;

/** Keys of the `forward` source. Fluentd's chunks have 8 MiB in memory, Fluent Bit's about 2 MiB. */
export const forwardDefaults = { maxMessageBytes: 16 * mib, idleTimeoutMs: 600 * second } as const;

/** Connections at once of the sources that take streams: a fleet. */
export const defaultMaxConnections = 2_000;

/** Keys of the `relp` source. The size is rsyslog's usual message limit made roomy; 2,000 sessions are a fleet. */
export const relpSourceDefaults = {
  maxDataBytes: 128 * kib,
  oversizeMode: "truncate",
  maxSessions: 2_000,
  idleTimeoutMs: 0,
} as const;

/** Keys that all sinks have. rsyslog begins with 30 s and goes to 30 minutes; a peer that is back should not wait so long. */
export const retryDefaults: RetryConfig = {
  backoff: { firstMs: 1 * second, maxMs: 30 * second },
  reportSuspension: true,
  reportSuspensionContinuation: false,
  aside: { resumeRetryCount: -1, refusedRetryCount: 3, maxBytes: 16 * mib },
};

/** Keys of the `relp` sink, after omrelp; `windowSize` is 1,024 because omrelp's 128 stalls at every window. */
export const relpSinkDefaults = {
  windowSize: 1_024,
  timeoutMs: 90 * second,
  connectionTimeoutMs: 10 * second,
  rebindMessages: 0,
  rebindMs: 0,
  keepAliveMs: 60 * second,
  template: "forward",
} as const;

/** Keys of sinks whose peer is reached over a network. */
export const networkSinkDefaults = {
  timeoutMs: 90 * second,
  connectionTimeoutMs: 10 * second,
  keepAliveMs: 60 * second,
} as const;

/** Keys of sinks whose peer is a web service; what is refused there for good is not sent again. */
export const httpSinkDefaults = {
  compression: "gzip",
  maxRequestBytes: 1 * mib,
  maxRequestRecords: 10_000,
  batchWaitMs: 100,
  refusedRetryCount: 0,
} as const;

/** Where web services listen, and on which path they take logs. */
export const httpServices = {
  elasticsearch: { port: 9_200, path: "/_bulk" },
  loki: { port: 3_100, path: "/loki/api/v1/push" },
  otlp: { port: 4_318, path: "/v1/logs" },
  victorialogs: { port: 9_428, path: "/insert/jsonline" },
} as const;

/** Keys of the `elasticsearch` sink; the index is a data stream by the naming scheme of Elasticsearch. */
export const elasticsearchDefaults = { index: "logs-agent-default", ids: true } as const;

/** Keys of the `loki` sink. */
export const lokiDefaults = { labels: ["source", "host", "program"], structuredMetadata: true } as const;

/** Keys of the `otlp` sink. */
export const otlpDefaults = { encoding: "protobuf" } as const;

/** Keys of the `victorialogs` sink. */
export const victoriaLogsDefaults = { streamFields: ["source", "host", "program"] } as const;

/** Keys of the `http` sink. */
export const plainHttpDefaults = { method: "POST", format: "ndjson", path: "/" } as const;

/** Longest datagram of the `syslog` sink. */
export const defaultMaxDatagramBytes = 8_192;

/** Keys of the `file` sink. */
export const fileSinkDefaults = { maxFileBytes: 100 * mib, maxAgeMs: 24 * 3_600 * second, maxOpenFiles: 512 } as const;

/** Keys of the `file` sink with `path`. A member and an fsync per second and slice are cheap, and a second is soon. */
export const slicesDefaults = {
  timeField: "stageTimestamp",
  localTime: false,
  gzipLevel: 6,
  flushMs: 1 * second,
} as const;

/** Keys of the `kubernetesAudit` source. An object of etcd has 1.5 MiB at the most, and an event may hold it twice. */
export const kubernetesAuditDefaults = {
  include: ["/var/log/kubernetes/audit.log"],
  maxLineBytes: 4 * mib,
  rememberedEvents: 16_384,
  /** What the API server posts at the most (`--audit-webhook-truncate-max-batch-size`), with room. */
  maxBodyBytes: 12 * mib,
} as const;

/** Keys of the disk queue. */
export const spoolDefaults = { maxBytes: 64 * mib, whenFull: "block" } as const;

/** Keys of the audit rules; the file is where Gardener's nodes have node_exporter look. */
export const auditRulesDefaults = {
  everyMs: 15 * second,
  metricFile: "/var/lib/node-exporter/textfile-collector/rsyslog_auditd.prom",
} as const;

/** Keys of the status server. */
export const statusDefaults = { keepDumpMs: 3_600 * second } as const;

/** Ports of URLs and addresses without one. */
export const defaultPorts = {
  relp: 2_514,
  relps: 2_515,
  syslog: 514,
  syslogTls: 6_514,
  streamTls: 19_612,
  status: 7_514,
  nats: 4_222,
  forward: 24_224,
} as const;
