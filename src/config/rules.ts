/** The keys below `rules:`, `redact:` and `tests:`; their meaning is in `../rules/`. */
import { z } from "zod";
import { parseFacility, parseSeverity } from "../formats/priority.ts";
import { redactPresets, type RedactSpec, type RuleSpec, type RuleTestSpec } from "../rules/spec.ts";
import { typeText } from "./messages.ts";
import { patternText } from "./patterns.ts";
import { choice, count, described, duration, given, list, numberOrText, text } from "./values.ts";

const messageSchema = z.strictObject({
  regex: patternText({ about: "The message must match.", example: "error|failed" }).exactOptional(),
  exclude: patternText({ about: "The message must not match.", example: "retrying" }).exactOptional(),
}).refine((keys) => keys.regex !== undefined || keys.exclude !== undefined, {
  error: "asks for nothing; regex or exclude is needed",
}).meta({ description: "What is looked for in the text of the message." });

const plainValue = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const plainValues = z.union([plainValue, z.array(plainValue).min(1)], {
  error: (issue) => typeText("a value or a list of values", issue.input),
});
const fieldChecks = z.strictObject({
  equals: plainValues.exactOptional(),
  not: plainValues.exactOptional(),
  regex: patternText({ about: "The field's text must match.", example: "^5" }).exactOptional(),
  exists: z.boolean().exactOptional(),
  atLeast: z.number().exactOptional(),
  atMost: z.number().exactOptional(),
}).refine((checks) => Object.keys(checks).length > 0, {
  error: "asks for nothing; allowed: equals, not, regex, exists, atLeast, atMost",
});

/** A union by hand, so that a mistake inside the group keeps its own place and text. */
const fieldSchema = z.union([plainValue, z.array(plainValue).min(1), fieldChecks], {
  error: "is not understood; allowed: a value, a list of values, or equals, not, regex, exists, atLeast, atMost",
});

const limitSchema = z.strictObject({
  records: count(1, 1e9, { about: "Records per interval.", example: 100 }),
  per: duration(100, 86_400_000, { about: "Length of the interval.", example: "1m" }),
  by: choice(["program", "host"], { about: "What is counted on its own; default: all together.", example: "program" })
    .exactOptional(),
}).transform(({ records, per, by }): NonNullable<RuleSpec["limit"]> => ({ records, perMs: per, ...given({ by }) }))
  .meta({ description: "How many records the rule lets through; the rest is suppressed, counted and announced." });

const severityKey = (about: string, example: string): z.ZodType<number, number | string> =>
  numberOrText(parseSeverity, "0 to 7 or a name", { about, example });
const facilityKey = (about: string): z.ZodType<number, number | string> =>
  numberOrText(parseFacility, "0 to 23 or a name", { about, example: "authpriv" });
const words = (about: string, example: string): z.ZodType<string[], string[]> =>
  list(text({ about: "One of them." }), { about, example: [example] });

const ruleSchema = z.strictObject({
  name: text({ about: "For messages and counters.", example: "grave" }).exactOptional(),
  programs: words("Program names, spelled exactly.", "kubelet").exactOptional(),
  severity: severityKey("This severity or a graver one: 0 to 7 or a name.", "warning").exactOptional(),
  facilities: list(facilityKey("One of them."), { about: "One of these facilities.", example: ["authpriv"] })
    .exactOptional(),
  hosts: words("One of these hosts; a leading or trailing * stands for anything.", "router*").exactOptional(),
  sources: words("One of these sources, by name.", "messages").exactOptional(),
  message: messageSchema.exactOptional(),
  fields: z.record(z.string(), fieldSchema).meta(described({
    about: "Fields of JSON messages by dotted path: a value, a list, or equals, not, regex, exists, atLeast, atMost.",
    example: { "responseStatus.code": { atLeast: 400 } },
  })).exactOptional(),
  action: choice(["ship", "drop"], { about: "What becomes of a record that matches." }).prefault("ship"),
  route: words("The sinks that get the record, by name; default: all.", "loghost").exactOptional(),
  limit: limitSchema.exactOptional(),
  enrich: z.record(z.string(), z.string()).meta(described({
    about: "Added to the records that the rule ships.",
    example: { team: "storage" },
  })).exactOptional(),
}).transform((keys): RuleSpec => keys as RuleSpec).meta({ description: "One rule; what is given must all hold." });

/** In order, first match decides. */
export const rulesSchema: z.ZodType<RuleSpec[], unknown> = z.array(ruleSchema).meta({
  description:
    "In order, the first match decides. A record that none matches is dropped, if some rule ships; else shipped.",
});

/** What is blotted out. */
export const redactSchema: z.ZodType<RedactSpec, unknown> = z.strictObject({
  presets: list(choice(["secrets", "mac", "ip"], { about: "A ready-made redaction." }), {
    about: "Ready-made redactions.",
    example: [...redactPresets],
  }).exactOptional(),
  patterns: z.array(z.union([
    patternText({ about: "A pattern.", example: "x" }),
    z.strictObject({
      regex: patternText({ about: "A pattern; with a group only the group is replaced.", example: "token=(\\S+)" }),
      replacement: z.string().exactOptional(),
    }),
  ], { error: "is not a pattern that can be used; allowed: a regular expression, or regex and replacement" })).meta(
    described({
      about: "Patterns, or a regex with its replacement; with a group (…) only the group is replaced.",
      example: ["token=(\\S+)"],
    }),
  ).exactOptional(),
}).transform((keys): RedactSpec => keys as RedactSpec).meta({
  description: "What is made unreadable before anything is written or sent.",
});

/** What the rules are expected to do. */
export const testsSchema: z.ZodType<RuleTestSpec[], unknown> = z.array(
  z.strictObject({
    name: text({ about: "For messages.", example: "grave ones are shipped" }).exactOptional(),
    record: text({ about: "A record with its <PRI> header, or a bare message.", example: "<11>kubelet: failed" }),
    source: text({ about: "Name of its source.", example: "messages" }).exactOptional(),
    host: text({ about: "Host of a bare message.", example: "router1" }).exactOptional(),
    program: text({ about: "Program of a bare message.", example: "kubelet" }).exactOptional(),
    severity: severityKey("Severity of a bare message.", "error").exactOptional(),
    facility: facilityKey("Facility of a bare message.").exactOptional(),
    sink: text({ about: "The sink that is asked; default: any that no route names.", example: "loghost" })
      .exactOptional(),
    expect: choice(["ship", "drop"], { about: "What must become of it.", example: "ship" }),
    rule: text({ about: "Name of the rule that must decide, or none.", example: "grave" }).exactOptional(),
    output: text({ about: "The record as it must leave.", example: "<11>kubelet: failed" }).exactOptional(),
  }).transform((keys): RuleTestSpec => keys as RuleTestSpec),
).meta({ description: "What the rules are expected to do, for agent check --tests." });
