/**
 * Walks over the frames of a segment, window by window, past whatever is damaged. Reads through a function, so it is
 * pure itself: the fuzz test walks over memory, the spool over files.
 *
 * ```text
 *   window   ├── given out ──┤ next frame … ├─ free ─┤     bytes are only ever added: what was given out stays valid
 * ```
 */
import {
  findMagic,
  type FrameHeader,
  frameHeaderBytes,
  isIntact,
  readFrameHeader,
  segmentHeaderBytes,
  type SegmentKey,
  segmentSalt,
} from "./segment.ts";

/** Fills `into` with the bytes at `offset`; returns how many there were. */
export type ReadAt = (into: Uint8Array, offset: number) => number;

/** Up to `length` bytes at `offset`: fewer only where the file ends before. */
export function readSpan(read: ReadAt, offset: number, length: number): Uint8Array {
  const span = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const got = read(span.subarray(done), offset + done);
    if (got === 0) break;
    done += got;
  }
  return span.subarray(0, done);
}

/** An intact frame, or a span that holds none. */
export type Found =
  | { readonly kind: "frame"; readonly at: number; readonly header: FrameHeader; readonly body: Uint8Array }
  | {
    readonly kind: "damage";
    readonly at: number;
    readonly end: number;
    /** Sequence number behind the frame whose header is intact and whose body is not, when the span begins with one. */
    readonly nextSeq: number | undefined;
  };

/** Gives storage for windows and takes it back. */
export interface WindowPool {
  /** A buffer of at least `bytes` bytes, held once. */
  take(bytes: number): Uint8Array;
  /** One more holder of `buffer`. */
  hold(buffer: Uint8Array): void;
  /** One holder less; nobody may touch the bytes after the last one. */
  drop(buffer: Uint8Array): void;
}

/** A window is this long, and longer only for a longer frame. */
export const windowBytes = 256 * 1024;

/** A walk over one segment, in order. Call `close` to give the window back. */
export class SegmentWalk {
  readonly #read: ReadAt;
  readonly #salt: number;
  readonly #pool: WindowPool;
  #window: Uint8Array | undefined;
  #base = 0;
  #filled = 0;
  #at = segmentHeaderBytes;

  constructor(key: SegmentKey, read: ReadAt, pool: WindowPool) {
    this.#salt = segmentSalt(key);
    this.#read = read;
    this.#pool = pool;
  }

  /** Offset of what comes next. */
  get at(): number {
    return this.#at;
  }

  /** The window that holds the body of the last frame; to be held by whoever keeps that body. */
  get window(): Uint8Array {
    return this.#window!;
  }

  /**
   * What comes next, or undefined at `size`, from where the walk goes on when the segment has grown.
   * Frames for which `wanted` is false are passed over on the word of their header, neither read nor given out.
   */
  next(size: number, wanted: (header: FrameHeader) => boolean = () => true): Found | undefined {
    while (this.#at < size) {
      const at = this.#at;
      const header = this.#header(at, size);
      const end = at + frameHeaderBytes + (header?.bodyBytes ?? 0);
      if (header === undefined || end > size) return this.#damage(size, header);
      if (!wanted(header)) {
        this.#at = end;
        continue;
      }
      if (!this.#ensure(at, end - at)) return this.#damage(size, header);
      const from = at - this.#base + frameHeaderBytes;
      const body = this.#window!.subarray(from, from + header.bodyBytes);
      if (!isIntact(header, body)) return this.#damage(size, header);
      this.#at = end;
      return { kind: "frame", at, header, body };
    }
    return undefined;
  }

  close(): void {
    if (this.#window !== undefined) this.#pool.drop(this.#window);
    this.#window = undefined;
    this.#filled = 0;
  }

  #header(at: number, size: number): FrameHeader | undefined {
    if (at + frameHeaderBytes > size || !this.#ensure(at, frameHeaderBytes)) return undefined;
    return readFrameHeader(this.#window!.subarray(0, this.#filled), at - this.#base, this.#salt, at);
  }

  /** Goes on at the next intact header, or at the end. */
  #damage(size: number, broken: FrameHeader | undefined): Found {
    const at = this.#at;
    this.#at = this.#findHeader(at + 1, size);
    return { kind: "damage", at, end: this.#at, nextSeq: broken && broken.seq + broken.count };
  }

  #findHeader(from: number, size: number): number {
    let at = from;
    while (at + frameHeaderBytes <= size) {
      if (!this.#ensure(at, frameHeaderBytes)) return size;
      const bytes = this.#window!.subarray(0, Math.min(this.#filled, size - this.#base));
      const candidate = findMagic(bytes, at - this.#base);
      at = this.#base + candidate;
      if (candidate === bytes.length) continue;
      if (!this.#ensure(at, frameHeaderBytes)) return size;
      if (this.#header(at, size) !== undefined) return at;
      at++;
    }
    return size;
  }

  /** Whether `length` bytes at `at` are in the window now; false where the file is shorter than it should be. */
  #ensure(at: number, length: number): boolean {
    const window = this.#window;
    if (window !== undefined && at >= this.#base && at + length <= this.#base + window.length) {
      if (at + length > this.#base + this.#filled) this.#fill(window);
    } else {
      this.#renew(at, length);
    }
    return at + length <= this.#base + this.#filled;
  }

  #renew(at: number, length: number): void {
    const fresh = this.#pool.take(Math.max(length, windowBytes));
    const old = this.#window;
    const keep = old !== undefined && at >= this.#base ? Math.max(0, this.#base + this.#filled - at) : 0;
    if (old !== undefined) {
      if (keep > 0) fresh.set(old.subarray(at - this.#base, at - this.#base + keep));
      this.#pool.drop(old);
    }
    this.#window = fresh;
    this.#base = at;
    this.#filled = keep;
    this.#fill(fresh);
  }

  #fill(window: Uint8Array): void {
    while (this.#filled < window.length) {
      const got = this.#read(window.subarray(this.#filled), this.#base + this.#filled);
      if (got === 0) return;
      this.#filled += got;
    }
  }
}

/** Buffers that are used again once nobody holds them; keeps a few and leaves the rest to the garbage collector. */
export class BufferPool implements WindowPool {
  readonly #holders = new Map<Uint8Array, number>();
  readonly #free: Uint8Array[] = [];

  take(bytes: number): Uint8Array {
    const buffer = (bytes <= windowBytes ? this.#free.pop() : undefined) ??
      new Uint8Array(Math.max(bytes, windowBytes));
    this.#holders.set(buffer, 1);
    return buffer;
  }

  hold(buffer: Uint8Array): void {
    this.#holders.set(buffer, this.#holders.get(buffer)! + 1);
  }

  drop(buffer: Uint8Array): void {
    const holders = this.#holders.get(buffer)! - 1;
    if (holders > 0) {
      this.#holders.set(buffer, holders);
      return;
    }
    this.#holders.delete(buffer);
    if (buffer.length === windowBytes && this.#free.length < maxFree) this.#free.push(buffer);
  }
}

const maxFree = 4;
