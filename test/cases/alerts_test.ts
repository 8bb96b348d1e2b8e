/** The alert rules before Prometheus's own judge: each fires on a series that is in trouble, and all are silent on a healthy one. */
import { deepStrictEqual, match } from "node:assert/strict";
import { join } from "node:path";
import { alerts, formatAlerts } from "../../src/status/monitoring/alerts.ts";
import { runProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

/** Values of series over an hour and a half, one a minute: `start+stepxCOUNT`. */
type Series = Readonly<Record<string, string>>;

const sink = `{instance="a",component_id="out",component_kind="sink",component_type="relp"}`;
const source = `{instance="a",component_id="in",component_kind="source",component_type="file"}`;
const pair = `{instance="a",source="in",sink="out"}`;
const lost =
  `{instance="a",component_id="out",component_kind="sink",component_type="relp",reason="refused",intentional="false"}`;
const action = `{instance="a",name="out",origin="core.action"}`;
const queue = `{instance="a",name="out queue",origin="core.queue"}`;
const day = 86_400;

const healthy: Series = {
  [`agent_sink_up${sink}`]: "1+0x90",
  [`agent_source_up${source}`]: "1+0x90",
  [`agent_sink_lag_seconds${sink}`]: "0.2+0x90",
  [`agent_pair_received_events_total${pair}`]: "0+60x90",
  [`agent_pair_delivered_events_total${pair}`]: "0+50x90",
  [`agent_pair_dropped_events_total${pair}`]: "0+10x90",
  [`agent_pair_held_events${pair}`]: "0+0x90",
  [`agent_component_discarded_events_total${lost}`]: "0+0x90",
  [`agent_component_discarded_events_total${lost.replace("refused", "rule").replace("false", "true")}`]: "0+10x90",
  [`agent_buffer_discarded_events_total{instance="a",reason="spoolFull",intentional="true"}`]: "0+0x90",
  [`agent_buffer_size_bytes{instance="a"}`]: "1000+0x90",
  [`agent_buffer_max_size_bytes{instance="a"}`]: "100000+0x90",
  [`agent_certificate_renewal_timestamp_seconds{instance="a"}`]: `${20 * day}+0x90`,
  [`agent_certificate_not_after_timestamp_seconds{instance="a"}`]: `${30 * day}+0x90`,
  [`agent_sink_certificate_not_after_timestamp_seconds${sink}`]: `${30 * day}+0x90`,
  [`rsyslog_augenrules_load_success{instance="a"}`]: "1+0x90",
  [`rsyslog_pstat_processed${action}`]: "0+50x90",
  [`rsyslog_pstat_failed${action}`]: "0+0x90",
  [`rsyslog_pstat_size${queue}`]: "3+0x90",
};

/** What goes wrong, and which alerts it must raise. */
const troubles: Readonly<Record<string, { readonly series: Series; readonly fires: readonly string[] }>> = {
  "nothing is confirmed while records come in": {
    series: {
      [`agent_pair_delivered_events_total${pair}`]: "70+0x90",
      [`rsyslog_pstat_processed${action}`]: "70+0x90",
    },
    fires: ["AgentDeliversNothing", "RsyslogRelpActionProcessingRateIsZero"],
  },
  "a sink is down": { series: { [`agent_sink_up${sink}`]: "0+0x90" }, fires: ["AgentSinkDown"] },
  "a source cannot be read": { series: { [`agent_source_up${source}`]: "0+0x90" }, fires: ["AgentSourceDown"] },
  "a sink is slow": { series: { [`agent_sink_lag_seconds${sink}`]: "700+0x90" }, fires: ["AgentLagsBehind"] },
  "the server refuses a few": {
    series: { [`agent_component_discarded_events_total${lost}`]: "0+1x90" },
    fires: ["AgentRecordsLost"],
  },
  "the server refuses many": {
    series: {
      [`agent_component_discarded_events_total${lost}`]: "0+5x90",
      [`rsyslog_pstat_failed${action}`]: "0+5x90",
    },
    fires: ["AgentRecordsLost", "RsyslogTooManyRelpActionFailures"],
  },
  "the queue is full and gives up": {
    series: {
      [`agent_buffer_discarded_events_total{instance="a",reason="spoolFull",intentional="true"}`]: "0+4x90",
      [`agent_buffer_size_bytes{instance="a"}`]: "99000+0x90",
    },
    fires: ["AgentSpoolFills", "AgentSpoolLosesRecords"],
  },
  "the certificate is not renewed": {
    series: {
      [`agent_certificate_renewal_timestamp_seconds{instance="a"}`]: "600+0x90",
      [`agent_certificate_not_after_timestamp_seconds{instance="a"}`]: "6000+0x90",
    },
    fires: ["AgentCertificateNotRenewed"],
  },
  "the audit rules are not loaded": {
    series: { [`rsyslog_augenrules_load_success{instance="a"}`]: "0+0x90" },
    fires: ["AgentAuditRulesNotLoaded", "RsyslogRelpAuditRulesNotLoadedSuccessfully"],
  },
};

/** A certificate that somebody else keeps: only the one that is shown to the sink is known. */
const foreignCertificate: Series = {
  [`agent_sink_up${sink}`]: "1+0x90",
  [`agent_sink_certificate_not_after_timestamp_seconds${sink}`]: `${3 * day}+0x90`,
};

Deno.test("every alert is among those that a trouble of these tests must raise", () => {
  const raised = new Set([...Object.values(troubles).flatMap(({ fires }) => fires), "AgentCertificateExpires"]);
  deepStrictEqual(alerts.map(({ name }) => name).filter((name) => !raised.has(name)), []);
});

Deno.test({
  name: "promtool takes the alert rules, fires each on its trouble and none on a healthy series",
  ...needs("promtool"),
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "alerts" });
    try {
      const rules = join(folder, "agent.rules.yml");
      Deno.writeTextFileSync(rules, formatAlerts());
      match((await runProgram("promtool", ["check", "rules", rules])).stdout, /SUCCESS/);
      const tests = [
        test("healthy", healthy, []),
        test("idle", idle(healthy), []),
        test("a foreign certificate expires", foreignCertificate, ["AgentCertificateExpires"]),
        ...Object.entries(troubles).map(([name, { series, fires }]) => test(name, { ...healthy, ...series }, fires)),
      ];
      const file = join(folder, "tests.yml");
      Deno.writeTextFileSync(file, JSON.stringify({ rule_files: [rules], evaluation_interval: "1m", tests })); // JSON is YAML
      const { stdout, stderr } = await runProgram("promtool", ["test", "rules", file]);
      match(stdout + stderr, /SUCCESS/);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

/** No series of the counters moves: nothing comes in, and that is no trouble. */
function idle(series: Series): Series {
  return Object.fromEntries(
    Object.entries(series).map(([name, values]) => [
      name,
      name.startsWith("rsyslog_pstat_size") ? "0+0x90" : values.replace(/\+\d+x/, "+0x"),
    ]),
  );
}

function test(name: string, series: Series, fires: readonly string[]): unknown {
  return {
    name,
    interval: "1m",
    input_series: Object.entries(series).map(([series, values]) => ({ series, values })),
    promql_expr_test: [{
      expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
      eval_time: "80m",
      exp_samples: fires.map((alertname) => ({ labels: `{alertname="${alertname}"}`, value: 1 })),
    }],
  };
}
