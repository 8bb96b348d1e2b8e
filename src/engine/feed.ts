/**
 * What the status server shows of the engine. Accounts and tallies live as long as the process, so that no counter falls
 * when a new configuration builds a new engine; figures are put together only when somebody asks.
 */
import type { AgentConfig } from "../config/config.ts";
import { type Drop, DropCounter } from "../pipeline/drops.ts";
import type { Source } from "../pipeline/source.ts";
import type { Spool, SpoolStats } from "../spool/spool.ts";
import type { AgentFeed, AgentState, TailFilter, TailRecord } from "../status/state.ts";
import { formatConfiguration } from "./feed_configuration.ts";
import { CertificateWatch } from "./feed_certificates.ts";
import { type FeedParts, sinkState, sourceState, spoolState, type SpoolTotals } from "./feed_state.ts";
import { LiveTail } from "./feed_tail.ts";
import { SinkTally } from "./health.ts";
import { PairAccount, type Unconfirmed } from "./pair_account.ts";
import type { SinkPart } from "./pairs.ts";

/** Name of the spool among sources and sinks. */
export const spoolName = "spool";

/** What does not change while the process lives. */
export interface FeedOptions {
  readonly command: AgentState["command"];
  readonly version: string;
}

/** What an engine consists of now. */
export interface AttachedParts {
  readonly sources: readonly Source[];
  readonly sinks: readonly SinkPart[];
  readonly spool?: Spool;
}

/** The figures of all engines that this process ran. */
export class EngineFeed implements AgentFeed {
  /** Whether the kernel has the audit rules that the agent keeps; undefined where it keeps none. */
  auditRulesLoaded: boolean | undefined;
  /** Who looks at records as they pass. */
  readonly live = new LiveTail();
  readonly #options: FeedOptions;
  readonly #startMs = Date.now();
  readonly #pairs = new Map<string, PairAccount>();
  readonly #tallies = new Map<string, SinkTally>();
  readonly #earlierDrops = new Map<string, DropCounter>();
  readonly #removedBytes = new Map<string, number>();
  readonly #troubles = new Map<string, Trouble>();
  readonly #certificates = new CertificateWatch();
  #spoolBefore: SpoolTotals = { oldest: 0, newest: 0, tooLong: 0, damaged: 0, syncs: 0, syncMs: 0 };
  #spoolAtOpen: SpoolStats | undefined;
  #config: AgentConfig | undefined;
  #parts: AttachedParts = { sources: [], sinks: [] };

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** The account of a pair, the same one over reloads. */
  pair(source: string, sink: string, unconfirmed: Unconfirmed): PairAccount {
    const key = `${source}\0${sink}`;
    const account = this.#pairs.get(key) ?? new PairAccount(source, sink, unconfirmed);
    this.#pairs.set(key, account);
    return account;
  }

  /** The tally of a sink, the same one over reloads. */
  tally(sink: string): SinkTally {
    const tally = this.#tallies.get(sink) ?? new SinkTally();
    this.#tallies.set(sink, tally);
    return tally;
  }

  /** An engine takes over from the one before, if any. */
  attach(config: AgentConfig, parts: AttachedParts): void {
    this.#leave();
    this.#config = config;
    this.#parts = parts;
    this.#spoolAtOpen = parts.spool?.stats();
    this.#certificates.watch(config);
  }

  /** A source broke; it is opened again. */
  sourceFailed(id: string, reason: string): void {
    const nowMs = Date.now();
    const known = this.#troubles.get(id);
    this.#troubles.set(id, { reason, sinceMs: known?.sinceMs ?? nowMs, lastMs: nowMs });
  }

  /** A source gave something. */
  sourceWorks(id: string): void {
    if (this.#troubles.size > 0) this.#troubles.delete(id);
  }

  state(): AgentState {
    const nowMs = Date.now();
    const { command, version } = this.#options;
    const config = this.#config;
    const pairs = this.#shownPairs();
    const given = this.#given(pairs, nowMs);
    const certificate = this.#certificates.own(nowMs);
    return {
      version,
      hostname: config?.hostname ?? Deno.hostname(),
      command,
      nowMs,
      startMs: this.#startMs,
      sources: this.#parts.sources.map((source) => sourceState(source, given)),
      sinks: this.#parts.sinks.map((part) => sinkState(part, given)),
      pairs: pairs.map(({ source, sink, received, delivered, dropped, held }) => (
        { source, sink, received, delivered, dropped, held }
      )),
      ...(this.#parts.spool === undefined
        ? {}
        : { spool: spoolState(this.#parts.spool.stats(), this.#spoolTotals(this.#parts.spool)) }),
      ...(certificate === undefined ? {} : { certificate }),
      ...(this.auditRulesLoaded === undefined ? {} : { auditRulesLoaded: this.auditRulesLoaded }),
    };
  }

  tail(filter: TailFilter, signal: AbortSignal): AsyncIterable<TailRecord> {
    return this.live.follow(filter, signal);
  }

  configuration(): string {
    return this.#config === undefined ? "# no configuration\n" : formatConfiguration(this.#config);
  }

  /** Those of parts that the configuration in use has; the others only rest. */
  #shownPairs(): readonly PairAccount[] {
    const { sources = {}, sinks = {} } = this.#config ?? {};
    const spooling = this.#parts.spool !== undefined;
    return [...this.#pairs.values()].filter(({ source, sink }) =>
      (source in sources || (spooling && source === spoolName)) && (sink in sinks || (spooling && sink === spoolName))
    );
  }

  #given(pairs: readonly PairAccount[], nowMs: number): FeedParts {
    return {
      config: this.#config!,
      pairs,
      nowMs,
      spool: this.#parts.spool?.stats(),
      spoolName,
      tally: (sink) => this.tally(sink),
      trouble: (source) => {
        const trouble = this.#troubles.get(source);
        return trouble === undefined || nowMs - trouble.lastMs > troubleLastsMs ? undefined : trouble;
      },
      drops: (source) => this.#dropsOf(source),
      removedBytes: (sink) => this.#removedBytes.get(sink) ?? 0,
      certificateEndMs: (path) => this.#certificates.endOf(path, nowMs),
    };
  }

  /** Keeps what parts that go away have counted. */
  #leave(): void {
    for (const source of this.#parts.sources) {
      if (source.drops === undefined) continue;
      const earlier = this.#earlierDrops.get(source.id) ?? new DropCounter();
      for (const [reason, { records, bytes }] of source.drops()) earlier.add(reason, records, bytes);
      this.#earlierDrops.set(source.id, earlier);
    }
    for (const { sink, aside } of this.#parts.sinks) {
      this.#removedBytes.set(sink.id, (this.#removedBytes.get(sink.id) ?? 0) + (aside?.removedBytes ?? 0));
    }
    if (this.#parts.spool !== undefined) this.#spoolBefore = this.#spoolTotals(this.#parts.spool);
  }

  #dropsOf(source: Source): ReadonlyMap<string, Drop> {
    const all = new DropCounter();
    for (const drops of [this.#earlierDrops.get(source.id)?.drops, source.drops?.()]) {
      for (const [reason, { records, bytes }] of drops ?? []) all.add(reason, records, bytes);
    }
    return all.drops;
  }

  /** What was lost before this spool was opened is in its statistics, too: it was counted then, or by another process. */
  #spoolTotals(spool: Spool): SpoolTotals {
    const stats = spool.stats();
    const before = this.#spoolBefore;
    return {
      oldest: before.oldest + stats.dropped.oldest - (this.#spoolAtOpen?.dropped.oldest ?? 0),
      newest: before.newest + stats.dropped.newest,
      tooLong: before.tooLong + stats.dropped.tooLong,
      damaged: before.damaged + stats.damaged.records,
      syncs: before.syncs + stats.syncs.count,
      syncMs: before.syncMs + stats.syncs.totalMs,
    };
  }
}

/** Why a source could not be read, since when, and when that was last seen; milliseconds since 1970. */
interface Trouble {
  readonly reason: string;
  readonly sinceMs: number;
  readonly lastMs: number;
}

/** Longer than the longest pause before a source is opened again. */
const troubleLastsMs = 90_000;
