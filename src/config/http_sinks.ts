/** The keys of sinks whose peer is a web service. */
import { z } from "zod";
import type {
  ElasticsearchSinkConfig,
  HttpCredentials,
  HttpSinkConfig,
  LokiSinkConfig,
  NetworkSinkConfig,
  OtlpSinkConfig,
  PlainHttpSinkConfig,
  SinkConfig,
  VictoriaLogsSinkConfig,
} from "./config.ts";
import {
  elasticsearchDefaults,
  httpServices,
  httpSinkDefaults,
  lokiDefaults,
  otlpDefaults,
  plainHttpDefaults,
  victoriaLogsDefaults,
} from "./defaults.ts";
import { parseIndex, parsePath } from "./http_values.ts";
import type { NetworkKeys, NetworkSchemas } from "./shared_sink_keys.ts";
import {
  choice,
  complain,
  count,
  described,
  duration,
  durationText,
  flag,
  given,
  type IssueContext,
  list,
  parsedText,
  size,
  sizeText,
  text,
} from "./values.ts";

/** What all sinks over a network share, made in `sinks.ts`. */
export interface NetworkParts {
  readonly keys: NetworkSchemas;
  readonly read: (keys: NetworkKeys, defaultPort: number | undefined, context: IssueContext) => NetworkSinkConfig;
}

/** Every sink of this kind. */
export function httpSinkSchemas(network: NetworkParts): readonly z.ZodType<SinkConfig, unknown>[] {
  return [
    elasticsearchSchema(network),
    lokiSchema(network),
    otlpSchema(network),
    victoriaLogsSchema(network),
    plainSchema(network),
  ];
}

function elasticsearchSchema({ keys, read }: NetworkParts): z.ZodType<ElasticsearchSinkConfig, unknown> {
  return z.strictObject({
    type: z.literal("elasticsearch").meta({
      description: "Elasticsearch, OpenSearch, ZincSearch, VictoriaLogs: their _bulk interface.",
    }),
    index: parsedText(parseIndex, { about: "Index or data stream that records are created in." })
      .prefault(elasticsearchDefaults.index),
    ids: flag({ about: "Give documents ids, so that what is sent twice is stored once." })
      .prefault(elasticsearchDefaults.ids),
    ...httpKeys(keys, httpServices.elasticsearch),
  }).transform((keys, context): ElasticsearchSinkConfig => ({
    type: keys.type,
    index: keys.index,
    ids: keys.ids,
    ...httpOf(keys, read, httpServices.elasticsearch.port, context, ["gzip", "none"]),
  }));
}

function lokiSchema({ keys, read }: NetworkParts): z.ZodType<LokiSinkConfig, unknown> {
  return z.strictObject({
    type: z.literal("loki").meta({ description: "Grafana Loki." }),
    labels: list(choice(["source", "host", "program", "severity", "facility"], { about: "A field of the record." }), {
      about: "Fields that are labels, beside metadata: few, and of few values. Others travel as structured metadata.",
    }).prefault([...lokiDefaults.labels]),
    structuredMetadata: flag({ about: "Whether Loki takes structured metadata (2.9 and later); false leaves it out." })
      .prefault(lokiDefaults.structuredMetadata),
    tenant: parsedText(parseHeaderValue, { about: "Tenant (X-Scope-OrgID).", example: "devices" }).exactOptional(),
    ...httpKeys(keys, httpServices.loki),
  }).transform((keys, context): LokiSinkConfig => ({
    type: keys.type,
    labels: keys.labels,
    structuredMetadata: keys.structuredMetadata,
    ...given({ tenant: keys.tenant }),
    ...httpOf(keys, read, httpServices.loki.port, context, ["gzip", "none"]),
  }));
}

function otlpSchema({ keys, read }: NetworkParts): z.ZodType<OtlpSinkConfig, unknown> {
  return z.strictObject({
    type: z.literal("otlp").meta({ description: "A receiver of OpenTelemetry's protocol over HTTP." }),
    encoding: choice(["protobuf", "json"], { about: "How requests are written." }).prefault(otlpDefaults.encoding),
    ...httpKeys(keys, httpServices.otlp),
  }).transform((keys, context): OtlpSinkConfig => ({
    type: keys.type,
    encoding: keys.encoding,
    ...httpOf(keys, read, httpServices.otlp.port, context),
  }));
}

function victoriaLogsSchema({ keys, read }: NetworkParts): z.ZodType<VictoriaLogsSinkConfig, unknown> {
  return z.strictObject({
    type: z.literal("victorialogs").meta({ description: "VictoriaLogs: its JSON lines." }),
    streamFields: list(parsedText(parseFieldName, { about: "A field of the record." }), {
      about: "Fields that tell streams apart: those that stay the same for the life of a program.",
    }).prefault([...victoriaLogsDefaults.streamFields]),
    ...httpKeys(keys, httpServices.victorialogs),
  }).transform((keys, context): VictoriaLogsSinkConfig => ({
    type: keys.type,
    streamFields: keys.streamFields,
    ...httpOf(keys, read, httpServices.victorialogs.port, context),
  }));
}

function plainSchema({ keys, read }: NetworkParts): z.ZodType<PlainHttpSinkConfig, unknown> {
  return z.strictObject({
    type: z.literal("http").meta({ description: "Any web service; 2xx means that it holds the request." }),
    method: choice(["POST", "PUT"], { about: "Method of requests." }).prefault(plainHttpDefaults.method),
    format: choice(["ndjson", "json", "text"], {
      about: "One object per line, one array of objects, or the messages alone, one per line.",
    }).prefault(plainHttpDefaults.format),
    ...httpKeys(keys, { path: plainHttpDefaults.path }),
  }).transform((keys, context): PlainHttpSinkConfig => ({
    type: keys.type,
    method: keys.method,
    format: keys.format,
    ...httpOf(keys, read, keys.tls === undefined ? 80 : 443, context),
  }));
}

// deno-lint-ignore explicit-function-return-type -- the type of a table of schemas is the table
function httpKeys(network: NetworkSchemas, service: { readonly path: string; readonly port?: number }) {
  const { port = 443 } = service;
  return {
    ...network,
    port: count(1, 65_535, {
      about: `Port of the server; default: ${service.port ?? "80, with TLS 443"}.`,
      example: port,
    }).exactOptional(),
    path: parsedText(parsePath, { about: "Path of requests, with a query if need be." }).prefault(service.path),
    headers: z.record(z.string(), z.string()).refine(areHeaders, {
      error: "has a name or a value that HTTP does not allow, or one that the agent sets itself",
    }).meta(described({
      about: "More headers, for instance of tenants; secrets have keys of their own.",
      example: { AccountID: "12" },
    })).exactOptional(),
    compression: choice(["gzip", "zstd", "none"], { about: "How requests are compressed." })
      .prefault(httpSinkDefaults.compression),
    maxRequest: size(1_024, 64 * 1_024 ** 2, { about: "Size of a request, before compression, about." })
      .prefault(sizeText(httpSinkDefaults.maxRequestBytes)),
    maxRequestRecords: count(1, 1_000_000, { about: "Records of a request at the most." })
      .prefault(httpSinkDefaults.maxRequestRecords),
    batchWait: duration(0, 60_000, { about: "How long a request waits for more records while it is not full." })
      .prefault(durationText(httpSinkDefaults.batchWaitMs)),
    authentication: choice(["basic", "bearer", "apiKey"], {
      about:
        "How we say who we are: a user with a password, a token, an API key of Elasticsearch; default: not at all.",
      example: "basic",
    }).exactOptional(),
    user: parsedText(parseUser, { about: "User name, for basic.", example: "agent" }).exactOptional(),
    secretFile: text({
      about: "File with the password, the token or the key; read anew for every request.",
      example: "/etc/agent/store.secret",
    }).exactOptional(),
    refusedRetryCount: count(0, 1_000, {
      about: "How often a record that the server refuses for good is sent again before it goes to the dead letters.",
    }).prefault(httpSinkDefaults.refusedRetryCount),
  };
}

type HttpKeys = z.output<z.ZodObject<ReturnType<typeof httpKeys>>>;

function httpOf(
  keys: HttpKeys,
  read: NetworkParts["read"],
  defaultPort: number,
  context: IssueContext,
  compressions: readonly HttpSinkConfig["compression"][] = ["gzip", "zstd", "none"],
): HttpSinkConfig {
  if (!compressions.includes(keys.compression)) {
    complain(context, keys, `"${keys.compression}" is not taken there; allowed: ${compressions.join(", ")}`, [
      "compression",
    ]);
  }
  return {
    path: keys.path,
    headers: keys.headers ?? {},
    compression: keys.compression,
    maxRequestBytes: keys.maxRequest,
    maxRequestRecords: keys.maxRequestRecords,
    batchWaitMs: keys.batchWait,
    ...given({ credentials: credentialsOf(keys, context) }),
    ...read(keys, defaultPort, context),
  };
}

function credentialsOf(keys: HttpKeys, context: IssueContext): HttpCredentials | undefined {
  const { authentication: kind, user, secretFile } = keys;
  if (kind !== undefined && secretFile === undefined) {
    complain(context, keys, `missing; ${kind} has its secret in a file`, ["secretFile"]);
  }
  if (kind === "basic" && user === undefined) complain(context, keys, "missing; a password goes with a user", ["user"]);
  if (kind === undefined && (user ?? secretFile) !== undefined) {
    complain(context, keys, "missing; allowed: basic, bearer, apiKey", ["authentication"]);
  }
  if (kind !== undefined && kind !== "basic" && user !== undefined) {
    complain(context, keys, `is for basic, not for ${kind}`, ["user"]);
  }
  if (kind === undefined || secretFile === undefined) return undefined;
  return { kind, secretFile, ...given({ user }) };
}

function parseFieldName(name: string): string {
  if (!/^[^\s,]+$/.test(name)) throw new Error(`"${name}" is not the name of a field; it has no spaces and no commas`);
  return name;
}

/** @see RFC 7617 section 2: the first colon ends the name */
function parseUser(user: string): string {
  if (user.includes(":")) throw new Error("has a colon in it, which ends a user's name");
  return user;
}

function parseHeaderValue(value: string): string {
  if (!/^[!-~]+( [!-~]+)*$/.test(value)) throw new Error("is not printable ASCII");
  return value;
}

function areHeaders(headers: Readonly<Record<string, string>>): boolean {
  return Object.entries(headers).every(([name, value]) =>
    /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && /^[\t -~]*$/.test(value) &&
    !ownHeaders.has(name.toLowerCase())
  );
}

/** Those that make a message what it is, and the one that carries secrets. */
const ownHeaders: ReadonlySet<string> = new Set([
  "authorization",
  "connection",
  "content-encoding",
  "content-length",
  "expect",
  "host",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
