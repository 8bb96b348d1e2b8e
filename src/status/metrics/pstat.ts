/**
 * The counters of rsyslog's impstats under the names that Gardener's dashboards and alerts use, with values that mean what the names
 * say: processed is what the peer confirmed (rsyslog counts what it wrote), failed what was given up.
 */
import type { AgentState, SinkState } from "../state.ts";
import type { MetricInput, MetricSpec, Sample } from "./metric.ts";

const labels = ["name", "origin"] as const;

/** The metrics; all have the labels name and origin. */
export const pstatMetrics = {
  rsyslog_pstat_submitted: input("Records that an input has taken.", ({ received }) => received.records),
  rsyslog_pstat_processed: action(
    "Records that the action's peer has confirmed.",
    ({ delivered }) => delivered.records,
  ),
  rsyslog_pstat_failed: action("Records that were given up.", failed),
  rsyslog_pstat_suspended: action("How often the action was suspended.", ({ suspensions }) => suspensions),
  rsyslog_pstat_suspended_duration: action("Seconds that it was suspended.", ({ suspendedMs }) => suspendedMs / 1_000),
  rsyslog_pstat_resumed: action("How often it was resumed.", ({ resumptions }) => resumptions),
  rsyslog_pstat_size: queue("gauge", "Records in the queue.", ({ held }) => held.records),
  rsyslog_pstat_enqueued: queue("counter", "Records that came into the queue.", (sink, state) => enqueued(sink, state)),
  rsyslog_pstat_discarded_full: queue(
    "counter",
    "Records that a full queue gave up.",
    (sink) => dropsOf(sink, "spoolFull"),
  ),
  rsyslog_pstat_utime: resource(
    "counter",
    "Processor time in user mode, microseconds.",
    ({ usage }) => usage.userSeconds * 1e6,
  ),
  rsyslog_pstat_stime: resource(
    "counter",
    "Processor time in the kernel, microseconds.",
    ({ usage }) => usage.systemSeconds * 1e6,
  ),
  rsyslog_pstat_maxrss: resource(
    "gauge",
    "Most memory that was in use, KiB.",
    ({ usage }) => usage.peakResidentBytes / 1024,
  ),
  rsyslog_pstat_minflt: resource("counter", "Minor page faults.", ({ usage }) => usage.minorFaults),
  rsyslog_pstat_majflt: resource("counter", "Major page faults.", ({ usage }) => usage.majorFaults),
  rsyslog_pstat_inblock: resource(
    "counter",
    "Blocks of 512 bytes read.",
    ({ usage }) => Math.floor(usage.readBytes / 512),
  ),
  rsyslog_pstat_oublock: resource(
    "counter",
    "Blocks of 512 bytes written.",
    ({ usage }) => Math.floor(usage.writtenBytes / 512),
  ),
  rsyslog_pstat_nvcsw: resource("counter", "Voluntary context switches.", ({ usage }) => usage.voluntarySwitches),
  rsyslog_pstat_nivcsw: resource("counter", "Involuntary context switches.", ({ usage }) => usage.involuntarySwitches),
  rsyslog_pstat_openfiles: resource("gauge", "File descriptors in use.", ({ usage }) => usage.openFiles),
  rsyslog_augenrules_load_success: {
    type: "gauge",
    help: "Whether the audit rules that are wanted are loaded.",
    labels: [],
    rows: ({ state: { auditRulesLoaded } }) =>
      auditRulesLoaded === undefined ? [] : [{ value: auditRulesLoaded ? 1 : 0, labels: {} }],
  },
} as const satisfies Record<string, MetricSpec>;

type Labels = typeof labels;

function input(help: string, value: (source: AgentState["sources"][number]) => number): MetricSpec<Labels> {
  return {
    type: "counter",
    help,
    labels,
    rows: ({ state }) => state.sources.map((one) => row(value(one), one.id, one.type)),
  };
}

function action(help: string, value: (sink: SinkState) => number): MetricSpec<Labels> {
  return {
    type: "counter",
    help,
    labels,
    rows: ({ state }) => state.sinks.map((sink) => row(value(sink), sink.id, "core.action")),
  };
}

function queue(
  type: "counter" | "gauge",
  help: string,
  value: (sink: SinkState, state: AgentState) => number,
): MetricSpec<Labels> {
  return {
    type,
    help,
    labels,
    rows: ({ state }) => state.sinks.map((sink) => row(value(sink, state), `${sink.id} queue`, "core.queue")),
  };
}

function resource(
  type: "counter" | "gauge",
  help: string,
  value: (input: MetricInput) => number,
): MetricSpec<Labels> {
  return { type, help, labels, rows: (input) => [row(value(input), "resource-usage", "impstats")] };
}

function row(value: number, name: string, origin: string): Sample {
  return { value, labels: { name, origin } };
}

function failed({ drops }: SinkState): number {
  return drops.reduce((sum, { intended, records }) => intended ? sum : sum + records, 0);
}

function enqueued({ id }: SinkState, { pairs }: AgentState): number {
  return pairs.reduce((sum, { sink, received }) => sink === id ? sum + received : sum, 0);
}

function dropsOf({ drops }: SinkState, reason: string): number {
  return drops.reduce((sum, drop) => drop.reason === reason ? sum + drop.records : sum, 0);
}
