/** Which source feeds which sink, by which way. */
import type { Aside } from "../pipeline/aside.ts";
import type { BackoffLimits } from "../pipeline/backoff.ts";
import type { Checkpoints } from "../pipeline/checkpoint.ts";
import type { PumpObserver } from "../pipeline/pump.ts";
import type { Rule } from "../pipeline/rule.ts";
import type { Sink } from "../pipeline/sink.ts";
import type { Source } from "../pipeline/source.ts";
import { ruleFor, type RuleSet } from "../rules/rule_set.ts";
import { spoolSink } from "../spool/sink.ts";
import type { Spool } from "../spool/spool.ts";
import type { SinkAside } from "./aside.ts";
import { FanOut } from "./fan_out.ts";
import { SinkHealth } from "./health.ts";

/** A sink with what the engine keeps beside it. */
export interface SinkPart {
  readonly sink: Sink;
  readonly health: SinkHealth;
  readonly backoff: BackoffLimits;
  /** What becomes of records that it cannot deliver. */
  readonly aside?: SinkAside;
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
  readonly aside?: Aside;
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

/** What pairs are made of. */
export interface PairParts {
  readonly sources: readonly Source[];
  readonly sinks: readonly SinkPart[];
  readonly checkpoints: Checkpoints;
  /** For sources that can neither be read again nor have a peer that repeats. */
  readonly spool?: Spool;
  readonly rules: RuleSet;
}

/** Pairs everything with everything. What goes into the spool is redacted before; what comes out of it is not again. */
export function pairsOf({ sources, sinks, checkpoints, spool, rules }: PairParts): Pairs {
  const direct: Pair[] = [];
  const feeding: Pair[] = [];
  for (const source of sources) {
    if (source.replayable) {
      direct.push(
        ...sinks.map((part) =>
          pairWith(source, part, checkpoints, `${source.id}@${part.sink.id}`, ruleFor(rules, part.sink.id, false))
        ),
      );
    } else if (needsSpool(source) && spool !== undefined) {
      feeding.push(pairWithSpool(source, spool, rules));
    } else direct.push(pairWithAll(source, sinks, rules));
  }
  const draining = spool === undefined
    ? []
    : sinks.map((part) =>
      pairWith(spool.reader(part.sink.id), part, spool, part.sink.id, ruleFor(rules, part.sink.id, true))
    );
  return { direct, feeding, draining };
}

function pairWith(source: Source, part: SinkPart, checkpoints: Checkpoints, id: string, rule: Rule | undefined): Pair {
  const { sink, health, backoff, aside } = part;
  return {
    source,
    sink,
    checkpoints,
    id,
    backoff,
    observer: health.observer(),
    ...(rule === undefined ? {} : { rule }),
    ...(aside === undefined ? {} : { aside }),
  };
}

/** Whether what a source gives has to be on our disk: it cannot be read again, and its peer keeps it for us not long enough. */
export function needsSpool({ replayable, acknowledgements, spooled }: Source): boolean {
  return !replayable && (acknowledgements === undefined || spooled === true);
}

function pairWithSpool(source: Source, spool: Spool, rules: RuleSet): Pair {
  return {
    source,
    sink: spoolSink(spool, {
      id: "spool",
      urgent: source.acknowledgements !== undefined, // where nobody waits for an answer, flash is spared
      onDropped: ({ position }) => source.refuse?.(position),
    }),
    checkpoints: source.acknowledgements ?? nowhere,
    id: `${source.id}@spool`,
    backoff: spoolBackoff,
    observer: new SinkHealth("the spool").observer(),
    ...(rules.empty ? {} : { rule: (batch) => rules.redact(batch) }),
  };
}

/** One pump to all sinks: a batch is answered for when every one of them holds it. */
function pairWithAll(source: Source, sinks: readonly SinkPart[], rules: RuleSet): Pair {
  const all = new FanOut(sinks.map(({ sink, health, backoff, aside }) => ({
    sink,
    rule: ruleFor(rules, sink.id, true),
    backoff,
    aside,
    observer: health.observer(),
  })));
  return {
    source,
    sink: all,
    aside: all,
    checkpoints: source.acknowledgements ?? nowhere,
    id: `${source.id}@*`,
    backoff: sinks[0]!.backoff,
    observer: {}, // each sink is told of its own part
    ...(rules.empty ? {} : { rule: (batch) => rules.redact(batch) }),
  };
}

const nowhere: Checkpoints = { get: () => Promise.resolve(undefined), commit: () => {} };
const spoolBackoff: BackoffLimits = { firstMs: 250, maxMs: 5_000 };
