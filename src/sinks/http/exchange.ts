/**
 * Requests and answers on one connection at a time. Not the runtime's HTTP client, because who answers is proved
 * (`tls/verdict.ts`), several servers are tried, and everything has a deadline as for every other sink; and because the
 * runtime panics on some client certificates.
 */
import { AnswerReader, type HttpAnswer } from "../../formats/http_message.ts";
import { pause } from "../../pipeline/backoff.ts";
import { errorText, PeerError, SilenceError } from "../../pipeline/errors.ts";
import type { Connection } from "../../system/connection.ts";
import { Targets, type TargetsOptions } from "../../tls/targets.ts";

/** Where to ask, and for how long. */
export interface ExchangeOptions extends TargetsOptions {
  /** Deadline of a request with its answer. */
  readonly timeoutMs: number;
  /** Longest body of an answer that is read; default 32 MiB. */
  readonly maxAnswerBytes?: number;
}

/** A client of one receiver. One request at a time. Disposed by whoever made it. */
export class Exchange implements Disposable {
  readonly #options: ExchangeOptions;
  readonly #targets: Targets;
  #connection: Connection | undefined;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#targets = new Targets(options);
  }

  /**
   * Sends a request and returns its answer, whatever its status. A connection that the peer had closed meanwhile is
   * replaced at once.
   * @throws {PeerError} without a complete answer: the peer may hold what was sent, or not
   */
  async request(message: readonly Uint8Array[], signal: AbortSignal): Promise<HttpAnswer> {
    const kept = this.#connection;
    if (kept !== undefined && !kept.closed && !this.#targets.preferredIsBack()) {
      const answer = await this.#attempt(kept, message, true, signal);
      if (answer !== undefined) return answer;
    }
    this.#drop();
    this.#connection = await this.#targets.dial(signal);
    return (await this.#attempt(this.#connection, message, false, signal))!;
  }

  /** Tells that the server is of no use for now, although it answers: others are preferred for a while. */
  failed(): void {
    this.#drop();
    this.#targets.failed();
  }

  [Symbol.dispose](): void {
    this.#drop();
    this.#targets[Symbol.dispose]();
  }

  /** @returns undefined when a connection that was kept open turns out to be closed, with nothing answered on it */
  async #attempt(
    connection: Connection,
    message: readonly Uint8Array[],
    kept: boolean,
    signal: AbortSignal,
  ): Promise<HttpAnswer | undefined> {
    const { timeoutMs, maxAnswerBytes = 32 * 1024 * 1024 } = this.#options;
    const reader = new AnswerReader(maxAnswerBytes);
    let cause: "late" | "stopped" | undefined;
    const cut = (why: "late" | "stopped"): void => {
      cause ??= why;
      connection.destroy();
    };
    const onAbort = (): void => cut("stopped");
    const timer = setTimeout(() => cut("late"), timeoutMs);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const answer = await this.#talk(connection, message, reader);
      if (!answer.keepsAlive) this.#drop();
      return answer;
    } catch (error) {
      this.#drop();
      if (kept && cause === undefined && reader.untouched) return undefined;
      this.#targets.failed(cause === "late" ? timeoutMs : 0);
      const address = connection.peerAddress;
      if (cause === "late") throw new SilenceError(`Cannot deliver to ${address}: no answer within ${timeoutMs} ms`);
      const state = cause === "stopped" ? "stopped" : errorText(error);
      throw new PeerError(`Cannot deliver to ${address}: ${state}`, { cause: error });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Reads while it writes: a peer may refuse a request before it has seen all of it. */
  async #talk(connection: Connection, message: readonly Uint8Array[], reader: AnswerReader): Promise<HttpAnswer> {
    let isWritten = false;
    const writing = (async () => {
      for (const part of message) await connection.write(part);
      isWritten = true;
    })();
    writing.catch(() => {}); // whether there is an answer decides
    const answer = await readAnswer(connection, reader);
    // Over loopback an answer can be here before the runtime says that all is written.
    if (!isWritten) await Promise.race([writing.catch(() => {}), pause(lastWriteMs)]);
    return isWritten ? answer : { ...answer, keepsAlive: false };
  }

  #drop(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }
}

const lastWriteMs = 20;

async function readAnswer(connection: Connection, reader: AnswerReader): Promise<HttpAnswer> {
  for (;;) {
    const chunk = await connection.read();
    if (chunk === undefined) return reader.end();
    const answer = reader.push(chunk);
    if (answer !== undefined) return answer;
  }
}
