/** The keys of each type of source. A new type is one line in the table at the end, and one in `types.ts`. */
import { z } from "zod";
import { auditLevels, auditStages, secretResources } from "../formats/kubernetes_audit.ts";
import { facilityName, parseFacility, parseSeverity, severityName } from "../formats/priority.ts";
import { parseHostPort, parseSocketPath, parseSyslogAddress, parseWebhookAddress } from "./address.ts";
import type {
  AuditSourceConfig,
  FileSourceConfig,
  JournalSourceConfig,
  KernelSourceConfig,
  KubernetesAuditSourceConfig,
  LinesSourceConfig,
  MultilineConfig,
  RelpSourceConfig,
  SourceConfig,
  StdinSourceConfig,
  SyslogSourceConfig,
  TapSourceConfig,
  WebhookSourceConfig,
} from "./config.ts";
import {
  defaultMaxConnections,
  defaultPorts,
  defaultPriority,
  defaults,
  fileSourceDefaults,
  kubernetesAuditDefaults,
  relpSourceDefaults,
  sourceDefaults,
  webhookDefaults,
} from "./defaults.ts";
import { globText, patternText, programText } from "./patterns.ts";
import { natsSourceSchema } from "./nats.ts";
import { networkKeys } from "./sinks.ts";
import { serverTlsSchema } from "./tls.ts";
import { sourceTypes } from "./types.ts";
import { typedParts } from "./parts.ts";
import {
  choice,
  complain,
  count,
  duration,
  durationText,
  flag,
  given,
  list,
  numberOrText,
  parsedText,
  size,
  sizeText,
  text,
} from "./values.ts";

const kib = 1024;

/** What plain records say of themselves: the keys of several sources. */
const recordKeys = {
  program: programText({
    about: "Program name of the records (the tag of RFC 3164); default: the source's own choice.",
    example: "messages",
  }).exactOptional(),
  severity: numberOrText(parseSeverity, "0 to 7 or a name", {
    about: "Severity of the records: 0 to 7 or a name.",
  }).prefault(severityName(defaultPriority % 8)),
  facility: numberOrText(parseFacility, "0 to 23 or a name", {
    about: "Facility of the records: 0 to 23 or a name.",
  }).prefault(facilityName(Math.floor(defaultPriority / 8))),
};

const maxLineKey = (about: string): z.ZodType<number, string | undefined> =>
  size(kib, 16 * kib * kib, { about }).prefault(sizeText(sourceDefaults.maxLineBytes));
const splitLines = "Longest line; longer ones are split.";
const connectionsKey = count(1, 100_000, { about: "Connections at once; more are turned away." })
  .prefault(defaultMaxConnections);
const missingTls = "missing; a listener on tls needs a certificate: tls: {ca: …, cert: …, key: …}";

const multilineSchema = z.strictObject({
  startPattern: patternText({
    about: "A line that matches begins a record; the others belong to the record before.",
    example: "^\\S",
  }).exactOptional(),
  continuePattern: patternText({
    about: "A line that matches belongs to the record before.",
    example: "^\\s",
  }).exactOptional(),
  timeout: duration(10, 3_600_000, { about: "A record is complete when nothing was added for so long." })
    .prefault(durationText(sourceDefaults.multilineTimeoutMs)),
}).transform((keys, context): MultilineConfig => {
  const { startPattern, continuePattern, timeout: timeoutMs } = keys;
  if (startPattern === undefined && continuePattern === undefined) {
    complain(context, keys, "joins nothing; startPattern or continuePattern is needed");
  }
  return { timeoutMs, ...given({ startPattern, continuePattern }) };
}).meta({ description: "Joins lines to one record: stack traces, for example." });

const fileSchema = z.strictObject({
  type: z.literal("file").meta({ description: "Files by path pattern: followed, and resumed after a restart." }),
  include: list(globText, {
    about: "Path patterns: * ? [a-z] {a,b} and ** for folders.",
    example: ["/var/log/*.log"],
  }),
  exclude: list(globText, { about: "Patterns of paths that are left out.", example: ["/var/log/*.gz"] })
    .exactOptional(),
  start: choice(["beginning", "end"], {
    about: "Where files that are there at the very first start are begun; later ones are read from the beginning.",
  }).prefault(sourceDefaults.start),
  maxLine: maxLineKey("Longest line; what is done with longer ones says longLines."),
  longLines: choice(["truncate", "split", "skip"], {
    about: "What is done with longer lines; split is the only choice that loses nothing.",
  }).prefault(sourceDefaults.longLines),
  stripCarriageReturn: flag({ about: "Leave out a CR before the LF." }).prefault(
    fileSourceDefaults.stripCarriageReturn,
  ),
  format: choice(["plain", "cri", "docker"], {
    about: "What a line is: the record itself, or a container runtime's line around (a part of) it.",
  }).prefault(fileSourceDefaults.format),
  watch: flag({ about: "Ask inotify beside polling; false where it is of no use (NFS, some overlays)." })
    .prefault(fileSourceDefaults.watch),
  pollInterval: duration(10, 60_000, {
    about: "Longest pause between looks at a file that was active of late, and at the folders; default: 1s.",
    example: "1s",
  }).exactOptional(),
  multiline: multilineSchema.exactOptional(),
  ...recordKeys,
}).transform((keys): FileSourceConfig => {
  const { type, include, exclude = [], start, maxLine: maxLineBytes, longLines, multiline, program } = keys;
  const { stripCarriageReturn, format, watch, pollInterval: pollMs } = keys;
  return {
    type,
    include,
    exclude,
    start,
    maxLineBytes,
    longLines,
    stripCarriageReturn,
    format,
    watch,
    priority: priorityOf(keys),
    ...given({ multiline, program, pollMs }),
  };
});

const stdinSchema = z.strictObject({
  type: z.literal("stdin").meta({ description: "The standard input. It cannot be read twice." }),
  maxLine: maxLineKey(splitLines),
  ...recordKeys,
}).transform((keys): StdinSourceConfig => {
  const { type, maxLine: maxLineBytes, program } = keys;
  return { type, maxLineBytes, priority: priorityOf(keys), ...given({ program }) };
});

const tapSchema = z.strictObject({
  type: z.literal("tap").meta({ description: "What agent tap sends: lines of a console, of a service." }),
  socket: parsedText(parseSocketPath, { about: "Unix socket to listen on." }).prefault(defaults.tapSocket),
  backfill: text({
    about: "Folder that s6-log writes behind the tap, or a plain log: read in place of the socket, which only wakes.",
    example: "/run/log",
  }).exactOptional(),
  tai: choice(["s6", "djb"], { about: "Who writes the TAI64N stamps in it: s6-log, or daemontools (27 s apart)." })
    .prefault("s6"),
  maxLine: maxLineKey(splitLines),
  ...recordKeys,
}).transform((keys): TapSourceConfig => {
  const { type, socket, backfill, tai, maxLine: maxLineBytes, program } = keys;
  return { type, socket, tai, maxLineBytes, priority: priorityOf(keys), ...given({ backfill, program }) };
});

const kernelSchema = z.strictObject({
  type: z.literal("kernel").meta({ description: "The kernel's log, /dev/kmsg; needs root or CAP_SYSLOG." }),
  fields: flag({ about: "Append a record's dictionary (SUBSYSTEM, DEVICE) to its text." }).prefault(false),
  removePstore: flag({
    about: "Remove what the kernel kept of an earlier boot in /sys/fs/pstore, once every sink has it.",
  }).prefault(false),
}).transform((keys): KernelSourceConfig => keys);

const journalSchema = z.strictObject({
  type: z.literal("journal").meta({ description: "The systemd journal, through journalctl." }),
  units: list(text({ about: "A unit, or a pattern as journalctl takes it." }), {
    about: "Units; none: everything.",
    example: ["kubelet"],
  }).exactOptional(),
  severity: numberOrText(parseSeverity, "0 to 7 or a name", {
    about: "Least important severity that is read: 0 to 7 or a name.",
    example: "info",
  }).exactOptional(),
  namespace: text({ about: "Journal namespace.", example: "pods" }).exactOptional(),
  start: choice(["beginning", "end"], { about: "Where the very first start begins." }).prefault(sourceDefaults.start),
  maxLine: maxLineKey(splitLines),
}).transform(({ type, units = [], severity, namespace, start, maxLine }): JournalSourceConfig => (
  { type, units, start, maxLineBytes: maxLine, ...given({ priority: severity, namespace }) }
));

const auditSchema = z.strictObject({
  type: z.literal("audit").meta({ description: "Events of the Linux audit system, the records of each joined." }),
  include: list(globText, { about: "auditd's log.", example: ["/var/log/audit/audit.log"] })
    .prefault(["/var/log/audit/audit.log"]),
  socket: parsedText(parseSocketPath, {
    about: "Socket of auditd's plugin af_unix, read in place of the log.",
    example: "/var/run/audispd_events",
  }).exactOptional(),
  decode: flag({ about: "Make text readable that auditd writes in hexadecimal." }).prefault(false),
  start: choice(["beginning", "end"], { about: "Where the very first start begins." }).prefault(sourceDefaults.start),
  maxLine: maxLineKey(splitLines),
  program: recordKeys.program,
  severity: numberOrText(parseSeverity, "0 to 7 or a name", {
    about: "Severity of the records: 0 to 7 or a name.",
  }).prefault("info"),
  facility: numberOrText(parseFacility, "0 to 23 or a name", {
    about: "Facility of the records: 0 to 23 or a name.",
  }).prefault("audit"),
}).transform((keys): AuditSourceConfig => {
  const { type, include, decode, start, maxLine: maxLineBytes, socket, program } = keys;
  return { type, include, decode, start, maxLineBytes, priority: priorityOf(keys), ...given({ socket, program }) };
});

const syslogSchema = z.strictObject({
  type: z.literal("syslog").meta({ description: "A syslog server, RFC 3164 and RFC 5424." }),
  listen: parsedText(parseSyslogAddress, {
    about: "udp://host:port, tcp://host:port, tls://host:port (RFC 5425), unix:PATH (datagrams), unix-stream:PATH.",
    example: "tls://127.0.0.1:6514",
  }),
  tls: serverTlsSchema.exactOptional(),
  maxMessage: size(480, 16 * kib * kib, { about: "Longest message." }).prefault(sizeText(sourceDefaults.maxLineBytes)),
  maxConnections: connectionsKey,
  ...recordKeys,
}).transform((keys, context): SyslogSourceConfig => {
  const { type, listen, maxMessage: maxMessageBytes, maxConnections, tls, program } = keys;
  if (tls !== undefined && listen.transport !== "tls") {
    complain(context, keys, `has no TLS; write tls://host:port`, ["listen"]);
  }
  if (tls === undefined && listen.transport === "tls") complain(context, keys, missingTls, ["tls"]);
  return { type, listen, maxMessageBytes, maxConnections, priority: priorityOf(keys), ...given({ tls, program }) };
});

const linesKeys = {
  maxLine: maxLineKey(splitLines),
  maxConnections: connectionsKey,
  ...recordKeys,
};
const linesListen = parsedText((address) => parseHostPort(address, defaultPorts.streamTls), {
  about: "Address and port to listen on; 0.0.0.0 or [::] is every address.",
  example: "127.0.0.1:19612",
});

const tcpSchema = z.strictObject({
  type: z.literal("tcp").meta({ description: "Plain lines over TCP, as socat or netcat send them." }),
  listen: linesListen,
  ...linesKeys,
}).transform((keys): LinesSourceConfig => linesSource(keys));

const tlsSchema = z.strictObject({
  type: z.literal("tls").meta({
    description: "Plain lines over TLS, as s6-tlsclient sends them; a client is known by its certificate.",
  }),
  listen: linesListen,
  tls: serverTlsSchema.exactOptional(),
  ...linesKeys,
}).transform((keys, context): LinesSourceConfig => {
  if (keys.tls === undefined) complain(context, keys, missingTls, ["tls"]);
  return linesSource(keys, keys.tls);
});

const relpSchema = z.strictObject({
  type: z.literal("relp").meta({ description: "A RELP server, as rsyslog's imrelp; answers when the sinks have it." }),
  listen: parsedText((address) => parseHostPort(address, defaultPorts.relp), {
    about: "Address and port to listen on; 0.0.0.0 or [::] is every address.",
    example: "127.0.0.1:2514",
  }),
  tls: serverTlsSchema.exactOptional(),
  maxDataSize: size(256, 128 * kib * kib, { about: "Longest message; see oversizeMode." })
    .prefault(sizeText(relpSourceDefaults.maxDataBytes)),
  oversizeMode: choice(["truncate", "abort", "accept"], {
    about: "What is done with a longer message: cut it, end the session, or take it all the same.",
  }).prefault(relpSourceDefaults.oversizeMode),
  maxSessions: count(1, 100_000, { about: "Sessions at once; more are turned away." })
    .prefault(relpSourceDefaults.maxSessions),
  idleTimeout: duration(0, 86_400_000, { about: "Silence that ends a session; 0s never." })
    .prefault(durationText(relpSourceDefaults.idleTimeoutMs)),
}).transform((keys): RelpSourceConfig => ({
  type: keys.type,
  listen: keys.listen,
  maxDataBytes: keys.maxDataSize,
  oversizeMode: keys.oversizeMode,
  maxSessions: keys.maxSessions,
  idleTimeoutMs: keys.idleTimeout,
  ...given({ tls: keys.tls }),
}));

const webhookSchema = z.strictObject({
  type: z.literal("webhook").meta({
    description: "HTTP POST of lines or JSON, answered with 200 when the spool has it.",
  }),
  listen: parsedText(parseWebhookAddress, {
    about: "host:port or unix:PATH. Beyond this machine tls with ca (client certificates) or tokenFile is needed.",
    example: "127.0.0.1:8514",
  }),
  path: parsedText(parseWebhookPath, { about: "The path that is served." }).prefault(webhookDefaults.path),
  tokenFile: text({
    about: "File (mode 0600) with the tokens that callers show, one per line: Authorization: Bearer TOKEN.",
    example: "/etc/agent/webhook.token",
  }).exactOptional(),
  tls: serverTlsSchema.exactOptional(),
  maxBody: size(kib, 16 * kib * kib, { about: "Longest body, before and after it is unpacked." })
    .prefault(sizeText(webhookDefaults.maxBodyBytes)),
  maxConnections: count(1, 10_000, { about: "Connections at once; more are told to come again." })
    .prefault(webhookDefaults.maxConnections),
  ...recordKeys,
}).transform((keys): WebhookSourceConfig => {
  const { type, listen, path, tokenFile, tls, maxBody: maxBodyBytes, maxConnections, program } = keys;
  return {
    type,
    listen,
    path,
    maxBodyBytes,
    maxConnections,
    priority: priorityOf(keys),
    ...given({ tokenFile, tls, program }),
  };
});

const kubernetesAuditSchema = z.strictObject({
  type: z.literal("kubernetesAudit").meta({
    description: "Events of a Kubernetes API server's audit log, out of its file or posted by its webhook backend.",
  }),
  include: list(globText, {
    about: "The log; its rotated files are found by themselves.",
  }).prefault([...kubernetesAuditDefaults.include]),
  listen: parsedText(parseWebhookAddress, {
    about: "Address for the webhook backend (host:port or unix:PATH), read in place of the log.",
    example: "127.0.0.1:8515",
  }).exactOptional(),
  path: parsedText(parseWebhookPath, { about: "The path that is served, with listen." }).prefault(webhookDefaults.path),
  tokenFile: text({
    about: "File (mode 0600) with the tokens that the API server shows, with listen.",
    example: "/etc/agent/webhook.token",
  }).exactOptional(),
  tls: serverTlsSchema.exactOptional(),
  start: choice(["beginning", "end"], { about: "Where the very first start begins." }).prefault(sourceDefaults.start),
  maxLine: size(kib, 16 * kib * kib, { about: "Longest event of a log; longer ones are dropped, and counted." })
    .prefault(sizeText(kubernetesAuditDefaults.maxLineBytes)),
  levels: list(choice(auditLevels, { about: "A level." }), {
    about: "Levels that are let through; default: all.",
    example: ["Request", "RequestResponse"],
  }).exactOptional(),
  stages: list(choice(auditStages, { about: "A stage." }), {
    about: "Stages that are let through; default: all.",
    example: ["ResponseComplete", "Panic"],
  }).exactOptional(),
  redactBodies: list(text({ about: "A resource, RESOURCE/SUBRESOURCE, or * for all." }), {
    about: "Resources whose requestObject and responseObject are hidden before anything is written or sent.",
  }).prefault([...secretResources]),
  rememberedEvents: count(0, 1_000_000, {
    about: "Events that are remembered, by auditID and stage, to leave out one that comes again; 0: none.",
  }).prefault(kubernetesAuditDefaults.rememberedEvents),
  policyFile: text({
    about: "The API server's audit policy; agent check says where it lets secrets into the log.",
    example: "/etc/kubernetes/audit-policy.yaml",
  }).exactOptional(),
  program: recordKeys.program,
  severity: numberOrText(parseSeverity, "0 to 7 or a name", {
    about: "Severity of the records: 0 to 7 or a name.",
  }).prefault("info"),
  facility: numberOrText(parseFacility, "0 to 23 or a name", {
    about: "Facility of the records: 0 to 23 or a name.",
  }).prefault("audit"),
}).transform((keys, context): KubernetesAuditSourceConfig => {
  const { type, include, listen, path, tokenFile, tls, start, maxLine: maxLineBytes, program, policyFile } = keys;
  const { levels = [], stages = [], redactBodies, rememberedEvents } = keys;
  for (const key of ["tokenFile", "tls"] as const) {
    if (listen === undefined && keys[key] !== undefined) {
      complain(context, keys, "is for listen, which is missing", [key]);
    }
  }
  const { maxBodyBytes } = kubernetesAuditDefaults;
  const { maxConnections } = webhookDefaults;
  return {
    type,
    include: listen === undefined ? include : [],
    start,
    maxLineBytes,
    levels,
    stages,
    redactBodies,
    rememberedEvents,
    priority: priorityOf(keys),
    ...given({ program, policyFile, tls }),
    ...(listen === undefined
      ? {}
      : { webhook: { listen, path, maxBodyBytes, maxConnections, ...given({ tokenFile }) } }),
  };
});

/** Every source of this version. */
export const sourcesSchema: z.ZodType<Record<string, SourceConfig>, unknown> = typedParts<SourceConfig>(
  [
    fileSchema,
    stdinSchema,
    tapSchema,
    kernelSchema,
    journalSchema,
    auditSchema,
    syslogSchema,
    tcpSchema,
    tlsSchema,
    relpSchema,
    webhookSchema,
    kubernetesAuditSchema,
    natsSourceSchema(networkKeys),
  ],
  sourceTypes,
  "Where records come from. The names are yours; each has its own position.",
);

function parseWebhookPath(path: string): string {
  if (!/^\/[!->@-~]*$/.test(path) || path.includes("#")) throw new Error(`"${path}" is not a path; it begins with "/"`);
  return path;
}

function linesSource(
  keys: {
    readonly type: "tcp" | "tls";
    readonly listen: LinesSourceConfig["listen"];
    readonly maxLine: number;
    readonly maxConnections: number;
    readonly program?: string;
    readonly severity: number;
    readonly facility: number;
  },
  tls?: LinesSourceConfig["tls"],
): LinesSourceConfig {
  const { type, listen, maxLine: maxLineBytes, maxConnections, program } = keys;
  return { type, listen, maxLineBytes, maxConnections, priority: priorityOf(keys), ...given({ tls, program }) };
}

function priorityOf(keys: { readonly severity: number; readonly facility: number }): number {
  return keys.facility * 8 + keys.severity;
}
