/** Sinks as a configuration has them once it is read. */
import type { RecordFraming } from "../formats/line_buffer.ts";
import type { PayloadTemplate } from "../formats/rsyslog_template.ts";
import type { SyslogForm } from "../formats/syslog_encode.ts";
import type { BackoffLimits } from "../pipeline/backoff.ts";
import type { HostPort, NatsCredentials, TlsConfig } from "./endpoint_config.ts";

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
