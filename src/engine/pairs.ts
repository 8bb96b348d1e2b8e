/** Which source feeds which sink, by which way. */
import type { BackoffLimits } from "../pipeline/backoff.ts";
import type { Checkpoints } from "../pipeline/checkpoint.ts";
import type { PumpObserver } from "../pipeline/pump.ts";
import type { Rule } from "../pipeline/rule.ts";
import type { Sink } from "../pipeline/sink.ts";
import type { Source } from "../pipeline/source.ts";
import { spoolSink } from "../spool/sink.ts";
import type { Spool } from "../spool/spool.ts";
import { fanOut } from "./fan_out.ts";
import { SinkHealth } from "./health.ts";

/** A sink with what the engine keeps beside it. */
export interface SinkPart {
  readonly sink: Sink;
  readonly health: SinkHealth;
  readonly backoff: BackoffLimits;
  /** Rules for this sink; undefined: everything is shipped. */
  readonly rule?: Rule;
}

/** One pump's two ends. */
export interface Pair {
  readonly source: Source;
  readonly sink: Sink;
  readonly checkpoints: Checkpoints;
  /** Name of the position. */
  readonly id: string;
  readonly backoff: BackoffLimits;
  readonly observer: PumpObserver;
  readonly rule?: Rule;
}

/** All pumps of an engine. */
export interface Pairs {
  /** From source to sink or sinks. */
  readonly direct: readonly Pair[];
  /** From live sources into the spool. */
  readonly feeding: readonly Pair[];
  /** From the spool to each sink. */
  readonly draining: readonly Pair[];
}

/** Pairs everything with everything. `spool` is for sources that can neither be read again nor have a peer that repeats. */
export function pairsOf(
  sources: readonly Source[],
  sinks: readonly SinkPart[],
  checkpoints: Checkpoints,
  spool: Spool | undefined,
): Pairs {
  const direct: Pair[] = [];
  const feeding: Pair[] = [];
  for (const source of sources) {
    if (source.replayable) {
      direct.push(...sinks.map((part) => pairWith(source, part, checkpoints, `${source.id}@${part.sink.id}`)));
    } else if (source.acknowledgements === undefined && spool !== undefined) feeding.push(pairWithSpool(source, spool));
    else direct.push(pairWithAll(source, sinks));
  }
  const draining = spool === undefined
    ? []
    : sinks.map((part) => pairWith(spool.reader(part.sink.id), part, spool, part.sink.id));
  return { direct, feeding, draining };
}

function pairWith(source: Source, part: SinkPart, checkpoints: Checkpoints, id: string): Pair {
  const { sink, health, backoff, rule } = part;
  return {
    source,
    sink,
    checkpoints,
    id,
    backoff,
    observer: health.observer(),
    ...(rule === undefined ? {} : { rule }),
  };
}

function pairWithSpool(source: Source, spool: Spool): Pair {
  return {
    source,
    sink: spoolSink(spool, { id: "spool" }),
    checkpoints: nowhere,
    id: `${source.id}@spool`,
    backoff: spoolBackoff,
    observer: new SinkHealth("the spool").observer(),
  };
}

/** One pump to all sinks: a batch is answered for when every one of them holds it. */
function pairWithAll(source: Source, sinks: readonly SinkPart[]): Pair {
  const first = sinks[0]!;
  const observers = sinks.map(({ health }) => health.observer());
  return {
    source,
    sink: fanOut(sinks.map(({ sink }) => sink)),
    checkpoints: source.acknowledgements ?? nowhere,
    id: `${source.id}@*`,
    backoff: first.backoff,
    observer: {
      ...observers[0]!,
      delivered: (records, bytes) => observers.forEach((observer) => observer.delivered?.(records, bytes)),
    },
    ...(first.rule === undefined ? {} : { rule: first.rule }),
  };
}

const nowhere: Checkpoints = { get: () => Promise.resolve(undefined), commit: () => {} };
const spoolBackoff: BackoffLimits = { firstMs: 250, maxMs: 5_000 };
