/** Queries of Prometheus whose metric names the compiler checks against the table: a panel cannot ask for what is not there. */
import type { MetricName } from "../metrics/table.ts";

/** A query. */
export type Query = string & { readonly isQuery: true };

/** Puts metric names, other queries and numbers into a query: promql`rate(${"agent_…"}[5m]) > ${0.8}`. */
export function promql(parts: TemplateStringsArray, ...values: readonly (MetricName | Query | number)[]): Query {
  return String.raw({ raw: parts }, ...values) as Query;
}
