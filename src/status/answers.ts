/** What a client believes of an answer: the shape of `state.ts`, checked, because any program may listen at an agent's address. */
import { z } from "zod";
import type { AgentState, TailRecord } from "./state.ts";

const number = z.number();
const text = z.string().max(64 * 1024);
const amount = { records: number, bytes: number };
const drops = z.array(z.object({ reason: text, intended: z.boolean(), ...amount })).max(1_000);

const source = z.looseObject({
  id: text,
  type: text,
  received: z.object(amount),
  drops,
  lastRecordMs: number.optional(),
  error: text.optional(),
  errorSinceMs: number.optional(),
  files: z.object({ watched: number, open: number, unreadBytes: number }).optional(),
});

const sink = z.looseObject({
  id: text,
  type: text,
  target: text,
  up: z.boolean(),
  sinceMs: number.optional(),
  lastError: text.optional(),
  lastErrorMs: number.optional(),
  lastSuccessMs: number.optional(),
  failures: number,
  suspensions: number,
  resumptions: number,
  suspendedMs: number,
  delivered: z.object(amount),
  drops,
  held: z.object(amount),
  lagMs: number,
  certificateEndMs: number.optional(),
});

const state = z.looseObject({
  version: text,
  hostname: text,
  command: z.enum(["ship", "collect", "serve"]),
  nowMs: number,
  startMs: number,
  sources: z.array(source).max(10_000),
  sinks: z.array(sink).max(10_000),
  pairs: z.array(
    z.object({ source: text, sink: text, received: number, delivered: number, dropped: number, held: number }),
  ).max(100_000),
  spool: z.looseObject({ usedBytes: number, maxBytes: number, records: number, drops }).optional(),
  certificate: z.looseObject({
    subject: text,
    notBeforeMs: number,
    notAfterMs: number,
    renewalMs: number,
    ok: z.boolean(),
    problem: text.optional(),
  }).optional(),
  auditRulesLoaded: z.boolean().optional(),
});

const tailRecord = z.looseObject({
  source: text,
  timeMs: number,
  host: text,
  program: text,
  severity: z.int().min(0).max(7),
  message: z.string(),
  skipped: number,
});

/** A state; keys that this version does not know stay. @throws with the first thing that is not as it should be */
export function parseState(value: unknown): AgentState {
  return parsed(state, value) as AgentState; // exactOptionalPropertyTypes: absent, as JSON has no undefined
}

/** A record of the tail. @throws as parseState */
export function parseTailRecord(value: unknown): TailRecord {
  return parsed(tailRecord, value);
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new Error(`it is not what an agent answers (${issue?.path.join(".")}: ${issue?.message})`);
}
