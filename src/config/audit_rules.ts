/** The keys below `auditRules:`. */
import { z } from "zod";
import type { AuditRulesConfig } from "./config.ts";
import { auditRulesDefaults } from "./defaults.ts";
import { duration, durationText, given, text } from "./values.ts";

/** Audit rules of the node that `ship` keeps. */
export const auditRulesSchema: z.ZodType<AuditRulesConfig, unknown> = z.strictObject({
  dir: text({
    about: "Folder with *.rules files or an Auditd document, or the file of one; default: the rules of Gardener.",
    example: "/etc/agent/audit-rules",
  }).exactOptional(),
  rules: text({
    about: "More rules, in a file of their own.",
    example: "-a always,exit -F arch=b64 -S mount -F key=mounts",
  }).exactOptional(),
  root: text({ about: "The node's disk; another one than / is not running, and its files alone are changed." })
    .prefault("/"),
  interval: duration(1_000, 86_400_000, { about: "How often it is looked whether they are in step." })
    .prefault(durationText(auditRulesDefaults.everyMs)),
  metricFile: text({ about: "File for node_exporter, written where its folder is there." })
    .prefault(auditRulesDefaults.metricFile),
}).transform(({ dir, rules, root, interval: everyMs, metricFile }): AuditRulesConfig => (
  { root, everyMs, metricFile, ...given({ path: dir, rules }) }
)).meta({ description: "Audit rules of this node (auditd), kept in step by ship and put back by agent audit revert." });
