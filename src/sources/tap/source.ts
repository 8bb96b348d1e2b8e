/**
 * The `tap` source: listens on a Unix stream socket for `agent tap`, and for any other program that writes lines there.
 * It cannot read again: what it has read and nobody holds is lost with the process. What it has not read stays with the
 * taps, which is why it reads only when asked, and why it says goodbye to them before it goes.
 */
import { type Batch, batchesOfRun, batchOfLines, type Origin } from "../../pipeline/batch.ts";
import type { Position } from "../../pipeline/checkpoint.ts";
import { DropCounter, type Drops } from "../../pipeline/drops.ts";
import { errorText } from "../../pipeline/errors.ts";
import type { BatchLimits, Source } from "../../pipeline/source.ts";
import { type TapGap, tapStopRequest } from "../../formats/tap_gap.ts";
import { Channel } from "../../system/channel.ts";
import { openLog } from "../../system/log.ts";
import { listenOnUnixSocket } from "../../system/unix_socket.ts";
import { type TapItem, TapLines } from "./tap_lines.ts";

/** Where to listen, and what the records say of themselves. */
export interface TapSourceOptions {
  readonly id: string;
  /** At most 107 bytes; its folder is made where it is missing. */
  readonly socketPath: string;
  readonly hostname: string;
  /** Default: `console`. */
  readonly program?: string;
  /** Facility × 8 + severity. */
  readonly priority: number;
  /** Longer lines are split. */
  readonly maxLineBytes: number;
  /** Permission bits of the socket; default 0660. */
  readonly mode?: number;
  /** Taps at once; more are turned away. Default 64. */
  readonly maxTaps?: number;
  /** Called at each gap that a tap announces, beside the record and the warning. */
  readonly onGap?: (gap: TapGap) => void;
}

/** A listening tap source. Dispose it to stop listening; the end of `read` does so too. */
export interface TapSource extends Source, AsyncDisposable {
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/**
 * Begins to listen, so that a socket that cannot be had is known before anything runs.
 * @throws when the path cannot be used or another program listens there
 */
export async function openTapSource(options: TapSourceOptions): Promise<TapSource> {
  return new TapServer(options, await listenOnUnixSocket(options.socketPath, options.mode ?? 0o660));
}

class TapServer implements TapSource {
  readonly id: string;
  readonly replayable = false;
  readonly #options: TapSourceOptions;
  readonly #connections = new Set<Deno.Conn>();
  readonly #sessions = new Set<Promise<void>>();
  readonly #dropped = new DropCounter();
  /** Holds one: a tap's next bytes are read when the consumer has taken the ones before. */
  #items = new Channel<TapItem>(1);
  #listener: Deno.Listener | undefined;
  #turnedAway = 0;

  constructor(options: TapSourceOptions, listener: Deno.Listener) {
    this.id = options.id;
    this.#options = options;
    this.#listener = listener;
  }

  drops(): Drops {
    return this.#dropped.drops;
  }

  async *read(_from: Position | undefined, limits: BatchLimits, signal: AbortSignal): AsyncGenerator<Batch> {
    this.#items = new Channel<TapItem>(1);
    this.#listener ??= await listenOnUnixSocket(this.#options.socketPath, this.#options.mode ?? 0o660);
    const accepting = this.#acceptAll(this.#listener);
    const leave = (): void => void this.#sayGoodbye(accepting);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    try {
      for await (const item of this.#items.values()) yield* this.#batchesOf(item, limits);
    } finally {
      signal.removeEventListener("abort", leave);
      await this[Symbol.asyncDispose]();
    }
  }

  readonly [Symbol.asyncDispose] = async (): Promise<void> => {
    this.#closeListener();
    this.#items.close();
    for (const connection of this.#connections) closeQuietly(connection);
    await Promise.all(this.#sessions);
  };

  async #acceptAll(listener: Deno.Listener): Promise<void> {
    while (this.#listener === listener) {
      try {
        this.#begin(await listener.accept());
      } catch (error) {
        if (this.#listener !== listener) return;
        // Out of descriptors, most likely: it passes, and a tight loop would not help.
        log.warning(`Cannot accept a tap on "${this.#options.socketPath}": ${errorText(error)}`);
        await new Promise((resolve) => setTimeout(resolve, acceptPauseMs));
      }
    }
  }

  #begin(connection: Deno.Conn): void {
    const limit = this.#options.maxTaps ?? 64;
    if (this.#connections.size >= limit) {
      if (this.#turnedAway++ === 0) log.warning(`turned a tap away: ${limit} are connected, the limit`);
      closeQuietly(connection);
      return;
    }
    this.#connections.add(connection);
    const session = this.#serve(connection).finally(() => {
      this.#connections.delete(connection);
      this.#sessions.delete(session);
      closeQuietly(connection);
    });
    this.#sessions.add(session);
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    const lines = new TapLines(this.#options.maxLineBytes);
    try {
      for (;;) {
        const buffer = new Uint8Array(readBytes);
        const length = await connection.read(buffer);
        if (length === null) break;
        // A trickle must not keep whole buffers alive.
        const chunk = length < readBytes / 4 ? buffer.slice(0, length) : buffer.subarray(0, length);
        if (!await this.#giveAll(lines.push(chunk))) return;
      }
    } catch (error) {
      log.debug(`a tap's connection ended: ${errorText(error)}`);
    }
    await this.#giveAll(lines.flush());
  }

  async #giveAll(items: readonly TapItem[]): Promise<boolean> {
    for (const item of items) if (!await this.#items.give(item)) return false;
    return true;
  }

  *#batchesOf(item: TapItem, { maxRecords }: BatchLimits): Generator<Batch> {
    if (item.kind === "gap") {
      const text = `gap of ${item.gap.lines} lines, ${item.gap.bytes} bytes: the tap could not hand them over`;
      log.warning(`${this.#options.socketPath}: ${text}`);
      this.#options.onGap?.(item.gap);
      this.#dropped.add("tapGap", item.gap.lines, item.gap.bytes);
      yield batchOfLines([`agent tap: ${text}`], this.#originOf(gapPriority));
      return;
    }
    for (const batch of batchesOfRun(item.run, maxRecords, this.#originOf(this.#options.priority))) {
      yield item.packed ? batch : { ...batch, packed: false };
    }
  }

  #originOf(priority: number): Origin {
    const { id, hostname, program } = this.#options;
    return { source: id, host: hostname, program: program ?? "console", priority, form: "plain", readAtMs: Date.now() };
  }

  /** No more taps; those that are here end their line and close, and all that they sent is still read. */
  async #sayGoodbye(accepting: Promise<void>): Promise<void> {
    this.#closeListener();
    for (const connection of this.#connections) connection.write(tapStopRequest).catch(() => {});
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => timer = setTimeout(resolve, goodbyeMs));
    await Promise.race([Promise.all(this.#sessions), deadline]);
    clearTimeout(timer);
    for (const connection of this.#connections) closeQuietly(connection);
    // Each session gives its torn line before it ends.
    await Promise.all([accepting, ...this.#sessions]);
    this.#items.close();
  }

  #closeListener(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.close();
  }
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}

const log = openLog("tap");
/** What a socket hands over at once. */
const readBytes = 64 * 1024;
/** syslog.warning (RFC 5424 section 6.2.1): the agent speaks of its own affairs. */
const gapPriority = 5 * 8 + 4;
/** Other programs than `agent tap` do not answer a goodbye; they are cut. */
const goodbyeMs = 500;
const acceptPauseMs = 200;
