/**
 * From the queue to whoever listens on the socket. It may wait as long as it likes: only the queue fills meanwhile.
 * Attaches at line starts, repeats a line that a dying listener got half of, and announces each gap where it is.
 */
import { encodeTapGap, escapeTapLines, tapStopRequest } from "../../formats/tap_gap.ts";
import { pause } from "../../pipeline/backoff.ts";
import { errorText } from "../../pipeline/errors.ts";
import type { DropCounts, TapQueue } from "./queue.ts";

/** What the sender has done, for people. */
export interface SenderState {
  /** `connected`, or why not. */
  readonly listener: string;
  readonly connections: number;
  readonly sentBytes: number;
  readonly gaps: number;
}

/** Sends until the queue has ended and is empty, or until `cut`. */
export class TapSender {
  readonly #queue: TapQueue;
  readonly #socketPath: string;
  readonly #finishing = new AbortController();
  /** Escaped whole lines, taken from the queue and not yet sent from `#sentOfLines` on. */
  #lines: Uint8Array = new Uint8Array(0);
  #sentOfLines = 0;
  #droppedBeforeLines: DropCounts = { lines: 0, bytes: 0 };
  #announced: DropCounts = { lines: 0, bytes: 0 };
  #wake: (() => void) | undefined;
  #listener = "not tried yet";
  #connections = 0;
  #sentBytes = 0;
  #gaps = 0;

  constructor(queue: TapQueue, socketPath: string) {
    this.#queue = queue;
    this.#socketPath = socketPath;
  }

  get state(): SenderState {
    return {
      listener: this.#listener,
      connections: this.#connections,
      sentBytes: this.#sentBytes,
      gaps: this.#gaps,
    };
  }

  /** Looks at the queue again. */
  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Nothing more comes into the queue: what is in it gets one more try at once, and no other. */
  finish(): void {
    this.#finishing.abort();
    this.wake();
  }

  /** Runs until everything is sent after `finish`, the last try failed, or `cut` aborts. Never rejects. */
  async run(cut: AbortSignal): Promise<void> {
    cut.addEventListener("abort", () => this.wake(), { once: true });
    while (!cut.aborted) {
      const isLastTry = this.#finishing.signal.aborted;
      try {
        if (await this.#serveListener(cut)) return;
      } catch (error) {
        this.#listener = errorText(error);
      }
      if (isLastTry) return;
      // By the clock alone: however busy the input is, a listener that appears is found.
      await pause(reconnectMs, cut, this.#finishing.signal);
    }
  }

  /** One connection, to its end. True when there is nothing more to send. */
  async #serveListener(cut: AbortSignal): Promise<boolean> {
    using listener = new Listener(await Deno.connect({ transport: "unix", path: this.#socketPath }), () => this.wake());
    this.#listener = "connected";
    this.#connections++;
    const close = (): void => listener[Symbol.dispose]();
    cut.addEventListener("abort", close, { once: true });
    try {
      while (!listener.asksToStop && !cut.aborted) {
        if (await this.#sendNext(listener)) continue;
        if (this.#isThrough()) return true;
        if (!this.#queue.fallAsleep(this.#announced)) continue;
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
      this.#listener = "went away in order";
      return false;
    } catch (error) {
      // The next listener gets the line that this one got only a part of, from its beginning.
      this.#sentOfLines = this.#lines.subarray(0, this.#sentOfLines).lastIndexOf(lineFeed) + 1;
      throw error;
    } finally {
      cut.removeEventListener("abort", close);
    }
  }

  /** Sends what is next: the notice of a gap or lines. False when there is nothing. */
  async #sendNext(listener: Listener): Promise<boolean> {
    const droppedSoFar = this.#queue.dropped; // before the look at the queue: see TapQueue.dropped
    if (this.#sentOfLines === this.#lines.length) this.#takeLines();
    const hasLines = this.#sentOfLines < this.#lines.length;
    const dropped = hasLines ? this.#droppedBeforeLines : droppedSoFar;
    if (dropped.lines > this.#announced.lines) await this.#announce(dropped, listener);
    else if (!hasLines) return false;
    while (this.#sentOfLines < this.#lines.length) {
      const sent = await listener.write(this.#lines.subarray(this.#sentOfLines));
      this.#sentOfLines += sent;
      this.#sentBytes += sent;
    }
    return true;
  }

  #takeLines(): void {
    const record = this.#queue.take();
    this.#sentOfLines = 0;
    if (record === undefined) {
      this.#lines = this.#lines.subarray(0, 0);
      return;
    }
    this.#lines = escapeTapLines(record.bytes);
    this.#droppedBeforeLines = record.droppedBefore;
  }

  async #announce(dropped: DropCounts, listener: Listener): Promise<void> {
    const notice = encodeTapGap({
      lines: dropped.lines - this.#announced.lines,
      bytes: dropped.bytes - this.#announced.bytes,
    });
    for (let sent = 0; sent < notice.length;) sent += await listener.write(notice.subarray(sent));
    this.#announced = dropped;
    this.#gaps++;
  }

  #isThrough(): boolean {
    const { ended } = this.#queue; // before the look at the queue
    return ended && this.#queue.usedBytes === 0 && this.#queue.dropped.lines === this.#announced.lines;
  }
}

/** A connected listener, and whether it asked us to stop. */
class Listener implements Disposable {
  readonly #connection: Deno.Conn;
  #asksToStop = false;
  #closed = false;

  constructor(connection: Deno.Conn, changed: () => void) {
    this.#connection = connection;
    this.#hear(changed);
  }

  get asksToStop(): boolean {
    return this.#asksToStop;
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#connection.write(bytes);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
  }

  /**
   * Reads what the listener says, also so that nothing unread makes the kernel cut the connection at its close. An end
   * of that is no end of the listener: `socat` without input closes its half and goes on reading.
   */
  async #hear(changed: () => void): Promise<void> {
    const buffer = new Uint8Array(256);
    let heard = 0;
    try {
      for (;;) {
        const length = await this.#connection.read(buffer);
        if (length === null) return;
        for (let i = 0; i < length; i++) {
          heard = buffer[i] === tapStopRequest[heard] ? heard + 1 : buffer[i] === tapStopRequest[0] ? 1 : 0;
          if (heard < tapStopRequest.length) continue;
          heard = 0;
          this.#asksToStop = true;
          changed();
        }
      }
    } catch {
      // The writer hears of a broken connection itself, when it next has something to say.
    }
  }
}

const lineFeed = 10;
/** Between two tries to connect: what a listener waits at the most for its first line. */
const reconnectMs = 200;
