/**
 * The `file` sink with a path template: slices by time and fields, gzip appended as whole members.
 *
 * ```text
 *   send ─► lines wait by path ─► flush: name new files ─► write members ─► fdatasync ─► one line in the journal ─► resolve
 *                                        (journal)         (cut off when it fails)       ▲ lengths and positions together
 * ```
 *
 * A pair of a source that can be read again and this sink is bound ({@linkcode SliceSink.bind}): its positions are kept in
 * the journal, in the same line as the lengths of the files. So a crash leaves both or neither, the next start cuts off
 * what the journal does not know, and nothing is there twice. For all other sources it is at least once.
 */
import { join } from "node:path";
import type { Batch } from "../../pipeline/batch.ts";
import type { Checkpoints, Position } from "../../pipeline/checkpoint.ts";
import { errorText } from "../../pipeline/errors.ts";
import type { BoundSink, Rejection, Sink } from "../../pipeline/sink.ts";
import { BufferPool } from "../../pipeline/buffer_pool.ts";
import { escapedFeeds } from "../../formats/line_buffer.ts";
import { lockFolderItself } from "../../system/lock.ts";
import { openLog } from "../../system/log.ts";
import { PairPositions } from "./pair_positions.ts";
import { Retention, type RetentionLimits } from "./retention.ts";
import { complaintOf, PendingLines } from "./slice_file.ts";
import { SliceFiles } from "./slice_files.ts";
import { SliceJournal } from "./slice_journal.ts";
import { SlicePath, type SlicePathOptions } from "./slice_path.ts";

/** Where and how to keep slices. */
export interface SliceSinkOptions extends SlicePathOptions, RetentionLimits {
  readonly id: string;
  /** Folder above all slices; made where it is missing. */
  readonly folder: string;
  /** Level of gzip, 1..9. */
  readonly level: number;
  /** Files open at once at the most; the least recently used is closed first. */
  readonly maxOpenFiles: number;
  /** Longest wait of a line for others that share its member and its fsync. */
  readonly flushMs: number;
}

/** Opens the sink, locks its folder and mends what a crash left. The caller disposes it. */
export function openSliceSink(options: SliceSinkOptions): Sink {
  const lock = lockFolderItself(options.folder);
  try {
    return new SliceSink(options, lock);
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

/** Who sends: each has a state of failure of its own, so that the reset of one lets nobody else overtake. */
class Sender {
  failure: unknown;
}

/** What a flush takes along. */
class Load {
  readonly lines = new Map<string, PendingLines>();
  readonly positions = new Map<string, Position>();
  readonly done = Promise.withResolvers<void>();
  bytes = 0;
  /** Told when it counts. */
  readonly settled: (() => void)[] = [];

  constructor() {
    this.done.promise.catch(() => {}); // waited for by the senders, if there are any left
  }
}

class SliceSink implements Sink {
  readonly id: string;
  readonly batchRecords = 1_024;
  readonly flightBytes = 2 * 2 ** 20;
  readonly #options: SliceSinkOptions;
  readonly #lock: Disposable;
  readonly #journal: SliceJournal;
  readonly #files: SliceFiles;
  readonly #path: SlicePath;
  readonly #retention: Retention;
  readonly #senders = new Set<Sender>();
  readonly #unbound: Sender;
  readonly #sweepTimer: ReturnType<typeof setInterval> | undefined;
  readonly #pool = new BufferPool(2 * flushBytes);
  #load = new Load();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #flushing: Promise<void> | undefined;
  #dueAtOnce = false;
  /** Signals that make a flush due at once. */
  readonly #cuts = new WeakSet<AbortSignal>();

  constructor(options: SliceSinkOptions, lock: Disposable) {
    this.id = options.id;
    this.#options = options;
    this.#lock = lock;
    this.#journal = SliceJournal.open(options.folder);
    this.#files = new SliceFiles(options, this.#journal);
    this.#files.recover();
    this.#path = new SlicePath(options);
    this.#retention = new Retention(options);
    this.#unbound = this.#newSender();
    if (!this.#retention.active) return;
    this.#flushSoon(); // sweeps, too
    this.#sweepTimer = setInterval(() => this.#flushSoon(), sweepMs);
    Deno.unrefTimer(this.#sweepTimer);
  }

  send(batch: Batch, signal: AbortSignal): Promise<readonly Rejection[]> {
    return this.#send(batch, this.#unbound, undefined, true, signal);
  }

  reset(): void {
    this.#unbound.failure = undefined;
  }

  bind(pair: string, checkpoints: Checkpoints): BoundSink {
    const sender = this.#newSender();
    const positions = new PairPositions(
      pair,
      checkpoints,
      this.#journal,
      (position) => this.#keep(pair, position),
      () => this.#drain(),
    );
    const sink: Sink = {
      id: this.id,
      batchRecords: this.batchRecords,
      flightBytes: this.flightBytes,
      send: (batch, signal) => this.#send(batch, sender, positions, false, signal),
      reset: () => {
        sender.failure = undefined;
        positions.reset();
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    return { sink, checkpoints: positions };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweepTimer);
    clearTimeout(this.#timer);
    this.#dueAtOnce = true;
    await this.#flushing;
    this.#fail(new Error("the sink is closed")); // what still waits was never confirmed
    this.#files[Symbol.dispose]();
    this.#journal[Symbol.dispose]();
    this.#lock[Symbol.dispose]();
  }

  async #send(
    batch: Batch,
    sender: Sender,
    positions: PairPositions | undefined,
    urgent: boolean,
    signal: AbortSignal,
  ): Promise<readonly Rejection[]> {
    if (sender.failure !== undefined) throw sender.failure;
    const load = this.#load;
    try {
      for (let i = 0; i < batch.count; i++) this.#add(batch, i, load);
    } catch (error) {
      this.#fail(error); // half a batch must not be written
      throw error;
    }
    if (positions !== undefined) {
      const merged = mergeChange(load.positions.get(positions.pair), batch.position);
      load.positions.set(positions.pair, merged);
      positions.sent(batch.position);
      load.settled.push(() => positions.journaled(batch.position));
    }
    if (urgent || load.bytes >= flushBytes || signal.aborted) this.#flushSoon();
    else this.#flushLater(signal);
    await load.done.promise;
    return [];
  }

  #add(batch: Batch, index: number, load: Load): void {
    const { bytes, bounds } = batch;
    const path = this.#path.of(batch, index);
    let lines = load.lines.get(path);
    if (lines === undefined) load.lines.set(path, lines = new PendingLines(this.#pool));
    const [start, end] = [bounds[2 * index]!, bounds[2 * index + 1]!];
    if (batch.packed || !bytes.subarray(start, end).includes(10)) lines.add(bytes, start, end);
    else {
      const escaped = escapedFeeds(bytes.subarray(start, end));
      lines.add(escaped, 0, escaped.length);
    }
    load.bytes += end - start + 1;
  }

  /** Positions of batches without records: with the next flush. If that fails, they are read again and left out again. */
  #keep(pair: string, position: Position): void {
    const load = this.#load;
    load.positions.set(pair, mergeChange(load.positions.get(pair), position));
    this.#flushLater(undefined);
  }

  async #drain(): Promise<void> {
    if (this.#load.positions.size > 0 || this.#load.lines.size > 0) this.#flushSoon();
    await this.#flushing;
  }

  #newSender(): Sender {
    const sender = new Sender();
    this.#senders.add(sender);
    return sender;
  }

  #flushLater(cut: AbortSignal | undefined): void {
    if (cut !== undefined && !this.#cuts.has(cut)) {
      this.#cuts.add(cut);
      cut.addEventListener("abort", () => this.#flushSoon(), { once: true });
    }
    this.#timer ??= setTimeout(() => this.#flushSoon(), this.#options.flushMs);
  }

  #flushSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueAtOnce = true;
    this.#flushing ??= this.#flushAll().finally(() => this.#flushing = undefined);
  }

  async #flushAll(): Promise<void> {
    await Promise.resolve(); // let every batch that is at hand come along
    while (this.#dueAtOnce) {
      this.#dueAtOnce = false;
      const load = this.#load;
      this.#load = new Load();
      try {
        await this.#flush(load);
        for (const settled of load.settled) settled();
        load.done.resolve();
      } catch (error) {
        load.done.reject(error);
        this.#fail(error);
      }
    }
  }

  async #flush(load: Load): Promise<void> {
    const positions = Object.fromEntries(load.positions);
    const lines = new Map([...load.lines].map(([path, { bytes }]) => [path, bytes]));
    try {
      if (lines.size > 0 || load.positions.size > 0) await this.#files.write(lines, positions);
    } finally {
      for (const pending of load.lines.values()) pending.release();
    }
    if (this.#retention.active) await this.#sweep().catch((error) => log.warning(errorText(error)));
  }

  /** Nothing that waits may be written any more: it comes again, behind what failed. */
  #fail(error: unknown): void {
    for (const sender of this.#senders) sender.failure ??= error;
    const load = this.#load;
    this.#load = new Load();
    load.done.reject(error);
  }

  async #sweep(): Promise<void> {
    const { folder } = this.#options;
    const busy = (path: string): boolean => this.#load.lines.has(path);
    const removed: Record<string, null> = {};
    for (const path of this.#retention.due(this.#journal.files, busy, Date.now(), performance.now())) {
      const known = this.#journal.files.get(path)!;
      const complaint = complaintOf(join(folder, path), known);
      try {
        if (complaint === undefined) this.#files.remove(path);
        else log.warning(`"${join(folder, path)}" is not removed: ${complaint}`);
        removed[path] = null;
      } catch (error) {
        log.warning(`Cannot remove "${join(folder, path)}": ${errorText(error)}`);
      }
    }
    if (Object.keys(removed).length > 0) await this.#journal.append({ files: removed });
  }
}

/** Two changes as one; what a change forgets stays forgotten in it. */
function mergeChange(base: Position | undefined, change: Position): Position {
  return { ...base, ...change };
}

const flushBytes = 2 ** 20;
const sweepMs = 60_000;
const log = openLog("file");
