/**
 * Several sinks as one, for a source that can be read only once: a batch is safe when every sink holds it, or has kept
 * aside what it will not deliver. A sink that failed gets a batch again; those that hold it do not.
 */
import type { Aside } from "../pipeline/aside.ts";
import type { BackoffLimits } from "../pipeline/backoff.ts";
import type { Batch } from "../pipeline/batch.ts";
import { Delivery } from "../pipeline/delivery.ts";
import { errorText } from "../pipeline/errors.ts";
import type { PumpObserver } from "../pipeline/pump.ts";
import type { Rule } from "../pipeline/rule.ts";
import type { Rejection, Sink } from "../pipeline/sink.ts";

/** A sink, the rule that says which records it gets (undefined: all), and what goes with it. */
export interface Branch {
  readonly sink: Sink;
  readonly rule: Rule | undefined;
  readonly backoff: BackoffLimits;
  readonly aside?: Aside | undefined;
  readonly observer?: PumpObserver;
}

/** The sinks as one, with their policies as one. Disposing it does nothing: the sinks belong to the engine. */
export class FanOut implements Sink, Aside {
  readonly id: string;
  readonly batchRecords: number;
  /** What the sinks refuse is settled here, so a pump never sees it. */
  readonly refusedRetries = 0;
  readonly #branches: readonly Branch[];
  /** What each branch has still to do for a batch. */
  readonly #ways = new WeakMap<Batch, readonly Way[]>();
  /** Since when the sinks that are down are, and in how many tries. */
  readonly #down = new Map<Branch, { readonly sinceMs: number; attempts: number }>();
  #hurry = new AbortController();

  constructor(branches: readonly Branch[]) {
    this.#branches = branches;
    this.id = branches.map(({ sink }) => sink.id).join("+");
    this.batchRecords = Math.min(...branches.map(({ sink }) => sink.batchRecords));
  }

  /** Waits for all of them also when one fails: a batch may not be released while a sink still reads it. */
  async send(batch: Batch, signal: AbortSignal): Promise<readonly Rejection[]> {
    const results = await Promise.allSettled(this.#waysOf(batch).map((way) => this.#sendOn(way, signal)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
    return [];
  }

  reset(): void {
    this.#hurry = new AbortController();
    for (const { sink } of this.#branches) sink.reset();
  }

  keepRefused(): Promise<void> {
    return Promise.resolve();
  }

  /** Each sink that still owes the batch keeps its part aside, if it has had its tries. */
  async keepAbandoned(batch: Batch, failures: number, reason: string): Promise<boolean> {
    const ways = this.#waysOf(batch);
    for (const way of ways) {
      const { open } = way.delivery;
      if (open.count === 0 || !await way.delivery.abandon(failures, way.reason ?? reason)) continue;
      way.branch.observer?.abandoned?.(open, way.reason ?? reason);
      sayDelivered(way);
    }
    return ways.every(({ delivery }) => delivery.open.count === 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #waysOf(batch: Batch): readonly Way[] {
    const known = this.#ways.get(batch);
    if (known !== undefined) return known;
    const ways = this.#branches.map((branch) => newWay(branch, batch));
    this.#ways.set(batch, ways);
    return ways;
  }

  async #sendOn(way: Way, signal: AbortSignal): Promise<void> {
    const { branch, delivery } = way;
    if (delivery.open.count === 0) return;
    try {
      await delivery.send(signal, this.#hurry.signal);
    } catch (error) {
      way.reason = errorText(error);
      this.#hurry.abort();
      this.#sayDown(branch, way.reason);
      throw error;
    }
    this.#sayUp(branch);
    sayDelivered(way);
  }

  #sayDown(branch: Branch, reason: string): void {
    const known = this.#down.get(branch);
    if (known === undefined) {
      this.#down.set(branch, { sinceMs: performance.now(), attempts: 1 });
      branch.observer?.down?.(reason);
    } else branch.observer?.stillDown?.(reason, ++known.attempts);
  }

  #sayUp(branch: Branch): void {
    const known = this.#down.get(branch);
    if (known === undefined) return;
    this.#down.delete(branch);
    branch.observer?.up?.(performance.now() - known.sinceMs, known.attempts);
  }
}

/** One batch on its way to one sink. */
interface Way {
  readonly branch: Branch;
  /** What the rule leaves of the batch. */
  readonly part: Batch;
  readonly delivery: Delivery;
  /** Of its newest failure. */
  reason: string | undefined;
}

function sayDelivered({ branch, delivery, part }: Way): void {
  const bytes = part.bounds[2 * part.count - 1]! - part.bounds[0]!;
  branch.observer?.delivered?.(part.count - delivery.aside, bytes, part);
}

function newWay(branch: Branch, batch: Batch): Way {
  const { sink, rule, backoff, aside, observer } = branch;
  const part = rule === undefined ? batch : rule(batch);
  observer?.received?.(batch, part);
  const onRejected = observer?.rejected?.bind(observer);
  const delivery = new Delivery(part, {
    sink,
    backoff,
    aside,
    ...(onRejected === undefined ? {} : { onRejected }),
  });
  return { branch, part, delivery, reason: undefined };
}
