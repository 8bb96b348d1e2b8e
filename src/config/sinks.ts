/** The keys of each type of sink. A new type is one line in the table at the end, and one in `types.ts`. */
import { z } from "zod";
import { parseDurationMs } from "../formats/duration.ts";
import { parsePathTemplate } from "../sinks/file/template.ts";
import type {
  ExecSinkConfig,
  FileSinkConfig,
  RelpSinkConfig,
  SinkConfig,
  StdoutSinkConfig,
  StreamSinkConfig,
  SyslogSinkConfig,
} from "./config.ts";
import {
  defaultMaxDatagramBytes,
  defaultPorts,
  fileSinkDefaults,
  networkSinkDefaults,
  relpSinkDefaults,
  retryDefaults,
  slicesDefaults,
} from "./defaults.ts";
import { httpSinkSchemas } from "./http_sinks.ts";
import { natsSinkSchema } from "./nats.ts";
import { typedParts } from "./parts.ts";
import { networkKeys, networkOf, retryKeys, retryOf } from "./shared_sink_keys.ts";
import { sinkTypes } from "./types.ts";
import {
  choice,
  complain,
  count,
  duration,
  durationText,
  flag,
  given,
  numberOrText,
  parsedText,
  size,
  sizeText,
  text,
} from "./values.ts";

const second = 1_000;
const day = 86_400 * second;
const kib = 1024;

/** For sinks whose peers refuse records one by one. */
const refusedRetryCount = count(0, 1_000, {
  about: "How often a record that the server refuses is sent again before it goes to the dead letters.",
}).prefault(retryDefaults.aside.refusedRetryCount);

const relpSchema = z.strictObject({
  type: z.literal("relp").meta({ description: "A RELP server: rsyslog's imrelp, or agent collect." }),
  port: count(1, 65_535, { about: "Port of the server; default: 2514, with TLS 2515.", example: 2514 }).exactOptional(),
  windowSize: count(1, 100_000, {
    about: "Messages without an answer at the most; also what a crash repeats at worst.",
  })
    .prefault(relpSinkDefaults.windowSize),
  rebindInterval: numberOrText(parseRebind, "a number of messages", {
    about: "A new session after so many messages, or so long (90s), to spread the load behind a balancer; 0 never.",
  }).prefault(relpSinkDefaults.rebindMessages),
  refusedRetryCount,
  template: choice(["forward", "rfc5424", "rfc3164", "gardener"], {
    about:
      "How records are written: forward is rsyslog's RSYSLOG_ForwardFormat, and plain records alone get its header; " +
      "the others write every record anew, gardener with project, shoot and uid of metadata.",
  }).prefault(relpSinkDefaults.template),
  ...networkKeys,
  timeout: duration(second, day, {
    about: "Silence of the server, while something is unanswered, that ends the session.",
  })
    .prefault(durationText(relpSinkDefaults.timeoutMs)),
}).transform((keys, context): RelpSinkConfig => ({
  type: keys.type,
  windowSize: keys.windowSize,
  rebindMessages: keys.rebindInterval.messages,
  rebindMs: keys.rebindInterval.durationMs,
  template: keys.template,
  ...networkOf(keys, keys.tls === undefined ? defaultPorts.relp : defaultPorts.relps, context),
}));

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
  if (keys.transport === "udp" && keys.target.length > 1) {
    complain(context, keys, "names several servers, and over udp none tells whether it is there", ["target"]);
  }
  return {
    type: keys.type,
    transport: keys.tls === undefined ? keys.transport : "tls",
    format: keys.format,
    framing: keys.framing ?? (keys.tls === undefined ? "newline" : "octetCounted"),
    maxDatagramBytes: keys.maxDatagram,
    ...networkOf(keys, keys.tls === undefined ? defaultPorts.syslog : defaultPorts.syslogTls, context),
  };
});

const streamSchema = z.strictObject({
  type: z.literal("stream").meta({
    description: "Plain lines over TCP, or TLS (with tls: enabled), as socat takes them.",
  }),
  port: count(1, 65_535, { about: "Port of the server.", example: 19_612 }).exactOptional(),
  withHeader: flag({ about: "Plain records get rsyslog's forward header; without it the line goes alone." })
    .prefault(false),
  ...networkKeys,
}).transform((keys, context): StreamSinkConfig => ({
  type: keys.type,
  transport: keys.tls === undefined ? "tcp" : "tls",
  withHeader: keys.withHeader,
  ...networkOf(keys, undefined, context),
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
  path: parsedText((path) => parsePathTemplate(path).text, {
    about: "Files by time and fields in place of a folder per host (and of maxSize and maxAge): %Y %m %d %H %M, " +
      "{host}, {program}, {source}, {peer}, or a member of JSON with a default. A name in .gz is compressed.",
    example: "{objectRef.namespace|none}/audit-%Y%m%d%H.log.gz",
  }).exactOptional(),
  timeField: text({ about: "Member of JSON records that holds their time, for path; else the header's time counts." })
    .prefault(slicesDefaults.timeField),
  timeZone: choice(["utc", "local"], { about: "Zone of the times in path." }).prefault("utc"),
  gzipLevel: count(1, 9, { about: "How hard is compressed, for path." }).prefault(slicesDefaults.gzipLevel),
  flushInterval: duration(10, 600 * second, {
    about: "How long lines wait for others, for path: each time they are one member of gzip, on disk, then confirmed.",
  }).prefault(durationText(slicesDefaults.flushMs)),
  keepFor: duration(60 * second, 3_650 * day, {
    about: "Files that path made are removed when nothing was written to them for so long.",
    example: "90d",
  }).exactOptional(),
  keepSize: size(64 * kib, 1024 ** 5, {
    about: "Room for all files that path made; the ones written to the longest ago are removed.",
    example: "20GiB",
  }).exactOptional(),
  ...retryKeys,
}).transform((keys, context): FileSinkConfig => {
  const { path, timeField, gzipLevel, keepFor: keepForMs, keepSize: keepBytes } = keys;
  if (path === undefined) {
    for (const key of ["keepFor", "keepSize"] as const) {
      if (keys[key] !== undefined) complain(context, keys, "removes only what path made; path is missing", [key]);
    }
  }
  const localTime = keys.timeZone === "local";
  const slices = { timeField, localTime, gzipLevel, flushMs: keys.flushInterval, ...given({ keepForMs, keepBytes }) };
  return {
    type: keys.type,
    folder: keys.dir,
    maxFileBytes: keys.maxSize,
    maxAgeMs: keys.maxAge,
    maxOpenFiles: keys.maxOpenFiles,
    ...(path === undefined ? {} : { slices: { path, ...slices } }),
    ...retryOf(keys, context),
  };
});

const stdoutSchema = z.strictObject({
  type: z.literal("stdout").meta({ description: "The standard output, one record per line." }),
  ...retryKeys,
}).transform((keys, context): StdoutSinkConfig => ({ type: keys.type, ...retryOf(keys, context) }));

/** Every sink. */
export const sinksSchema: z.ZodType<Record<string, SinkConfig>, unknown> = typedParts<SinkConfig>(
  [
    relpSchema,
    syslogSchema,
    streamSchema,
    fileSchema,
    execSchema,
    stdoutSchema,
    ...httpSinkSchemas({ keys: networkKeys, read: networkOf }),
    natsSinkSchema({ keys: networkKeys, read: networkOf }),
  ],
  sinkTypes,
  "Where records go. The names are yours; a sink that is down holds back no other.",
);

function parseRebind(value: number | string): { messages: number; durationMs: number } {
  if (typeof value === "string" && !/^\d+$/.test(value)) return { messages: 0, durationMs: parseDurationMs(value) };
  const messages = Number(value);
  if (!(messages >= 0 && messages <= 1e9)) {
    throw new Error(`${value} is not allowed; allowed: 0 to 1000000000 messages`);
  }
  return { messages, durationMs: 0 };
}
