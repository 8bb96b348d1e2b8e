/**
 * Alert rules for Prometheus: what an operator must hear of. Gardener's three names are kept, in forms that can fire: theirs misspell a
 * label, fire on idle nodes, and are silent as long as one node is well.
 */
import { promql, type Query } from "./promql.ts";

/** One rule. */
export interface Alert {
  readonly name: string;
  /** True for every series that is in trouble. */
  readonly query: Query;
  /** How long it must be true, as Prometheus writes durations. */
  readonly lasting: string;
  readonly severity: "critical" | "warning";
  /** One line; may use `{{ $labels.x }}` and `{{ $value }}`. */
  readonly summary: string;
  /** What to do about it. */
  readonly advice: string;
}

/** What waits to go out, and does not. */
const stuck =
  promql`(rate(${"agent_pair_received_events_total"}[5m]) - rate(${"agent_pair_dropped_events_total"}[5m])) > 0`;

/** The rules. */
export const alerts: readonly Alert[] = [
  {
    name: "AgentDeliversNothing",
    query: promql`${stuck} unless rate(${"agent_pair_delivered_events_total"}[5m]) > 0`,
    lasting: "10m",
    severity: "critical",
    summary: "{{ $labels.instance }}: {{ $labels.source }} has records and {{ $labels.sink }} confirms none of them",
    advice: "Look at the sink's last error: agent status; is its server up, and may this machine connect to it?",
  },
  {
    name: "AgentSinkDown",
    query: promql`${"agent_sink_up"} == 0`,
    lasting: "15m",
    severity: "warning",
    summary: "{{ $labels.instance }}: sink {{ $labels.component_id }} has been down for 15 minutes",
    advice: "Nothing is lost while there is room; agent check tells what is wrong with the sink.",
  },
  {
    name: "AgentSourceDown",
    query: promql`${"agent_source_up"} == 0`,
    lasting: "15m",
    severity: "warning",
    summary: "{{ $labels.instance }}: source {{ $labels.component_id }} cannot be read",
    advice: "agent status tells why; agent check tells what to do.",
  },
  {
    name: "AgentLagsBehind",
    query: promql`${"agent_sink_lag_seconds"} > 600`,
    lasting: "10m",
    severity: "warning",
    summary: "{{ $labels.instance }}: sink {{ $labels.component_id }} is {{ $value | humanizeDuration }} behind",
    advice: "The server, or the way to it, is slower than what comes in.",
  },
  {
    name: "AgentRecordsLost",
    query: promql`increase(${"agent_component_discarded_events_total"}{intentional="false"}[15m]) > 0`,
    lasting: "0m",
    severity: "critical",
    summary:
      "{{ $labels.instance }}: {{ $labels.component_id }} lost {{ $value | humanize }} records ({{ $labels.reason }})",
    advice: "What a server refused for good is in the folder of dead letters; for other reasons see the agent's log.",
  },
  {
    name: "AgentSpoolLosesRecords",
    query: promql`increase(${"agent_buffer_discarded_events_total"}[15m]) > 0`,
    lasting: "0m",
    severity: "critical",
    summary: "{{ $labels.instance }}: the disk queue gave up {{ $value | humanize }} records ({{ $labels.reason }})",
    advice: "Bring the sink back, give the spool more room (spool.maxSize), or let it block (spool.whenFull).",
  },
  {
    name: "AgentSpoolFills",
    query: promql`${"agent_buffer_size_bytes"} / ${"agent_buffer_max_size_bytes"} > 0.8`,
    lasting: "10m",
    severity: "warning",
    summary: "{{ $labels.instance }}: the disk queue is {{ $value | humanizePercentage }} full",
    advice: "Bring the sink back before it is full, or give the spool more room.",
  },
  {
    name: "AgentCertificateNotRenewed",
    // Renewal begins at two thirds of the life: half of what is left then is time enough, whatever the lifetime.
    query:
      promql`time() > (${"agent_certificate_renewal_timestamp_seconds"} + ${"agent_certificate_not_after_timestamp_seconds"}) / 2`,
    lasting: "5m",
    severity: "critical",
    summary: "{{ $labels.instance }}: the certificate should have been renewed and was not",
    advice: "agent cert status, and agent cert renew, say what the signing service answers.",
  },
  {
    name: "AgentCertificateExpires",
    query: promql`${"agent_sink_certificate_not_after_timestamp_seconds"} - time() < 7 * 86400
      unless on (instance) ${"agent_certificate_renewal_timestamp_seconds"}`,
    lasting: "5m",
    severity: "warning",
    summary:
      "{{ $labels.instance }}: the certificate for {{ $labels.component_id }} expires in {{ $value | humanizeDuration }}",
    advice: "Put a new one in its place; it is taken up without a restart.",
  },
  {
    name: "AgentAuditRulesNotLoaded",
    query: promql`${"rsyslog_augenrules_load_success"} == 0`,
    lasting: "15m",
    severity: "critical",
    summary: "{{ $labels.instance }}: the audit rules that are wanted are not loaded",
    advice: "agent audit status tells which rule the kernel refuses.",
  },
  {
    name: "RsyslogTooManyRelpActionFailures",
    query: promql`sum by (instance, name) (rate(${"rsyslog_pstat_failed"}{origin="core.action"}[5m])) / (
      sum by (instance, name) (rate(${"rsyslog_pstat_failed"}{origin="core.action"}[5m])) +
      sum by (instance, name) (rate(${"rsyslog_pstat_processed"}{origin="core.action"}[5m]))) > 0.02`,
    lasting: "15m",
    severity: "warning",
    summary: "{{ $labels.instance }}: {{ $labels.name }} gives up {{ $value | humanizePercentage }} of its records",
    advice: "Look into the folder of dead letters for the server's reason.",
  },
  {
    name: "RsyslogRelpActionProcessingRateIsZero",
    query: promql`sum by (instance) (rate(${"rsyslog_pstat_processed"}{origin="core.action"}[5m])) == 0
      and on (instance) sum by (instance) (${"rsyslog_pstat_size"}) > 0`,
    lasting: "15m",
    severity: "warning",
    summary: "{{ $labels.instance }}: records wait, and none is confirmed",
    advice: "Look at the sink's last error: agent status.",
  },
  {
    name: "RsyslogRelpAuditRulesNotLoadedSuccessfully",
    query: promql`min by (instance) (${"rsyslog_augenrules_load_success"}) < 1`,
    lasting: "15m",
    severity: "warning",
    summary: "{{ $labels.instance }}: its audit rules are not loaded",
    advice: "agent audit status tells which rule the kernel refuses.",
  },
];

/** The rules as a file for Prometheus (`rule_files`): YAML. */
export function formatAlerts(): string {
  const rules = alerts.map(({ name, query, lasting, severity, summary, advice }) =>
    [
      `      - alert: ${name}`,
      `        expr: ${quoted(query.replace(/\s+/g, " "))}`,
      `        for: ${lasting}`,
      `        labels: {severity: ${severity}}`,
      "        annotations:",
      `          summary: ${quoted(summary)}`,
      `          description: ${quoted(advice)}`,
    ].join("\n")
  );
  return `groups:\n  - name: agent\n    rules:\n${rules.join("\n")}\n`;
}

/** A text in double quotes: what JSON writes, YAML reads. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
