/**
 * Between the copy and the queue: lets whole lines through, drops whole lines. It sees every block after stdout has it,
 * never waits and never fails. A line that is not complete yet is kept here, so the queue holds only what may be sent.
 */
import { countLineFeeds } from "../../formats/line_count.ts";
import type { TapQueue } from "./queue.ts";

/** Cuts blocks at line feeds and hands them to a queue. */
export class LineGate {
  readonly #queue: TapQueue;
  readonly #block: Uint8Array;
  readonly #blockWords: Int32Array;
  /** The beginning of a line whose end has not come: the first `#tornBytes` bytes. */
  #torn: Uint8Array<ArrayBuffer> = new Uint8Array(4096);
  #tornBytes = 0;
  /** Bytes of a line that no queue could hold and that has not ended yet; 0: none. */
  #endlessBytes = 0;
  #dropping = false;

  /** @param block the copy's buffer, which {@linkcode LineGate.pass} is about; begins its storage, length a multiple of 4 */
  constructor(queue: TapQueue, block: Uint8Array) {
    this.#queue = queue;
    this.#block = block;
    this.#blockWords = new Int32Array(block.buffer, 0, block.length >> 2);
  }

  /** The first `length` bytes of the block went by. */
  pass(length: number): void {
    const block = this.#block;
    const end = block.lastIndexOf(lineFeed, length - 1) + 1;
    if (end === 0) return this.#keep(0, length);
    let start = 0;
    if (this.#tornBytes > 0 || this.#endlessBytes > 0) {
      start = block.indexOf(lineFeed) + 1;
      this.#finishTornLine(start);
    }
    if (start < end) this.#offer(start, end);
    if (end < length) this.#keep(end, length);
  }

  /** The stream ended: a last line without LF goes as it is. */
  finish(): void {
    if (this.#tornBytes > 0 || this.#endlessBytes > 0) this.#finishTornLine(0);
  }

  /** Whole lines in [start, end): as many as find room, the rest is a drop. */
  #offer(start: number, end: number): void {
    let at = start;
    if (this.#mayPush()) {
      const room = this.#queue.roomBytes;
      at = end - start <= room ? end : this.#block.lastIndexOf(lineFeed, start + room - 1) + 1;
      if (room > 0 && at > start) this.#queue.push(this.#block.subarray(start, at));
      else at = start;
    }
    if (at === end) return;
    this.#dropping = true;
    this.#queue.countDropped(countLineFeeds(this.#block, this.#blockWords, at, end), end - at);
  }

  /** The torn line and [0, end) of the block make a line. */
  #finishTornLine(end: number): void {
    const bytes = this.#tornBytes + end + this.#endlessBytes;
    const whole = this.#endlessBytes === 0 && this.#mayPush() &&
      this.#queue.push(this.#torn.subarray(0, this.#tornBytes), this.#block.subarray(0, end));
    if (!whole) {
      // A line that no queue could hold says nothing about room for the next one.
      this.#dropping ||= this.#endlessBytes === 0;
      this.#queue.countDropped(1, bytes);
    }
    this.#tornBytes = 0;
    this.#endlessBytes = 0;
    if (this.#torn.length > usualTornBytes) this.#torn = new Uint8Array(4096);
  }

  /** After a drop the queue empties to half before anything goes in again, so that gaps are few and long. */
  #mayPush(): boolean {
    if (this.#dropping && this.#queue.halfFree) this.#dropping = false;
    return !this.#dropping;
  }

  #keep(start: number, end: number): void {
    const bytes = this.#tornBytes + end - start;
    if (this.#endlessBytes > 0 || bytes > this.#queue.maxRecordBytes) {
      this.#endlessBytes += bytes;
      this.#tornBytes = 0;
      return;
    }
    if (bytes > this.#torn.length) {
      const larger = new Uint8Array(Math.max(bytes, 2 * this.#torn.length));
      larger.set(this.#torn.subarray(0, this.#tornBytes));
      this.#torn = larger;
    }
    this.#torn.set(this.#block.subarray(start, end), this.#tornBytes);
    this.#tornBytes = bytes;
  }
}

const lineFeed = 10;
/** A larger buffer for a torn line is given back when the line is through. */
const usualTornBytes = 128 * 1024;
