/** The quick forms of sinks whose peer is a web service: `loki+https://host`, `elasticsearch+https://host/index`. */
import { parseHostPort } from "./address.ts";
import type { HttpSinkConfig, SinkConfig, TlsConfig } from "./config.ts";
import {
  elasticsearchDefaults,
  httpServices,
  httpSinkDefaults,
  lokiDefaults,
  networkSinkDefaults,
  otlpDefaults,
  plainHttpDefaults,
  retryDefaults,
  victoriaLogsDefaults,
} from "./defaults.ts";
import { parseIndex, parsePath } from "./http_values.ts";

/** A scheme of `--to` that this file knows. */
export type HttpScheme = `${"elasticsearch" | "loki" | "otlp" | "victorialogs"}+${"http" | "https"}` | "http" | "https";

/**
 * The sink behind `scheme:rest`. The path is that of the requests; for Elasticsearch its last part is the index, and what
 * goes before it the path of `_bulk`: `elasticsearch+http://host:9428/insert/elasticsearch/devices`.
 * @throws with what is wrong and what is allowed
 */
export function quickHttpSink(scheme: HttpScheme, rest: string, tlsFor: (host: string) => TlsConfig): SinkConfig {
  const { authority, path } = splitAddress(rest);
  const isTls = scheme.endsWith("https");
  const type = scheme.includes("+") ? scheme.slice(0, scheme.indexOf("+")) as keyof typeof httpServices : "http";
  const defaultPort = type === "http" ? (isTls ? 443 : 80) : httpServices[type].port;
  const { host, port } = parseHostPort(authority, defaultPort);
  if (port === 0) throw new Error(`"0" is not a port; allowed: 1 to 65535`);
  const { refusedRetryCount, ...portions } = httpSinkDefaults;
  const common: Omit<HttpSinkConfig, "path"> = {
    host,
    port,
    ...(isTls ? { tls: tlsFor(host) } : {}),
    headers: {},
    ...portions,
    ...networkSinkDefaults,
    ...retryDefaults,
    aside: { ...retryDefaults.aside, refusedRetryCount },
  };
  switch (type) {
    case "elasticsearch":
      return { type, ...elasticsearchDefaults, ...common, ...bulkTarget(path) };
    case "loki":
      return { type, ...lokiDefaults, ...common, path: path ?? httpServices.loki.path };
    case "otlp":
      return { type, ...otlpDefaults, ...common, path: path ?? httpServices.otlp.path };
    case "victorialogs":
      return { type, ...victoriaLogsDefaults, ...common, path: path ?? httpServices.victorialogs.path };
    case "http":
      return { type, ...plainHttpDefaults, ...common, path: path ?? plainHttpDefaults.path };
  }
}

function bulkTarget(path: string | undefined): { readonly path: string; readonly index: string } {
  if (path === undefined) return { path: httpServices.elasticsearch.path, index: elasticsearchDefaults.index };
  const bare = path.replace(/\/$/, "");
  if (bare.includes("?")) throw new Error("a query is not allowed here; write it into a configuration file");
  const slash = bare.lastIndexOf("/");
  return { path: bare.slice(0, slash) + httpServices.elasticsearch.path, index: parseIndex(bare.slice(slash + 1)) };
}

/** Path undefined where none is given, or nothing but a slash. */
function splitAddress(rest: string): { readonly authority: string; readonly path: string | undefined } {
  if (!rest.startsWith("//")) throw new Error(`the host is missing; write it behind "//"`);
  const slash = rest.indexOf("/", 2);
  const authority = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
  if (authority.includes("@")) {
    throw new Error("a user and a password have no place here, where others read them; write a configuration file");
  }
  const path = slash < 0 ? "/" : rest.slice(slash);
  return { authority, path: path === "/" ? undefined : parsePath(path) };
}
