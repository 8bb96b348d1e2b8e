import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { AllFailedError, type Attempt, firstOf, inTurns } from "./race.ts";

const never = new AbortController().signal;
const mute: Attempt<string> = (_, __, signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));

Deno.test("inTurns() takes IPv6 and IPv4 in turns, the system's first one first, each once", () => {
  deepStrictEqual(inTurns(["::1", "::2", "::3", "10.0.0.1", "::1"]), ["::1", "10.0.0.1", "::2", "::3"]);
  deepStrictEqual(inTurns(["10.0.0.1", "10.0.0.2", "::1", "::2", "::3"]), [
    "10.0.0.1",
    "::1",
    "10.0.0.2",
    "::2",
    "::3",
  ]);
  deepStrictEqual(inTurns([]), []);
});

Deno.test("firstOf() goes past a way that is mute, and past one that fails", async () => {
  const begun: string[] = [];
  const attempt: Attempt<string> = (way, onTcp, signal) => {
    begun.push(way);
    if (way === "mute") return mute(way, onTcp, signal);
    return way === "dead" ? Promise.reject(new Error("refused")) : Promise.resolve(way);
  };
  const options = { delayMs: 1, discard: () => {}, signal: never };
  strictEqual(await firstOf(["mute", "dead", "good", "unused"], attempt, options), "good");
  deepStrictEqual(begun, ["mute", "dead", "good"]);
});

Deno.test("firstOf() begins nothing beside a way whose TCP is through, and goes on when it fails", async () => {
  const begun: string[] = [];
  const attempt: Attempt<string> = async (way, onTcp) => {
    begun.push(way);
    if (way !== "slow") return way;
    onTcp();
    await new Promise((resolve) => setTimeout(resolve, 20));
    deepStrictEqual(begun, ["slow"]);
    throw new Error("its certificate is not to be trusted");
  };
  strictEqual(await firstOf(["slow", "good"], attempt, { delayMs: 1, discard: () => {}, signal: never }), "good");
});

Deno.test("firstOf() discards what comes too late, and tells every failure in order", async () => {
  const discarded: string[] = [];
  const late = Promise.withResolvers<string>();
  const attempt: Attempt<string> = (way) => way === "late" ? late.promise : Promise.resolve(way);
  const options = { delayMs: 1, discard: (result: string) => void discarded.push(result), signal: never };
  strictEqual(await firstOf(["late", "good"], attempt, options), "good");
  late.resolve("late");
  await late.promise;
  await Promise.resolve();
  deepStrictEqual(discarded, ["late"]);
  const refuse: Attempt<string> = (way) => Promise.reject(new Error(way));
  await rejects(firstOf(["a", "b"], refuse, options), (error: unknown) => {
    deepStrictEqual((error as AllFailedError).failures.map(({ way }) => way), ["a", "b"]);
    return true;
  });
});
