/**
 * Several servers for one sink: the first that can be reached, in the order they are given. One that fails rests for a
 * while, longer each time; while a later one is used, the earlier ones are looked at, and the sink is told when one is
 * back.
 */
import { backoffMs } from "../pipeline/backoff.ts";
import { errorText, PeerError } from "../pipeline/errors.ts";
import type { Connection } from "../system/connection.ts";
import { openLog } from "../system/log.ts";
import { dial, type DialOptions, formatAddress } from "./dial.ts";

/** Where to connect, and how. */
export interface TargetsOptions extends Omit<DialOptions, "timeoutMs"> {
  /** Name of the sink, for messages. */
  readonly id: string;
  /** Servers to use while `host` and those before them cannot be reached, in order. */
  readonly fallbacks?: readonly { readonly host: string; readonly port: number }[];
  /** Deadline for each server's name, TCP and TLS together. */
  readonly connectionTimeoutMs: number;
}

interface Target {
  readonly options: DialOptions;
  readonly address: string;
  /** Failures in a row, and when it may be tried again. */
  failures: number;
  restsUntilMs: number;
}

/** The servers of one sink. Disposing it ends the looking. */
export class Targets implements Disposable {
  readonly #id: string;
  readonly #targets: readonly Target[];
  /** Index of the one that was reached last. */
  #current = 0;
  #reachedAtMs = 0;
  #looking: AbortController | undefined;
  #back = false;

  constructor(options: TargetsOptions) {
    const { id, host, port, fallbacks = [], connectionTimeoutMs, tls, localAddress, keepAliveMs } = options;
    this.#id = id;
    const how = {
      timeoutMs: connectionTimeoutMs,
      ...(tls === undefined ? {} : { tls }),
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    };
    this.#targets = [{ host, port }, ...fallbacks].map(({ host, port }) => ({
      options: { host, port, ...how },
      address: formatAddress(host, port),
      failures: 0,
      restsUntilMs: 0,
    }));
  }

  /** Connects to the first that can be reached; those that rest come last. @throws {PeerError} when none can */
  async dial(signal: AbortSignal): Promise<Connection> {
    this.#stopLooking();
    const nowMs = performance.now();
    const rested = this.#targets.filter(({ restsUntilMs }) => restsUntilMs <= nowMs);
    const order = [...rested, ...this.#targets.filter((target) => !rested.includes(target))];
    const failures: string[] = [];
    for (const target of order) {
      try {
        const connection = await dial(target.options, signal);
        this.#reached(target, failures);
        return connection;
      } catch (error) {
        if (signal.aborted || this.#targets.length === 1) throw error;
        rest(target);
        failures.push(errorText(error));
      }
    }
    throw new PeerError(`Cannot connect to any of ${order.length} targets: ${failures.join("; ")}`);
  }

  /**
   * Tells that the connection last made broke, or was of no use: the next `dial` prefers others for a while.
   * @param silentMs how long it took to find out that the server does nothing; it then rests five times as long at least
   */
  failed(silentMs = 0): void {
    const target = this.#targets[this.#current]!;
    if (performance.now() - this.#reachedAtMs >= maxRestMs) target.failures = 0;
    rest(target, Math.min(5 * silentMs, maxSilenceRestMs));
  }

  /** Whether one that is preferred to the one in use can be reached again: time for a new connection. Cheap. */
  preferredIsBack(): boolean {
    if (this.#current > 0 && !this.#back && this.#looking === undefined) this.#look();
    return this.#back;
  }

  [Symbol.dispose](): void {
    this.#stopLooking();
  }

  #reached(target: Target, failures: readonly string[]): void {
    const index = this.#targets.indexOf(target);
    if (index !== this.#current) {
      const why = failures.length === 0 ? "" : `: ${failures.join("; ")}`;
      log.warning(`${this.#id} delivers to ${target.address} from now on${why}`);
    }
    this.#current = index;
    this.#reachedAtMs = performance.now();
    this.#back = false;
  }

  /** Connects to a preferred one that has rested, and says goodbye at once. */
  #look(): void {
    const nowMs = performance.now();
    const target = this.#targets.slice(0, this.#current).find(({ restsUntilMs }) => restsUntilMs <= nowMs);
    if (target === undefined) return;
    const looking = this.#looking = new AbortController();
    dial(target.options, looking.signal).then((connection) => {
      connection.destroy();
      if (!looking.signal.aborted) this.#back = true;
    }, () => rest(target)).finally(() => {
      if (this.#looking === looking) this.#looking = undefined;
    });
  }

  #stopLooking(): void {
    this.#looking?.abort();
    this.#looking = undefined;
    this.#back = false;
  }
}

function rest(target: Target, leastMs = 0): void {
  target.failures++;
  const restMs = Math.max(leastMs, backoffMs({ firstMs: 1_000, maxMs: maxRestMs }, target.failures));
  target.restsUntilMs = performance.now() + restMs;
}

const maxRestMs = 60_000;
const maxSilenceRestMs = 600_000;
const log = openLog("sink");
