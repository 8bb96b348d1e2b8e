/**
 * Cuts the bytes of a connection into messages. A message that came in one chunk is looked at where it lies; others are
 * put together in a buffer that grows with what has come, never with what is announced.
 */
import { ValueScanner } from "../../formats/msgpack.ts";

/** Bytes that connections may hold of unfinished messages, all of them together. */
export class BufferRoom {
  readonly #limitBytes: number;
  #takenBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Takes `bytes` more, or gives back with a negative number. @throws when there is no room */
  take(bytes: number): void {
    if (bytes > 0 && this.#takenBytes + bytes > this.#limitBytes) {
      throw new Error("unfinished messages fill the memory that they may have");
    }
    this.#takenBytes += bytes;
  }
}

/** The messages of one connection. Close it to give its memory back. */
export class MessageReader {
  /** Bytes with the current message: `bytes[start..end)` once `next` said that it is whole. */
  bytes: Uint8Array = nothing;
  start = 0;
  end = 0;
  readonly #room: BufferRoom;
  #scanner: ValueScanner;
  /** End of what has come. */
  #filled = 0;
  /** Whether `bytes` is a buffer of our own, with free space behind what has come. */
  #own = false;

  /** @param maxBytes longest message */
  constructor(room: BufferRoom, maxBytes: number) {
    this.#room = room;
    this.#scanner = scannerFor(maxBytes);
  }

  /** From here on messages may be as long as this. Called between messages. */
  allow(maxBytes: number): void {
    this.#scanner = scannerFor(maxBytes);
  }

  /** Bytes of the message that is not whole yet. */
  get unfinishedBytes(): number {
    return this.#filled - this.end;
  }

  /**
   * Goes to the next message. @returns whether it is whole; if not, `push` more
   * @throws {MsgpackError} for what is no message or too long
   */
  next(): boolean {
    this.start = this.end;
    if (this.start === this.#filled) {
      this.close();
      return false;
    }
    if (!this.#scanner.advance(this.bytes, this.start, this.#filled)) return false;
    this.end = this.start + this.#scanner.length;
    this.#scanner.reset();
    return true;
  }

  /** Adds a chunk behind an unfinished message; the chunk is this reader's then. @throws when there is no room for it */
  push(chunk: Uint8Array): void {
    const rest = this.#filled - this.start;
    if (rest === 0) {
      this.#drop();
      [this.bytes, this.start, this.end, this.#filled] = [chunk, 0, 0, chunk.length];
      return;
    }
    if (!this.#own || this.#filled + chunk.length > this.bytes.length) this.#grow(rest, rest + chunk.length);
    this.bytes.set(chunk, this.#filled);
    this.#filled += chunk.length;
  }

  close(): void {
    this.#drop();
    [this.bytes, this.start, this.end, this.#filled] = [nothing, 0, 0, 0];
  }

  /** Moves the unfinished message to the beginning of a buffer with room for `sizeBytes`. */
  #grow(rest: number, sizeBytes: number): void {
    const unfinished = this.bytes.subarray(this.start, this.#filled);
    if (this.#own && sizeBytes <= this.bytes.length && this.start >= this.bytes.length / 2) {
      this.bytes.copyWithin(0, this.start, this.#filled);
    } else {
      const larger = Math.max(firstBytes, 2 * sizeBytes);
      this.#room.take(larger);
      const bytes = new Uint8Array(larger);
      bytes.set(unfinished);
      this.#drop();
      this.bytes = bytes;
      this.#own = true;
    }
    [this.start, this.end, this.#filled] = [0, 0, rest];
  }

  #drop(): void {
    if (this.#own) this.#room.take(-this.bytes.length);
    this.#own = false;
  }
}

/** Arrays and maps within each other; a record of Kubernetes has six. */
export const maxDepth = 64;

function scannerFor(maxBytes: number): ValueScanner {
  return new ValueScanner({ maxBytes, maxDepth });
}

const nothing = new Uint8Array(0);
const firstBytes = 4_096;
