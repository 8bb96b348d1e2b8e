/**
 * The `relp` source: a RELP server. Its peers wait for answers, so committing a position *is* answering: a record is
 * acknowledged when, and only when, the sink holds it.
 */
import { encodeFrame } from "../../formats/relp.ts";
import type { Batch } from "../../pipeline/batch.ts";
import type { Checkpoints, Position } from "../../pipeline/checkpoint.ts";
import type { BatchLimits, Source, SourceFigures } from "../../pipeline/source.ts";
import { Channel } from "../../system/channel.ts";
import { openLog } from "../../system/log.ts";
import { type Arrival, listen, type Listener, type ListenOptions } from "../../tls/listen.ts";
import type { FrameLimits } from "./frames.ts";
import { RelpServerSession } from "./session.ts";

/** Where to listen, and the limits of a session. */
export interface RelpSourceOptions extends FrameLimits {
  readonly id: string;
  readonly listen: ListenOptions;
  /** Sessions at once; more are turned away. */
  readonly maxSessions: number;
  /** Silence that ends a session; 0 never. */
  readonly idleTimeoutMs: number;
  /** Time for the first `open`; default 30 s. */
  readonly openTimeoutMs?: number;
  /** Own version, for the offers. */
  readonly version: string;
}

/** A RELP server, listening. Dispose it after its batches are settled: that says goodbye to the clients. */
export interface RelpSource extends Source, AsyncDisposable {
  /** `host:port` as bound. */
  readonly address: string;
  readonly acknowledgements: Checkpoints;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/** Begins to listen. @throws when the address cannot be bound or the certificate cannot be used */
export async function openRelpSource(options: RelpSourceOptions): Promise<RelpSource> {
  const server = new RelpServer(options);
  await server.listen();
  return server;
}

class RelpServer implements RelpSource {
  readonly id: string;
  readonly replayable = false;
  readonly acknowledgements: Checkpoints;
  readonly #options: RelpSourceOptions;
  readonly #sessions = new Map<string, RelpServerSession>();
  readonly #channel = new Channel<Batch>(16);
  readonly #stop = new AbortController();
  #listener: Listener | undefined;
  #arrivals = 0;
  #turnedAway = 0;
  /** Those turned away whose connection is not closed yet. */
  #leaving = 0;

  constructor(options: RelpSourceOptions) {
    this.id = options.id;
    this.#options = options;
    this.acknowledgements = {
      get: () => Promise.resolve(undefined),
      commit: (_, position) => this.#acknowledge(position),
    };
  }

  get address(): string {
    return this.#listener!.address;
  }

  async listen(): Promise<void> {
    this.#listener = await listen(
      this.#options.listen,
      (arrival) => this.#serve(arrival),
      (reason) => log.warning(reason),
    );
  }

  async *read(_from: Position | undefined, _limits: BatchLimits, signal: AbortSignal): AsyncGenerator<Batch> {
    const stop = (): void => {
      this.#stop.abort();
      this.#channel.close();
    };
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      yield* this.#channel.values();
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  readonly [Symbol.asyncDispose] = async (): Promise<void> => {
    this.#stop.abort();
    this.#channel.close();
    await this.#listener?.[Symbol.asyncDispose]();
    await Promise.all([...this.#sessions.values()].map((session) => session.end()));
  };

  figures(): SourceFigures {
    return { sessions: this.#sessions.size };
  }

  #acknowledge(position: Position): void {
    for (const [key, transaction] of Object.entries(position)) {
      this.#sessions.get(key)?.acknowledge(transaction as number);
    }
  }

  async #serve(arrival: Arrival): Promise<void> {
    if (this.#sessions.size >= this.#options.maxSessions || this.#stop.signal.aborted) {
      if (this.#turnedAway++ === 0) {
        log.warning(
          `turned ${arrival.connection.peerAddress} away: ${this.#sessions.size} sessions are open, the limit (maxSessions)`,
        );
      }
      await this.#turnAway(arrival);
      return;
    }
    const key = String(++this.#arrivals);
    const session = new RelpServerSession(arrival, {
      key,
      limits: this.#options,
      source: this.id,
      version: this.#options.version,
      idleTimeoutMs: this.#options.idleTimeoutMs,
      openTimeoutMs: this.#options.openTimeoutMs ?? 30_000,
      offer: async (batch) => void await this.#channel.give(batch),
      report: (text) => log.warning(text),
      truncated: (messages) =>
        log.warning(
          `cut ${messages} messages of ${arrival.connection.peerAddress} to ${this.#options.maxDataBytes} bytes`,
        ),
    });
    this.#sessions.set(key, session);
    log.debug(
      `session with ${arrival.connection.peerAddress}${
        arrival.peerName === undefined ? "" : ` (${arrival.peerName})`
      } begins`,
    );
    await session.run(this.#stop.signal);
    // While stopping, what is in flight is still to be answered: the session stays until the source is disposed.
    if (this.#stop.signal.aborted) return;
    await this.#forgetWhenClosed(key, arrival);
  }

  /** Says that the server does not serve, as librelp says it; to so many at a time, lest they take what sessions need. */
  async #turnAway({ connection }: Arrival): Promise<void> {
    if (this.#leaving >= maxLeaving) return connection.destroy();
    this.#leaving++;
    try {
      await connection.write(serverClose);
      await connection.close();
    } catch {
      connection.destroy(); // it went first
    } finally {
      this.#leaving--;
    }
  }

  /** A session whose client is gone has nobody to answer; one that ended politely may still have answers to give. */
  async #forgetWhenClosed(key: string, arrival: Arrival): Promise<void> {
    await arrival.connection.whenClosed();
    this.#sessions.delete(key);
    if (this.#sessions.size < this.#options.maxSessions) this.#turnedAway = 0;
  }
}

const log = openLog("relp");
const serverClose = encodeFrame(0, "serverclose");
const maxLeaving = 64;
