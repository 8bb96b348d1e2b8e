/** A dashboard for Grafana: whether logs leave the machines, and if not, where they wait. */
import { promql, type Query } from "./promql.ts";

/** One panel. */
export interface Panel {
  readonly title: string;
  readonly about: string;
  /** As Grafana names units. */
  readonly unit: "short" | "bytes" | "s" | "percentunit" | "dateTimeFromNow" | "cps" | "Bps";
  readonly kind: "timeseries" | "stat";
  /** Queries with the text of their legends. */
  readonly queries: readonly (readonly [query: Query, legend: string])[];
}

/** Rows of panels; `$instance` is the dashboard's one variable. */
export const rows: Readonly<Record<string, readonly Panel[]>> = {
  "Do logs leave?": [
    panel("Sinks that are up", "1 up, 0 down.", "short", [[
      promql`${"agent_sink_up"}{instance=~"$instance"}`,
      "{{component_id}} {{instance}}",
    ]], "stat"),
    panel("Behind", "Age of the oldest record that a sink does not hold.", "s", [[
      promql`${"agent_sink_lag_seconds"}{instance=~"$instance"}`,
      "{{component_id}} {{instance}}",
    ]], "stat"),
    panel("Last confirmation", "When a peer last confirmed something.", "dateTimeFromNow", [[
      promql`${"agent_sink_last_success_timestamp_seconds"}{instance=~"$instance"} * 1000`,
      "{{component_id}} {{instance}}",
    ]], "stat"),
    panel("Received and delivered", "Records a second.", "cps", [
      [
        promql`sum by (instance) (rate(${"agent_component_received_events_total"}{instance=~"$instance"}[5m]))`,
        "received {{instance}}",
      ],
      [
        promql`sum by (instance) (rate(${"agent_component_sent_events_total"}{instance=~"$instance"}[5m]))`,
        "delivered {{instance}}",
      ],
    ]),
    panel("Waiting", "Records that are read and not confirmed.", "short", [[
      promql`${"agent_pair_held_events"}{instance=~"$instance"}`,
      "{{source}} to {{sink}} {{instance}}",
    ]]),
    panel("Went no further", "Records a second, by reason.", "cps", [
      [
        promql`rate(${"agent_component_discarded_events_total"}{instance=~"$instance"}[5m])`,
        "{{component_id}} {{reason}} {{instance}}",
      ],
      [
        promql`rate(${"agent_buffer_discarded_events_total"}{instance=~"$instance"}[5m])`,
        "spool {{reason}} {{instance}}",
      ],
    ]),
  ],
  "Sources and sinks": [
    panel("Received by source", "Records a second.", "cps", [[
      promql`rate(${"agent_component_received_events_total"}{instance=~"$instance"}[5m])`,
      "{{component_id}} {{instance}}",
    ]]),
    panel("Received by source, bytes", "Bytes a second.", "Bps", [[
      promql`rate(${"agent_component_received_event_bytes_total"}{instance=~"$instance"}[5m])`,
      "{{component_id}} {{instance}}",
    ]]),
    panel("Delivered by sink, bytes", "Bytes a second, before compression.", "Bps", [[
      promql`rate(${"agent_component_sent_event_bytes_total"}{instance=~"$instance"}[5m])`,
      "{{component_id}} {{instance}}",
    ]]),
    panel("Failed tries", "A second; they are repeated.", "cps", [[
      promql`rate(${"agent_component_errors_total"}{instance=~"$instance"}[5m])`,
      "{{component_id}} {{instance}}",
    ]]),
    panel("Unread in files", "Bytes that sources have still to read.", "bytes", [[
      promql`${"agent_source_unread_bytes"}{instance=~"$instance"}`,
      "{{component_id}} {{instance}}",
    ]]),
    panel("Files", "Followed, and open.", "short", [
      [promql`${"agent_watched_files"}{instance=~"$instance"}`, "followed {{component_id}} {{instance}}"],
      [promql`${"agent_open_files"}{instance=~"$instance"}`, "open {{component_id}} {{instance}}"],
    ]),
    panel("Times suspended and resumed", "Since the start.", "short", [
      [promql`${"rsyslog_pstat_suspended"}{instance=~"$instance"}`, "suspended {{name}} {{instance}}"],
      [promql`${"rsyslog_pstat_resumed"}{instance=~"$instance"}`, "resumed {{name}} {{instance}}"],
    ]),
  ],
  "Machine": [
    panel("Disk queue", "Share of its room.", "percentunit", [[
      promql`${"agent_buffer_size_bytes"}{instance=~"$instance"} / ${"agent_buffer_max_size_bytes"}{instance=~"$instance"}`,
      "{{instance}}",
    ]]),
    panel("Certificate", "Time until it ends.", "s", [
      [promql`${"agent_certificate_not_after_timestamp_seconds"}{instance=~"$instance"} - time()`, "own {{instance}}"],
      [
        promql`${"agent_sink_certificate_not_after_timestamp_seconds"}{instance=~"$instance"} - time()`,
        "{{component_id}} {{instance}}",
      ],
    ], "stat"),
    panel("Memory", "Of the agent.", "bytes", [[
      promql`${"process_resident_memory_bytes"}{instance=~"$instance"} and on (instance) ${"agent_build_info"}`,
      "{{instance}}",
    ]]),
    panel("Processor", "Cores in use by the agent.", "percentunit", [[
      promql`rate(${"process_cpu_seconds_total"}{instance=~"$instance"}[5m]) and on (instance) ${"agent_build_info"}`,
      "{{instance}}",
    ]]),
    panel("Open files", "Descriptors in use.", "short", [[
      promql`${"rsyslog_pstat_openfiles"}{instance=~"$instance"}`,
      "{{instance}}",
    ]]),
    panel("Audit rules", "1 loaded, 0 not; only where the agent keeps them.", "short", [[
      promql`${"rsyslog_augenrules_load_success"}{instance=~"$instance"}`,
      "{{instance}}",
    ]], "stat"),
  ],
};

/** The dashboard as Grafana imports it: JSON. */
export function formatDashboard(): string {
  const panels: unknown[] = [];
  let y = 0;
  for (const [title, row] of Object.entries(rows)) {
    panels.push({ id: panels.length + 1, type: "row", title, collapsed: false, panels: [], gridPos: box(0, y, 24, 1) });
    y += 1;
    row.forEach((one, i) => {
      const width = 8;
      const x = (i % 3) * width;
      if (i > 0 && x === 0) y += 8;
      panels.push({ id: panels.length + 1, ...grafanaPanel(one), gridPos: box(x, y, width, 8) });
    });
    y += 8;
  }
  return JSON.stringify({ ...frame, panels }, null, 2) + "\n";
}

function panel(
  title: string,
  about: string,
  unit: Panel["unit"],
  queries: Panel["queries"],
  kind: Panel["kind"] = "timeseries",
): Panel {
  return { title, about, unit, kind, queries };
}

function grafanaPanel({ title, about, unit, kind, queries }: Panel): Readonly<Record<string, unknown>> {
  return {
    type: kind,
    title,
    description: about,
    datasource,
    fieldConfig: { defaults: { unit }, overrides: [] },
    targets: queries.map(([expr, legendFormat], i) => ({
      refId: String.fromCharCode(65 + i),
      expr,
      legendFormat,
      datasource,
    })),
  };
}

function box(x: number, y: number, w: number, h: number): Readonly<Record<string, number>> {
  return { x, y, w, h };
}

const datasource = { type: "prometheus", uid: "${datasource}" } as const;

const frame = {
  title: "agent",
  uid: "agent-logs",
  tags: ["logs"],
  schemaVersion: 39,
  refresh: "30s",
  time: { from: "now-1h", to: "now" },
  templating: {
    list: [
      { name: "datasource", type: "datasource", query: "prometheus", label: "Data source" },
      {
        name: "instance",
        type: "query",
        label: "Instance",
        datasource,
        query: promql`label_values(${"agent_build_info"}, instance)`,
        includeAll: true,
        allValue: ".*",
        multi: true,
        current: { text: "All", value: "$__all" },
        refresh: 2,
      },
    ],
  },
} as const;
