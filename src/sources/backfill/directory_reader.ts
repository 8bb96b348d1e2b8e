/** One run over a log directory, for one sink: file after file, oldest first, then `current` as it grows. */
import { backoffMs, pause } from "../../pipeline/backoff.ts";
import { type Batch, batchOfLines, type Origin } from "../../pipeline/batch.ts";
import type { Position, PositionValue } from "../../pipeline/checkpoint.ts";
import type { BatchLimits } from "../../pipeline/source.ts";
import { LineReader, type Take } from "./line_reader.ts";
import { LogFile } from "./log_file.ts";
import { decodeMark, encodeMark, isContentOf, type LogMark, newMark } from "./mark.ts";
import type { LogDirectoryOptions } from "./options.ts";
import { isLeft, kindOf, type LogKind, type Seen, type Survey, surveyOf } from "./survey.ts";
import type { Stamps } from "./stamps.ts";

/** The parts that the source prepares for its readers. */
export interface ReaderOptions extends LogDirectoryOptions {
  readonly stamps: Stamps;
  readonly maxLineBytes: number;
}

/** Reads from a position until it is aborted, or to the end. */
export class DirectoryReader {
  readonly #options: ReaderOptions;
  readonly #limits: BatchLimits;
  readonly #signal: AbortSignal;
  readonly #marks = new Map<string, LogMark>();
  /** Changes of the position that no batch has carried yet. */
  #changes: Record<string, PositionValue> = {};
  readonly #gaps: string[] = [];
  #kind: LogKind = "missing";
  #reader: LineReader | undefined;
  #leftAtMs: number | undefined;
  #rests = 0;
  #saidMissing = false;
  #clockPatienceMs: number;
  #wakeUp = new AbortController();

  constructor(options: ReaderOptions, from: Position | undefined, limits: BatchLimits, signal: AbortSignal) {
    this.#options = options;
    this.#limits = limits;
    this.#signal = signal;
    this.#clockPatienceMs = options.once ? 0 : clockPatienceMs;
    for (const [key, value] of Object.entries(from ?? {})) {
      const mark = decodeMark(value);
      if (mark === undefined) this.#changes[key] = null;
      else this.#marks.set(key, mark);
    }
  }

  /** Something new may be there: looks at once, and often for a while. */
  wake(): void {
    this.#rests = 0;
    this.#wakeUp.abort();
  }

  /** Batches until the end; closes what it opened. */
  async *run(): AsyncGenerator<Batch> {
    try {
      while (!this.#signal.aborted) {
        this.#reader ??= this.#openNext();
        if (this.#gaps.length > 0) yield this.#gapBatch();
        const reader = this.#reader;
        const batch = reader === undefined ? undefined : this.#nextBatch(reader, false);
        if (batch !== undefined) {
          this.#rests = 0;
          yield batch;
          continue;
        }
        if (reader !== undefined && reader.stop === "end" && this.#isFinished(reader)) {
          yield* this.#finish(reader);
          continue;
        }
        if (this.#options.once && reader?.stop !== "clock") {
          yield* this.#last(reader);
          return;
        }
        if (Object.keys(this.#changes).length > 0) yield this.#changesBatch();
        await this.#rest(reader?.stop === "clock");
      }
    } finally {
      this.#reader?.[Symbol.dispose]();
    }
  }

  /** Looks at all there is and opens the oldest file that is not read to its end; undefined where none is. */
  #openNext(): LineReader | undefined {
    this.#kind = kindOf(this.#options.path);
    if (this.#kind === "missing" && !this.#saidMissing) {
      this.#options.report({ level: "info", text: `"${this.#options.path}" is not there; waiting for it` });
      this.#saidMissing = true;
    }
    using survey = surveyOf(this.#options.path, new Set(this.#marks.keys()));
    if (survey.files.length > 0) this.#adopt(survey);
    for (const seen of survey.files) {
      const known = this.#marks.get(seen.key); // of this content: see #adopt
      if (seen.archived && known?.done === true && known.name === seen.name) continue;
      const file = survey.take(seen);
      if (file === undefined) {
        this.#gaps.push(`"${seen.name}" with ${seen.sizeBytes} bytes was removed before it could be read`);
        this.#forget(seen.key);
        continue;
      }
      const mark = known !== undefined && isContentOf(known, file) ? known : newMark(file.name);
      if (seen.archived && mark.offset === 0 && isPacked(file.peek(0, 4))) {
        this.#options.report({ level: "warning", text: `"${seen.path}" is left alone: it is compressed` });
        this.#remember(seen.key, { ...mark, name: seen.name, done: true });
        file.close();
        continue;
      }
      if (seen.archived && this.#kind === "directory" && mark.offset === file.sizeBytes && mark.offset > 0) {
        this.#remember(seen.key, { ...mark, name: seen.name, done: true });
        file.close();
        continue;
      }
      this.#leftAtMs = undefined;
      return new LineReader(file, mark, {
        stamps: this.#options.stamps,
        maxLineBytes: this.#options.maxLineBytes,
        onHole: (hole, sizeBytes) =>
          this.#options.report({
            level: "warning",
            text: `"${hole.path}": passed over ${sizeBytes} NUL bytes: blocks that were never written`,
          }),
      });
    }
    return undefined;
  }

  /**
   * Files that are known under another key (a folder copied or moved, an archive rewritten by a processor) take their
   * mark with them; what is neither there nor was read to its end is a gap. Writers remove the oldest first: where the
   * newest file that we read is gone, some behind it may be, too; where it is there, none is.
   */
  #adopt(survey: Survey): void {
    const newest = newestOf(this.#marks);
    const present = new Map(survey.files.map((seen) => [seen.key, seen]));
    const lost = [...this.#marks].filter(([key, mark]) => {
      const seen = present.get(key);
      return seen === undefined || !(seen.archived && seen.name === mark.name || hasContentOf(seen, mark));
    });
    for (const [key] of lost) this.#forget(key);
    for (const seen of survey.files) {
      if (lost.length === 0) return;
      if (this.#marks.has(seen.key)) continue;
      // A label makes the beginning of a file unlike that of any other.
      const at = lost.findIndex(([, mark]) => mark.stamp !== "" && mark.offset > 0 && hasContentOf(seen, mark));
      if (at >= 0) this.#remember(seen.key, { ...lost.splice(at, 1)[0]![1], name: seen.name });
    }
    for (const [key, mark] of lost) {
      if (!mark.done) {
        this.#gaps.push(`"${mark.name}" is gone and was read to byte ${mark.offset}, maybe not to its end`);
      } else if (key === newest) this.#gaps.push(`archives behind "${mark.name}" ${mark.stamp} may be gone, not read`);
    }
  }

  #nextBatch(reader: LineReader, toTheEnd: boolean): Batch | undefined {
    const take: Take = { toTheEnd, waitForClock: this.#clockPatienceMs > 0 };
    const built = reader.next(this.#limits, take);
    if (built === undefined) return undefined;
    this.#remember(reader.file.key, reader.mark(false));
    return built.finish(this.#origin(this.#options.priority), this.#takeChanges());
  }

  /** Whether nothing will be added to what the reader has read. */
  #isFinished(reader: LineReader): boolean {
    if (reader.isTruncated) {
      this.#options.report({ level: "warning", text: `"${reader.file.path}" was truncated; reading it anew` });
      reader.restart();
      return false;
    }
    if (!isLeft(this.#options.path, this.#kind, reader.file.key)) return false;
    // s6-log and multilog write nothing after the rename; what writes plain files may still hold the old one.
    this.#leftAtMs ??= performance.now();
    return this.#kind === "directory" || performance.now() - this.#leftAtMs >= this.#options.graceMs;
  }

  /** What was written between our last read and the rename, the torn line that is left, and on to the next file. */
  *#finish(reader: LineReader): Generator<Batch> {
    for (let batch = this.#nextBatch(reader, true); batch !== undefined; batch = this.#nextBatch(reader, true)) {
      yield batch;
      if (this.#signal.aborted) return;
    }
    if (reader.stop === "clock") return;
    const { file } = reader;
    if (this.#kind === "directory") this.#remember(file.key, reader.mark(true));
    else this.#forget(file.key);
    reader[Symbol.dispose]();
    this.#reader = undefined;
  }

  /** The end of a run that does not wait: a torn line of a writer that is at work is left for the next one. */
  *#last(reader: LineReader | undefined): Generator<Batch> {
    const closed = reader !== undefined && (this.#kind === "file" || reader.file.isClosedByWriter);
    const batch = closed ? this.#nextBatch(reader, true) : undefined;
    if (batch !== undefined) yield batch;
    if (Object.keys(this.#changes).length > 0) yield this.#changesBatch();
  }

  #remember(key: string, mark: LogMark): void {
    this.#marks.set(key, mark);
    this.#changes[key] = encodeMark(mark);
  }

  #forget(key: string): void {
    this.#marks.delete(key);
    this.#changes[key] = null;
  }

  #takeChanges(): Position {
    const changes = this.#changes;
    this.#changes = {};
    return changes;
  }

  #changesBatch(): Batch {
    return batchOfLines([], this.#origin(this.#options.priority), this.#takeChanges());
  }

  #gapBatch(): Batch {
    const gaps = this.#gaps.splice(0);
    for (const text of gaps) this.#options.report({ level: "warning", text: `${this.#options.path}: ${text}` });
    const lines = gaps.map((text) => `agent backfill: gap in ${this.#options.path}: ${text}`);
    return batchOfLines(lines, this.#origin(gapPriority), this.#takeChanges());
  }

  #origin(priority: number): Origin {
    const { id, hostname, program } = this.#options;
    return { source: id, host: hostname, program, priority, form: "plain", readAtMs: Date.now() };
  }

  async #rest(forClock: boolean): Promise<void> {
    const sinceMs = performance.now();
    this.#wakeUp = new AbortController();
    // From 4 ms, doubling: what was written to a moment ago is written to again.
    const ms = forClock ? clockPollMs : backoffMs({ firstMs: 4, maxMs: this.#options.pollMs }, ++this.#rests);
    await pause(ms, this.#signal, this.#wakeUp.signal);
    if (!forClock) return;
    this.#clockPatienceMs -= performance.now() - sinceMs;
    if (this.#clockPatienceMs <= 0) {
      const text = "the clock is still not set; times of lines from before are estimated by it all the same";
      this.#options.report({ level: "warning", text: `${this.#options.path}: ${text}` });
    }
  }
}

/** Whether the file behind a name is the one that the mark speaks of. */
function hasContentOf(seen: Seen, mark: LogMark): boolean {
  if (seen.sizeBytes < mark.offset) return false;
  const file = seen.file ?? LogFile.open(seen.path, seen.name, false);
  if (file === undefined) return false;
  const same = file.key === seen.key && isContentOf(mark, file);
  if (file !== seen.file) file.close();
  return same;
}

/** Key of the file whose last line is the newest; names decide where lines have no label, and archives have labels for names. */
function newestOf(marks: ReadonlyMap<string, LogMark>): string | undefined {
  const rank = ({ stamp, name }: LogMark): string => `${stamp} ${name}`;
  let newest: [string, LogMark] | undefined;
  for (const entry of marks) if (newest === undefined || rank(entry[1]) > rank(newest[1])) newest = entry;
  return newest?.[0];
}

/** gzip, zstd, xz, bzip2: what processors of s6-log make of archives. */
function isPacked(head: Uint8Array): boolean {
  const packings = [[0x1f, 0x8b], [0x28, 0xb5, 0x2f, 0xfd], [0xfd, 0x37, 0x7a, 0x58], [0x42, 0x5a, 0x68]];
  return packings.some((magic) => magic.every((byte, i) => head[i] === byte));
}

/** How long lines from before the clock was set wait for it; by then most machines have asked a time server. */
const clockPatienceMs = 60_000;
const clockPollMs = 500;
/** syslog.warning (RFC 5424 section 6.2.1): the agent speaks of its own affairs. */
const gapPriority = 5 * 8 + 4;
