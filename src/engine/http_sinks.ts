/** Sinks over HTTP from their configuration. */
import type {
  ElasticsearchSinkConfig,
  LokiSinkConfig,
  OtlpSinkConfig,
  PlainHttpSinkConfig,
  VictoriaLogsSinkConfig,
} from "../config/config.ts";
import type { Sink } from "../pipeline/sink.ts";
import type { HttpProtocol } from "../sinks/http/protocol.ts";
import {
  bulkProtocol,
  lokiProtocol,
  otlpProtocol,
  plainProtocol,
  victoriaLogsProtocol,
} from "../sinks/http/protocols.ts";
import { openHttpSink } from "../sinks/http/sink.ts";

/** Any of them. */
export type AnyHttpSinkConfig =
  | ElasticsearchSinkConfig
  | LokiSinkConfig
  | OtlpSinkConfig
  | VictoriaLogsSinkConfig
  | PlainHttpSinkConfig;

/** Opens the sink. `metadata` goes with every record, as fields. The caller disposes it. */
export function openHttp(
  id: string,
  config: AnyHttpSinkConfig,
  metadata: Readonly<Record<string, string>>,
  version: string,
): Sink {
  return openHttpSink({ id, version, ...config, protocol: protocolOf(config, metadata, version) });
}

function protocolOf(
  config: AnyHttpSinkConfig,
  metadata: Readonly<Record<string, string>>,
  version: string,
): HttpProtocol {
  switch (config.type) {
    case "elasticsearch":
      return bulkProtocol({ ...config, metadata });
    case "loki":
      return lokiProtocol({ ...config, metadata });
    case "otlp":
      return otlpProtocol({ ...config, metadata, version });
    case "victorialogs":
      return victoriaLogsProtocol({ ...config, metadata });
    case "http":
      return plainProtocol({ ...config, metadata });
  }
}
