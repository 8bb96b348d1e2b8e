/** The spool on a disk: puts its parts together, and knows who waits for what. */
import type { Batch } from "../pipeline/batch.ts";
import type { Position } from "../pipeline/checkpoint.ts";
import { errorText, PeerError } from "../pipeline/errors.ts";
import type { Source } from "../pipeline/source.ts";
import { openLog } from "../system/log.ts";
import { AppendQueue } from "./append_queue.ts";
import { Drops } from "./drops.ts";
import type { SpoolFiles } from "./files.ts";
import { GroupSync } from "./group_sync.ts";
import { type ReaderState, type ReaderSurroundings, SpoolReader } from "./reader.ts";
import { cursorName, Quarantine, recoverFolder } from "./recovery.ts";
import { Room } from "./room.ts";
import { Shelf } from "./shelf.ts";
import { SlotFile } from "./slot_file.ts";
import { SlotKeeper } from "./slot_keeper.ts";
import type { AppendOptions, AppendOutcome, ReaderStats, Spool, SpoolOptions, SpoolStats } from "./spool.ts";
import { BufferPool } from "./walk.ts";

/** See {@linkcode Spool}; made by `openSpool`. */
export class DiskSpool implements Spool {
  readonly #options: SpoolOptions;
  readonly #shelf: Shelf;
  readonly #room: Room;
  readonly #drops: Drops;
  readonly #group: GroupSync;
  readonly #slots: SlotKeeper;
  readonly #readers = new Map<string, ReaderState>();
  readonly #sources = new Map<string, SpoolReader>();
  readonly #queue: AppendQueue;
  readonly #closed = new AbortController();
  readonly #changed = new Set<() => void>();
  readonly #damage = { bytes: 0, spans: 0 };
  readonly #syncs = { count: 0, totalMs: 0 };
  #finished = false;
  #saidSlotTrouble = false;

  /** Reads what `files` hold and opens what is needed; `files` have their folder already. */
  constructor(options: SpoolOptions, files: SpoolFiles) {
    this.#options = options;
    const { maxBytes } = options;
    const segmentBytes = options.segmentBytes ??
      Math.min(maxSegmentBytes, Math.max(minSegmentBytes, Math.floor(maxBytes / 8)));
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
    this.#queue = new AppendQueue({
      options,
      maxBodyBytes: Math.min(maxBodyBytes, Math.floor(segmentBytes / 2)),
      room: this.#room,
      drops: this.#drops,
      group: this.#group,
      slotsChanged: (urgent) => this.#slots.changed(urgent),
      diskError: (error) => this.#diskError(error),
    });
    this.#openReaders({
      files,
      shelf,
      pool: new BufferPool(),
      quarantine,
      host,
      droppedThrough: () => this.#room.droppedThrough,
      torn: { first: (found.segments.at(-1)?.lastSeq ?? found.startSeq - 1) + 1, end: found.nextSeq },
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
    if (this.#closed.signal.aborted || this.#finished) return Promise.reject(new PeerError("the spool is closed"));
    return this.#queue.append(batch, options);
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
    this.#slots.changed(this.#queue.blocked);
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
      oldestSeq,
      appendedRecords: this.#queue.appended,
      notices: this.#room.notices,
      dropped: { oldest: Math.max(...states.map(({ dropped }) => dropped)), newest: full, tooLong: long },
      damaged: { ...this.#damage, records: Math.max(...states.map(({ damaged }) => damaged)) },
      syncs: { ...this.#syncs },
      blocked: this.#queue.blocked,
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
    this.#queue.refuse(new PeerError("the spool is closed"));
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
      this.#readers.set(id, { id, cursor, nextSeq: cursor.value + 1, dropped, damaged: 0, reading: false });
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

  /** Positions are durable: segments that all have passed can go, and whoever waits for room goes on. */
  #reclaimed(): void {
    if (!this.#room.reclaim(this.#queue.blocked)) return;
    try {
      // At the end a notice that nobody would read any more is left to the next start.
      if (!this.#finished || [...this.#readers.values()].every(({ reading }) => reading)) this.#room.writeNotices();
    } catch (error) {
      log.error(this.#diskError(error).message);
    }
    this.#queue.drain();
  }

  async #sync(): Promise<void> {
    const startMs = performance.now();
    try {
      await this.#shelf.sync();
      this.#syncs.count++;
      this.#syncs.totalMs += performance.now() - startMs;
    } catch (error) {
      const failure = this.#diskError(error);
      this.#queue.refuse(failure); // those behind must not overtake those who are refused
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
const log = openLog("spool");
