import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { batchOfLines, type Origin } from "../pipeline/batch.ts";
import { compileRules } from "../rules/rule_set.ts";
import type { TailFilter, TailRecord } from "../status/state.ts";
import { LiveTail } from "./feed_tail.ts";

const origin: Origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 1_000 };
const all: TailFilter = { sources: [], severity: 7, contains: "" };
const none = compileRules({});

/** What a reader gets of what `show` shows, until `count` records came or none is left. */
async function follow(filter: TailFilter, show: (tail: LiveTail) => void, count: number): Promise<TailRecord[]> {
  const tail = new LiveTail();
  const stop = new AbortController();
  const got: TailRecord[] = [];
  const reading = (async () => {
    for await (const record of tail.follow(filter, stop.signal)) if (got.push(record) === count) break;
  })();
  await Promise.resolve();
  strictEqual(tail.watched, true);
  show(tail);
  await new Promise((resolve) => setTimeout(resolve, 0));
  stop.abort();
  await reading;
  strictEqual(tail.watched, false);
  return got;
}

Deno.test("LiveTail shows records with what stands in their headers", async () => {
  const syslog: Origin = { ...origin, form: "syslog" };
  const line = "<165>1 2003-10-11T22:14:15.003Z router1 su - ID47 - 'su root' failed";
  const got = await follow(all, (tail) => {
    tail.show(batchOfLines(["plain"], origin), none, ["k"]);
    tail.show(batchOfLines([line], syslog), none, ["k"]);
  }, 9);
  deepStrictEqual(got, [
    { source: "s", timeMs: 1_000, host: "h", program: "p", severity: 5, message: "plain", skipped: 0 },
    {
      source: "s",
      timeMs: 1_000,
      host: "router1",
      program: "su",
      severity: 5,
      message: "'su root' failed",
      skipped: 0,
    },
  ]);
});

Deno.test("LiveTail follows the filter, and leaves out what no sink gets", async () => {
  const rules = compileRules({ rules: [{ message: { regex: "secret" }, action: "drop" }] });
  const texts = async (filter: Partial<TailFilter>): Promise<readonly string[]> =>
    (await follow({ ...all, ...filter }, (tail) => {
      tail.show(batchOfLines(["One", "a secret", "two"], origin), rules, ["k"]);
      tail.show(batchOfLines(["grave one"], { ...origin, source: "t", priority: 2 }), rules, ["k"]);
    }, 9)).map(({ message }) => message);
  deepStrictEqual(await texts({}), ["One", "two", "grave one"]);
  deepStrictEqual(await texts({ contains: "ONE" }), ["One", "grave one"]);
  deepStrictEqual(await texts({ severity: 3 }), ["grave one"]);
  deepStrictEqual(await texts({ sources: ["s"] }), ["One", "two"]);
});

Deno.test("LiveTail keeps a thousand records for a slow reader and counts the others", async () => {
  const lines = Array.from({ length: 600 }, (_, i) => `line ${i}`);
  const show = (tail: LiveTail): void => {
    for (let i = 0; i < 3; i++) tail.show(batchOfLines(lines, origin), none, ["k"]);
  };
  strictEqual((await follow(all, show, Infinity)).length, 1_000);
  const tail = new LiveTail();
  const stop = new AbortController();
  const records = tail.follow(all, stop.signal);
  const first = records.next();
  for (let i = 0; i < 30; i++) tail.show(batchOfLines(lines, origin), none, ["k"]);
  await first;
  for (let i = 1; i < 1_000; i++) await records.next();
  const next = records.next();
  await new Promise((resolve) => setTimeout(resolve, 250)); // another time to look
  tail.show(batchOfLines(["after"], origin), none, ["k"]);
  const { value } = await next;
  deepStrictEqual([value?.message, value?.skipped], ["after", 30 * 600 - 1_000]);
  stop.abort();
});

Deno.test("LiveTail cuts long messages", async () => {
  const [record] = await follow(all, (tail) => tail.show(batchOfLines(["x".repeat(9_000)], origin), none, ["k"]), 1);
  deepStrictEqual([record!.message.length, record!.message.at(-1)], [4_097, "…"]);
});
