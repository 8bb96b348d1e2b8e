/**
 * What became of the records of one source for one sink. In every moment
 *
 *   received = delivered + dropped + held
 *
 * Nothing is counted per record: a batch costs a few additions. What is read again (after a reload, or when a source
 * broke) is not counted again: it is held until then. Counters never fall, over any number of reloads.
 */
import { type Batch, recordBytes } from "../pipeline/batch.ts";
import type { PumpObserver } from "../pipeline/pump.ts";
import type { Rule } from "../pipeline/rule.ts";
import type { RuleCounters } from "../rules/rule_set.ts";
import type { DropCount } from "../status/state.ts";

/**
 * What becomes of unconfirmed records when a pump ends. `again`: they are read again from the position. `spool`: they
 * are in the spool still. `givenBack`: nobody confirmed them to their sender, who sends them again. `lost`: nobody has them.
 */
export type Unconfirmed = "again" | "spool" | "givenBack" | "lost";

/** What a spool tells of one of its readers; see `SpoolStats`. */
export interface ReaderView {
  readonly lastSeq: number;
  readonly oldestSeq: number;
  readonly committed: number;
  readonly dropped: number;
  readonly damaged: number;
}

/** A batch on its way. */
interface Flight {
  readonly readAtMs: number;
  readonly bytes: number;
  /** Records that are neither delivered nor aside yet. */
  open: number;
  /** Dropped by rules when it was read: its position is not committed, so that this would happen again. */
  readonly ruledOut: number;
  /** Records that the sink took without keeping them. */
  notKept: number;
}

/** The account of one pair. It lives as long as the process. */
export class PairAccount {
  readonly source: string;
  readonly sink: string;
  readonly #unconfirmed: Unconfirmed;
  readonly #drops = new Map<string, { records: number; readonly intended: boolean }>();
  /** Oldest first. */
  readonly #flights = new Map<Batch, Flight>();
  #dropped = 0;
  #inFlight = 0;
  #flightBytes = 0;
  #owed = 0;
  #owedSinceMs = 0;
  #owedDrops = 0;
  #highest = 0;
  #ruledOut = 0;
  /** Of the spool: the last number that the pump has got. */
  #throughSeq = 0;
  /** Up to here an earlier pump got; behind it no drop is counted already. */
  #againThroughSeq = 0;
  #view: (() => ReaderView) | undefined;
  #seen = { dropped: 0, damaged: 0 };
  delivered = 0;
  deliveredBytes = 0;
  receivedBytes = 0;
  /** When the newest batch was read and when one was delivered, milliseconds since 1970. */
  lastReadMs: number | undefined;
  lastDeliveredMs: number | undefined;

  constructor(source: string, sink: string, unconfirmed: Unconfirmed) {
    this.source = source;
    this.sink = sink;
    this.#unconfirmed = unconfirmed;
  }

  /** Records that came; never falls. */
  get received(): number {
    this.#readView();
    this.#highest = Math.max(this.#highest, this.#sum());
    return this.#highest;
  }

  get dropped(): number {
    this.#readView();
    return this.#dropped;
  }

  /** Records that are neither delivered nor dropped. */
  get held(): number {
    return this.received - this.delivered - this.#dropped;
  }

  /** Bytes of batches in memory. */
  get flightBytes(): number {
    return this.#flightBytes;
  }

  /** By reason; a reason once there stays. */
  get drops(): readonly DropCount[] {
    this.#readView();
    return [...this.#drops].map(([reason, { records, intended }]) => ({ reason, intended, records, bytes: 0 }));
  }

  /** When the oldest record in memory that is not confirmed was read; undefined when there is none. */
  get oldestMs(): number | undefined {
    for (const { open, readAtMs } of this.#flights.values()) if (open > 0) return readAtMs;
    return this.#owed > 0 ? this.#owedSinceMs : undefined;
  }

  /** The records of this pair come from a spool, of which `view` tells from now on. */
  attachSpool(view: () => ReaderView): void {
    this.#readView();
    this.#view = view;
    this.#seen = { dropped: view().dropped, damaged: view().damaged };
  }

  /** A rule whose drops are counted here, by what `counters` say before and after. */
  ruled(rule: Rule, counters: Readonly<RuleCounters>): Rule {
    return (batch) => {
      const { dropped, unmatched, routed, limited, failed } = counters;
      const left = rule(batch);
      this.drop("rule", counters.dropped - dropped, true);
      this.drop("unmatched", counters.unmatched - unmatched, true);
      this.drop("routed", counters.routed - routed, true);
      this.drop("rateLimit", counters.limited - limited, true);
      this.drop("ruleFailed", counters.failed - failed, false);
      return left;
    };
  }

  /** Counts records of the batch that is being read, which go no further. */
  drop(reason: string, records: number, intended: boolean): void {
    if (records <= 0) return;
    const again = Math.min(this.#owedDrops, records);
    this.#owedDrops -= again;
    this.#ruledOut += records;
    this.#count(reason, records - again, intended);
  }

  /** Counts records of a batch in flight that the sink took and does not keep. */
  notKept(batch: Batch, reason: string, records: number, intended: boolean): void {
    const flight = this.#flights.get(batch);
    if (flight === undefined || records <= 0) return;
    const gone = Math.min(records, flight.open);
    flight.notKept += gone;
    this.#goAside(flight, reason, gone, intended);
  }

  /** What a pump, or a branch of one, tells of this pair. */
  observer(): PumpObserver {
    return {
      began: () => this.#begin(),
      received: (read, left) => this.#receive(read, left),
      delivered: (records, _, batch) => this.#deliver(records, batch),
      rejected: (_, rejections) => this.#aside("refused", rejections.length),
      abandoned: (batch) => this.#aside("givenUp", batch.count),
    };
  }

  #begin(): void {
    const before = this.received;
    const rereads = this.#unconfirmed === "again" || this.#unconfirmed === "spool";
    if (this.#owed === 0) this.#owedSinceMs = this.oldestMs ?? Date.now();
    if (rereads) { for (const { ruledOut } of this.#flights.values()) this.#owedDrops += ruledOut; }
    if (this.#unconfirmed === "again") this.#owed += this.#inFlight;
    const lost = this.#inFlight;
    this.#flights.clear();
    this.#inFlight = 0;
    this.#flightBytes = 0;
    if (this.#unconfirmed === "givenBack") this.#count("unanswered", lost, true);
    if (this.#unconfirmed === "lost") this.#count("stopped", lost, false);
    if (this.#view === undefined) return;
    this.#againThroughSeq = Math.max(this.#againThroughSeq, this.#throughSeq);
    this.#throughSeq = this.#view().committed;
    // Records in memory whose segment the limit had taken meanwhile.
    this.#count("spoolFull", before - this.#sum(), true);
  }

  #receive(read: Batch, left: Batch): void {
    const ruledOut = this.#ruledOut;
    this.#ruledOut = 0;
    const { spool } = read.position;
    if (this.#view !== undefined && typeof spool === "number") {
      this.#throughSeq = spool;
      if (spool >= this.#againThroughSeq) this.#owedDrops = 0;
    }
    const again = Math.min(this.#owed, left.count);
    this.#owed -= again;
    this.#inFlight += left.count;
    if (again < left.count) this.receivedBytes += Math.round(spanOf(read) * (1 - again / left.count));
    if (again === 0 && left.count === 0) this.receivedBytes += spanOf(read);
    if (read.count > 0) this.lastReadMs = read.origin.readAtMs;
    if (left.count === 0 && (ruledOut === 0 || this.#unconfirmed === "givenBack" || this.#unconfirmed === "lost")) {
      return; // nothing will be told of it that matters
    }
    const bytes = left.count === read.count ? spanOf(left) : recordBytes(left);
    this.#flightBytes += bytes;
    this.#flights.set(left, { readAtMs: read.origin.readAtMs, bytes, open: left.count, ruledOut, notKept: 0 });
  }

  #deliver(records: number, batch: Batch): void {
    const flight = this.#flights.get(batch);
    if (flight === undefined) return;
    this.#flights.delete(batch);
    this.#flightBytes -= flight.bytes;
    const kept = Math.max(0, records - flight.notKept);
    this.delivered += kept;
    this.#inFlight -= kept;
    if (kept === 0) return;
    this.deliveredBytes += flight.bytes;
    this.lastDeliveredMs = Date.now();
  }

  /** Told of a part of some batch: the whole stands first among those that still owe as many. */
  #aside(reason: string, records: number): void {
    let rest = records;
    for (const flight of this.#flights.values()) {
      const gone = Math.min(rest, flight.open);
      this.#goAside(flight, reason, gone, false);
      rest -= gone;
      if (rest === 0) return;
    }
  }

  #goAside(flight: Flight, reason: string, records: number, intended: boolean): void {
    flight.open -= records;
    this.#inFlight -= records;
    this.#count(reason, records, intended);
  }

  #count(reason: string, records: number, intended: boolean): void {
    if (records <= 0) return;
    const known = this.#drops.get(reason);
    if (known === undefined) this.#drops.set(reason, { records, intended });
    else known.records += records;
    this.#dropped += records;
  }

  #readView(): void {
    if (this.#view === undefined) return;
    const { dropped, damaged } = this.#view();
    this.#count("spoolFull", dropped - this.#seen.dropped, true);
    this.#count("damaged", damaged - this.#seen.damaged, false);
    this.#seen = { dropped: Math.max(dropped, this.#seen.dropped), damaged: Math.max(damaged, this.#seen.damaged) };
  }

  /** What the parts say; the spool's reader may be a moment ahead of its pump. */
  #sum(): number {
    const settled = this.delivered + this.#dropped + this.#inFlight;
    if (this.#view === undefined) return settled + this.#owed;
    const { lastSeq, oldestSeq, committed } = this.#view();
    const unread = lastSeq - Math.max(this.#throughSeq, committed, oldestSeq - 1);
    return settled + Math.max(0, unread - this.#owedDrops);
  }
}

/** Several observers as one. */
export function joinObservers(...all: readonly PumpObserver[]): PumpObserver {
  return {
    began: () => all.forEach((one) => one.began?.()),
    received: (read, left) => all.forEach((one) => one.received?.(read, left)),
    delivered: (records, bytes, batch) => all.forEach((one) => one.delivered?.(records, bytes, batch)),
    rejected: (batch, rejections) => all.forEach((one) => one.rejected?.(batch, rejections)),
    abandoned: (batch, reason) => all.forEach((one) => one.abandoned?.(batch, reason)),
    down: (reason) => all.forEach((one) => one.down?.(reason)),
    stillDown: (reason, attempt) => all.forEach((one) => one.stillDown?.(reason, attempt)),
    up: (downMs, attempts) => all.forEach((one) => one.up?.(downMs, attempts)),
  };
}

function spanOf({ bounds, count }: Batch): number {
  return count === 0 ? 0 : bounds[2 * count - 1]! - bounds[0]!;
}
