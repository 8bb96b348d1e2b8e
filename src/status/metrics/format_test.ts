import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import type { AgentState } from "../state.ts";
import { chooseFormat, formatMetrics } from "./format.ts";
import { parseStat, type ProcessUsage } from "./process_usage.ts";

const state: AgentState = {
  version: "1.2.3",
  hostname: 'odd"name\\',
  command: "ship",
  nowMs: 2_000,
  startMs: 1_000,
  sources: [{
    id: "messages",
    type: "file",
    received: { records: 12, bytes: 340 },
    drops: [
      { reason: "longLine", intended: true, records: 1, bytes: 99 },
      { reason: "hole", intended: false, records: 0, bytes: 77 },
    ],
    sessions: 4,
    lastRecordMs: 1_500,
    files: { watched: 3, open: 2, unreadBytes: 7 },
  }],
  sinks: [{
    id: "rsyslog-relp",
    type: "relp",
    target: "loghost:2514",
    up: false,
    failures: 4,
    suspensions: 2,
    resumptions: 1,
    suspendedMs: 2_500,
    delivered: { records: 7, bytes: 200 },
    drops: [{ reason: "refused", intended: false, records: 2, bytes: 10 }],
    deadLettersRemovedBytes: 11,
    held: { records: 3, bytes: 90 },
    lagMs: 1_250,
  }],
  pairs: [{ source: "messages", sink: "rsyslog-relp", received: 12, delivered: 7, dropped: 2, held: 3 }],
  spool: {
    usedBytes: 10,
    maxBytes: 100,
    records: 2,
    drops: [{ reason: "damaged", intended: false, records: 1, bytes: 5 }],
    syncs: { count: 8, totalMs: 1_500 },
    blocked: true,
  },
  auditRulesLoaded: false,
};

const usage: ProcessUsage = {
  userSeconds: 1.5,
  systemSeconds: 0.5,
  residentBytes: 1024,
  peakResidentBytes: 4096,
  minorFaults: 1,
  majorFaults: 2,
  readBytes: 1024,
  writtenBytes: 513,
  voluntarySwitches: 5,
  involuntarySwitches: 6,
  openFiles: 9,
};

Deno.test("formatMetrics() writes counters with their labels as text 0.0.4", async () => {
  const { contentType, body } = await formatMetrics(state, "prometheus", usage);
  match(contentType, /^text\/plain; version=0\.0\.4/);
  const lines = body.split("\n");
  for (
    const line of [
      "# TYPE agent_component_received_events_total counter",
      'agent_component_received_events_total{component_id="messages",component_kind="source",component_type="file"} 12',
      'agent_component_discarded_events_total{component_id="rsyslog-relp",component_kind="sink",component_type="relp",reason="refused",intentional="false"} 2',
      'agent_sink_lag_seconds{component_id="rsyslog-relp",component_kind="sink",component_type="relp"} 1.25',
      "# TYPE rsyslog_pstat_processed gauge",
      'rsyslog_pstat_processed{name="rsyslog-relp",origin="core.action"} 7',
      'rsyslog_pstat_failed{name="rsyslog-relp",origin="core.action"} 2',
      'rsyslog_pstat_suspended_duration{name="rsyslog-relp",origin="core.action"} 2.5',
      'rsyslog_pstat_size{name="rsyslog-relp queue",origin="core.queue"} 3',
      'rsyslog_pstat_oublock{name="resource-usage",origin="impstats"} 1',
      "rsyslog_augenrules_load_success 0",
      'agent_lost_bytes_total{component_id="messages",component_kind="source",component_type="file",reason="hole"} 77',
      'agent_lost_bytes_total{component_id="spool",component_kind="buffer",component_type="disk",reason="damaged"} 5',
      'agent_dead_letters_total{component_id="rsyslog-relp",component_kind="sink",component_type="relp",cause="refused"} 2',
      'agent_dead_letters_total{component_id="rsyslog-relp",component_kind="sink",component_type="relp",cause="givenUp"} 0',
      'agent_dead_letters_removed_bytes_total{component_id="rsyslog-relp",component_kind="sink",component_type="relp"} 11',
      'agent_source_connections{component_id="messages",component_kind="source",component_type="file"} 4',
      "agent_buffer_blocked 1",
      "agent_buffer_fsyncs_total 8",
      "agent_buffer_fsync_seconds_total 1.5",
      'agent_build_info{version="1.2.3",command="ship",host="odd\\"name\\\\"} 1',
    ]
  ) ok(lines.includes(line), `missing: ${line}`);
});

Deno.test("formatMetrics() leaves out what there is nothing to tell of", async () => {
  const { version, hostname, command, nowMs, startMs } = state;
  const { body } = await formatMetrics(
    { version, hostname, command, nowMs, startMs, sources: [], sinks: [], pairs: [], auditRulesLoaded: true },
    "prometheus",
    usage,
  );
  ok(!body.includes("agent_watched_files"));
  ok(!body.includes("agent_buffer_size_bytes"));
  ok(body.includes("rsyslog_augenrules_load_success 1"));
});

Deno.test("formatMetrics() names families of OpenMetrics without _total and ends with EOF", async () => {
  const { contentType, body } = await formatMetrics(state, "openMetrics", usage);
  match(contentType, /^application\/openmetrics-text; version=1\.0\.0/);
  ok(body.endsWith("# EOF\n"));
  ok(body.includes("# TYPE agent_component_received_events counter\n"));
  ok(body.includes("\nagent_component_received_events_total{"));
  ok(body.includes("\nrsyslog_pstat_processed{"), "rsyslog's names stay as they are");
  ok(!body.includes("_total_total"));
});

Deno.test("formatMetrics() keeps received = delivered + dropped + held visible in each scrape", async () => {
  const { body } = await formatMetrics(state, "prometheus", usage);
  const value = (name: string): number => Number(new RegExp(`^${name}\\{.*\\} (.*)$`, "m").exec(body)![1]);
  strictEqual(
    value("agent_pair_received_events_total"),
    value("agent_pair_delivered_events_total") + value("agent_pair_dropped_events_total") +
      value("agent_pair_held_events"),
  );
});

Deno.test("chooseFormat() gives OpenMetrics to who asks for it", () => {
  strictEqual(chooseFormat(undefined), "prometheus");
  strictEqual(chooseFormat("*/*"), "prometheus");
  strictEqual(chooseFormat("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), "prometheus");
  strictEqual(chooseFormat("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5"), "openMetrics");
  strictEqual(chooseFormat("application/openmetrics-text;q=0"), "prometheus");
});

Deno.test("parseStat() is not misled by brackets and blanks in the program's name", () => {
  const fields = Array.from({ length: 50 }, (_, i) => i + 3); // each field holds its number
  deepStrictEqual(parseStat(`1 (a b) c) ${fields.join(" ")}`), {
    minorFaults: 10,
    majorFaults: 12,
    userSeconds: 0.14,
    systemSeconds: 0.15,
  });
});
