/**
 * A fleet of 10,000 devices with certificates of 30 days, all enrolled within one hour, over a year, with the CA away for a week:
 * simulated with the functions that a device runs. The table shows renewals per week; what is asserted is that no hour and no day
 * stands out, and that nobody goes dark.
 */
import { ok, strictEqual } from "node:assert/strict";
import { machineShare, renewalDueMs, retryPauseMs } from "../../src/cert/schedule.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const devices = 10_000;
const lifetimeMs = 30 * dayMs;
const yearMs = 365 * dayMs;

interface Fleet {
  readonly renewals: readonly number[];
  /** Requests that met a closed door. */
  readonly failures: readonly number[];
  readonly lapsed: number;
}

/** One device after the other: they meet only at the CA, which has no memory. @param outage start and end */
function simulate(outage: readonly [number, number]): Fleet {
  const renewals: number[] = [];
  const failures: number[] = [];
  let lapsed = 0;
  const random = seededRandom(7);
  for (let device = 0; device < devices; device++) {
    const share = machineShare(`machine-id-${device} CN=device-${device}`);
    let installedAtMs = random() * hourMs;
    let first = true;
    let attempt = 0;
    let atMs = renewalDueMs({
      installedAtMs,
      notBeforeMs: installedAtMs - hourMs,
      notAfterMs: installedAtMs + lifetimeMs,
      first,
    }, share);
    while (atMs < yearMs) {
      const leftMs = installedAtMs + lifetimeMs - atMs;
      if (atMs >= outage[0] && atMs < outage[1]) {
        failures.push(atMs);
        atMs += retryPauseMs(++attempt, leftMs, lifetimeMs, random);
        continue;
      }
      if (leftMs <= 0) lapsed++;
      renewals.push(atMs);
      [installedAtMs, first, attempt] = [atMs, false, 0];
      atMs = renewalDueMs({ installedAtMs, notBeforeMs: atMs - hourMs, notAfterMs: atMs + lifetimeMs, first }, share);
    }
  }
  return { renewals, failures, lapsed };
}

/** Events per slot of the year. */
function histogram(events: readonly number[], slotMs: number): readonly number[] {
  const slots = Array.from({ length: Math.ceil(yearMs / slotMs) }, () => 0);
  for (const atMs of events) slots[Math.floor(atMs / slotMs)]!++;
  return slots;
}

/** Mulberry32: the same year at every run. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function printTable(title: string, fleet: Fleet): void {
  const encoder = new TextEncoder();
  const print = (line: string): void => void Deno.stdout.writeSync(encoder.encode(line + "\n"));
  print(`${title}: ${fleet.renewals.length} renewals, ${fleet.failures.length} failed tries, ${fleet.lapsed} lapsed`);
  print("week  renewals  failed tries");
  const [done, failed] = [histogram(fleet.renewals, 7 * dayMs), histogram(fleet.failures, 7 * dayMs)];
  done.forEach((count, week) => {
    print(
      `${String(week + 1).padStart(4)}  ${String(count).padStart(8)}  ${String(failed[week]).padStart(12)}  ${
        "#".repeat(count / 150)
      }`,
    );
  });
}

Deno.test("a fleet that was enrolled in one hour renews without a spike", () => {
  const fleet = simulate([yearMs, yearMs]);
  printTable("10,000 devices, 30 days, no outage", fleet);
  const days = histogram(fleet.renewals, dayMs).slice(10);
  const mean = fleet.renewals.length / days.length;
  const busiestDay = Math.max(...days);
  const busiestHour = Math.max(...histogram(fleet.renewals, hourMs));
  ok(busiestDay < 2.5 * mean, `the busiest day has ${busiestDay}, the mean is ${Math.round(mean)}`);
  ok(busiestHour < 3.5 * mean / 24, `the busiest hour has ${busiestHour}, the mean is ${Math.round(mean / 24)}`);
  const lastQuarter = days.slice(-91);
  ok(
    Math.max(...lastQuarter) < 1.5 * mean && Math.min(...lastQuarter) > 0.6 * mean,
    "after nine months the year is flat",
  );
  strictEqual(fleet.lapsed, 0);
});

Deno.test("no device lapses with the CA away for a week, whenever that is, and afterwards they do not come at once", () => {
  for (const startDay of [8, 14, 19, 100, 200, 300]) {
    const end = (startDay + 7) * dayMs;
    const fleet = simulate([startDay * dayMs, end]);
    if (startDay === 100) printTable("the same, the CA away from day 100 to 107", fleet);
    strictEqual(fleet.lapsed, 0, `outage from day ${startDay}`);
    const after = fleet.renewals.filter((atMs) => atMs >= end && atMs < end + hourMs).length;
    ok(after < devices / 10, `outage from day ${startDay}: ${after} in the first hour after it`);
    const triesPerHour = Math.max(...histogram(fleet.failures, hourMs));
    ok(triesPerHour < devices / 5, `outage from day ${startDay}: ${triesPerHour} tries in an hour`);
  }
});
