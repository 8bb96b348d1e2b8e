/**
 * Cuts a stream into lines. What comes out depends on the bytes alone, never on how they were chunked. A line longer than
 * {@linkcode maxLineBytes} comes as a row of windows that overlap, so that nothing is missed where one ends.
 */
import { ByteBuffer } from "./byte_buffer.ts";

/** Takes what is cut. Bytes are valid during the call only. */
export interface LineTaker {
  /** Lines of these bytes come now; they stay as they are until {@linkcode chunkEnds}. */
  chunk(bytes: Uint8Array): void;
  chunkEnds(): void;
  /** A line without its LF; `ended` is false only for the last one of a text that does not end with LF. */
  line(bytes: Uint8Array, start: number, end: number, ended: boolean): void;
  /**
   * A part of a long line: `bytes[from..length)` is not done yet, what stands before it was and is only context. Returns
   * how far it is done now: beyond `from` at least, up to `length` when it is the last.
   */
  window(bytes: Uint8Array, from: number, length: number, place: WindowPlace): number;
}

/** Which part of a long line a window is. */
export interface WindowPlace {
  readonly first: boolean;
  readonly last: boolean;
  /** LF follows the last one. */
  readonly ended: boolean;
}

/** Cuts lines; one text each. */
export class LineCutter {
  readonly #taker: LineTaker;
  readonly #carry = new ByteBuffer();
  #long: { done: number; first: boolean } | undefined;

  constructor(taker: LineTaker) {
    this.#taker = taker;
  }

  /** Takes the next bytes. NUL counts as a space: `/proc/PID/cmdline` has it between words. */
  push(given: Uint8Array): void {
    const chunk = given.includes(0) ? given.map((byte) => byte === 0 ? 32 : byte) : given;
    this.#taker.chunk(chunk);
    this.#cut(chunk);
    this.#taker.chunkEnds();
  }

  #cut(chunk: Uint8Array): void {
    let at = 0;
    for (;;) {
      const feed = chunk.indexOf(10, at);
      const stop = feed < 0 ? chunk.length : feed;
      const isWhole = feed >= 0 && this.#carry.length === 0 && this.#long === undefined && stop - at <= maxLineBytes;
      if (isWhole) this.#taker.line(chunk, at, stop, true);
      else this.#collect(chunk, at, stop);
      if (feed < 0) return;
      if (!isWhole) this.#endLine(true);
      at = feed + 1;
    }
  }

  /** The text has ended. */
  end(): void {
    if (this.#carry.length > 0 || this.#long !== undefined) this.#endLine(false);
  }

  #collect(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end;) {
      // One byte beyond the limit says that the line is long.
      const room = (this.#long === undefined ? maxLineBytes + 1 : windowBytes) - this.#carry.length;
      const stop = Math.min(end, at + Math.max(room, 1));
      this.#carry.append(bytes, at, stop);
      at = stop;
      if (this.#carry.length > maxLineBytes) this.#long ??= { done: 0, first: true };
      if (this.#long !== undefined && this.#carry.length >= windowBytes) this.#window(false, false);
    }
  }

  #endLine(ended: boolean): void {
    if (this.#long === undefined) this.#taker.line(this.#carry.bytes, 0, this.#carry.length, ended);
    else this.#window(true, ended);
    this.#carry.clear();
    this.#long = undefined;
  }

  #window(last: boolean, ended: boolean): void {
    const long = this.#long!;
    const place = { first: long.first, last, ended };
    const done = this.#taker.window(this.#carry.bytes, long.done, this.#carry.length, place);
    long.first = false;
    const kept = Math.max(0, done - contextBytes);
    this.#carry.shift(kept);
    long.done = done - kept;
  }
}

/** Longest line that is treated as one. */
export const maxLineBytes = 256 * 1024;
const windowBytes = maxLineBytes + 64 * 1024;
/** What is seen again before the place where a window goes on. */
const contextBytes = 8 * 1024;
