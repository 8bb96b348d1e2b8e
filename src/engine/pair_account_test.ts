import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Batch, batchOfLines, type Origin, partOfBatch } from "../pipeline/batch.ts";
import { PeerError } from "../pipeline/errors.ts";
import { pump } from "../pipeline/pump.ts";
import type { Sink } from "../pipeline/sink.ts";
import type { Source } from "../pipeline/source.ts";
import { compileRules, ruleFor } from "../rules/rule_set.ts";
import { PairAccount, type ReaderView } from "./pair_account.ts";

const origin: Origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 1_000 };
const backoff = { firstMs: 1, maxMs: 2 };

function lines(count: number, from = 0, position = {}): Batch {
  return batchOfLines(Array.from({ length: count }, (_, i) => `line ${from + i}`), origin, position);
}

function figures({ received, delivered, dropped, held }: PairAccount): readonly number[] {
  strictEqual(received, delivered + dropped + held);
  return [received, delivered, dropped, held];
}

Deno.test("PairAccount counts a batch from reading to delivery", () => {
  const account = new PairAccount("s", "k", "again");
  const told = account.observer();
  const batch = lines(10);
  told.began!();
  told.received!(batch, batch);
  deepStrictEqual(figures(account), [10, 0, 0, 10]);
  deepStrictEqual([account.oldestMs, account.flightBytes > 0], [1_000, true]);
  told.rejected!(batch, [{ index: 3, reason: "no" }]);
  deepStrictEqual(figures(account), [10, 0, 1, 9]);
  told.delivered!(9, 60, batch);
  deepStrictEqual(figures(account), [10, 9, 1, 0]);
  deepStrictEqual([account.oldestMs, account.flightBytes], [undefined, 0]);
  deepStrictEqual(account.drops, [{ reason: "refused", intended: false, records: 1, bytes: 0 }]);
});

Deno.test("PairAccount does not count again what is read again, drops of rules included", () => {
  const account = new PairAccount("s", "k", "again");
  const told = account.observer();
  const round = (): Batch => {
    const read = lines(10);
    account.drop("rule", 4, true);
    const left = partOfBatch(read, [0, 1, 2, 3, 4, 5]);
    told.received!(read, left);
    return left;
  };
  told.began!();
  round();
  deepStrictEqual(figures(account), [10, 0, 4, 6]);
  told.began!();
  deepStrictEqual(figures(account), [10, 0, 4, 6]);
  const left = round();
  deepStrictEqual(figures(account), [10, 0, 4, 6]);
  told.delivered!(6, 1, left);
  deepStrictEqual(figures(account), [10, 6, 4, 0]);
  round();
  deepStrictEqual(figures(account), [20, 6, 8, 6]);
});

Deno.test("PairAccount says of a live source what became of records that nobody confirmed", () => {
  for (
    const [unconfirmed, reason, intended] of [["givenBack", "unanswered", true], ["lost", "stopped", false]] as const
  ) {
    const account = new PairAccount("s", "k", unconfirmed);
    const told = account.observer();
    const batch = lines(3);
    told.received!(batch, batch);
    told.began!();
    deepStrictEqual(figures(account), [3, 0, 3, 0]);
    deepStrictEqual(account.drops, [{ reason, intended, records: 3, bytes: 0 }]);
  }
});

Deno.test("PairAccount of a spool holds what is not read, and never counts twice what is read again", () => {
  let view: ReaderView = { lastSeq: 100, oldestSeq: 1, committed: 0, dropped: 0, damaged: 0 };
  const account = new PairAccount("spool", "k", "spool");
  account.attachSpool(() => view);
  const told = account.observer();
  told.began!();
  deepStrictEqual(figures(account), [100, 0, 0, 100]); // found there
  const batch = lines(40, 0, { spool: 40 });
  told.received!(batch, batch);
  deepStrictEqual(figures(account), [100, 0, 0, 100]);
  view = { ...view, lastSeq: 120, oldestSeq: 61, dropped: 20 }; // 41 to 60 went before they were read
  deepStrictEqual(figures(account), [120, 0, 20, 100]);
  told.delivered!(40, 1, batch);
  view = { ...view, committed: 40 };
  deepStrictEqual(figures(account), [120, 40, 20, 60]);
  const again = lines(30, 0, { spool: 90 });
  told.received!(again, again);
  told.began!(); // a reload: 61 to 90 are read again
  deepStrictEqual(figures(account), [120, 40, 20, 60]);
  told.received!(again, again);
  deepStrictEqual(figures(account), [120, 40, 20, 60]);
  view = { ...view, oldestSeq: 101 }; // dropped while in flight, and then not confirmed
  view = { ...view, dropped: 30 };
  told.began!();
  deepStrictEqual(figures(account), [120, 40, 60, 20]);
});

Deno.test("PairAccount counts at a spool only what it keeps", () => {
  const account = new PairAccount("s", "spool", "lost");
  const told = account.observer();
  const [first, second] = [lines(5), lines(5)];
  told.received!(first, first);
  told.received!(second, second);
  account.notKept(second, "spoolFull", 2, true);
  deepStrictEqual(figures(account), [10, 0, 2, 8]);
  told.delivered!(5, 1, first);
  told.delivered!(5, 1, second);
  deepStrictEqual(figures(account), [10, 8, 2, 0]);
});

Deno.test("PairAccount agrees with a pump whose sink fails, whose rules drop, and which is stopped and begun again", async () => {
  const count = 1_000;
  const rules = compileRules({ rules: [{ message: { regex: "7" }, action: "drop" }] });
  const account = new PairAccount("s", "k", "again");
  let committed = 0;
  const checkpoints = {
    get: () => Promise.resolve({ at: committed }),
    commit: (_: string, position: Readonly<Record<string, unknown>>) => void (committed = Number(position.at)),
  };
  const source: Source = {
    id: "s",
    replayable: true,
    async *read(from, limits, signal): AsyncGenerator<Batch> {
      for (let at = Number(from?.at ?? 0); at < count && !signal.aborted; at += 10) {
        yield lines(Math.min(10, limits.maxRecords), at, { at: at + 10 });
        await Promise.resolve();
      }
    },
  };
  const taken = new Set<string>();
  let calls = 0;
  let highest = 0;
  const look = (): void => {
    const [received] = figures(account);
    ok(received! >= highest, "it fell");
    ok(account.held >= 0);
    highest = received!;
  };
  let stop = new AbortController();
  const cut = (): AbortController => stop;
  let failing = false;
  const sink: Sink = {
    id: "k",
    batchRecords: 10,
    send: async (batch) => {
      look();
      await Promise.resolve();
      if (failing || ++calls % 13 === 0) {
        failing = true;
        if (calls % 26 === 0) cut().abort();
        throw new PeerError("away");
      }
      for (let i = 0; i < batch.count; i++) taken.add(`${batch.position.at} ${i}`);
      look();
      return [];
    },
    reset: () => failing = false,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const rule = account.ruled(ruleFor(rules, "k", true)!, rules.counters("k"));
  let runs = 0;
  for (; committed < count && runs < 100; runs++) {
    stop = new AbortController();
    failing = false;
    const options = { source, sink, checkpoints, id: "p", rule, maxFlightBytes: 1_000, maxBatchBytes: 1_000 };
    await pump({ ...options, backoff, observer: account.observer() }, stop.signal, stop.signal);
    look();
  }
  ok(runs > 2, `only ${runs} runs`);
  const withSeven = Array.from({ length: count }, (_, i) => String(i)).filter((text) => text.includes("7")).length;
  deepStrictEqual(figures(account), [count, count - withSeven, withSeven, 0]);
  strictEqual(taken.size, count - withSeven);
});

Deno.test("PairAccount of a spool counts the drops of rules that changed while records were read again", () => {
  let lastSeq = 10;
  const account = new PairAccount("spool", "k", "spool");
  account.attachSpool(() => ({ lastSeq, oldestSeq: 1, committed: 0, dropped: 0, damaged: 0 }));
  const told = account.observer();
  const read = (to: number, drops: number): Batch => {
    const all = lines(10, 0, { spool: to });
    account.drop("rule", drops, true);
    const left = drops === 0 ? all : partOfBatch(all, [0, 1, 2, 3, 4, 5]);
    told.received!(all, left);
    return left;
  };
  told.began!();
  read(10, 4);
  deepStrictEqual(figures(account), [10, 0, 4, 6]);
  told.began!();
  told.delivered!(10, 1, read(10, 0)); // nothing is dropped any more, so that four come twice
  deepStrictEqual(figures(account), [14, 10, 4, 0]);
  lastSeq = 20;
  read(20, 4);
  deepStrictEqual(figures(account), [24, 10, 8, 6]);
});
