/**
 * The last hour of every counter, for sparklines and rates. Bounded: a ring of 361 samples for each of at most 512 series, about 3 KiB
 * each; what is gone from the configuration is forgotten when its ring has run empty.
 */
import type { AgentFeed, AgentState } from "./state.ts";

/** How samples are taken; the defaults make an hour. */
export interface HistoryOptions {
  /** Shortest time between samples, milliseconds. */
  readonly everyMs?: number;
  /** Samples that are kept. */
  readonly count?: number;
  /** Milliseconds that only grow, whatever the clock of the machine does. */
  readonly now?: () => number;
}

/** What is followed. `lost`: records that were dropped without anybody wanting it. */
export type Followed = "source" | "sink" | "lost";

/** Samples of counters in the order of time. */
export class History {
  readonly everyMs: number;
  readonly #count: number;
  readonly #now: () => number;
  readonly #times: Float64Array;
  readonly #series = new Map<string, Float64Array>();
  /** Samples so far; the newest is at `(#taken - 1) % #count`. */
  #taken = 0;

  constructor({ everyMs = 10_000, count = 361, now = () => performance.now() }: HistoryOptions = {}) {
    this.everyMs = everyMs;
    this.#count = count;
    this.#now = now;
    this.#times = new Float64Array(count).fill(NaN);
  }

  /** Takes a sample, unless the newest one is younger than `everyMs`. */
  add(state: AgentState): void {
    const atMs = this.#now();
    const newest = this.#timeAt(this.#taken - 1);
    if (newest !== undefined && atMs - newest < this.everyMs * 0.9) return; // timers come a little early
    const slot = this.#taken % this.#count;
    for (const [name, values] of this.#series) {
      values[slot] = NaN;
      if (values.every(Number.isNaN)) this.#series.delete(name);
    }
    for (const [name, value] of countersOf(state)) {
      const values = this.#seriesOf(name);
      if (values !== undefined) values[slot] = value;
    }
    this.#times[slot] = atMs;
    this.#taken++;
  }

  /** Growth a second up to now, over the newest samples that lie at least half an interval back; undefined: too new to tell. */
  rate(kind: Followed, id: string, current: number): number | undefined {
    const atMs = this.#now();
    for (let i = this.#taken - 1; i >= 0 && i >= this.#taken - 3; i--) {
      const [time, value] = [this.#timeAt(i), this.#valueAt(kind, id, i)];
      if (time === undefined || value === undefined || atMs - time < this.everyMs / 2) continue;
      return Math.max(0, current - value) * 1_000 / (atMs - time);
    }
    return undefined;
  }

  /** Growth a second in equal parts of the whole span, oldest first; undefined where nothing is known. */
  rates(kind: Followed, id: string, parts = 60): readonly (number | undefined)[] {
    const spanMs = this.everyMs * (this.#count - 1);
    const beginMs = this.#now() - spanMs;
    const grown = new Float64Array(parts);
    const lasted = new Float64Array(parts);
    for (let i = Math.max(1, this.#taken - this.#count + 1); i < this.#taken; i++) {
      const [from, to] = [this.#valueAt(kind, id, i - 1), this.#valueAt(kind, id, i)];
      const [start, end] = [this.#timeAt(i - 1), this.#timeAt(i)];
      if (from === undefined || to === undefined || start === undefined || end === undefined) continue;
      const part = Math.min(parts, Math.ceil((end - beginMs) / spanMs * parts)) - 1;
      if (part < 0) continue;
      grown[part]! += Math.max(0, to - from);
      lasted[part]! += end - start;
    }
    return Array.from(grown, (sum, i) => lasted[i] === 0 ? undefined : sum * 1_000 / lasted[i]!);
  }

  /** Growth within the span up to `current`; what a series that began within it started with counts, too. */
  growth(kind: Followed, id: string, current: number): number {
    if (this.#taken <= this.#count) return current; // the oldest sample is the start of the process
    const first = this.#valueAt(kind, id, this.#taken - this.#count) ?? 0;
    return Math.max(0, current - first);
  }

  #seriesOf(name: string): Float64Array | undefined {
    const known = this.#series.get(name);
    if (known !== undefined || this.#series.size >= maxSeries) return known;
    const made = new Float64Array(this.#count).fill(NaN);
    this.#series.set(name, made);
    return made;
  }

  #timeAt(sample: number): number | undefined {
    if (sample < 0 || sample < this.#taken - this.#count) return undefined;
    return this.#times[sample % this.#count];
  }

  #valueAt(kind: Followed, id: string, sample: number): number | undefined {
    if (sample < 0 || sample < this.#taken - this.#count) return undefined;
    const value = this.#series.get(`${kind} ${id}`)?.[sample % this.#count];
    return value === undefined || Number.isNaN(value) ? undefined : value;
  }
}

/** Keeps a history of what `feed` tells, until `signal` aborts. */
export function keepHistory(feed: AgentFeed, signal: AbortSignal, options: HistoryOptions = {}): History {
  const history = new History(options);
  history.add(feed.state());
  const timer = setInterval(() => history.add(feed.state()), history.everyMs);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  if (signal.aborted) clearInterval(timer);
  return history;
}

/** Records that a part lost without being told to. */
export function lostBy({ drops }: { readonly drops: AgentState["sources"][number]["drops"] }): number {
  return drops.reduce((sum, { intended, records }) => intended ? sum : sum + records, 0);
}

/** Records that a full or damaged disk queue gave up: a limit that was asked for, and still nobody has them. */
export function lostBySpool({ drops }: NonNullable<AgentState["spool"]>): number {
  return drops.reduce((sum, { records }) => sum + records, 0);
}

function countersOf({ sources, sinks, spool }: AgentState): [string, number][] {
  return [
    ...sources.flatMap((one): [string, number][] => [
      [`source ${one.id}`, one.received.records],
      [`lost source ${one.id}`, lostBy(one)],
    ]),
    ...sinks.flatMap((one): [string, number][] => [
      [`sink ${one.id}`, one.delivered.records],
      [`lost sink ${one.id}`, lostBy(one)],
    ]),
    ...(spool === undefined ? [] : [["lost spool", lostBySpool(spool)] satisfies [string, number]]),
  ];
}

/** 512 series of 361 numbers are 1.5 MiB. */
const maxSeries = 512;
