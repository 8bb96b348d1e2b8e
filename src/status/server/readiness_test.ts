import { deepStrictEqual } from "node:assert/strict";
import type { AgentState, SinkState, SourceState } from "../state.ts";
import { unreadiness } from "./readiness.ts";

const none = { records: 0, bytes: 0 };
const source: SourceState = { id: "in", type: "file", received: none, drops: [] };
const sink: SinkState = {
  id: "out",
  type: "relp",
  target: "h:1",
  up: true,
  failures: 0,
  suspensions: 0,
  resumptions: 0,
  suspendedMs: 0,
  delivered: none,
  drops: [],
  held: none,
  lagMs: 0,
};
const state = (changes: Partial<AgentState>): AgentState => ({
  version: "0",
  hostname: "h",
  command: "ship",
  nowMs: 100_000,
  startMs: 0,
  sources: [source],
  sinks: [sink],
  pairs: [],
  ...changes,
});

Deno.test("unreadiness() names sinks that are down for a minute and sources that cannot be read", () => {
  deepStrictEqual(unreadiness(state({})), []);
  const down = { ...sink, up: false, lastError: "refused" };
  deepStrictEqual(unreadiness(state({ sinks: [{ ...down, sinceMs: 40_001 }] })), []);
  deepStrictEqual(unreadiness(state({ sinks: [{ ...down, sinceMs: 40_000 }] })), ["sink out is down: refused"]);
  deepStrictEqual(unreadiness(state({ sinks: [{ ...sink, up: false }] })), ["sink out is down"]);
  deepStrictEqual(unreadiness(state({ sources: [{ ...source, error: "gone" }] })), ["source in cannot be read: gone"]);
});
