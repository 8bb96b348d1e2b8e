/**
 * The `relp` sink: batches to a RELP server, each record answered. One session at a time, opened when needed, and ended
 * (after its last answer, so that nothing is lost or doubled) when it has had its share of messages or of time, or when
 * a preferred server is back.
 */
import type { Batch } from "../../pipeline/batch.ts";
import type { Rejection, Sink } from "../../pipeline/sink.ts";
import { SilenceError } from "../../pipeline/errors.ts";
import { sessionFrames } from "../../formats/relp.ts";
import { Targets, type TargetsOptions } from "../../tls/targets.ts";
import type { RecordLayout } from "./outgoing.ts";
import { RelpSession } from "./session.ts";

/** Where to deliver, and how. */
export interface RelpSinkOptions extends TargetsOptions {
  /** Messages without an answer at the most, ≥ 1; also records handed over and not committed, which a crash repeats. */
  readonly windowSize: number;
  /** Silence of the peer, while something is unanswered, that ends the session. */
  readonly timeoutMs: number;
  /** Begin a new session after so many messages; 0 never. */
  readonly rebindMessages?: number;
  /** Begin a new session after so long; 0 never. */
  readonly rebindMs?: number;
  /** How records are written; default: rsyslog's forward format. */
  readonly layout?: RecordLayout;
  /** Frames after which there is a new session whatever is asked for; for tests. */
  readonly maxFrames?: number;
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
  readonly windowRecords: number;
  readonly #options: RelpSinkOptions;
  /** Messages of a session; `open` and `close` have transactions, too. */
  readonly #maxMessages: number;
  readonly #targets: Targets;
  #session: RelpSession | undefined;
  #openedAtMs = 0;
  /** Sends that wait for a session, one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;
  #failure: unknown;
  #forgetSignal: (() => void) | undefined;

  constructor(options: RelpSinkOptions) {
    this.id = options.id;
    const rebind = options.rebindMessages ?? 0;
    this.batchRecords = Math.max(1, Math.min(Math.floor(options.windowSize / 4), rebind === 0 ? Infinity : rebind));
    this.windowRecords = options.windowSize;
    this.#options = options;
    this.#maxMessages = Math.min(rebind === 0 ? Infinity : rebind, (options.maxFrames ?? sessionFrames) - 1);
    this.#targets = new Targets(options);
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
    this.#targets[Symbol.dispose]();
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
      const session = await this.#freshSession(signal);
      if (this.#failure !== undefined) throw this.#failure; // the session before it broke in its last moments
      delivered = this.#sendOn(session, batch);
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
    const delivered = session.send(batch);
    delivered.catch((error) => this.#fail(error, session));
    return delivered;
  }

  #fail(error: unknown, session: RelpSession): void {
    this.#failure ??= error;
    if (session !== this.#session) return; // told before
    this.#session = undefined;
    this.#targets.failed(error instanceof SilenceError ? this.#options.timeoutMs : 0);
  }

  async #freshSession(signal: AbortSignal): Promise<RelpSession> {
    if (this.#session !== undefined && this.#usable(this.#session)) return this.#session;
    await this.#retire();
    const connection = await this.#targets.dial(signal);
    const cut = (): void => connection.destroy();
    signal.addEventListener("abort", cut, { once: true });
    try {
      this.#session = await RelpSession.open(connection, this.#options);
    } catch (error) {
      this.#targets.failed();
      throw error;
    } finally {
      signal.removeEventListener("abort", cut);
    }
    this.#openedAtMs = performance.now();
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
    if (session.broken || session.taken >= this.#maxMessages || this.#targets.preferredIsBack()) return false;
    const { rebindMs = 0 } = this.#options;
    return rebindMs === 0 || performance.now() - this.#openedAtMs < rebindMs;
  }
}
