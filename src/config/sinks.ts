/** The keys of each type of sink. A new type is one line in the table at the end, and one in `types.ts`. */
import { z } from "zod";
import { parseDurationMs } from "../formats/duration.ts";
import { complaintOfHost } from "./address.ts";
import type {
  ExecSinkConfig,
  FileSinkConfig,
  NetworkSinkConfig,
  RelpSinkConfig,
  RetryConfig,
  SinkConfig,
  StdoutSinkConfig,
  StreamSinkConfig,
  SyslogSinkConfig,
  TlsConfig,
} from "./config.ts";
import {
  defaultMaxDatagramBytes,
  defaultPorts,
  fileSinkDefaults,
  networkSinkDefaults,
  relpSinkDefaults,
  retryDefaults,
} from "./defaults.ts";
import { typedParts } from "./parts.ts";
import { clientTlsSchema } from "./tls.ts";
import { notAvailable, sinkTypes } from "./types.ts";
import {
  choice,
  complain,
  count,
  duration,
  durationText,
  flag,
  given,
  type IssueContext,
  numberOrText,
  parsedText,
  size,
  sizeText,
  text,
} from "./values.ts";

const second = 1_000;
const day = 86_400 * second;
const kib = 1024;

/** When to try again, and what to say meanwhile: the keys that all sinks have. */
const retryKeys = {
  resumeInterval: duration(10, day, { about: "First pause before trying again; the pauses double, with jitter." })
    .prefault(durationText(retryDefaults.backoff.firstMs)),
  resumeIntervalMax: duration(10, day, { about: "Longest pause before trying again." })
    .prefault(durationText(retryDefaults.backoff.maxMs)),
  reportSuspension: flag({ about: "Whether the log says that the sink goes down and comes back." })
    .prefault(retryDefaults.reportSuspension),
  reportSuspensionContinuation: flag({ about: "Whether the log says every failed try, too." })
    .prefault(retryDefaults.reportSuspensionContinuation),
};

const relpSchema = z.strictObject({
  type: z.literal("relp").meta({ description: "A RELP server: rsyslog's imrelp, or agent collect." }),
  target: parsedText(parseHost, { about: "Host name or IP address of the server.", example: "loghost.example.net" }),
  port: count(1, 65_535, { about: "Port of the server; default: 2514, with TLS 2515.", example: 2514 }).exactOptional(),
  tls: clientTlsSchema.exactOptional(),
  windowSize: count(1, 100_000, {
    about: "Messages without an answer at the most; also what a crash repeats at worst.",
  })
    .prefault(relpSinkDefaults.windowSize),
  timeout: duration(second, day, {
    about: "Silence of the server, while something is unanswered, that ends the session.",
  })
    .prefault(durationText(relpSinkDefaults.timeoutMs)),
  connectionTimeout: duration(100, 600 * second, { about: "Deadline for connecting, TLS included." })
    .prefault(durationText(relpSinkDefaults.connectionTimeoutMs)),
  rebindInterval: numberOrText(parseRebind, "a number of messages", {
    about: "A new session after so many messages, to spread the load behind a balancer; 0 never.",
  }).refine(({ durationMs }) => durationMs === 0, unbuilt("a duration", "a number of messages, 0 for never"))
    .prefault(relpSinkDefaults.rebindMessages),
  resumeRetryCount: count(-1, 1_000_000, {
    about: "How often to try again; -1 for ever, and nothing is ever discarded.",
  })
    .refine((times) => times === -1, unbuilt("giving up", "-1")).prefault(relpSinkDefaults.resumeRetryCount),
  ...retryKeys,
  keepAlive: duration(second, day, { about: "Idle time before the first TCP keepalive probe." })
    .prefault(durationText(relpSinkDefaults.keepAliveMs)),
  localAddress: parsedText(parseHost, { about: "Source address; default: the system's choice.", example: "192.0.2.7" })
    .exactOptional(),
  template: choice(["forward", "rfc5424", "rfc3164"], {
    about: "How plain records are written; forward is rsyslog's RSYSLOG_ForwardFormat.",
  }).refine((template) => template === "forward", unbuilt("any other template", "forward"))
    .prefault(relpSinkDefaults.template),
}).transform((keys, context): RelpSinkConfig => ({
  type: keys.type,
  host: keys.target,
  port: keys.port ?? (keys.tls === undefined ? defaultPorts.relp : defaultPorts.relps),
  windowSize: keys.windowSize,
  timeoutMs: keys.timeout,
  connectionTimeoutMs: keys.connectionTimeout,
  rebindMessages: keys.rebindInterval.messages,
  rebindMs: keys.rebindInterval.durationMs,
  resumeRetryCount: keys.resumeRetryCount,
  keepAliveMs: keys.keepAlive,
  template: keys.template,
  ...retryOf(keys, context),
  ...given({ localAddress: keys.localAddress, tls: withTarget(keys.tls, keys.target) }),
}));

/** Keys of sinks whose peer is reached over a network and never answers. */
const networkKeys = {
  target: parsedText(parseHost, { about: "Host name or IP address of the server.", example: "loghost.example.net" }),
  tls: clientTlsSchema.exactOptional(),
  timeout: duration(second, day, { about: "Time in which the server takes nothing that ends the connection." })
    .prefault(durationText(networkSinkDefaults.timeoutMs)),
  connectionTimeout: duration(100, 600 * second, { about: "Deadline for connecting, TLS included." })
    .prefault(durationText(networkSinkDefaults.connectionTimeoutMs)),
  keepAlive: duration(second, day, { about: "Idle time before the first TCP keepalive probe." })
    .prefault(durationText(networkSinkDefaults.keepAliveMs)),
  localAddress: parsedText(parseHost, { about: "Source address; default: the system's choice.", example: "192.0.2.7" })
    .exactOptional(),
  ...retryKeys,
};

const syslogSchema = z.strictObject({
  type: z.literal("syslog").meta({ description: "A syslog server, over UDP, TCP or TLS (with tls: enabled)." }),
  transport: choice(["tcp", "udp"], { about: "How records travel; with tls enabled, TLS over TCP." }).prefault("tcp"),
  port: count(1, 65_535, { about: "Port of the server; default: 514, with TLS 6514.", example: 514 }).exactOptional(),
  format: choice(["rfc5424", "rfc3164", "forward"], { about: "How records are written." }).prefault("rfc5424"),
  framing: choice(["newline", "octetCounted"], {
    about: "How records are kept apart on a stream; default: newline, with TLS octetCounted (RFC 5425).",
    example: "octetCounted",
  }).exactOptional(),
  maxDatagram: size(480, 65_507, { about: "Longer records are cut, for UDP." })
    .prefault(sizeText(defaultMaxDatagramBytes)),
  ...networkKeys,
}).transform((keys, context): SyslogSinkConfig => {
  if (keys.tls !== undefined && keys.transport === "udp") {
    complain(context, keys, "udp has no TLS; allowed with tls: tcp", ["transport"]);
  }
  return {
    type: keys.type,
    transport: keys.tls === undefined ? keys.transport : "tls",
    format: keys.format,
    framing: keys.framing ?? (keys.tls === undefined ? "newline" : "octetCounted"),
    maxDatagramBytes: keys.maxDatagram,
    port: keys.port ?? (keys.tls === undefined ? defaultPorts.syslog : defaultPorts.syslogTls),
    ...networkOf(keys, context),
  };
});

const streamSchema = z.strictObject({
  type: z.literal("stream").meta({
    description: "Plain lines over TCP, or TLS (with tls: enabled), as socat takes them.",
  }),
  port: count(1, 65_535, { about: "Port of the server.", example: 19_612 }),
  withHeader: flag({ about: "Plain records get rsyslog's forward header; without it the line goes alone." })
    .prefault(false),
  ...networkKeys,
}).transform((keys, context): StreamSinkConfig => ({
  type: keys.type,
  transport: keys.tls === undefined ? "tcp" : "tls",
  port: keys.port,
  withHeader: keys.withHeader,
  ...networkOf(keys, context),
}));

const execSchema = z.strictObject({
  type: z.literal("exec").meta({ description: "A command that gets one record per line on its standard input." }),
  command: text({ about: "Run by sh -c; started again when it ends.", example: "exec my-shipper --stdin" }),
  acknowledge: flag({
    about: "The command prints the number of lines it holds, since its start; else alive is enough.",
  })
    .prefault(false),
  timeout: duration(second, day, { about: "Time in which the command takes, or acknowledges, nothing that ends it." })
    .prefault(durationText(networkSinkDefaults.timeoutMs)),
  ...retryKeys,
}).transform((keys, context): ExecSinkConfig => ({
  type: keys.type,
  command: keys.command,
  acknowledge: keys.acknowledge,
  timeoutMs: keys.timeout,
  ...retryOf(keys, context),
}));

const fileSchema = z.strictObject({
  type: z.literal("file").meta({ description: "Files, one folder per host, on disk before they are confirmed." }),
  dir: text({ about: "Folder above the hosts' folders; made where it is missing.", example: "/var/log/agent" }),
  maxSize: size(4 * kib, 1024 ** 4, { about: "A file of this size gets a successor." })
    .prefault(sizeText(fileSinkDefaults.maxFileBytes)),
  maxAge: duration(60 * second, 3_650 * day, { about: "A file of this age gets a successor." })
    .prefault(durationText(fileSinkDefaults.maxAgeMs)),
  maxOpenFiles: count(1, 100_000, { about: "Files open at once at the most." })
    .prefault(fileSinkDefaults.maxOpenFiles),
  ...retryKeys,
}).transform((keys, context): FileSinkConfig => ({
  type: keys.type,
  folder: keys.dir,
  maxFileBytes: keys.maxSize,
  maxAgeMs: keys.maxAge,
  maxOpenFiles: keys.maxOpenFiles,
  ...retryOf(keys, context),
}));

const stdoutSchema = z.strictObject({
  type: z.literal("stdout").meta({ description: "The standard output, one record per line." }),
  ...retryKeys,
}).transform((keys, context): StdoutSinkConfig => ({ type: keys.type, ...retryOf(keys, context) }));

/** Every sink of this version. */
export const sinksSchema: z.ZodType<Record<string, SinkConfig>, unknown> = typedParts<SinkConfig>(
  [relpSchema, syslogSchema, streamSchema, fileSchema, execSchema, stdoutSchema],
  sinkTypes,
  "Where records go. The names are yours; a sink that is down holds back no other.",
);

interface RetryKeys {
  readonly resumeInterval: number;
  readonly resumeIntervalMax: number;
  readonly reportSuspension: boolean;
  readonly reportSuspensionContinuation: boolean;
}

function retryOf(keys: RetryKeys, context: IssueContext): RetryConfig {
  if (keys.resumeIntervalMax < keys.resumeInterval) {
    complain(context, keys, "is shorter than resumeInterval; allowed: that or more", ["resumeIntervalMax"]);
  }
  return {
    backoff: { firstMs: keys.resumeInterval, maxMs: keys.resumeIntervalMax },
    reportSuspension: keys.reportSuspension,
    reportSuspensionContinuation: keys.reportSuspensionContinuation,
  };
}

interface NetworkKeys extends RetryKeys {
  readonly target: string;
  readonly tls?: TlsConfig | undefined;
  readonly timeout: number;
  readonly connectionTimeout: number;
  readonly keepAlive: number;
  readonly localAddress?: string;
}

function networkOf(keys: NetworkKeys, context: IssueContext): Omit<NetworkSinkConfig, "port"> {
  return {
    host: keys.target,
    timeoutMs: keys.timeout,
    connectionTimeoutMs: keys.connectionTimeout,
    keepAliveMs: keys.keepAlive,
    ...retryOf(keys, context),
    ...given({ localAddress: keys.localAddress, tls: withTarget(keys.tls, keys.target) }),
  };
}

/** A value that the product knows and this version cannot do yet: taken, it would silently do nothing. */
function unbuilt(what: string, allowed: string): { readonly error: string } {
  return { error: `${what} is ${notAvailable}; allowed: ${allowed}` };
}

function withTarget(tls: RelpSinkConfig["tls"], target: string): RelpSinkConfig["tls"] {
  if (tls === undefined || tls.authMode !== "name" || tls.permittedPeer.length > 0) return tls;
  return { ...tls, permittedPeer: [target] };
}

function parseHost(host: string): string {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  const complaint = complaintOfHost(bare);
  if (complaint !== undefined) throw new Error(`${complaint}; the port has a key of its own`);
  return bare;
}

function parseRebind(value: number | string): { messages: number; durationMs: number } {
  if (typeof value === "string" && !/^\d+$/.test(value)) return { messages: 0, durationMs: parseDurationMs(value) };
  const messages = Number(value);
  if (!(messages >= 0 && messages <= 1e9)) {
    throw new Error(`${value} is not allowed; allowed: 0 to 1000000000 messages`);
  }
  return { messages, durationMs: 0 };
}
