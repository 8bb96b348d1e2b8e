/**
 * Every metric of the agent: one table, which the scrape, the textfile, the alerts and the dashboard are all made of, so that none of
 * them can name what the others do not have. Names follow the component and buffer metrics that dashboards of shippers know, and
 * rsyslog's own for those of Gardener; units are in the names.
 */
import type { Amount, DropCount } from "../state.ts";
import { pstatMetrics } from "./pstat.ts";
import type { MetricInput, MetricSpec, Sample } from "./metric.ts";

type Rows = (input: MetricInput) => readonly Sample[];

const componentLabels = ["component_id", "component_kind", "component_type"] as const;
const dropLabels = [...componentLabels, "reason", "intentional"] as const;
const pairLabels = ["source", "sink"] as const;

const componentMetrics = {
  agent_component_received_events_total: counter(
    "Records that a source has read.",
    componentLabels,
    sources("received", "records"),
  ),
  agent_component_received_event_bytes_total: counter(
    "Bytes of these records.",
    componentLabels,
    sources("received", "bytes"),
  ),
  agent_component_sent_events_total: counter(
    "Records that the peer of a sink has confirmed.",
    componentLabels,
    sinks("records"),
  ),
  agent_component_sent_event_bytes_total: counter(
    "Bytes of these records, before compression.",
    componentLabels,
    sinks("bytes"),
  ),
  agent_component_discarded_events_total: counter(
    "Records that went no further; intentional: a rule or a limit of the configuration said so.",
    dropLabels,
    (input) => componentDrops(input, "records"),
  ),
  agent_component_discarded_bytes_total: counter(
    "Bytes of these records, where they are known.",
    dropLabels,
    (input) => componentDrops(input, "bytes"),
  ),
  agent_component_errors_total: counter(
    "Failed tries to deliver; they are repeated.",
    [...componentLabels, "error_type", "stage"],
    ({ state }) =>
      state.sinks.map(({ id, type, failures }) =>
        sample(failures, { ...component("sink", id, type), error_type: "send_failed", stage: "sending" })
      ),
  ),
} as const satisfies Record<string, MetricSpec>;

const deliveryMetrics = {
  agent_pair_received_events_total: counter(
    "Records of a source for a sink: delivered, dropped or held.",
    pairLabels,
    pairs("received"),
  ),
  agent_pair_delivered_events_total: counter(
    "Those that the sink's peer has confirmed.",
    pairLabels,
    pairs("delivered"),
  ),
  agent_pair_dropped_events_total: counter("Those that went no further.", pairLabels, pairs("dropped")),
  agent_pair_held_events: gauge("Those that are read and neither delivered nor dropped.", pairLabels, pairs("held")),
  agent_sink_up: gauge(
    "Whether the newest try to deliver worked.",
    componentLabels,
    ({ state }) => state.sinks.map(({ id, type, up }) => sample(up ? 1 : 0, component("sink", id, type))),
  ),
  agent_sink_held_events: gauge(
    "Records that wait for the sink.",
    componentLabels,
    ({ state }) => state.sinks.map(({ id, type, held }) => sample(held.records, component("sink", id, type))),
  ),
  agent_sink_lag_seconds: gauge(
    "Age of the oldest record that the sink does not hold.",
    componentLabels,
    ({ state }) => state.sinks.map(({ id, type, lagMs }) => sample(lagMs / 1_000, component("sink", id, type))),
  ),
  agent_sink_last_success_timestamp_seconds: gauge(
    "When the peer last confirmed something.",
    componentLabels,
    ({ state }) =>
      state.sinks.flatMap(({ id, type, lastSuccessMs }) =>
        lastSuccessMs === undefined ? [] : [sample(lastSuccessMs / 1_000, component("sink", id, type))]
      ),
  ),
  agent_source_last_event_timestamp_seconds: gauge(
    "When a source last had a record.",
    componentLabels,
    ({ state }) =>
      state.sources.flatMap(({ id, type, lastRecordMs }) =>
        lastRecordMs === undefined ? [] : [sample(lastRecordMs / 1_000, component("source", id, type))]
      ),
  ),
  agent_source_up: gauge(
    "Whether a source can be read.",
    componentLabels,
    ({ state }) =>
      state.sources.map(({ id, type, error }) => sample(error === undefined ? 1 : 0, component("source", id, type))),
  ),
} as const satisfies Record<string, MetricSpec>;

const lossMetrics = {
  agent_lost_bytes_total: counter(
    "Bytes that sources and the disk queue lost, apart from what the configuration said, where they are known.",
    ["component_id", "component_kind", "component_type", "reason"],
    ({ state }) => [
      ...state.sources.flatMap(({ id, type, drops }) => lostBytes(drops, component("source", id, type))),
      ...lostBytes(state.spool?.drops ?? [], component("buffer", "spool", "disk")),
    ],
  ),
  agent_dead_letters_total: counter(
    "Records that were kept aside on disk: refused by the peer, or given up after as many tries as the sink may make.",
    [...componentLabels, "cause"],
    ({ state }) =>
      state.sinks.flatMap(({ id, type, drops }) =>
        ["refused", "givenUp"].map((cause) => {
          const records = drops.find(({ reason }) => reason === cause)?.records ?? 0;
          return sample(records, { ...component("sink", id, type), cause });
        })
      ),
  ),
  agent_dead_letters_removed_bytes_total: counter(
    "Bytes of dead letters that made room for newer ones.",
    componentLabels,
    ({ state }) =>
      state.sinks.flatMap(({ id, type, deadLettersRemovedBytes: bytes }) =>
        bytes === undefined ? [] : [sample(bytes, component("sink", id, type))]
      ),
  ),
} as const satisfies Record<string, MetricSpec>;

const fileMetrics = {
  agent_watched_files: gauge("Files that a source follows.", componentLabels, files("watched")),
  agent_open_files: gauge("Those that are open.", componentLabels, files("open")),
  agent_source_unread_bytes: gauge("Bytes in them that are not read yet.", componentLabels, files("unreadBytes")),
  agent_source_connections: gauge(
    "Peers that are connected to a source that listens.",
    componentLabels,
    ({ state }) =>
      state.sources.flatMap(({ id, type, sessions }) =>
        sessions === undefined ? [] : [sample(sessions, component("source", id, type))]
      ),
  ),
} as const satisfies Record<string, MetricSpec>;

const bufferMetrics = {
  agent_buffer_size_bytes: gauge("Size of the disk queue.", [], ({ state }) => spool(state.spool?.usedBytes)),
  agent_buffer_max_size_bytes: gauge("Size that it may have.", [], ({ state }) => spool(state.spool?.maxBytes)),
  agent_buffer_size_events: gauge("Records in it.", [], ({ state }) => spool(state.spool?.records)),
  agent_buffer_discarded_events_total: counter(
    "Records that it had to give up.",
    ["reason", "intentional"],
    ({ state }) => (state.spool?.drops ?? []).map((drop) => sample(drop.records, dropLabelsOf(drop))),
  ),
  agent_buffer_blocked: gauge(
    "Whether sources wait because it has no room.",
    [],
    ({ state }) => spool(state.spool?.blocked === undefined ? undefined : Number(state.spool.blocked)),
  ),
  agent_buffer_fsyncs_total: counter(
    "Times that the disk made its records safe.",
    [],
    ({ state }) => spool(state.spool?.syncs?.count),
  ),
  agent_buffer_fsync_seconds_total: counter("How long that took in all.", [], ({ state }) => {
    const { syncs } = state.spool ?? {};
    return spool(syncs === undefined ? undefined : syncs.totalMs / 1_000);
  }),
} as const satisfies Record<string, MetricSpec>;

const certificateMetrics = {
  agent_certificate_not_after_timestamp_seconds: gauge(
    "End of the certificate's life.",
    [],
    ({ state: { certificate } }) => certificate === undefined ? [] : [sample(certificate.notAfterMs / 1_000)],
  ),
  agent_certificate_renewal_timestamp_seconds: gauge(
    "When it is renewed.",
    [],
    ({ state: { certificate } }) => certificate === undefined ? [] : [sample(certificate.renewalMs / 1_000)],
  ),
  agent_certificate_usable: gauge(
    "Whether it can be used now.",
    [],
    ({ state: { certificate } }) => certificate === undefined ? [] : [sample(certificate.ok ? 1 : 0)],
  ),
  agent_sink_certificate_not_after_timestamp_seconds: gauge(
    "End of the certificate that is shown to the sink's peer.",
    componentLabels,
    ({ state }) =>
      state.sinks.flatMap(({ id, type, certificateEndMs }) =>
        certificateEndMs === undefined ? [] : [sample(certificateEndMs / 1_000, component("sink", id, type))]
      ),
  ),
} as const satisfies Record<string, MetricSpec>;

const processMetrics = {
  agent_build_info: gauge("Version of the agent, and what it runs as.", ["version", "command", "host"], ({ state }) => [
    sample(1, { version: state.version, command: state.command, host: state.hostname }),
  ]),
  agent_start_timestamp_seconds: gauge("When the process began.", [], ({ state }) => [sample(state.startMs / 1_000)]),
  process_cpu_seconds_total: counter(
    "Processor time, user and system.",
    [],
    ({ usage }) => [sample(usage.userSeconds + usage.systemSeconds)],
  ),
  process_resident_memory_bytes: gauge("Memory in use.", [], ({ usage }) => [sample(usage.residentBytes)]),
  process_open_fds: gauge("File descriptors in use.", [], ({ usage }) => [sample(usage.openFiles)]),
} as const satisfies Record<string, MetricSpec>;

/** The table, by name. */
export const metrics = {
  ...componentMetrics,
  ...deliveryMetrics,
  ...lossMetrics,
  ...fileMetrics,
  ...bufferMetrics,
  ...certificateMetrics,
  ...processMetrics,
  ...pstatMetrics,
} as const satisfies Readonly<Record<string, MetricSpec>>;

/** A name in the table: what alerts and panels are typed with. */
export type MetricName = keyof typeof metrics;

function counter<const L extends readonly string[]>(help: string, labels: L, rows: Rows): MetricSpec<L> {
  return { type: "counter", help, labels, rows };
}

function gauge<const L extends readonly string[]>(help: string, labels: L, rows: Rows): MetricSpec<L> {
  return { type: "gauge", help, labels, rows };
}

function sample(value: number, labels: Readonly<Record<string, string>> = {}): Sample {
  return { value, labels };
}

function component(
  kind: "source" | "sink" | "buffer",
  id: string,
  type: string,
): Record<(typeof componentLabels)[number], string> {
  return { component_id: id, component_kind: kind, component_type: type };
}

function sources(what: "received", unit: keyof Amount): Rows {
  return ({ state }) => state.sources.map((one) => sample(one[what][unit], component("source", one.id, one.type)));
}

function sinks(unit: keyof Amount): Rows {
  return ({ state }) =>
    state.sinks.map(({ id, type, delivered }) => sample(delivered[unit], component("sink", id, type)));
}

function pairs(what: "received" | "delivered" | "dropped" | "held"): Rows {
  return ({ state }) => state.pairs.map((pair) => sample(pair[what], { source: pair.source, sink: pair.sink }));
}

function files(what: "watched" | "open" | "unreadBytes"): Rows {
  return ({ state }) =>
    state.sources.flatMap(({ id, type, files }) =>
      files === undefined ? [] : [sample(files[what], component("source", id, type))]
    );
}

function spool(value: number | undefined): readonly Sample[] {
  return value === undefined ? [] : [sample(value)];
}

function componentDrops({ state }: MetricInput, unit: keyof Amount): readonly Sample[] {
  const of =
    (kind: "source" | "sink") =>
    ({ id, type, drops }: { id: string; type: string; drops: readonly DropCount[] }): Sample[] =>
      drops.map((drop) => sample(drop[unit], { ...component(kind, id, type), ...dropLabelsOf(drop) }));
  return [...state.sources.flatMap(of("source")), ...state.sinks.flatMap(of("sink"))];
}

function lostBytes(drops: readonly DropCount[], labels: ReturnType<typeof component>): readonly Sample[] {
  return drops.filter(({ intended, bytes }) => !intended && bytes > 0)
    .map(({ reason, bytes }) => sample(bytes, { ...labels, reason }));
}

function dropLabelsOf({ reason, intended }: DropCount): { readonly reason: string; readonly intentional: string } {
  return { reason, intentional: String(intended) };
}
