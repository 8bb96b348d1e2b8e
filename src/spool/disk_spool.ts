/** The spool on a disk: the queue of appends, the readers, and who waits for what. */
import { formatDuration, formatSize } from "../formats/duration.ts";
import type { Batch } from "../pipeline/batch.ts";
import type { Position } from "../pipeline/checkpoint.ts";
import { errorText, PeerError } from "../pipeline/errors.ts";
import type { Source } from "../pipeline/source.ts";
import { openLog } from "../system/log.ts";
import { Drops } from "./drops.ts";
import type { SpoolFiles } from "./files.ts";
import { encodeOrigin, recordsThatFit } from "./frame_body.ts";
import { GroupSync } from "./group_sync.ts";
import { type ReaderState, type ReaderSurroundings, SpoolReader } from "./reader.ts";
import { cursorName, Quarantine, recoverFolder } from "./recovery.ts";
import { type Refusal, Room } from "./room.ts";
import { frameBytes, type FrameContent, Shelf } from "./shelf.ts";
import { SlotFile } from "./slot_file.ts";
import { SlotKeeper } from "./slot_keeper.ts";
import type { AppendOptions, AppendOutcome, ReaderStats, Spool, SpoolOptions, SpoolStats } from "./spool.ts";
import { BufferPool } from "./walk.ts";

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

/** See {@linkcode Spool}; made by `openSpool`. */
export class DiskSpool implements Spool {
  readonly #options: SpoolOptions;
  readonly #maxBodyBytes: number;
  readonly #shelf: Shelf;
  readonly #room: Room;
  readonly #drops: Drops;
  readonly #group: GroupSync;
  readonly #slots: SlotKeeper;
  readonly #readers = new Map<string, ReaderState>();
  readonly #sources = new Map<string, SpoolReader>();
  readonly #queue: Waiting[] = [];
  readonly #closed = new AbortController();
  readonly #changed = new Set<() => void>();
  readonly #damage = { bytes: 0, spans: 0 };
  #appended = 0;
  #finished = false;
  #blockedSinceMs: number | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #saidSlotTrouble = false;

  /** Reads what `files` hold and opens what is needed; `files` have their folder already. */
  constructor(options: SpoolOptions, files: SpoolFiles) {
    this.#options = options;
    const { maxBytes } = options;
    const segmentBytes = options.segmentBytes ??
      Math.min(maxSegmentBytes, Math.max(minSegmentBytes, Math.floor(maxBytes / 8)));
    this.#maxBodyBytes = Math.min(maxBodyBytes, Math.floor(segmentBytes / 2));
    const quarantine = new Quarantine(files, Math.min(maxQuarantineBytes, maxBytes / 16));
    const found = recoverFolder(files, quarantine);
    const shelf = new Shelf(files, found.instance, segmentBytes, found);
    const host = options.host ?? Deno.hostname();
    const changed = (): void => this.#wakeReaders();
    this.#shelf = shelf;
    this.#drops = new Drops(files, found.instance, (error) => this.#slotTrouble(error));
    this.#group = new GroupSync(() => this.#sync(), options.fsyncMs ?? defaultFsyncMs);
    this.#openCursors(files, found.instance, found.startSeq);
    this.#room = new Room({
      files,
      shelf,
      drops: this.#drops,
      readers: [...this.#readers.values()],
      maxBytes,
      mayDropOldest: options.whenFull === "dropOldest",
      host,
      changed,
      noticed: (bytes) => this.#group.add(bytes, false, () => {}),
    });
    this.#openReaders({
      files,
      shelf,
      pool: new BufferPool(),
      quarantine,
      host,
      droppedThrough: () => this.#room.droppedThrough,
      closed: this.#closed.signal,
      finished: () => this.#finished,
      changed: (signal) => this.#nextChange(signal),
      damage: (bytes) => this.#countDamage(bytes),
    });
    const slots = [...this.#drops.slots, ...[...this.#readers.values()].map(({ cursor }) => cursor)];
    this.#slots = new SlotKeeper(slots, () => this.#reclaimed());
    this.#begin(found.tornBytes);
  }

  append(batch: Batch, options: AppendOptions = {}): Promise<AppendOutcome> {
    const outcome = { written: 0, refused: 0, tooLong: 0, droppedOldest: 0 };
    const signal = options.signal;
    if (this.#closed.signal.aborted || this.#finished) return Promise.reject(new PeerError("the spool is closed"));
    if (signal?.aborted) return Promise.reject(new PeerError("appending to the spool was cancelled"));
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
      if (this.#queue.length === 1) this.#drain();
    });
  }

  reader(id: string): Source {
    this.#state(id);
    return this.#sources.get(id)!;
  }

  get(id: string): Promise<Position | undefined> {
    return Promise.resolve({ spool: this.#state(id).cursor.value });
  }

  commit(id: string, position: Position): void {
    const seq = position.spool;
    const { cursor } = this.#state(id);
    if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq >= this.#shelf.nextSeq) {
      throw new Error(`Cannot commit reader "${id}" of the spool: ${JSON.stringify(position)} is no position of it`);
    }
    if (seq <= cursor.value) return;
    cursor.set(seq);
    this.#slots.changed(this.#blockedSinceMs !== undefined);
  }

  stats(): SpoolStats {
    const oldestSeq = this.#shelf.segments[0]?.key.firstSeq ?? this.#shelf.nextSeq;
    const lastSeq = this.#shelf.nextSeq - 1;
    const states = [...this.#readers.values()];
    const statsOf = ({ cursor, dropped, damaged }: ReaderState): ReaderStats => ({
      committed: cursor.value,
      held: lastSeq - Math.max(cursor.value, oldestSeq - 1),
      dropped,
      damaged,
    });
    const { full, long } = this.#drops.counted;
    return {
      bytes: this.#shelf.bytes,
      maxBytes: this.#options.maxBytes,
      segments: this.#shelf.segments.length,
      lastSeq,
      appendedRecords: this.#appended,
      notices: this.#room.notices,
      dropped: { oldest: Math.max(...states.map(({ dropped }) => dropped)), newest: full, tooLong: long },
      damaged: { ...this.#damage, records: Math.max(...states.map(({ damaged }) => damaged)) },
      blocked: this.#blockedSinceMs !== undefined,
      readers: Object.fromEntries(states.map((state) => [state.id, statsOf(state)])),
    };
  }

  finish(): void {
    this.#finished = true;
    this.#wakeReaders();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    clearTimeout(this.#retryTimer);
    this.#refuseQueue(new PeerError("the spool is closed"));
    await this.#group.settle();
    await this.#slots.close();
    this.#room.reclaim(false);
    this.#shelf.close();
  }

  #openCursors(files: SpoolFiles, instance: string, startSeq: number): void {
    const oldestSeq = this.#shelf.segments[0]?.key.firstSeq;
    for (const id of this.#options.readers) {
      const trouble = (error: unknown): void => this.#slotTrouble(error);
      const cursor = new SlotFile(files, cursorName(id), instance, startSeq - 1, trouble);
      const dropped = oldestSeq === undefined ? 0 : Math.max(0, oldestSeq - 1 - cursor.value);
      this.#readers.set(id, { id, cursor, nextSeq: cursor.value + 1, dropped, damaged: 0 });
    }
  }

  #openReaders(surroundings: ReaderSurroundings): void {
    for (const [id, state] of this.#readers) this.#sources.set(id, new SpoolReader(state, surroundings));
  }

  #begin(tornBytes: number): void {
    if (tornBytes > 0) {
      log.warning(`"${this.#options.folder}": a write was cut off, ${tornBytes} bytes are passed over`);
      this.#countDamage(tornBytes);
    }
    this.#room.reclaim(false);
    this.#room.writeNotices();
    this.#slots.changed(false);
  }

  #state(id: string): ReaderState {
    const state = this.#readers.get(id);
    if (state === undefined) throw new Error(`Cannot read the spool as "${id}": it has no such reader`);
    return state;
  }

  #drain(): void {
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      try {
        const refusal = this.#place(head);
        if (refusal !== undefined) {
          this.#block(refusal);
          return;
        }
      } catch (error) {
        this.#refuseQueue(this.#diskError(error));
        return;
      }
      this.#unblock();
      this.#queue.shift();
      if (head.bytes > 0) this.#group.add(head.bytes, head.urgent, head.done);
      else head.done();
    }
  }

  /** Puts all records of an append into frames or into the count of drops; returns why it has to wait, if it has to. */
  #place(waiting: Waiting): Refusal | undefined {
    const { batch, origin, outcome } = waiting;
    while (waiting.next < batch.count) {
      const first = waiting.next;
      const count = recordsThatFit(origin, batch, first, this.#maxBodyBytes);
      const content: FrameContent = { type: "data", batch, origin, first, end: first + count };
      const size = frameBytes(content);
      if (size > this.#options.maxBytes / 2) {
        this.#drops.add("long", count);
        outcome.tooLong += count;
      } else {
        const { refusal, dropped } = this.#room.write(content, size);
        outcome.droppedOldest += dropped;
        if (refusal !== undefined && this.#options.whenFull === "block") return refusal;
        if (refusal === undefined) this.#wrote(waiting, count, size);
        else {
          this.#drops.add("full", count);
          outcome.refused += count;
        }
      }
      waiting.next += count;
    }
    if (outcome.refused + outcome.tooLong > 0) this.#slots.changed(false);
    return undefined;
  }

  #wrote(waiting: Waiting, records: number, bytes: number): void {
    waiting.bytes += bytes;
    waiting.outcome.written += records;
    this.#appended += records;
  }

  #block(refusal: Refusal): void {
    if (this.#blockedSinceMs === undefined) {
      this.#blockedSinceMs = performance.now();
      const state = refusal === "limit" ? `full (${formatSize(this.#options.maxBytes)})` : "on a disk that is full";
      log.warning(`"${this.#options.folder}" is ${state}; sources wait until there is room`);
      this.#slots.changed(true);
    }
    if (refusal === "disk") this.#retryTimer ??= setTimeout(() => this.#retry(), diskRetryMs);
  }

  #unblock(): void {
    if (this.#blockedSinceMs === undefined) return;
    const forText = formatDuration(performance.now() - this.#blockedSinceMs);
    log.info(`"${this.#options.folder}" has room again after ${forText}`);
    this.#blockedSinceMs = undefined;
  }

  #retry(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#drain();
  }

  /** Positions are durable: segments that all have passed can go, and whoever waits for room goes on. */
  #reclaimed(): void {
    if (!this.#room.reclaim(this.#blockedSinceMs !== undefined)) return;
    try {
      this.#room.writeNotices();
    } catch (error) {
      log.error(this.#diskError(error).message);
    }
    this.#retry();
  }

  #cancel(waiting: Waiting): void {
    const at = this.#queue.indexOf(waiting);
    if (at < 0) return; // in its segments already: the fsync decides
    this.#queue.splice(at, 1);
    if (this.#queue.length === 0) this.#blockedSinceMs = undefined;
    waiting.done(new PeerError("appending to the spool was cancelled"));
    if (at === 0) this.#drain();
  }

  #refuseQueue(error: Error): void {
    this.#blockedSinceMs = undefined;
    for (const waiting of this.#queue.splice(0)) waiting.done(error);
  }

  async #sync(): Promise<void> {
    try {
      await this.#shelf.sync();
    } catch (error) {
      const failure = this.#diskError(error);
      this.#refuseQueue(failure); // those behind must not overtake those who are refused
      throw failure;
    }
  }

  #diskError(error: unknown): PeerError {
    return new PeerError(`Cannot write spool "${this.#options.folder}": ${errorText(error)}`, { cause: error });
  }

  #slotTrouble(error: unknown): void {
    if (this.#saidSlotTrouble) return;
    this.#saidSlotTrouble = true;
    log.error(
      `Cannot write positions in "${this.#options.folder}": ${
        errorText(error)
      }; after a crash records would be repeated`,
    );
  }

  #countDamage(bytes: number): void {
    this.#damage.bytes += bytes;
    this.#damage.spans++;
  }

  #wakeReaders(): void {
    for (const wake of this.#changed) wake();
  }

  #nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#changed.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#changed.add(done);
      if (signal.aborted) done();
      else signal.addEventListener("abort", done, { once: true });
    });
  }
}

const maxSegmentBytes = 4 * 1024 * 1024;
const minSegmentBytes = 64 * 1024;
/** A frame is large enough to cost nothing per record, and small enough that damage takes little with it. */
const maxBodyBytes = 128 * 1024;
const maxQuarantineBytes = 1024 * 1024;
const defaultFsyncMs = 500;
const diskRetryMs = 500;
const log = openLog("spool");
