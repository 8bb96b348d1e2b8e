/**
 * Source `file`: follows the files that patterns find, through every kind of rotation, and never holds more of them in
 * memory than the consumer asked for.
 *
 * ```text
 *   sweep (timer, hint) ──► Roster: who is who ──┐
 *   poll (timer, hint)  ──► has it changed? ─────┴► hot files, in turn ──► read one block ──► batches ──► consumer
 * ```
 *
 * Polling is the truth, watching a hint. Looking at the folders goes on while the consumer holds us up, so that files
 * which are rotated away meanwhile are open by then. Reading is synchronous: a read of the page cache is far cheaper than
 * a trip through a thread; between turns the event loop gets its share.
 */
import { setImmediate } from "node:timers";
import { type Batch, batchOfLines } from "../../pipeline/batch.ts";
import type { Position } from "../../pipeline/checkpoint.ts";
import { DropCounter } from "../../pipeline/drops.ts";
import { errorText } from "../../pipeline/errors.ts";
import type { BatchLimits, Source, SourceFigures } from "../../pipeline/source.ts";
import type { Flush, ReadContext } from "./block_reader.ts";
import { defaultPriority, openFilesAllowed, readContext } from "./context.ts";
import { Hints } from "./hints.ts";
import {
  defaultMaxLineBytes,
  defaultTuning,
  type FileEvent,
  type FileSourceOptions,
  type FileTuning,
} from "./options.ts";
import { Roster } from "./roster.ts";
import { Schedule } from "./schedule.ts";
import type { TailedFile } from "./tailed_file.ts";

export type { FileEvent, FileSourceOptions, FileTuning, LongLines, MultilineOptions } from "./options.ts";

/** The source for `options`. Nothing is opened before it is read. @throws when a pattern or a figure is impossible */
export function openFileSource(options: FileSourceOptions): Source {
  const tuning = { ...defaultTuning, maxOpenFiles: openFilesAllowed(), ...options.tuning };
  const maxLineBytes = options.maxLineBytes ?? defaultMaxLineBytes;
  if (!(maxLineBytes >= 1_024 && maxLineBytes <= 16 * 2 ** 20)) {
    throw new RangeError(`Cannot read files for "${options.id}": maxLineBytes must be 1 KiB..16 MiB`);
  }
  // Patterns that cannot be read are refused now rather than at the first read.
  new Roster(options, tuning, undefined, 0)[Symbol.dispose]();
  readContext(options, tuning, { maxRecords: 1, maxBytes: 1 });
  const counter = new DropCounter();
  const counting = { ...options, report: countingReport(options, counter) };
  const readers = new Set<Iteration>();
  return {
    id: options.id,
    replayable: true,
    async *read(from, limits, signal): AsyncGenerator<Batch, void, void> {
      const reader = new Iteration(counting, tuning, from, limits, signal);
      readers.add(reader);
      try {
        yield* reader.run();
      } finally {
        readers.delete(reader);
      }
    },
    drops: () => counter.drops,
    figures: () => ({ files: figuresOf([...readers].map((reader) => reader.figures())) }),
  };
}

type FileFigures = NonNullable<SourceFigures["files"]>;

/** Each reader has the same files, and descriptors and positions of its own: the one that is furthest behind counts. */
function figuresOf(readers: readonly FileFigures[]): FileFigures {
  return {
    watched: Math.max(0, ...readers.map(({ watched }) => watched)),
    open: readers.reduce((sum, { open }) => sum + open, 0),
    unreadBytes: Math.max(0, ...readers.map(({ unreadBytes }) => unreadBytes)),
  };
}

class Iteration {
  readonly #options: FileSourceOptions;
  readonly #tuning: FileTuning;
  readonly #signal: AbortSignal;
  readonly #context: ReadContext;
  readonly #roster: Roster;
  readonly #schedule: Schedule;
  readonly #hints: Hints;
  #sweepTimer: ReturnType<typeof setTimeout> | undefined;
  #sweepDueMs = 0;
  #sweptMs = 0;
  #sweepTookMs = 0;
  #fullSweepMs = 0;
  #breathedMs = performance.now();
  /** Since when the consumer has not asked for more. */
  #heldSinceMs = Infinity;
  #wake: (() => void) | undefined;
  #closed = false;
  #figures: FileFigures = { watched: 0, open: 0, unreadBytes: 0 };
  #figuresMs = -Infinity;

  constructor(
    options: FileSourceOptions,
    tuning: FileTuning,
    from: Position | undefined,
    limits: BatchLimits,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#tuning = tuning;
    this.#signal = signal;
    this.#context = readContext(options, tuning, limits);
    this.#roster = new Roster(options, tuning, from, performance.now());
    this.#hints = new Hints((path, namesChanged) => this.#hinted(path, namesChanged), (reason, advice) =>
      this.#say(
        "watch",
        "warning",
        `Cannot watch folders: ${reason}; polling goes on, up to ${tuning.maxPollMs} ms later\nTry: ${advice}`,
      ));
    this.#schedule = new Schedule(tuning, this.#roster, options.multiline?.timeoutMs, () => this.#hints.working);
  }

  async *run(): AsyncGenerator<Batch, void, void> {
    const onAbort = (): void => this.#wake?.();
    this.#signal.addEventListener("abort", onAbort);
    try {
      if (this.#signal.aborted) return;
      this.#sweep();
      for (;;) {
        while (yield* this.#yieldChanges());
        if (this.#signal.aborted) return;
        this.#schedule.pollDue();
        if (this.#schedule.hot.size === 0) {
          if (this.#options.once === true && this.#allRead()) return yield* this.#finish();
          await this.#rest();
          continue;
        }
        for (const file of [...this.#schedule.hot]) {
          // While the consumer had the last batch the folders may have been looked at, and this file truncated: where
          // the rest of its former content is has to be saved before a position of the present one is.
          while (this.#settle(file) && (yield* this.#yieldChanges()));
          if (this.#signal.aborted) return;
          for (const batch of this.#turn(file, file.flush)) {
            this.#heldSinceMs = performance.now();
            yield batch;
            this.#heldSinceMs = Infinity;
            if (this.#signal.aborted) return;
          }
          await this.#breathe();
          if (this.#signal.aborted) return;
        }
      }
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
      await this.#close();
    }
  }

  /** Looks at every file, at the most once a second. */
  figures(): FileFigures {
    const nowMs = performance.now();
    if (nowMs - this.#figuresMs < 1_000) return this.#figures;
    this.#figuresMs = nowMs;
    const files = [...this.#roster.files.values()].filter(({ state }) => state !== "ignored");
    return this.#figures = {
      watched: files.length,
      open: files.reduce((sum, { isOpen }) => sum + Number(isOpen), 0),
      unreadBytes: files.reduce((sum, file) => sum + Math.max(0, (file.look()?.size ?? 0) - file.offset), 0),
    };
  }

  async #close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#sweepTimer);
    this.#roster[Symbol.dispose]();
    await this.#hints.close();
  }

  /** Whether the end of every file that can be read was reached. */
  #allRead(): boolean {
    return !this.#roster.searching &&
      [...this.#roster.files.values()].every(({ state, trouble, seenBytes }) =>
        state === "ignored" || trouble !== undefined || seenBytes >= 0
      );
  }

  /** At the end of `once`: last lines without a newline. */
  async *#finish(): AsyncGenerator<Batch, void, void> {
    for (const file of [...this.#roster.files.values()]) {
      if (file.state !== "following" || file.trouble !== undefined || file.offset >= file.seenBytes) continue;
      yield* this.#turn(file, "everything");
    }
    const changes = this.#roster.takeChanges();
    if (changes !== undefined) yield this.#emptyBatch(changes);
    await this.#breathe();
  }

  /** Gives out what was noted, before anything that is read later. Returns whether there was something. */
  *#yieldChanges(): Generator<Batch, boolean, void> {
    const changes = this.#signal.aborted ? undefined : this.#roster.takeChanges();
    if (changes === undefined) return false;
    this.#heldSinceMs = performance.now();
    yield this.#emptyBatch(changes);
    this.#heldSinceMs = Infinity;
    return true;
  }

  /** Whether the file can be read now: open, known for what it is, and not waiting for a copy of its former content. */
  #settle(file: TailedFile): boolean {
    const nowMs = performance.now();
    try {
      if (this.#roster.settle(file, nowMs) && file.state === "following") {
        const { contents } = this.#roster;
        if (file.wasEmpty || contents.isHeld(file)) contents.check(file, nowMs); // it may be truncated once more
        if (file.state === "following" && !contents.isHeld(file)) return true;
      }
    } catch (error) {
      this.#roster.fail(file, error, nowMs);
    }
    this.#schedule.retryLater(file, nowMs);
    return false;
  }

  /** One block of one file; then it is hot, at rest until its next poll, or gone. */
  #turn(file: TailedFile, flush: Flush): readonly Batch[] {
    const nowMs = performance.now();
    try {
      if (!this.#settle(file)) return [];
      const { batches, status } = file.read(this.#context, flush);
      this.#roster.recover(file);
      if (batches.length > 0) this.#schedule.noteData(file, nowMs);
      if (status === "replaced") {
        this.#roster.contents.replaced(file, nowMs);
        this.#schedule.lookSoon(); // a copy may have been found
      }
      if (status !== "end") this.#schedule.hot.add(file);
      else if (file.ending) {
        this.#schedule.hot.delete(file);
        this.#roster.remove(file, nowMs);
      } else this.#schedule.cool(file, nowMs);
      return batches;
    } catch (error) {
      this.#roster.fail(file, error, nowMs);
      this.#schedule.retryLater(file, nowMs);
      return [];
    }
  }

  /** Looks at the folders now, and again later: soon while files are busy, seldom where a look is expensive. */
  #sweep(): void {
    if (this.#closed) return;
    const startMs = performance.now();
    const force = startMs >= this.#fullSweepMs;
    if (force) this.#fullSweepMs = startMs + fullSweepMs;
    try {
      if (startMs - this.#heldSinceMs > heldUpMs) this.#schedule.lookForTruncation();
      this.#roster.sweep(startMs, force);
      const folders = this.#roster.folders();
      const rewatched = this.#options.watch !== false && this.#options.once !== true &&
        this.#hints.watch(folders, this.#roster.discovery.fifo);
      if (rewatched) this.#schedule.lookAtAll();
    } catch (error) {
      this.#say("lost", "error", `Cannot look at the folders: ${errorText(error)}`);
    }
    this.#sweptMs = performance.now();
    this.#sweepTookMs = this.#sweptMs - startMs;
    const soonMs = this.#roster.searching ? searchAgainMs : Infinity;
    const busy = this.#sweptMs - this.#schedule.lastDataMs < busySweepForMs;
    const calmMs = Math.max(busy ? this.#tuning.sweepMs / 5 : this.#tuning.sweepMs, 100 * this.#sweepTookMs);
    this.#sweepAfter(Math.min(calmMs, soonMs + 3 * this.#sweepTookMs));
    this.#schedule.lookSoon();
    this.#wake?.();
  }

  #sweepAfter(delayMs: number): void {
    const dueMs = performance.now() + Math.min(delayMs, maxSweepMs);
    clearTimeout(this.#sweepTimer);
    this.#sweepTimer = setTimeout(() => this.#sweep(), dueMs - performance.now());
    this.#sweepDueMs = dueMs;
  }

  #hinted(path: string, namesChanged: boolean): void {
    const file = this.#roster.at(path);
    if (file !== undefined) {
      this.#schedule.hinted(file);
      this.#wake?.();
    }
    if (!namesChanged && file !== undefined) return;
    // Names changed: soon, but never so often that looking is all we do.
    const delayMs = Math.max(2, this.#sweptMs + 20 * this.#sweepTookMs + 5 - performance.now());
    if (performance.now() + delayMs < this.#sweepDueMs) this.#sweepAfter(delayMs);
  }

  /** Until something is due or hinted at. */
  async #rest(): Promise<void> {
    const pauseMs = Math.min(Math.max(this.#schedule.nextPollMs - performance.now(), 1), 60_000);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#wake = () => (clearTimeout(timer), resolve());
      if (this.#signal.aborted) this.#wake();
    });
    this.#wake = undefined;
    this.#breathedMs = performance.now();
  }

  /** Lets timers and sockets run, now and then: a consumer that is always ready would never let them. */
  async #breathe(): Promise<void> {
    if (performance.now() - this.#breathedMs < breatheEveryMs) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#breathedMs = performance.now();
  }

  #emptyBatch(position: Position): Batch {
    const { id, hostname, priority } = this.#options;
    return batchOfLines([], {
      source: id,
      host: hostname,
      program: "agent",
      priority: priority ?? defaultPriority,
      form: "plain",
      readAtMs: Date.now(),
    }, position);
  }

  #say(kind: FileEvent["kind"], level: FileEvent["level"], text: string): void {
    this.#options.report({ kind, level, path: "", text });
  }
}

/** Tells of every event, and counts what it costs. */
function countingReport({ report }: FileSourceOptions, counter: DropCounter): (event: FileEvent) => void {
  return (event) => {
    counter.add(event.kind, event.droppedRecords ?? 0, event.droppedBytes ?? 0);
    report(event);
  };
}

const breatheEveryMs = 8;
const heldUpMs = 100;
/** Names rest after 20 ms, on most file systems. */
const searchAgainMs = 25;
const maxSweepMs = 10_000;
const fullSweepMs = 60_000;
const busySweepForMs = 2_000;
