/** From accounts, tallies and statistics to what is shown of sources, sinks and the spool. */
import type { AgentConfig, SinkConfig } from "../config/config.ts";
import type { Drop } from "../pipeline/drops.ts";
import type { Source } from "../pipeline/source.ts";
import type { SpoolStats } from "../spool/spool.ts";
import type { Amount, DropCount, SinkState, SourceState, SpoolState } from "../status/state.ts";
import { formatAddress } from "../tls/dial.ts";
import type { SinkTally } from "./health.ts";
import type { PairAccount } from "./pair_account.ts";
import type { SinkPart } from "./pairs.ts";

/** What states are made of. */
export interface FeedParts {
  readonly config: AgentConfig;
  readonly pairs: readonly PairAccount[];
  readonly nowMs: number;
  readonly spool: SpoolStats | undefined;
  readonly spoolName: string;
  tally(sink: string): SinkTally;
  trouble(source: string): { readonly reason: string; readonly sinceMs: number } | undefined;
  drops(source: Source): ReadonlyMap<string, Drop>;
  /** Of dead letters, by the engines before. */
  removedBytes(sink: string): number;
  certificateEndMs(path: string): number | undefined;
}

/** A source; what several sinks read of it is counted once, as far as the one that is furthest. */
export function sourceState(source: Source, given: FeedParts): SourceState {
  const pairs = given.pairs.filter((pair) => pair.source === source.id);
  const furthest = pairs.toSorted((a, b) => b.received - a.received)[0];
  const trouble = given.trouble(source.id);
  const lastRecordMs = newest(pairs.map(({ lastReadMs }) => lastReadMs));
  return {
    id: source.id,
    type: given.config.sources[source.id]?.type ?? "unknown",
    received: { records: furthest?.received ?? 0, bytes: furthest?.receivedBytes ?? 0 },
    drops: [...given.drops(source)].map(([reason, { records, bytes }]) => ({
      reason,
      intended: reason === "longLine",
      records,
      bytes,
    })),
    ...(lastRecordMs === undefined ? {} : { lastRecordMs }),
    ...(trouble === undefined ? {} : { error: trouble.reason, errorSinceMs: trouble.sinceMs }),
    ...source.figures?.(),
  };
}

/** A sink, with all pairs that end there. */
export function sinkState({ sink, aside }: SinkPart, given: FeedParts): SinkState {
  const { nowMs } = given;
  const config = given.config.sinks[sink.id];
  const tally = given.tally(sink.id);
  const pairs = given.pairs.filter((pair) => pair.sink === sink.id);
  const oldestMs = Math.min(...pairs.map((pair) => pair.held > 0 ? pair.oldestMs ?? nowMs : nowMs));
  const lastSuccessMs = newest(pairs.map(({ lastDeliveredMs }) => lastDeliveredMs));
  const cert = config !== undefined && "tls" in config ? config.tls?.cert : undefined;
  const certificateEndMs = cert === undefined ? undefined : given.certificateEndMs(cert);
  return {
    id: sink.id,
    type: config?.type ?? "unknown",
    target: config === undefined ? "" : targetOf(config),
    up: tally.up,
    ...(tally.sinceMs === undefined ? {} : { sinceMs: tally.sinceMs }),
    ...(tally.lastError === undefined ? {} : { lastError: tally.lastError }),
    ...(tally.lastErrorMs === undefined ? {} : { lastErrorMs: tally.lastErrorMs }),
    ...(lastSuccessMs === undefined ? {} : { lastSuccessMs }),
    failures: tally.failures,
    suspensions: tally.suspensions,
    resumptions: tally.resumptions,
    suspendedMs: Math.round(tally.suspendedMs),
    delivered: { records: sum(pairs, "delivered"), bytes: sum(pairs, "deliveredBytes") },
    drops: mergedDrops(pairs),
    deadLettersRemovedBytes: given.removedBytes(sink.id) + (aside?.removedBytes ?? 0),
    held: heldOf(pairs, sink.id, given),
    lagMs: Number.isFinite(oldestMs) ? Math.max(0, nowMs - oldestMs) : 0,
    ...(certificateEndMs === undefined ? {} : { certificateEndMs }),
  };
}

/** What a spool counts, since the start of the process. */
export interface SpoolTotals {
  readonly oldest: number;
  readonly newest: number;
  readonly tooLong: number;
  readonly damaged: number;
  readonly syncs: number;
  readonly syncMs: number;
}

/** The spool: what is there now, and what happened in all. */
export function spoolState(stats: SpoolStats, totals: SpoolTotals): SpoolState {
  const { bytes, maxBytes, blocked, readers } = stats;
  return {
    usedBytes: bytes,
    maxBytes,
    records: Math.max(0, ...Object.values(readers).map(({ held }) => held)),
    drops: [
      { reason: "spoolFull", intended: true, records: totals.oldest + totals.newest, bytes: 0 },
      { reason: "tooLong", intended: true, records: totals.tooLong, bytes: 0 },
      { reason: "damaged", intended: false, records: totals.damaged, bytes: stats.damaged.bytes },
    ],
    syncs: { count: totals.syncs, totalMs: totals.syncMs },
    blocked,
  };
}

/** Where a sink delivers to; of a command its program alone, as its words may hold secrets. */
function targetOf(config: SinkConfig): string {
  if ("host" in config) return formatAddress(config.host, config.port);
  if (config.type === "file") return config.folder;
  if (config.type === "exec") return config.command.trim().split(/\s+/).find((word) => !word.includes("=")) ?? "";
  return "";
}

/** In memory, and of the spool as much as is its share of what is there. */
function heldOf(pairs: readonly PairAccount[], sink: string, { spool, spoolName }: FeedParts): Amount {
  const records = sum(pairs, "held");
  const bytes = sum(pairs, "flightBytes");
  const reader = spool?.readers[sink];
  if (spool === undefined || reader === undefined || !pairs.some(({ source }) => source === spoolName)) {
    return { records, bytes };
  }
  const all = spool.lastSeq - spool.oldestSeq + 1;
  return { records, bytes: bytes + (all <= 0 ? 0 : Math.round(spool.bytes * Math.min(1, reader.held / all))) };
}

function mergedDrops(pairs: readonly PairAccount[]): readonly DropCount[] {
  const merged = new Map<string, DropCount>();
  for (const drop of pairs.flatMap(({ drops }) => drops)) {
    merged.set(drop.reason, { ...drop, records: drop.records + (merged.get(drop.reason)?.records ?? 0) });
  }
  return [...merged.values()];
}

function sum(pairs: readonly PairAccount[], what: "delivered" | "deliveredBytes" | "held" | "flightBytes"): number {
  return pairs.reduce((total, pair) => total + pair[what], 0);
}

function newest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}
