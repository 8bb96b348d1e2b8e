/** Says once that a sink is down, and once that it is back, however many pumps use it. */
import type { Batch } from "../pipeline/batch.ts";
import type { PumpObserver } from "../pipeline/pump.ts";
import { formatDuration } from "../formats/duration.ts";
import { openLog } from "../system/log.ts";

/** How much to say about a sink that stays down. */
export interface HealthOptions {
  /** Say that it goes down and comes back; default true. */
  readonly reportSuspension?: boolean;
  /** Say every failed try as well; default false. */
  readonly reportContinuation?: boolean;
}

/** What is told of a sink for as long as the process lives, over any number of reloads. */
export class SinkTally {
  /** Failed tries. */
  failures = 0;
  /** How often it went down, and came back. */
  suspensions = 0;
  resumptions = 0;
  lastError: string | undefined;
  /** Milliseconds since 1970. */
  lastErrorMs: number | undefined;
  /** When it went down or came back, milliseconds since 1970. */
  sinceMs: number | undefined;
  #downMs = 0;
  #downAtMs: number | undefined;

  get up(): boolean {
    return this.#downAtMs === undefined;
  }

  /** How long it was down in all, milliseconds. */
  get suspendedMs(): number {
    return this.#downMs + (this.#downAtMs === undefined ? 0 : performance.now() - this.#downAtMs);
  }

  /** Counts a failed try. */
  failed(reason: string): void {
    this.failures++;
    this.lastError = reason;
    this.lastErrorMs = Date.now();
    if (!this.up) return;
    this.suspensions++;
    this.#downAtMs = performance.now();
    this.sinceMs = this.lastErrorMs;
  }

  /** Delivery works again. */
  back(): void {
    if (this.#downAtMs === undefined) return;
    this.#downMs += performance.now() - this.#downAtMs;
    this.#downAtMs = undefined;
    this.resumptions++;
    this.sinceMs = Date.now();
  }
}

/** The state of one sink, and what is said of it. */
export class SinkHealth {
  readonly #tally: SinkTally;
  readonly #name: string;
  readonly #options: HealthOptions;
  #downSinceMs: number | undefined;
  #attempts = 0;
  /** Count of given-up records when the first one of this time down was. */
  #abandonedAtDown: number | undefined;
  /** Records that the sink holds. */
  delivered = 0;
  /** Records that the peer refused for good: kept aside. */
  rejected = 0;
  /** Records that were given up after `resumeRetryCount` tries: kept aside. */
  abandoned = 0;

  /** @param tally goes on from an earlier health of the same sink: a new one may still find it down */
  constructor(name: string, options: HealthOptions = {}, tally = new SinkTally()) {
    this.#name = name;
    this.#options = options;
    this.#tally = tally;
  }

  get down(): boolean {
    return this.#downSinceMs !== undefined;
  }

  /** What a pump of this sink reports to. */
  observer(): PumpObserver {
    return {
      delivered: (records) => {
        this.delivered += records;
        if (records > 0 && this.#downSinceMs === undefined) this.#tally.back();
      },
      rejected: (batch, rejections) => {
        this.rejected += rejections.length;
        log.error(
          `${this.#name} refused ${rejections.length} records of ${batch.origin.source} for good: ${
            rejections[0]!.reason
          }; they are among its dead letters`,
        );
      },
      abandoned: (batch, reason) => this.#abandon(batch, reason),
      down: (reason) => this.#goDown(reason),
      stillDown: (reason) => this.#stayDown(reason),
      up: () => this.#comeUp(),
    };
  }

  /** Said once while it is down: each batch that follows has the same fate. */
  #abandon(batch: Batch, reason: string): void {
    if (this.#abandonedAtDown === undefined) {
      log.error(
        `${this.#name} is given up for ${batch.count} records of ${batch.origin.source}, and for what follows them as ` +
          `often as it fails; they are among its dead letters: ${reason}`,
      );
    }
    this.#abandonedAtDown ??= this.abandoned;
    this.abandoned += batch.count;
  }

  #goDown(reason: string): void {
    if (this.#downSinceMs !== undefined) return this.#stayDown(reason);
    this.#tally.failed(reason);
    this.#downSinceMs = performance.now();
    this.#attempts = 1;
    if (this.#options.reportSuspension !== false) {
      log.warning(`${this.#name} is down: ${reason}; nothing is lost, trying again until it is back`);
    }
  }

  #stayDown(reason: string): void {
    this.#attempts++;
    this.#tally.failed(reason);
    if (this.#options.reportContinuation === true) {
      log.warning(`${this.#name} is still down after ${this.#attempts} tries: ${reason}`);
    } else log.debug(`${this.#name} is still down after ${this.#attempts} tries: ${reason}`);
  }

  #comeUp(): void {
    if (this.#downSinceMs === undefined) return;
    const downMs = performance.now() - this.#downSinceMs;
    this.#downSinceMs = undefined;
    this.#tally.back();
    if (this.#abandonedAtDown !== undefined) {
      log.error(
        `${this.#name} gave up ${this.abandoned - this.#abandonedAtDown} records: see agent spool check --dead`,
      );
    }
    this.#abandonedAtDown = undefined;
    if (this.#options.reportSuspension !== false) {
      log.info(`${this.#name} is back after ${formatDuration(downMs)} and ${this.#attempts} tries`);
    }
  }
}

const log = openLog("sink");
