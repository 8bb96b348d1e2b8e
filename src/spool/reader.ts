/**
 * A reader: the spool as a replayable source. Reads what is written, whether it is on disk for sure yet or not: delivering
 * early loses nothing. Passes over what is damaged or was dropped, and says so with a notice that takes the place of the
 * gap: the notice's position is the last number of the gap.
 */
import { pause } from "../pipeline/backoff.ts";
import { type Batch, batchOfLines, type Origin } from "../pipeline/batch.ts";
import type { Position } from "../pipeline/checkpoint.ts";
import type { BatchLimits, Source } from "../pipeline/source.ts";
import { openLog } from "../system/log.ts";
import type { SpoolFile, SpoolFiles } from "./files.ts";
import { readBody } from "./frame_body.ts";
import { type Quarantine, tolerantReader } from "./recovery.ts";
import type { Segment, Shelf } from "./shelf.ts";
import type { SlotFile } from "./slot_file.ts";
import { type BufferPool, type Found, SegmentWalk } from "./walk.ts";

/** What the spool keeps of a reader. Numbers of records are those of this process. */
export interface ReaderState {
  readonly id: string;
  readonly cursor: SlotFile;
  /** The number of the record that is to be read next. */
  nextSeq: number;
  /** Records that the limit took away before they were read. */
  dropped: number;
  /** Records that were not readable any more. */
  damaged: number;
  /** Whether somebody reads, and what is written now will be read. */
  reading: boolean;
}

/** What readers need of the spool. */
export interface ReaderSurroundings {
  readonly files: SpoolFiles;
  readonly shelf: Shelf;
  readonly pool: BufferPool;
  readonly quarantine: Quarantine;
  readonly host: string;
  /** Highest number that the limit has taken away. */
  droppedThrough(): number;
  /** Numbers of records whose frame a crash cut off at the end of the spool; none when `first` is `end`. */
  readonly torn: { readonly first: number; readonly end: number };
  /** Aborts when the spool is closed. */
  readonly closed: AbortSignal;
  /** Whether nothing will be appended any more. */
  finished(): boolean;
  /** Resolves when something was written or dropped, or it is time to look; at once when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void>;
  /** Counts a damaged span, once. */
  damage(bytes: number): void;
}

/** The source of one reader. */
export class SpoolReader implements Source {
  readonly id: string;
  readonly replayable = true;
  readonly #state: ReaderState;
  readonly #spool: ReaderSurroundings;

  constructor(state: ReaderState, spool: ReaderSurroundings) {
    this.id = state.id;
    this.#state = state;
    this.#spool = spool;
  }

  async *read(from: Position | undefined, limits: BatchLimits, stop: AbortSignal): AsyncGenerator<Batch> {
    const { shelf, files, closed } = this.#spool;
    const state = this.#state;
    const signal = AbortSignal.any([stop, closed]);
    state.nextSeq = this.#firstSeq(from);
    state.reading = true;
    try {
      while (!signal.aborted && !(this.#spool.finished() && state.nextSeq >= shelf.nextSeq)) {
        const segment = shelf.find(state.nextSeq);
        if (segment === undefined || segment.key.firstSeq > state.nextSeq) {
          const gapEnd = segment?.key.firstSeq ?? shelf.nextSeq;
          if (gapEnd > state.nextSeq) yield this.#gap(gapEnd);
          else await this.#spool.changed(signal);
          continue;
        }
        let file: SpoolFile;
        try {
          file = files.open(segment.name);
        } catch (error) {
          await this.#cannotOpen(segment, error, signal);
          continue;
        }
        try {
          yield* this.#readSegment(segment, file, limits, signal);
        } finally {
          file.close();
        }
      }
    } finally {
      state.reading = false;
      state.nextSeq = state.cursor.value + 1;
    }
  }

  /** A position beyond the end belongs to a spool that is no more: everything is read then, as repeating loses nothing. */
  #firstSeq(from: Position | undefined): number {
    const last = from?.spool;
    if (typeof last === "number" && last < this.#spool.shelf.nextSeq) return last + 1;
    return this.#spool.shelf.segments[0]?.key.firstSeq ?? this.#spool.shelf.nextSeq;
  }

  async *#readSegment(
    segment: Segment,
    file: SpoolFile,
    limits: BatchLimits,
    signal: AbortSignal,
  ): AsyncGenerator<Batch> {
    const { shelf, pool } = this.#spool;
    const state = this.#state;
    const read = tolerantReader(file, () => segment.sizeBytes);
    const walk = new SegmentWalk(segment.key, read, pool);
    try {
      while (!signal.aborted && !segment.removed) {
        const found = walk.next(segment.sizeBytes, (header) => header.seq + header.count > state.nextSeq);
        if (found === undefined) {
          if (!shelf.isActive(segment) || this.#spool.finished()) break;
          await this.#spool.changed(signal);
        } else if (found.kind === "damage") {
          this.#countDamage(segment, found, read);
        } else {
          if (found.header.seq > state.nextSeq) yield this.#gap(found.header.seq);
          yield* this.#batches(found, walk.window, segment, limits, signal);
        }
      }
      if (!signal.aborted && !segment.removed && state.nextSeq <= segment.lastSeq) yield this.#gap(segment.lastSeq + 1);
    } finally {
      walk.close();
    }
  }

  /** The records of a frame, in portions that the consumer wants; nobody copies them. */
  *#batches(
    found: Found & { kind: "frame" },
    window: Uint8Array,
    segment: Segment,
    limits: BatchLimits,
    signal: AbortSignal,
  ): Generator<Batch> {
    const { header, body } = found;
    const state = this.#state;
    const content = readBody(body, header.count);
    if (content === undefined) return; // intact, and yet nonsense: the next frame shows the gap
    const { origin, bounds } = content;
    let first = Math.max(0, state.nextSeq - header.seq);
    while (first < header.count && !signal.aborted && !segment.removed) {
      const end = portionEnd(bounds, first, header.count, limits);
      this.#spool.pool.hold(window);
      state.nextSeq = header.seq + end;
      const seq = header.seq + first;
      yield {
        bytes: body,
        bounds: bounds.subarray(2 * first, 2 * end),
        count: end - first,
        packed: true,
        origin,
        position: { spool: header.seq + end - 1 },
        places: { thing: `spool:${origin.readAtMs}`, numberOf: (index) => seq + index },
        release: this.#releaser(window),
      };
      first = end;
    }
  }

  #releaser(window: Uint8Array): () => void {
    let held = true;
    return () => {
      if (held) this.#spool.pool.drop(window);
      held = false;
    };
  }

  /** The notice that stands for the records from `nextSeq` to before `end`. */
  #gap(end: number): Batch {
    const state = this.#state;
    const [first, last] = [state.nextSeq, end - 1];
    state.nextSeq = end;
    const dropped = last <= this.#spool.droppedThrough();
    if (!dropped) state.damaged += end - first;
    const { torn } = this.#spool;
    const cause = dropped
      ? "dropped by the spool, which was full"
      : first >= torn.first && end <= torn.end
      ? "cut off by a crash while they were written, most likely before anybody was told that they are safe"
      : "damaged or missing on disk";
    const text = `gap: ${countOf(end - first)} ${cause}; numbers ${first} to ${last}`;
    log.warning(`reader "${this.id}": ${text}`);
    return notice(text, this.#spool.host, { spool: last });
  }

  #countDamage(segment: Segment, found: Found & { kind: "damage" }, read: Parameters<Quarantine["keep"]>[1]): void {
    if (segment.damageSeen.has(found.at)) return;
    segment.damageSeen.add(found.at);
    const bytes = found.end - found.at;
    this.#spool.damage(bytes);
    log.warning(`"${segment.name}": ${bytes} damaged bytes at ${found.at} are passed over`);
    this.#spool.quarantine.keep(segment, read, found.at, found.end);
  }

  async #cannotOpen(segment: Segment, error: unknown, signal: AbortSignal): Promise<void> {
    if (segment.removed) return;
    if (error instanceof Deno.errors.NotFound) {
      this.#spool.shelf.forget(segment);
      return;
    }
    log.warning(`Cannot open "${segment.name}": ${(error as Error).message}; trying again`);
    await pause(openRetryMs, signal);
  }
}

/** A batch of one line that the spool says itself. */
export function notice(text: string, host: string, position: Position = {}): Batch {
  const origin: Origin = {
    source: "agent",
    host,
    program: "agent",
    priority: noticePriority,
    form: "plain",
    readAtMs: Date.now(),
  };
  return batchOfLines([text], origin, position);
}

/** `1 record`, `2 records`. */
export function countOf(records: number): string {
  return `${records} record${records === 1 ? "" : "s"}`;
}

/** Index behind the last record that is still within the limits; at least one record. */
function portionEnd(bounds: Uint32Array, first: number, count: number, limits: BatchLimits): number {
  const maxEnd = Math.min(count, first + limits.maxRecords);
  const startAt = bounds[2 * first]!;
  if (bounds[2 * maxEnd - 1]! - startAt <= limits.maxBytes) return maxEnd;
  let end = first + 1;
  while (end < maxEnd && bounds[2 * end + 1]! - startAt <= limits.maxBytes) end++;
  return end;
}

/** Facility syslog, severity warning (RFC 5424 section 6.2.1). */
const noticePriority = 5 * 8 + 4;
const openRetryMs = 1_000;
const log = openLog("spool");
