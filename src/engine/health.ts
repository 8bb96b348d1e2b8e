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

/** The state of one sink. */
export class SinkHealth {
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
  /** Reason of the newest failure, while it is down. */
  lastError: string | undefined;

  constructor(name: string, options: HealthOptions = {}) {
    this.#name = name;
    this.#options = options;
  }

  get down(): boolean {
    return this.#downSinceMs !== undefined;
  }

  /** What a pump of this sink reports to. */
  observer(): PumpObserver {
    return {
      delivered: (records) => void (this.delivered += records),
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
    this.lastError = reason;
    if (this.#downSinceMs !== undefined) return this.#stayDown(reason);
    this.#downSinceMs = performance.now();
    this.#attempts = 1;
    if (this.#options.reportSuspension !== false) {
      log.warning(`${this.#name} is down: ${reason}; nothing is lost, trying again until it is back`);
    }
  }

  #stayDown(reason: string): void {
    this.#attempts++;
    this.lastError = reason;
    if (this.#options.reportContinuation === true) {
      log.warning(`${this.#name} is still down after ${this.#attempts} tries: ${reason}`);
    } else log.debug(`${this.#name} is still down after ${this.#attempts} tries: ${reason}`);
  }

  #comeUp(): void {
    if (this.#downSinceMs === undefined) return;
    const downMs = performance.now() - this.#downSinceMs;
    this.#downSinceMs = undefined;
    this.lastError = undefined;
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
