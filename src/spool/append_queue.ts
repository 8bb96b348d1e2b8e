/** The queue of appends: first come, first written; who waits for room, and who for the disk. */
import { formatDuration, formatSize } from "../formats/duration.ts";
import type { Batch } from "../pipeline/batch.ts";
import { PeerError } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import type { Drops } from "./drops.ts";
import { encodeOrigin, recordsThatFit } from "./frame_body.ts";
import type { GroupSync } from "./group_sync.ts";
import { countOf } from "./reader.ts";
import type { Refusal, Room } from "./room.ts";
import { frameBytes, type FrameContent } from "./shelf.ts";
import type { AppendOptions, AppendOutcome, SpoolOptions } from "./spool.ts";

/** An append that is not in its segments yet. */
interface Waiting {
  readonly batch: Batch;
  readonly origin: Uint8Array;
  readonly urgent: boolean;
  readonly done: (error?: Error) => void;
  /** Index of the first record that is neither written nor dropped. */
  next: number;
  /** Bytes written so far. */
  bytes: number;
  readonly outcome: { written: number; refused: number; tooLong: number; droppedOldest: number };
}

/** What the queue works with. */
export interface AppendQueueParts {
  readonly options: SpoolOptions;
  readonly maxBodyBytes: number;
  readonly room: Room;
  readonly drops: Drops;
  readonly group: GroupSync;
  /** Says that counts or positions should go to disk; at once when somebody waits for it. */
  readonly slotsChanged: (urgent: boolean) => void;
  /** What the caller of an append gets to see of an error of the disk. */
  readonly diskError: (error: unknown) => Error;
}

/** Appends, in order. */
export class AppendQueue {
  /** Records written since the start. */
  appended = 0;
  readonly #parts: AppendQueueParts;
  readonly #queue: Waiting[] = [];
  #blockedSinceMs: number | undefined;
  #sayBlockedTimer: ReturnType<typeof setTimeout> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #dropped = 0;
  #saidDroppedMs = -Infinity;

  constructor(parts: AppendQueueParts) {
    this.#parts = parts;
  }

  /** Whether appends wait for room. */
  get blocked(): boolean {
    return this.#blockedSinceMs !== undefined;
  }

  append(batch: Batch, options: AppendOptions): Promise<AppendOutcome> {
    const outcome = { written: 0, refused: 0, tooLong: 0, droppedOldest: 0 };
    const signal = options.signal;
    if (signal?.aborted) return Promise.reject(cancelled());
    if (batch.count === 0) return Promise.resolve(outcome);
    return new Promise((resolve, reject) => {
      const cancel = (): void => this.#cancel(waiting);
      const done = (error?: Error): void => {
        signal?.removeEventListener("abort", cancel);
        if (error === undefined) resolve(outcome);
        else reject(error);
      };
      const origin = encodeOrigin(batch.origin);
      const waiting: Waiting = { batch, origin, urgent: options.urgent ?? true, done, next: 0, bytes: 0, outcome };
      signal?.addEventListener("abort", cancel, { once: true });
      this.#queue.push(waiting);
      if (this.#queue.length === 1) this.drain();
    });
  }

  /** Writes what there is room for; to be called when there may be more room than before. */
  drain(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      try {
        const refusal = this.#place(head);
        if (refusal !== undefined) {
          this.#block(refusal);
          return;
        }
      } catch (error) {
        this.refuse(this.#parts.diskError(error));
        return;
      }
      this.#unblock();
      this.#queue.shift();
      if (head.bytes > 0) this.#parts.group.add(head.bytes, head.urgent, head.done);
      else head.done();
    }
  }

  /** Rejects all that are not in their segments yet. */
  refuse(error: Error): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#unblock();
    for (const waiting of this.#queue.splice(0)) waiting.done(error);
  }

  /** Puts all records of an append into frames or into the count of drops; returns why it has to wait, if it has to. */
  #place(waiting: Waiting): Refusal | undefined {
    const { room, drops, maxBodyBytes, options: { maxBytes, whenFull } } = this.#parts;
    const { batch, origin, outcome } = waiting;
    while (waiting.next < batch.count) {
      const first = waiting.next;
      const count = recordsThatFit(origin, batch, first, maxBodyBytes);
      const content: FrameContent = { type: "data", batch, origin, first, end: first + count };
      const size = frameBytes(content);
      if (size > maxBytes / 2) {
        drops.add("long", count);
        outcome.tooLong += count;
      } else {
        const { refusal, dropped } = room.write(content, size);
        outcome.droppedOldest += dropped;
        if (refusal !== undefined && whenFull === "block") return refusal;
        if (refusal === undefined) this.#wrote(waiting, count, size);
        else {
          drops.add("full", count);
          outcome.refused += count;
        }
      }
      waiting.next += count;
    }
    this.#tellOfDrops(outcome);
    return undefined;
  }

  #wrote(waiting: Waiting, records: number, bytes: number): void {
    waiting.bytes += bytes;
    waiting.outcome.written += records;
    this.appended += records;
  }

  /** Drops go to the log once a minute: while the spool stays full there are many. */
  #tellOfDrops({ refused, tooLong, droppedOldest }: AppendOutcome): void {
    const dropped = refused + tooLong + droppedOldest;
    if (dropped === 0) return;
    if (refused + tooLong > 0) this.#parts.slotsChanged(false);
    this.#dropped += dropped;
    const nowMs = performance.now();
    if (nowMs - this.#saidDroppedMs < sayDroppedMs) return;
    const { folder, maxBytes, whenFull } = this.#parts.options;
    const what = `${countOf(this.#dropped)} dropped (${whenFull})`;
    log.warning(`"${folder}" is full (${formatSize(maxBytes)}): ${what}; the sinks are told of the gap`);
    this.#saidDroppedMs = nowMs;
    this.#dropped = 0;
  }

  #block(refusal: Refusal): void {
    if (this.#blockedSinceMs === undefined) {
      this.#blockedSinceMs = performance.now();
      // A fast source meets a slow sink here many times a second; that is no news until it lasts.
      this.#sayBlockedTimer = setTimeout(() => this.#sayBlocked(refusal), sayBlockedAfterMs);
      this.#parts.slotsChanged(true);
    }
    if (refusal === "disk") this.#retryTimer ??= setTimeout(() => this.drain(), diskRetryMs);
  }

  #sayBlocked(refusal: Refusal): void {
    this.#sayBlockedTimer = undefined;
    const { folder, maxBytes } = this.#parts.options;
    const state = refusal === "limit" ? `full (${formatSize(maxBytes)})` : "on a disk that is full";
    log.warning(`"${folder}" is ${state}; sources wait until there is room`);
  }

  #unblock(): void {
    if (this.#blockedSinceMs === undefined) return;
    const forText = formatDuration(performance.now() - this.#blockedSinceMs);
    this.#blockedSinceMs = undefined;
    const wasSaid = this.#sayBlockedTimer === undefined;
    clearTimeout(this.#sayBlockedTimer);
    this.#sayBlockedTimer = undefined;
    if (wasSaid) log.info(`"${this.#parts.options.folder}" has room again after ${forText}`);
  }

  #cancel(waiting: Waiting): void {
    const at = this.#queue.indexOf(waiting);
    if (at < 0) return; // in its segments already: the fsync decides
    this.#queue.splice(at, 1);
    if (this.#queue.length === 0) this.#unblock();
    waiting.done(cancelled());
    if (at === 0) this.drain();
  }
}

function cancelled(): PeerError {
  return new PeerError("appending to the spool was cancelled");
}

const diskRetryMs = 500;
const sayDroppedMs = 60_000;
const sayBlockedAfterMs = 2_000;
const log = openLog("spool");
