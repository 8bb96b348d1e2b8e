/** Reads one open file from its mark on, line by line, and keeps the mark behind what was given. */
import { taiLabelBytes } from "../../formats/tai64n.ts";
import type { BatchLimits } from "../../pipeline/source.ts";
import { BatchBuilder } from "./batch_builder.ts";
import type { LogFile } from "./log_file.ts";
import { type LogMark, markAt, newMark } from "./mark.ts";
import type { Stamps } from "./stamps.ts";

/** How lines are read. */
export interface LineOptions {
  readonly stamps: Stamps;
  /** Longer lines become several records. */
  readonly maxLineBytes: number;
  /** Told of bytes that hold nothing: a file that lost its end with the power. */
  onHole(file: LogFile, sizeBytes: number): void;
}

/** What to do with lines that need a clock, and with a last line that has no end yet. */
export interface Take {
  /** Stop before a line whose time must be estimated while our own clock is not set. */
  readonly waitForClock: boolean;
  /** Nothing will be added: a torn last line is a record. */
  readonly toTheEnd: boolean;
}

/** Why there is no (larger) batch. */
export type Stop = "end" | "clock";

/** Reader of one file, which it closes. */
export class LineReader implements Disposable {
  readonly file: LogFile;
  readonly #options: LineOptions;
  #buffer: Uint8Array;
  /** Unread bytes are `#at..#end` of the buffer; `#at` is at offset `#offset` of the file. */
  #at = 0;
  #end = 0;
  #offset: number;
  #inLine: boolean;
  #stamp: string;
  /** Time of the line that we are within, as written. */
  #timeMs: number | undefined;
  stop: Stop = "end";

  constructor(file: LogFile, mark: LogMark, options: LineOptions) {
    this.file = file;
    this.#options = options;
    this.#buffer = new Uint8Array(options.maxLineBytes + readBytes);
    this.#offset = mark.offset;
    this.#inLine = mark.inLine;
    this.#stamp = mark.stamp;
    const label = encoder.encode(mark.stamp);
    if (mark.inLine) this.#timeMs = options.stamps.timeAt(label, 0, label.length);
  }

  /** Whether less is in the file than was read of it. */
  get isTruncated(): boolean {
    return this.file.sizeBytes < this.#offset;
  }

  /** Where reading stands, behind the last record that was given. */
  mark(done: boolean): LogMark {
    return markAt(this.file, this.#offset, { done, inLine: this.#inLine, stamp: this.#stamp });
  }

  /** Begins anew: the content is another one. */
  restart(): void {
    const { offset, inLine, stamp } = newMark(this.file.name);
    this.#offset = offset;
    this.#inLine = inLine;
    this.#stamp = stamp;
    this.#at = this.#end = 0;
  }

  /** The records that are there now, within the limits; undefined when there are none, see {@linkcode stop}. */
  next(limits: BatchLimits, take: Take): BatchBuilder | undefined {
    const batch = new BatchBuilder(limits);
    this.stop = "end";
    while (this.#addLine(batch, take));
    return batch.count === 0 ? undefined : batch;
  }

  [Symbol.dispose](): void {
    this.file.close();
  }

  /** Adds the next line or piece of one; false when there is none or no room for it. */
  #addLine(batch: BatchBuilder, take: Take): boolean {
    if (!this.#inLine) this.#passHole();
    let end = this.#buffer.indexOf(10, this.#at);
    if (end < 0 || end >= this.#end) {
      if (this.#refill()) return true;
      end = -1;
    }
    const { maxLineBytes } = this.#options;
    const unread = this.#end - this.#at;
    if (end >= 0 && end - this.#at <= maxLineBytes) return this.#addPiece(batch, take, end, end + 1, false);
    if (unread > maxLineBytes) {
      const cut = this.#characterStart(this.#at + maxLineBytes);
      return this.#addPiece(batch, take, cut, cut, true);
    }
    return take.toTheEnd && unread > 0 && this.#addPiece(batch, take, this.#end, this.#end, false);
  }

  /** Adds `#at..end` and goes on at `next`. */
  #addPiece(batch: BatchBuilder, take: Take, end: number, next: number, inLine: boolean): boolean {
    const { stamps } = this.#options;
    const begins = !this.#inLine;
    const timeMs = begins ? stamps.timeAt(this.#buffer, this.#at, end) : this.#timeMs;
    if (take.waitForClock && timeMs !== undefined && stamps.mustWait(timeMs)) {
      this.stop = "clock";
      return false;
    }
    const hasLabel = begins && timeMs !== undefined;
    const start = hasLabel ? Math.min(end, this.#at + taiLabelBytes + 1) : this.#at;
    const isEmptyRest = !begins && start === end; // the line was exactly as long as its pieces
    if (!isEmptyRest) {
      const form = timeMs === undefined ? "plain" : "syslog";
      const header = timeMs === undefined ? nothing : stamps.header(timeMs);
      if (!batch.takes(form, header.length + end - start + 1)) return false;
      batch.add(form, header, this.#buffer, start, end);
    }
    if (hasLabel) this.#stamp = decoder.decode(this.#buffer.subarray(this.#at, this.#at + taiLabelBytes));
    this.#timeMs = timeMs;
    this.#inLine = inLine;
    this.#advance(next);
    return true;
  }

  /** NULs at the beginning of a line: blocks that were never written before the power went. */
  #passHole(): void {
    let at = this.#at;
    while (at < this.#end && this.#buffer[at] === 0) at++;
    if (at === this.#at) return;
    this.#options.onHole(this.file, at - this.#at);
    this.#advance(at);
  }

  #advance(to: number): void {
    this.#offset += to - this.#at;
    this.#at = to;
  }

  /** Reads more behind what is unread; false when there is no more, or no room because a line is too long. */
  #refill(): boolean {
    if (this.#end - this.#at > this.#options.maxLineBytes) return false;
    this.#buffer.copyWithin(0, this.#at, this.#end);
    this.#end -= this.#at;
    this.#at = 0;
    const got = this.file.read(this.#buffer, this.#end, this.#offset + this.#end);
    this.#end += got;
    return got > 0;
  }

  /** `at`, or up to three bytes less when that is within a character of UTF-8. */
  #characterStart(at: number): number {
    let start = at;
    while (start > at - 3 && (this.#buffer[start]! & 0xc0) === 0x80) start--;
    return (this.#buffer[start]! & 0xc0) === 0x80 ? at : start;
  }
}

const readBytes = 64 * 1024;
const nothing = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
