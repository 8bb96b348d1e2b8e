/**
 * The rules of a configuration, compiled once. What becomes of a batch:
 *
 * ```text
 *   batch ──► redact ──► first rule that matches: ship, drop, or ship to named sinks ──► limit ──► enrich ──► batch
 *                            none: dropped; where no rule ships, and without rules: shipped
 * ```
 *
 * Rules see records as they are after redaction: so it makes no difference whether a record goes to a sink at once or
 * comes from the spool, to which only redacted records are written. A batch that nothing is taken from or added to comes
 * out as it went in; else the result shares the bytes where it can.
 */
import { encodeSyslogHeader } from "../formats/syslog_encode.ts";
import { type Batch, type Origin, recordBytes } from "../pipeline/batch.ts";
import type { Rule } from "../pipeline/rule.ts";
import { type CompiledRule, compileParts, type RuleContext } from "./compile.ts";
import type { Enrichment } from "./enrich.ts";
import { Limiter } from "./limit.ts";
import type { Condition, RuleProblem } from "./match.ts";
import { RecordView } from "./record.ts";
import { RecordWriter } from "./record_writer.ts";
import type { RedactCounters, Redactor } from "./redact.ts";
import { Selection } from "./selection.ts";
import type { RulesSpec } from "./spec.ts";

/** What the rules did with the records for one sink. received = shipped + the others. */
export interface RuleCounters {
  shipped: number;
  /** Dropped by a rule that says so. */
  dropped: number;
  /** Dropped because no rule matched. */
  unmatched: number;
  /** Shipped to other sinks only. */
  routed: number;
  /** Over the limit of a rule. */
  limited: number;
  /** Dropped because a rule failed on them. */
  failed: number;
}

/** What becomes of one record. */
export interface Decision {
  readonly outcome: "ship" | "drop";
  /** Name of the rule that decided; undefined when none matched. */
  readonly rule: string | undefined;
}

/** Compiled rules. */
export interface RuleSet {
  /** Whether every record passes as it is: then no rule need be run at all. */
  readonly empty: boolean;
  readonly redactCounters: RedactCounters;
  /** Makes unreadable what `redact:` says: for records on their way to our disk. Never throws. */
  redact(batch: Batch): Batch;
  /** Decides and enriches for one sink, without redaction: for records that come from our disk. Never throws. */
  select(batch: Batch, sinkId: string): Batch;
  /** Both. Never throws. */
  apply(batch: Batch, sinkId: string): Batch;
  counters(sinkId: string): Readonly<RuleCounters>;
  /** Lines about what limits suppressed in intervals that are over at `nowMs`; Infinity for all. Each is given once. */
  takeNotices(sinkId: string, nowMs: number): readonly string[];
  /** What would become of a record, limits aside. Changes no counter. */
  decide(batch: Batch, index: number, sinkId: string): Decision;
  /** A record as it would leave: redacted, decided by `rule`, enriched. */
  preview(batch: Batch, index: number, sinkId: string): Uint8Array | undefined;
}

/** Everything wrong in rules and redaction, or nothing. */
export function checkRules(spec: RulesSpec, context: RuleContext = {}): readonly RuleProblem[] {
  return compileParts(spec, context).problems;
}

/** Compiles rules. @throws an Error with every mistake, one per line */
export function compileRules(spec: RulesSpec, context: RuleContext = {}): RuleSet {
  const { problems, rules, redactor, enrichment } = compileParts(spec, context);
  if (problems.length > 0) {
    const lines = problems.map(({ path, text }) => `Cannot use rule "${path.join(".")}": ${text}`);
    throw new Error(lines.join("\n"));
  }
  return new CompiledRules(rules, redactor, enrichment, new Set(context.unenriched));
}

/** The rules for one pump. @param redacted the records were redacted before, on their way into the spool */
export function ruleFor(ruleSet: RuleSet, sinkId: string, redacted: boolean): Rule | undefined {
  if (ruleSet.empty) return undefined;
  return redacted ? (batch) => ruleSet.select(batch, sinkId) : (batch) => ruleSet.apply(batch, sinkId);
}

/** State of the rules towards one sink. */
interface SinkState {
  readonly counters: RuleCounters;
  readonly limiters: readonly (Limiter | undefined)[];
}

class CompiledRules implements RuleSet {
  readonly empty: boolean;
  readonly redactCounters: RedactCounters;
  readonly #rules: readonly CompiledRule[];
  readonly #redactor: Redactor | undefined;
  /** For records that no rule matched and that are shipped all the same. */
  readonly #enrichment: Enrichment | undefined;
  readonly #unenriched: ReadonlySet<string>;
  readonly #shipsUnmatched: boolean;
  readonly #limits: boolean;
  readonly #sinks = new Map<string, SinkState>();
  readonly #record = new RecordView();

  constructor(
    rules: readonly CompiledRule[],
    redactor: Redactor | undefined,
    enrichment: Enrichment | undefined,
    unenriched: ReadonlySet<string>,
  ) {
    this.#unenriched = unenriched;
    this.#rules = rules;
    this.#redactor = redactor;
    this.#enrichment = enrichment;
    this.#shipsUnmatched = !rules.some((rule) => rule.ships);
    this.#limits = rules.some((rule) => rule.limit !== undefined);
    this.empty = rules.length === 0 && redactor === undefined && enrichment === undefined;
    this.redactCounters = redactor?.counters ?? { redacted: 0, failed: 0 };
  }

  redact(batch: Batch): Batch {
    return this.#redactor === undefined ? batch : this.#redactor.apply(batch);
  }

  apply(batch: Batch, sinkId: string): Batch {
    return this.select(this.redact(batch), sinkId);
  }

  counters(sinkId: string): Readonly<RuleCounters> {
    return this.#sink(sinkId).counters;
  }

  takeNotices(sinkId: string, nowMs: number): readonly string[] {
    const notices: string[] = [];
    for (const limiter of this.#sink(sinkId).limiters) limiter?.takeNotices(nowMs, notices);
    return notices;
  }

  select(batch: Batch, sinkId: string): Batch {
    const sink = this.#sink(sinkId);
    const notices: string[] = [];
    const { readAtMs } = batch.origin;
    if (this.#limits) { for (const limiter of sink.limiters) limiter?.takeNotices(readAtMs, notices); }
    const selection = new Selection(batch);
    const candidates = this.#candidates(batch.origin);
    const enriching = !this.#unenriched.has(sinkId) && (this.#enrichment !== undefined ||
      candidates.some((rule) => rule.index >= 0 && this.#rules[rule.index]!.enrichment !== undefined));
    for (let i = 0; i < batch.count; i++) {
      this.#record.open(batch, i);
      const rule = this.#ship(candidates, sinkId, sink, readAtMs, notices);
      if (rule !== dropped) selection.keep(i, rule);
      else selection.drop(i);
    }
    if (!enriching && notices.length === 0) return selection.shared();
    return this.#rewritten(selection, notices, sink.counters, enriching);
  }

  decide(batch: Batch, index: number, sinkId: string): Decision {
    this.#record.open(batch, index);
    const rule = this.#match(this.#candidates(batch.origin));
    if (rule < 0) return { outcome: this.#shipsUnmatched ? "ship" : "drop", rule: undefined };
    const { ships, route, name } = this.#rules[rule]!;
    return { outcome: ships && (route === undefined || route.has(sinkId)) ? "ship" : "drop", rule: name };
  }

  preview(batch: Batch, index: number, sinkId: string): Uint8Array | undefined {
    const { outcome } = this.decide(batch, index, sinkId);
    if (outcome === "drop") return undefined;
    const rule = this.#match(this.#candidates(batch.origin));
    const selection = new Selection(batch);
    selection.keep(index, rule);
    const { bytes, bounds } = this.#rewritten(selection, [], newCounters(), !this.#unenriched.has(sinkId));
    return bytes.slice(bounds[0], bounds[1]);
  }

  /** Index of the rule by which the open record goes to the sink (−1: shipped unmatched), or {@linkcode dropped}. */
  #ship(candidates: readonly Candidate[], sinkId: string, sink: SinkState, nowMs: number, notices: string[]): number {
    const { counters } = sink;
    let index: number;
    try {
      index = this.#match(candidates);
    } catch {
      counters.failed++; // a rule that fails lets nothing through
      return dropped;
    }
    if (index < 0) {
      if (this.#shipsUnmatched) counters.shipped++;
      else counters.unmatched++;
      return this.#shipsUnmatched ? index : dropped;
    }
    const rule = this.#rules[index]!;
    if (!rule.ships) counters.dropped++;
    else if (rule.route !== undefined && !rule.route.has(sinkId)) counters.routed++;
    else if (rule.limit !== undefined && !sink.limiters[index]!.allows(this.#limitKey(rule.limit.by), nowMs, notices)) {
      counters.limited++;
    } else {
      counters.shipped++;
      return index;
    }
    return dropped;
  }

  #limitKey(by: "program" | "host" | undefined): string {
    return by === undefined ? "" : by === "program" ? this.#record.programText() : this.#record.hostText();
  }

  /** Index of the first rule that matches the open record, or −1. */
  #match(candidates: readonly Candidate[]): number {
    candidates: for (const { index, conditions } of candidates) {
      for (const condition of conditions) if (!condition.test(this.#record)) continue candidates;
      return index;
    }
    return -1;
  }

  /** The rules that can match records of an origin, each with the conditions that take the record to tell. */
  #candidates(origin: Origin): readonly Candidate[] {
    const candidates: Candidate[] = [];
    for (const [index, { conditions }] of this.#rules.entries()) {
      const open: Condition[] = [];
      let possible = true;
      for (const condition of conditions) {
        const answer = condition.decide(origin);
        if (answer === undefined) open.push(condition);
        else if (!answer) possible = false;
      }
      if (possible) candidates.push({ index, conditions: open });
      if (possible && open.length === 0) break; // matches all that come so far
    }
    return candidates;
  }

  /** What is kept, with its metadata if `enriching`, behind the notices. */
  #rewritten(selection: Selection, notices: readonly string[], counters: RuleCounters, enriching: boolean): Batch {
    const { batch } = selection;
    const writer = new RecordWriter(
      Math.ceil(1.25 * recordBytes(batch)) + 64 * notices.length,
      batch.count + notices.length,
    );
    for (const notice of notices) {
      writer.append(noticeRecord(notice, batch.origin));
      writer.endRecord();
    }
    selection.each((index, rule) => {
      this.#record.open(batch, index);
      const own = rule < 0 ? this.#enrichment : this.#rules[rule]!.enrichment;
      const enrichment = enriching ? own : undefined;
      try {
        if (enrichment === undefined) writer.append(batch.bytes, this.#record.start, this.#record.end);
        else enrichment.write(this.#record, writer);
        writer.endRecord(index);
      } catch {
        writer.abandonRecord();
        counters.shipped--;
        counters.failed++;
      }
    });
    return writer.finish(batch);
  }

  #sink(id: string): SinkState {
    const known = this.#sinks.get(id);
    if (known !== undefined) return known;
    const limiters = this.#rules.map(({ name, limit }) => limit === undefined ? undefined : new Limiter(name, limit));
    const state = { counters: newCounters(), limiters };
    this.#sinks.set(id, state);
    return state;
  }
}

/** A rule with what is left to ask. */
interface Candidate {
  readonly index: number;
  readonly conditions: readonly Condition[];
}

/** A notice in the form of the batch that it travels in. */
function noticeRecord(text: string, origin: Origin): Uint8Array {
  if (origin.form === "plain") return encoder.encode(text);
  const header = encodeSyslogHeader("forward", {
    priority: noticePriority,
    timeMs: origin.readAtMs,
    host: origin.host,
    program: "agent",
  });
  const message = encoder.encode(text.replace(/^agent: /, ""));
  const record = new Uint8Array(header.length + message.length);
  record.set(header);
  record.set(message, header.length);
  return record;
}

function newCounters(): RuleCounters {
  return { shipped: 0, dropped: 0, unmatched: 0, routed: 0, limited: 0, failed: 0 };
}

/** Facility syslog, severity warning. */
const noticePriority = 5 * 8 + 4;
const dropped = -2;
const encoder = new TextEncoder();
