import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { someSink, someSource, someState } from "../../test/peers/agent_state.ts";
import { History } from "./history.ts";
import type { AgentState } from "./state.ts";

/** A history whose clock the test turns. */
function openHistory(count = 7): { history: History; at(ms: number, state: AgentState): void; turn(ms: number): void } {
  let nowMs = 0;
  const history = new History({ everyMs: 10_000, count, now: () => nowMs });
  return {
    history,
    turn: (ms) => nowMs = ms,
    at: (ms, state) => {
      nowMs = ms;
      history.add(state);
    },
  };
}

const received = (records: number, over: Partial<AgentState> = {}): AgentState =>
  someState({ sources: [someSource("in", { received: { records, bytes: 0 } })], sinks: [], ...over });

Deno.test("History.rate() tells the growth a second since a sample that is not too new", () => {
  const { history, at, turn } = openHistory();
  strictEqual(history.rate("source", "in", 5), undefined);
  at(0, received(0));
  turn(4_000);
  strictEqual(history.rate("source", "in", 40), undefined); // half an interval is too short to tell
  at(10_000, received(100));
  turn(12_000);
  strictEqual(history.rate("source", "in", 240), 20); // since the sample at 0: the newest one is too new
  turn(20_000);
  strictEqual(history.rate("source", "in", 400), 30);
  strictEqual(history.rate("sink", "in", 400), undefined);
});

Deno.test("History.rate() is never negative, also after counters began again", () => {
  const { history, at, turn } = openHistory();
  at(0, received(1_000));
  turn(10_000);
  strictEqual(history.rate("source", "in", 10), 0);
});

Deno.test("History.add() takes no samples that are closer together than the interval", () => {
  const { history, at } = openHistory(3);
  at(0, received(0));
  for (let ms = 10; ms < 5_000; ms += 10) at(ms, received(ms)); // were they taken, the ring would be full of them
  at(10_000, received(100));
  deepStrictEqual(history.rates("source", "in", 2), [10, undefined].toReversed());
});

Deno.test("History.rates() keeps the span alone, with gaps where nothing was known", () => {
  const { history, at } = openHistory(7);
  for (let i = 0; i <= 20; i++) at(i * 10_000, received(i * i, i === 18 ? { sources: [] } : {}));
  // Steps 14→15 … 19→20 of i²; those from and to 18 are unknown.
  deepStrictEqual(history.rates("source", "in", 6), [2.9, 3.1, 3.3, undefined, undefined, 3.9]);
});

Deno.test("History.growth() tells what was lost within the span alone", () => {
  const { history, at } = openHistory(7);
  const lost = (records: number): AgentState =>
    someState({ sinks: [someSink("out", { drops: [{ reason: "refused", intended: false, records, bytes: 0 }] })] });
  at(0, lost(50));
  strictEqual(history.growth("lost", "sink out", 50), 50); // the span holds the whole life so far
  for (let i = 1; i <= 10; i++) at(i * 10_000, lost(50));
  strictEqual(history.growth("lost", "sink out", 50), 0);
  strictEqual(history.growth("lost", "sink out", 53), 3);
});

Deno.test("History forgets what is gone, and takes no more than its room", () => {
  const { history, at } = openHistory(3);
  const many = someState({ sources: Array.from({ length: 400 }, (_, i) => someSource(`s${i}`)) });
  at(0, many);
  at(10_000, someState({ sources: [someSource("late")] }));
  at(20_000, someState({ sources: [someSource("late", { received: { records: 10, bytes: 0 } })] }));
  ok(history.rates("source", "late", 2).every((rate) => rate === undefined)); // no room while the many are known
  for (let i = 3; i < 8; i++) {
    at(i * 10_000, someState({ sources: [someSource("late", { received: { records: 10 * i, bytes: 0 } })] }));
  }
  deepStrictEqual(history.rates("source", "late", 2), [1, 1]);
});
