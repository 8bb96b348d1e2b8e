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
import { type EngineFeed, spoolName } from "./feed.ts";
import { SinkHealth } from "./health.ts";
import { joinObservers, type PairAccount, type Unconfirmed } from "./pair_account.ts";

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
  /** Where everything is counted. */
  readonly feed: EngineFeed;
}

/** Pairs everything with everything. What goes into the spool is redacted before; what comes out of it is not again. */
export function pairsOf(parts: PairParts): Pairs {
  const { sources, sinks, checkpoints, spool, feed } = parts;
  const direct: Pair[] = [];
  const feeding: Pair[] = [];
  for (const source of sources) {
    if (source.replayable) {
      direct.push(...sinks.map((part) => {
        const account = feed.pair(source.id, part.sink.id, "again");
        const first = redactor(parts, [account], () => (sinks.find(({ health }) => !health.down) ?? part) === part);
        const select = selector(parts, part.sink.id, account);
        const rule: Rule = select === undefined ? first : (batch) => select(first(batch));
        const id = `${source.id}@${part.sink.id}`;
        const { sink, checkpoints: positions } = part.sink.bind?.(id, checkpoints) ?? { sink: part.sink, checkpoints };
        return pairWith(source, { ...part, sink }, positions, id, rule, account, feed);
      }));
    } else if (needsSpool(source) && spool !== undefined) feeding.push(pairWithSpool(source, spool, parts));
    else direct.push(pairWithAll(source, parts));
  }
  const draining = spool === undefined ? [] : sinks.map((part) => {
    const { id } = part.sink;
    const account = feed.pair(spoolName, id, "spool");
    account.attachSpool(() => {
      const { lastSeq, oldestSeq, readers } = spool.stats();
      return { lastSeq, oldestSeq, ...readers[id]! };
    });
    return pairWith(spool.reader(id), part, spool, id, selector(parts, id, account), account, feed);
  });
  return { direct, feeding, draining };
}

/** Redacts, and shows what is left to those who look. @param shows whether this pump is the one of its source that shows */
function redactor(
  { rules, feed, sinks }: PairParts,
  accounts: readonly PairAccount[],
  shows: () => boolean = () => true,
): Rule {
  const ids = sinks.map(({ sink }) => sink.id);
  return (batch) => {
    const left = rules.empty ? batch : rules.redact(batch);
    for (const account of accounts) account.drop("redactionFailed", batch.count - left.count, false);
    if (feed.live.watched && shows()) feed.live.show(left, rules, ids);
    return left;
  };
}

/** Selects for a sink, and counts what is not for it. */
function selector({ rules }: PairParts, sink: string, account: PairAccount): Rule | undefined {
  const rule = ruleFor(rules, sink, true);
  return rule === undefined ? undefined : account.ruled(rule, rules.counters(sink));
}

function pairWith(
  source: Source,
  part: SinkPart,
  checkpoints: Checkpoints,
  id: string,
  rule: Rule | undefined,
  account: PairAccount,
  feed: EngineFeed,
): Pair {
  const { sink, health, backoff, aside } = part;
  return {
    source,
    sink,
    checkpoints,
    id,
    backoff,
    observer: joinObservers(health.observer(), account.observer(), worksObserver(source, feed)),
    ...(rule === undefined ? {} : { rule }),
    ...(aside === undefined ? {} : { aside }),
  };
}

function worksObserver({ id }: Source, feed: EngineFeed): PumpObserver {
  return { received: () => feed.sourceWorks(id) };
}

/** Whether what a source gives has to be on our disk: it cannot be read again, and its peer keeps it for us not long enough. */
export function needsSpool({ replayable, acknowledgements, spooled }: Source): boolean {
  return !replayable && (acknowledgements === undefined || spooled === true);
}

function pairWithSpool(source: Source, spool: Spool, parts: PairParts): Pair {
  const account = parts.feed.pair(source.id, spoolName, unconfirmedOf(source));
  return {
    source,
    sink: spoolSink(spool, {
      id: spoolName,
      urgent: source.acknowledgements !== undefined, // where nobody waits for an answer, flash is spared
      onDropped: (batch, { refused, tooLong }) => {
        account.notKept(batch, "spoolFull", refused, true);
        account.notKept(batch, "tooLong", tooLong, true);
        source.refuse?.(batch.position);
      },
    }),
    checkpoints: source.acknowledgements ?? nowhere,
    id: `${source.id}@spool`,
    backoff: spoolBackoff,
    observer: joinObservers(
      new SinkHealth("the spool").observer(),
      account.observer(),
      worksObserver(source, parts.feed),
    ),
    rule: redactor(parts, [account]),
  };
}

/** What becomes of a live source's records when a pump ends before they are confirmed. */
function unconfirmedOf({ acknowledgements }: Source): Unconfirmed {
  return acknowledgements === undefined ? "lost" : "givenBack";
}

/** One pump to all sinks: a batch is answered for when every one of them holds it. */
function pairWithAll(source: Source, parts: PairParts): Pair {
  const { sinks, feed } = parts;
  const accounts = sinks.map(({ sink }) => feed.pair(source.id, sink.id, unconfirmedOf(source)));
  const branches = sinks.map(({ sink, health, backoff, aside }, i) => ({
    sink,
    rule: selector(parts, sink.id, accounts[i]!),
    backoff,
    aside,
    observer: joinObservers(health.observer(), accounts[i]!.observer()),
  }));
  const all = new FanOut(branches);
  return {
    source,
    sink: all,
    aside: all,
    checkpoints: source.acknowledgements ?? nowhere,
    id: `${source.id}@*`,
    backoff: sinks[0]!.backoff,
    observer: { // each sink is told of its own part
      ...worksObserver(source, feed),
      began: () => branches.forEach(({ observer }) => observer.began?.()),
    },
    rule: redactor(parts, accounts),
  };
}

const nowhere: Checkpoints = { get: () => Promise.resolve(undefined), commit: () => {} };
const spoolBackoff: BackoffLimits = { firstMs: 250, maxMs: 5_000 };
