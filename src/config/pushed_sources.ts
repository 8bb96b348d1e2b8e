/** The keys of sources to which something is pushed over HTTP: webhooks, and the audit events of Kubernetes. */
import { z } from "zod";
import { auditLevels, auditStages, secretResources } from "../formats/kubernetes_audit.ts";
import { parseFacility, parseSeverity } from "../formats/priority.ts";
import { parseWebhookAddress } from "./address.ts";
import type { KubernetesAuditSourceConfig, WebhookSourceConfig } from "./config.ts";
import { kubernetesAuditDefaults, sourceDefaults, webhookDefaults } from "./defaults.ts";
import { globText } from "./patterns.ts";
import { priorityOf, recordKeys } from "./source_keys.ts";
import { serverTlsSchema } from "./tls.ts";
import { choice, complain, count, given, list, numberOrText, parsedText, size, sizeText, text } from "./values.ts";

const kib = 1024;

/** `type: webhook`. */
export const webhookSchema: z.ZodType<WebhookSourceConfig, unknown> = z.strictObject({
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

/** `type: kubernetesAudit`. */
export const kubernetesAuditSchema: z.ZodType<KubernetesAuditSourceConfig, unknown> = z.strictObject({
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

function parseWebhookPath(path: string): string {
  if (!/^\/[!->@-~]*$/.test(path) || path.includes("#")) throw new Error(`"${path}" is not a path; it begins with "/"`);
  return path;
}
