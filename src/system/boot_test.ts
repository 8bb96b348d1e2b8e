import { strictEqual } from "node:assert/strict";
import { BootClock } from "./boot.ts";

Deno.test("BootClock.bootAtMs() stands still against small steps and follows when the clock is set", () => {
  let nowMs = 50_000;
  let uptimeMs = 40_000;
  const clock = new BootClock(() => nowMs, () => uptimeMs);
  strictEqual(clock.bootAtMs(), 10_000);
  nowMs += 1_007; // the two clocks are read one after the other, and one counts in steps of 10 ms
  uptimeMs += 1_000;
  strictEqual(clock.bootAtMs(), 10_000);
  nowMs = Date.UTC(2026, 0);
  strictEqual(clock.bootAtMs(), Date.UTC(2026, 0) - 41_000);
});
