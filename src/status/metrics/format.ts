/** Writes the metrics as Prometheus reads them: text format 0.0.4 and OpenMetrics 1.0. */
import { Counter, Gauge, openMetricsContentType, prometheusContentType, Registry } from "prom-client";
import { writeFileAtomic } from "../../system/atomic_file.ts";
import type { AgentState } from "../state.ts";
import type { MetricSpec } from "./metric.ts";
import { type ProcessUsage, readProcessUsage } from "./process_usage.ts";
import { metrics } from "./table.ts";

/** A scrape's answer. */
export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

/** The forms, by what the Accept header of a scrape asks for. */
export type MetricFormat = "prometheus" | "openMetrics";

/** OpenMetrics for who asks for it by name, with a weight that is not zero; the older text for everybody else. */
export function chooseFormat(accept: string | undefined): MetricFormat {
  const wanted = (accept ?? "").split(",").some((part) =>
    part.trim().startsWith("application/openmetrics-text") && !/;\s*q=0(\.0*)?\s*(;|$)/.test(part)
  );
  return wanted ? "openMetrics" : "prometheus";
}

/** Every metric that has a value now. */
export async function formatMetrics(
  state: AgentState,
  format: MetricFormat,
  usage: ProcessUsage = readProcessUsage(),
): Promise<Exposition> {
  const registry = new Registry();
  const open = format === "openMetrics";
  registry.setContentType(open ? openMetricsContentType as never : prometheusContentType);
  for (const [name, spec] of Object.entries<MetricSpec>(metrics)) {
    const samples = spec.rows({ state, usage });
    if (samples.length === 0) continue;
    const described = {
      name: nameIn(name, spec, open),
      help: spec.help,
      labelNames: [...spec.labels],
      registers: [registry],
    };
    if (isCounter(name, spec)) {
      const counter = new Counter(described);
      for (const { value, labels } of samples) counter.inc(labels, value);
    } else {
      const gauge = new Gauge(described);
      for (const { value, labels } of samples) gauge.set(labels, value);
    }
  }
  return { contentType: registry.contentType, body: await registry.metrics() };
}

/**
 * Replaces the file that node_exporter's textfile collector reads. It takes files whose names end with `.prom`, and only whole ones:
 * hence the new file beside it and the rename. @throws when it cannot be written
 */
export async function writeTextfile(path: string, state: AgentState): Promise<void> {
  const { body } = await formatMetrics(state, "prometheus");
  writeFileAtomic(path, body, { mode: 0o644 });
}

/** In OpenMetrics a counter's family has no `_total`; the library adds it to the samples again. */
function nameIn(name: string, spec: MetricSpec, open: boolean): string {
  return open && spec.type === "counter" ? name.replace(/_total$/, "") : name;
}

/** Counters end with `_total`: OpenMetrics would rename others and promtool complains. So rsyslog's are written as gauges. */
function isCounter(name: string, spec: MetricSpec): boolean {
  return spec.type === "counter" && name.endsWith("_total");
}
