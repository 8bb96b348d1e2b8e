/** The `relp` sink: batches to a RELP server, each record answered. One session at a time, opened when needed. */
import type { Batch } from "../../pipeline/batch.ts";
import type { Rejection, Sink } from "../../pipeline/sink.ts";
import { forwardHeader } from "../../formats/forward.ts";
import { sessionFrames } from "../../formats/relp.ts";
import { dial, type TlsOptions } from "../../tls/dial.ts";
import { RelpSession } from "./session.ts";

/** Where to deliver, and how. */
export interface RelpSinkOptions {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsOptions;
  /** Frames without an answer at the most, ≥ 1. Also the most that a crash repeats. */
  readonly windowSize: number;
  /** Silence of the peer, while something is unanswered, that ends the session. */
  readonly timeoutMs: number;
  /** Deadline for TCP and TLS together. */
  readonly connectionTimeoutMs: number;
  /** Begin a new session after so many messages; 0 never. */
  readonly rebindMessages?: number;
  readonly localAddress?: string;
  /** Idle time before the first TCP keepalive probe; default 60 s. */
  readonly keepAliveMs?: number;
  /** Own version, for the offers. */
  readonly version: string;
}

/** Opens the sink; it connects at the first batch. The caller disposes it. */
export function openRelpSink(options: RelpSinkOptions): Sink {
  return new RelpSink(options);
}

class RelpSink implements Sink {
  readonly id: string;
  readonly batchRecords: number;
  readonly #options: RelpSinkOptions;
  readonly #maxFrames: number;
  #session: RelpSession | undefined;
  /** Sends that wait for a session, one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;
  #failure: unknown;
  #forgetSignal: (() => void) | undefined;

  constructor(options: RelpSinkOptions) {
    this.id = options.id;
    const rebind = options.rebindMessages ?? 0;
    this.batchRecords = Math.max(1, Math.min(Math.floor(options.windowSize / 4), rebind === 0 ? Infinity : rebind));
    this.#options = options;
    this.#maxFrames = rebind === 0 ? sessionFrames : rebind + 1;
  }

  send(batch: Batch, signal: AbortSignal): Promise<readonly Rejection[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const session = this.#session;
    if (session !== undefined && this.#waiting === 0 && this.#usable(session)) return this.#sendOn(session, batch);
    return this.#sendInTurn(batch, signal);
  }

  reset(): void {
    this.#failure = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session?.close(1_000);
    this.#session = undefined;
  }

  /** Waits for its turn and for a session, so that batches keep their order across a reconnection. */
  async #sendInTurn(batch: Batch, signal: AbortSignal): Promise<readonly Rejection[]> {
    this.#waiting++;
    const { promise: turnOver, resolve: endTurn } = Promise.withResolvers<void>();
    const previous = this.#turn;
    this.#turn = turnOver;
    let delivered: Promise<readonly Rejection[]>;
    try {
      await previous;
      if (this.#failure !== undefined) throw this.#failure;
      delivered = this.#sendOn(await this.#freshSession(signal), batch);
    } catch (error) {
      this.#failure ??= error;
      throw error;
    } finally {
      this.#waiting--;
      endTurn();
    }
    return await delivered;
  }

  #sendOn(session: RelpSession, batch: Batch): Promise<readonly Rejection[]> {
    const delivered = session.send(batch, forwardHeader(batch.origin));
    delivered.catch((error) => this.#failure ??= error);
    return delivered;
  }

  async #freshSession(signal: AbortSignal): Promise<RelpSession> {
    if (this.#session !== undefined && this.#usable(this.#session)) return this.#session;
    await this.#retire();
    const { host, port, tls, connectionTimeoutMs, localAddress, keepAliveMs } = this.#options;
    const connection = await dial({
      host,
      port,
      timeoutMs: connectionTimeoutMs,
      ...(tls === undefined ? {} : { tls }),
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    }, signal);
    const cut = (): void => connection.destroy();
    signal.addEventListener("abort", cut, { once: true });
    try {
      this.#session = await RelpSession.open(connection, this.#options);
    } finally {
      signal.removeEventListener("abort", cut);
    }
    this.#cutWith(this.#session, signal);
    return this.#session;
  }

  /** Lets `signal` end the session, and the session before it no longer. */
  #cutWith(session: RelpSession, signal: AbortSignal): void {
    const cut = (): void => session.cut("stopped");
    this.#forgetSignal?.();
    this.#forgetSignal = () => signal.removeEventListener("abort", cut);
    signal.addEventListener("abort", cut, { once: true });
  }

  /** Ends the session that has sent its share, after everything in it is answered. */
  async #retire(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined || session.broken) return;
    await session.drained();
    await session.close(Math.min(this.#options.timeoutMs, 5_000));
  }

  #usable(session: RelpSession): boolean {
    return !session.broken && session.frames < this.#maxFrames;
  }
}
