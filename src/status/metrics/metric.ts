/** What a metric is: where its values come from, apart from how they are written. */
import type { AgentState } from "../state.ts";
import type { ProcessUsage } from "./process_usage.ts";

/** What a scrape is made of. */
export interface MetricInput {
  readonly state: AgentState;
  readonly usage: ProcessUsage;
}

/** One value. */
export interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** One metric. A counter only ever grows, and its name ends with `_total`, except for rsyslog's own names. */
export interface MetricSpec<L extends readonly string[] = readonly string[]> {
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** Names of its labels, in order. */
  readonly labels: L;
  /** Its values now; none where there is nothing to tell. */
  rows(input: MetricInput): readonly Sample[];
}
