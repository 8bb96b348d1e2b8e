/** The published form of `report.json`, format version 1: for programs that read it, and for our own check of it. */
import { z } from "zod";
import type { DumpReport } from "./report.ts";

const status = z.enum(["ok", "error", "timeout", "skipped", "denied", "trimmed", "dropped"]);
const count = z.int().min(0);
const time = z.iso.datetime().meta({ description: "ISO 8601, UTC" });

const artifact = z.strictObject({
  path: z.string().meta({ description: "Below nodes/<id>/" }),
  kind: z.enum(["log", "text", "json", "yaml", "binary"]),
  origin: z.string().meta({ description: "Where it comes from: a path, a command, an address" }),
  bytesIn: count,
  bytesOut: count,
  sha256: z.string().regex(/^([0-9a-f]{64})?$/).meta({ description: "Of the bytes in the bundle; empty: not there" }),
  status,
  redactions: z.array(z.strictObject({ rule: z.string(), times: count })),
  reason: z.string().optional(),
  trimmed: z.strictObject({ bytes: count, lines: count }).optional(),
  taken: time.optional(),
});

const note = z.strictObject({
  about: z.string(),
  state: z.enum(["denied", "missing", "error", "timeout", "partial"]),
  text: z.string(),
  stderr: z.string().optional(),
});

const collector = z.strictObject({
  id: z.string(),
  summary: z.string(),
  optional: z.boolean(),
  status,
  missing: z.boolean().meta({ description: "Evidence is missing: the dump is incomplete" }),
  start: time,
  durationMs: count,
  reason: z.string().optional(),
  notes: z.array(note),
  artifacts: z.array(artifact),
});

const finding = z.strictObject({
  id: z.string(),
  severity: z.enum(["critical", "warning", "info"]),
  title: z.string(),
  evidence: z.array(z.string()),
  artifact: z.string(),
  advice: z.string(),
});

const report = z.strictObject({
  formatVersion: z.literal(1),
  id: z.string(),
  program: z.string(),
  profile: z.enum(["speed", "complete", "size"]),
  start: time,
  durationMs: count,
  redacted: z.boolean(),
  cost: z.strictObject({ peakMemoryBytes: count, workBytes: count, jobs: count }),
  complete: z.boolean(),
  nodes: z.array(z.strictObject({
    id: z.string(),
    collectors: z.array(collector),
    findings: z.array(finding),
    failure: z.string().optional(),
  })),
}).meta({ title: "report.json of agent dump, format version 1" });

/** The JSON Schema (draft 2020-12) that `agent dump --schema` prints. */
export function reportSchema(): unknown {
  return z.toJSONSchema(report);
}

/** Reads `report.json`. @throws with the first mistakes when it is none */
export function parseReport(text: string): DumpReport {
  return report.parse(JSON.parse(text)) as DumpReport;
}
