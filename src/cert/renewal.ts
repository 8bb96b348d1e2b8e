/**
 * Keeping a certificate for ever: waits until it is due, renews it, and goes back to the one before when peers refuse the new
 * one. Programs that read the files at each connection, as `ship` does, need nothing else.
 *
 * ```text
 *   wait for the clock ─► enrol if none ─► wait until due ─► renew ─► probe ─► installed / rolled back ─┐
 *                              ▲ failure: said once, pause, again                                       │
 *                              └─────────────────────────────────────────────────────────────────────────┘
 * ```
 */
import { pause } from "../pipeline/backoff.ts";
import { errorText } from "../pipeline/errors.ts";
import { formatDuration } from "../formats/duration.ts";
import { openLog } from "../system/log.ts";
import { titleOf } from "./certificate.ts";
import { enrol, type EnrolmentOptions, type EnrolmentResult } from "./enrolment.ts";
import { ClockError, PendingError } from "./errors.ts";
import { runHook } from "./hook.ts";
import { probePeer } from "./probe.ts";
import { retryPauseMs } from "./schedule.ts";
import type { Generation } from "./generation.ts";
import type { CertificateStore } from "./store.ts";

/** What happens to the certificate that others want to know. Called synchronously; must not throw. */
export interface RenewalObserver {
  /** A certificate is in use: found at the start, installed, or gone back to. */
  inUse?(generation: Generation, why: "found" | "installed" | "rolledBack"): void;
  /** It could not be had; said at each try. */
  failed?(reason: string, attempt: number): void;
}

/** How a certificate is kept. */
export interface WatchOptions {
  readonly store: CertificateStore;
  readonly enrolment: EnrolmentOptions;
  /** Peers that are shown a new certificate before it stays: `host:port` of TLS sinks. */
  readonly probes?: readonly { readonly host: string; readonly port: number }[];
  /** Shell command after each change. */
  readonly exec?: string;
  readonly observer?: RenewalObserver;
}

/** Runs until `signal` aborts. Failures are logged once per reason, and tried again for ever. */
export async function watchCertificate(options: WatchOptions, signal: AbortSignal): Promise<void> {
  const watch = new Watch(options, signal);
  while (!signal.aborted) await watch.step();
}

class Watch {
  readonly #options: WatchOptions;
  readonly #signal: AbortSignal;
  readonly #now: () => number;
  #attempt = 0;
  #downSinceMs = 0;
  #lastTrouble = "";
  #saidExpired = false;
  #inUse: number | undefined;

  constructor(options: WatchOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#now = options.enrolment.now ?? Date.now;
  }

  /** One try and the pause after it. */
  async step(): Promise<void> {
    const { store, enrolment } = this.#options;
    let waitMs: number;
    try {
      const result = await enrol(store, enrolment, false, this.#signal);
      waitMs = await this.#settle(result);
    } catch (error) {
      if (this.#signal.aborted) return;
      waitMs = this.#fail(error);
    }
    await pause(waitMs, this.#signal);
  }

  /** @returns how long to wait: in short steps, because clocks jump and machines sleep */
  async #settle({ changed, generation, dueMs }: EnrolmentResult): Promise<number> {
    const { store, exec, observer } = this.#options;
    if (changed && await this.#isRefused(generation)) return this.#rollBack(generation);
    this.#recovered(generation);
    if (this.#inUse !== generation.number) {
      const found = this.#inUse === undefined && !changed;
      this.#inUse = generation.number;
      observer?.inUse?.(generation, found ? "found" : "installed");
      if (!found && exec !== undefined) {
        await runHook(exec, { cert: store.certPath, key: store.keyPath, ca: store.caPath }, hookTimeoutMs);
      }
    }
    return Math.min(longestWaitMs, Math.max(1_000, dueMs - this.#now()));
  }

  async #isRefused(generation: Generation): Promise<boolean> {
    for (const { host, port } of this.#options.probes ?? []) {
      const answer = await probePeer(
        { host, port, cert: generation.cert, key: generation.key, timeoutMs: 10_000, listenMs: 1_000 },
        this.#signal,
      );
      if (answer.verdict !== "refused") continue;
      log.error(`${host}:${port} refuses the new certificate ${titleOf(generation.leaf)}: ${answer.reason}`);
      return true;
    }
    return false;
  }

  async #rollBack(bad: Generation): Promise<number> {
    const { store, observer } = this.#options;
    using _lock = await store.lock(this.#signal);
    const good = store.rollBack();
    if (good === undefined) {
      log.error(`there is no certificate before ${titleOf(bad.leaf)} to go back to; it stays`);
      this.#inUse = bad.number;
      observer?.inUse?.(bad, "installed");
      return longestWaitMs;
    }
    log.warning(`went back to certificate ${titleOf(good.leaf)}`);
    this.#inUse = good.number;
    observer?.inUse?.(good, "rolledBack");
    this.#attempt++;
    // The next one would most likely be refused as well: no hurry, but before this one ends.
    return Math.max(60_000, retryPauseMs(20, good.leaf.notAfterMs - this.#now(), lifetimeOf(good)));
  }

  #fail(error: unknown): number {
    const reason = errorText(error);
    this.#attempt++;
    if (this.#attempt === 1) this.#downSinceMs = this.#now();
    // A clock that is not set has another time in each message, and is one and the same trouble.
    const trouble = error instanceof ClockError ? "clock" : reason;
    if (trouble !== this.#lastTrouble) log.warning(`${reason.split("\n")[0]}; trying again for as long as it takes`);
    this.#lastTrouble = trouble;
    this.#options.observer?.failed?.(reason, this.#attempt);
    if (error instanceof ClockError) return clockWaitMs;
    const current = this.#options.store.current();
    const leftMs = current === undefined ? 0 : current.leaf.notAfterMs - this.#now();
    if (current !== undefined && leftMs <= 0 && !this.#saidExpired) {
      this.#saidExpired = true;
      log.error(`certificate ${titleOf(current.leaf)} has expired, and there is no new one yet`);
    }
    const asked = error instanceof PendingError ? error.retryAfterMs ?? 0 : 0;
    return Math.max(
      Math.min(asked, longestRetryAfterMs),
      retryPauseMs(this.#attempt, leftMs, current === undefined ? undefined : lifetimeOf(current)),
    );
  }

  #recovered(generation: Generation): void {
    if (this.#attempt > 0) {
      const downMs = this.#now() - this.#downSinceMs;
      log.info(
        `certificate ${titleOf(generation.leaf)} after ${formatDuration(downMs)} and ${this.#attempt} failed tries`,
      );
    }
    this.#attempt = 0;
    this.#lastTrouble = "";
    this.#saidExpired = false;
  }
}

function lifetimeOf({ leaf }: Generation): number {
  return leaf.notAfterMs - leaf.notBeforeMs;
}

const log = openLog("cert");
const hookTimeoutMs = 60_000;
const longestWaitMs = 60_000;
const clockWaitMs = 5_000;
const longestRetryAfterMs = 24 * 3_600_000;
