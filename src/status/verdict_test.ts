import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { someSink, someSource, someState } from "../../test/peers/agent_state.ts";
import { verdictOf } from "./verdict.ts";

const minute = 60_000;
const nowMs = Date.UTC(2026, 0, 2);

Deno.test("verdictOf() is good when everything is", () => {
  deepStrictEqual(verdictOf(someState()), { level: "good", title: "All logs leave this machine", troubles: [] });
});

Deno.test("verdictOf() says for how long a sink is down, what waits and why", () => {
  const sink = someSink("loghost", {
    up: false,
    sinceMs: nowMs - 3 * minute,
    lastError: "connection refused",
    held: { records: 1_234, bytes: 9 },
  });
  const { level, title, troubles } = verdictOf(someState({ nowMs, sinks: [sink] }));
  strictEqual(`${level}: ${title}`, "bad: No logs leave this machine");
  strictEqual(troubles[0]?.text, 'Sink "loghost" is down for 3m 0s; 1,234 records wait: connection refused');
  const half = verdictOf(someState({ nowMs, sinks: [sink, someSink("other")] }));
  strictEqual(half.title, "Not all logs leave this machine");
});

Deno.test("verdictOf() sees a sink that is up and confirms nothing", () => {
  const silent = someSink("loghost", {
    held: { records: 1, bytes: 1 },
    lagMs: 6 * minute,
    lastSuccessMs: nowMs - 6 * minute,
  });
  strictEqual(verdictOf(someState({ nowMs, sinks: [silent] })).level, "bad");
  const slow = someSink("loghost", { held: { records: 1, bytes: 1 }, lagMs: 6 * minute, lastSuccessMs: nowMs });
  deepStrictEqual(
    verdictOf(someState({ nowMs, sinks: [slow] })).troubles.map(({ text }) => text),
    ['Sink "loghost" is 6m 0s behind'],
  );
});

Deno.test("verdictOf() tells of each trouble, the worst first", () => {
  const state = someState({
    nowMs,
    sources: [
      someSource("messages", { drops: [{ reason: "hole", intended: false, records: 1, bytes: 0 }] }),
      someSource("kernel", { error: "permission denied", errorSinceMs: nowMs - 5_000 }),
      someSource("quiet", { drops: [{ reason: "rule", intended: true, records: 1_000, bytes: 0 }] }),
    ],
    spool: {
      usedBytes: 90,
      maxBytes: 100,
      records: 3,
      drops: [{ reason: "spoolFull", intended: true, records: 2, bytes: 0 }],
    },
    certificate: {
      subject: "CN=router1",
      notBeforeMs: nowMs - 30 * 1_440 * minute,
      renewalMs: nowMs - 10 * 1_440 * minute,
      notAfterMs: nowMs + 1_440 * minute,
      ok: true,
    },
    auditRulesLoaded: false,
  });
  deepStrictEqual(verdictOf(state).troubles.map(({ level, text }) => `${level}: ${text}`), [
    'bad: Source "kernel" cannot be read for 5s: permission denied',
    "bad: The disk queue gave up 2 records since the start",
    "bad: The audit rules that are wanted are not loaded",
    'warning: Source "messages" lost 1 record since the start (hole)',
    "warning: The disk queue is 90 % full",
    "warning: The certificate should have been renewed; it ends in 1d 0h",
  ]);
});

Deno.test("verdictOf() speaks of what the command does", () => {
  strictEqual(verdictOf(someState({ command: "collect" })).title, "All logs that come in are kept");
  strictEqual(verdictOf(someState({ command: "serve", sources: [], sinks: [] })).title, "This machine answers");
  strictEqual(verdictOf(someState({ sources: [] })).title, "Nothing is read: there are no sources");
});
