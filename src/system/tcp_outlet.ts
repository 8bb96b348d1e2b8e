/**
 * A TCP or TLS connection whose peer never answers, with the most that can be known of delivery: the peer's kernel has
 * acknowledged the bytes and the connection was whole at that moment. The kernel's own table tells (`tx_queue`).
 *
 * What a break can do:
 * - lost: what the peer's kernel had acknowledged and its program had not read yet when the program died or was killed,
 *   at most the peer's receive buffer, and only as much as was confirmed since; nothing that is still on our side.
 * - doubled: what had arrived and was not confirmed yet, at most what the pump has in flight.
 *
 * Without such a table (no /proc) written is all that is known: what the kernel took, when the connection is whole a look
 * later. Then a break also loses what was confirmed and still in our kernel's send buffer.
 */
import { PeerError, SilenceError } from "../pipeline/errors.ts";
import type { Connection } from "./connection.ts";
import type { Outlet } from "./outlet.ts";
import { TcpQueue } from "./tcp_queue.ts";

/** How the connection is watched. */
export interface TcpOutletOptions {
  /** TLS: a refusal of our certificate comes only after the handshake, and the library keeps bytes of its own. */
  readonly secured: boolean;
  /** Time without any progress, while something is unconfirmed, that ends the connection. */
  readonly timeoutMs: number;
  /** For tests: how the kernel is asked. */
  readonly openQueue?: (connection: Connection) => Pick<TcpQueue, "read" | typeof Symbol.dispose> | undefined;
}

interface Waiter extends PromiseWithResolvers<void> {
  /** Bytes written when the call was made. */
  readonly endBytes: number;
}

/** The outlet; takes over the connection. */
export class TcpOutlet implements Outlet {
  readonly #connection: Connection;
  readonly #options: TcpOutletOptions;
  readonly #queue: Pick<TcpQueue, "read" | typeof Symbol.dispose> | undefined;
  /** Oldest first. */
  readonly #waiters: Waiter[] = [];
  readonly #openedAtMs = performance.now();
  #writtenBytes = 0;
  #confirmedBytes = 0;
  #writing = false;
  #progressAtMs = performance.now();
  /** What the look before saw. */
  #before: { readonly writtenBytes: number; readonly drained: boolean } | undefined;
  /** What a look costs, on average. */
  #lookMs = 1;
  #lookedAtMs = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAtMs = 0;
  #failure: PeerError | undefined;

  constructor(connection: Connection, options: TcpOutletOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#queue = options.openQueue === undefined ? openQueue(connection) : options.openQueue(connection);
    this.#readToEnd();
  }

  get broken(): boolean {
    return this.#failure !== undefined;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#busy) this.#progressAtMs = performance.now();
    this.#writing = true;
    this.#schedule();
    try {
      await this.#connection.write(bytes);
    } catch (error) {
      this.#fail(error);
      throw this.#failure ?? error;
    } finally {
      this.#writing = false;
    }
    this.#writtenBytes += bytes.length;
    this.#progressAtMs = performance.now();
  }

  settled(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#writtenBytes <= this.#confirmedBytes) return Promise.resolve();
    const waiter = { ...Promise.withResolvers<void>(), endBytes: this.#writtenBytes };
    this.#waiters.push(waiter);
    this.#schedule();
    return waiter.promise;
  }

  async close(): Promise<void> {
    if (this.#failure === undefined) await this.#connection.close(1_000);
    this.#fail(new PeerError("Cannot send: the connection is closed"));
  }

  destroy(reason: string): void {
    this.#fail(new PeerError(`Cannot deliver to ${this.#connection.peerAddress}: ${reason}`));
  }

  get #busy(): boolean {
    return this.#writing || this.#writtenBytes > this.#confirmedBytes;
  }

  /** The pending read is what notices a peer that closes, refuses or is gone; what it says means nothing. */
  async #readToEnd(): Promise<void> {
    try {
      while (await this.#connection.read() !== undefined);
      throw new PeerError(`Cannot deliver to ${this.#connection.peerAddress}: the peer closed the connection`);
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * A look costs milliseconds where the table is large, so looks take a fiftieth of the time at the most while little is
   * unconfirmed, and a fifth while the pump is about to wait for room.
   */
  #schedule(): void {
    if (this.#failure !== undefined) return;
    const openBytes = this.#writtenBytes - this.#confirmedBytes + 256 * this.#waiters.length;
    const restMs = Math.min(maxLookDelayMs, (openBytes >= pressureBytes ? 4 : 50) * this.#lookMs);
    const atMs = Math.max(performance.now() + minLookDelayMs, this.#lookedAtMs + restMs);
    if (this.#timer !== undefined) {
      if (this.#timerAtMs <= atMs) return;
      clearTimeout(this.#timer);
    }
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(() => this.#look(), atMs - performance.now());
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#failure !== undefined || !this.#busy) return;
    this.#confirm(this.#arrivedBytes());
    if (!this.#busy) return;
    const nowMs = performance.now();
    if (nowMs - this.#progressAtMs >= this.#options.timeoutMs) {
      const { timeoutMs } = this.#options;
      this.#fail(
        new SilenceError(`Cannot deliver to ${this.#connection.peerAddress}: nothing was taken for ${timeoutMs} ms`),
      );
      return;
    }
    this.#schedule();
  }

  /** How much the peer holds, as far as can be told now; never less than what was confirmed before. */
  #arrivedBytes(): number {
    const startMs = performance.now();
    const entry = this.#queue?.read();
    this.#lookedAtMs = performance.now();
    this.#lookMs = (3 * this.#lookMs + this.#lookedAtMs - startMs) / 4;
    const before = this.#before;
    const writtenBytes = this.#writtenBytes;
    const drained = this.#queue === undefined || entry?.sendQueueBytes === 0;
    this.#before = { writtenBytes, drained };
    if (this.#queue !== undefined && entry?.state !== established) return this.#confirmedBytes;
    if (this.#options.secured && startMs - this.#openedAtMs < refusalWaitMs) return this.#confirmedBytes;
    if (this.#queue === undefined || this.#options.secured) {
      if (drained && before?.drained === true) return before.writtenBytes;
      return entry === undefined ? this.#confirmedBytes : writtenBytes - entry.sendQueueBytes - tlsBufferBytes;
    }
    // A write that is under way counts in the queue and not in what is written: an error on the safe side.
    return writtenBytes - entry!.sendQueueBytes;
  }

  #confirm(bytes: number): void {
    if (bytes <= this.#confirmedBytes) return;
    this.#confirmedBytes = bytes;
    this.#progressAtMs = performance.now();
    while (this.#waiters.length > 0 && this.#waiters[0]!.endBytes <= bytes) this.#waiters.shift()!.resolve();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error instanceof PeerError
      ? error
      : new PeerError(`Cannot deliver to ${this.#connection.peerAddress}: ${String(error)}`, { cause: error });
    clearTimeout(this.#timer);
    this.#connection.destroy();
    this.#queue?.[Symbol.dispose]();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure);
  }
}

function openQueue(connection: Connection): TcpQueue | undefined {
  const ends = connection.ends;
  return ends === undefined ? undefined : TcpQueue.open(ends);
}

/** TCP_ESTABLISHED of the kernel. */
const established = 1;
const minLookDelayMs = 2;
const maxLookDelayMs = 200;
/** A quarter of what a pump has in flight. */
const pressureBytes = 512 * 1024;
/** Plain bytes that a TLS library may hold although it took them; it holds them only while the kernel's buffer is full. */
const tlsBufferBytes = 256 * 1024;
/** A server of TLS 1.3 refuses a client's certificate after the client is done: the alert needs a round trip. */
const refusalWaitMs = 250;
