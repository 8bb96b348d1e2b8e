/** The keys of each type of source. A new type is one line in the table at the end, and one in `types.ts`. */
import { z } from "zod";
import { parseFacility, parseSeverity } from "../formats/priority.ts";
import { parseSocketPath } from "./address.ts";
import type {
  AuditSourceConfig,
  FileSourceConfig,
  JournalSourceConfig,
  KernelSourceConfig,
  MultilineConfig,
  SourceConfig,
  StdinSourceConfig,
  TapSourceConfig,
} from "./config.ts";
import { defaults, fileSourceDefaults, sourceDefaults } from "./defaults.ts";
import { forwardSchema } from "./forward.ts";
import { relpSchema, syslogSchema, tcpSchema, tlsSchema } from "./listening_sources.ts";
import { natsSourceSchema } from "./nats.ts";
import { typedParts } from "./parts.ts";
import { globText, patternText } from "./patterns.ts";
import { kubernetesAuditSchema, webhookSchema } from "./pushed_sources.ts";
import { networkKeys } from "./shared_sink_keys.ts";
import { maxLineKey, priorityOf, recordKeys, splitLines } from "./source_keys.ts";
import { sourceTypes } from "./types.ts";
import {
  choice,
  complain,
  duration,
  durationText,
  flag,
  given,
  list,
  numberOrText,
  parsedText,
  text,
} from "./values.ts";

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

/** Every source. */
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
    forwardSchema,
    kubernetesAuditSchema,
    natsSourceSchema(networkKeys),
  ],
  sourceTypes,
  "Where records come from. The names are yours; each has its own position.",
);
