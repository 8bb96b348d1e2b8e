/**
 * When to renew, and how long to wait after a failure. Pure, so that a fleet of 10,000 devices can be simulated with the
 * very functions that a device runs (test/cases/cert_fleet_test.ts).
 */
import { createHash } from "node:crypto";

/** A certificate's life as its owner sees it. */
export interface Life {
  /** When it was installed: CAs backdate `notBefore`, which would make a short life look old at once. */
  readonly installedAtMs: number;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Whether the machine had none before. */
  readonly first: boolean;
}

/** A number in [0, 1) that belongs to this machine: the same after every start, spread evenly over a fleet. */
export function machineShare(seed: string): number {
  return createHash("sha256").update(seed).digest().readUInt32BE(0) / 2 ** 32;
}

/**
 * When to renew: at two thirds of the lifetime, less up to a sixth of it by the machine's own share. Never later than
 * two thirds, so that a third is left for outages. A first certificate may go up to a third earlier: fleets are enrolled on one
 * day, and this spreads them over a third of the lifetime at once.
 * @param share from {@linkcode machineShare}
 */
export function renewalDueMs(life: Life, share: number): number {
  const beginMs = Math.min(Math.max(life.installedAtMs, life.notBeforeMs), life.notAfterMs);
  const lifetimeMs = life.notAfterMs - beginMs;
  return beginMs + lifetimeMs * (2 / 3 - share * (life.first ? 1 / 3 : 1 / 6));
}

/** Part of the life that is used up, 0..1. */
export function lifeUsed(life: Life, nowMs: number): number {
  const beginMs = Math.min(Math.max(life.installedAtMs, life.notBeforeMs), life.notAfterMs);
  if (life.notAfterMs <= beginMs) return 1;
  return Math.min(1, Math.max(0, (nowMs - beginMs) / (life.notAfterMs - beginMs)));
}

/**
 * Pause after failure number `attempt` (from 1): doubling from 10 s, capped by a twentieth of the time that is left, so that
 * much time left means little haste and a fleet that comes back from an outage is spread over hours; never above 12 h.
 * Without a valid certificate the machine is dark: the cap is 5 minutes, or a twentieth of the life that certificates have here.
 * @param leftMs until the certificate expires; 0 or less: there is none that is valid
 * @param lifetimeMs of the certificate there is or was; undefined: there never was one
 */
export function retryPauseMs(
  attempt: number,
  leftMs: number,
  lifetimeMs: number | undefined,
  random: () => number = Math.random,
): number {
  const darkMs = Math.min(hourMs / 12, (lifetimeMs ?? Infinity) / 20);
  const capMs = Math.max(1_000, leftMs > 0 ? Math.min(12 * hourMs, leftMs / 20) : darkMs);
  const ceilingMs = Math.min(capMs, 10_000 * 2 ** Math.min(attempt - 1, 20));
  return ceilingMs * (0.5 + random() / 2);
}

const hourMs = 3_600_000;
