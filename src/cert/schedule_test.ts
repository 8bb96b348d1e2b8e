import { ok, strictEqual } from "node:assert/strict";
import { lifeUsed, machineShare, renewalDueMs, retryPauseMs } from "./schedule.ts";

const dayMs = 86_400_000;
const life = { installedAtMs: 0, notBeforeMs: -3_600_000, notAfterMs: 30 * dayMs, first: false };

Deno.test("renewalDueMs() lies between half and two thirds of the life, for a first certificate from a third on", () => {
  strictEqual(renewalDueMs(life, 0), 20 * dayMs);
  ok(Math.abs(renewalDueMs(life, 0.999999) - 15 * dayMs) < 10_000);
  ok(Math.abs(renewalDueMs({ ...life, first: true }, 0.999999) - 10 * dayMs) < 10_000);
});

Deno.test("renewalDueMs() counts from the installation, so that a backdated short life is not due at once", () => {
  const short = { installedAtMs: 3_600_000, notBeforeMs: 0, notAfterMs: 3_660_000, first: false };
  strictEqual(renewalDueMs(short, 0), 3_640_000);
  strictEqual(lifeUsed(short, 3_630_000), 0.5);
  strictEqual(renewalDueMs({ ...short, installedAtMs: 9e12 }, 0.5), short.notAfterMs, "an installation in the future");
});

Deno.test("machineShare() is the same for the same machine and spread evenly over many", () => {
  strictEqual(machineShare("a"), machineShare("a"));
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 10_000; i++) tenths[Math.floor(machineShare(`machine ${i}`) * 10)]!++;
  ok(tenths.every((count) => count > 850 && count < 1_150), tenths.join());
});

Deno.test("retryPauseMs() doubles, is capped by a twentieth of the time left, and by 5 minutes when dark", () => {
  const most = (attempt: number, leftMs: number, lifetimeMs?: number): number =>
    retryPauseMs(attempt, leftMs, lifetimeMs, () => 1);
  strictEqual(most(1, 10 * dayMs), 10_000);
  strictEqual(most(3, 10 * dayMs), 40_000);
  strictEqual(most(100, 10 * dayMs), 12 * 3_600_000);
  strictEqual(most(100, 3_600_000), 180_000);
  strictEqual(most(100, 20_000), 1_000);
  strictEqual(most(100, -1), 300_000);
  strictEqual(most(100, -1, 30 * dayMs), 300_000);
  strictEqual(most(100, -1, 60_000), 3_000, "short lives are missed sooner");
  strictEqual(retryPauseMs(100, 10 * dayMs, undefined, () => 0), 6 * 3_600_000, "at least half of the cap");
});
