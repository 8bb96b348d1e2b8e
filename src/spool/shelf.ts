/**
 * The segments of a spool, oldest first, and the one that is being written. Knows nothing of limits and readers.
 *
 * A segment is only ever appended to, by one process: after a start the first frame goes into a fresh segment, and
 * what a crash left at the end of the last one is never repaired in place.
 */
import type { Batch } from "../pipeline/batch.ts";
import type { SpoolFile, SpoolFiles } from "./files.ts";
import { bodyBytes, writeBody } from "./frame_body.ts";
import {
  encodeSegmentHeader,
  frameHeaderBytes,
  type FrameType,
  segmentHeaderBytes,
  type SegmentKey,
  segmentName,
  segmentSalt,
  writeFrameHeader,
} from "./segment.ts";

/** One segment, as far as memory needs to know it. */
export class Segment {
  readonly key: SegmentKey;
  readonly name: string;
  readonly salt: number;
  /** Sequence number of the last record; `firstSeq - 1` while there is none. */
  lastSeq: number;
  /** Bytes that are written as a whole; nobody reads behind them. */
  sizeBytes: number;
  /** Whether the file is gone. */
  removed = false;
  /** Offsets of damaged spans that are counted already. */
  readonly damageSeen = new Set<number>();

  constructor(key: SegmentKey, lastSeq: number, sizeBytes: number) {
    this.key = key;
    this.name = segmentName(key);
    this.salt = segmentSalt(key);
    this.lastSeq = lastSeq;
    this.sizeBytes = sizeBytes;
  }
}

/** Records `first` to before `end` of a batch, on their way into a frame. */
export interface FrameContent {
  readonly type: FrameType;
  readonly batch: Batch;
  /** The batch's origin, encoded. */
  readonly origin: Uint8Array;
  readonly first: number;
  readonly end: number;
}

/** Bytes that a frame takes on disk. */
export function frameBytes(content: FrameContent): number {
  return frameHeaderBytes + bodyBytes(content.origin, content.batch, content.first, content.end);
}

/** All segments of a folder. */
export class Shelf {
  /** Oldest first; the active one is last. */
  readonly segments: Segment[];
  readonly #files: SpoolFiles;
  readonly #instance: string;
  readonly #segmentBytes: number;
  #nextSeq: number;
  #bytes: number;
  #active: Segment | undefined;
  /** Files that are open for writing: the active one, and retired ones that are still to be synced. */
  readonly #open = new Map<Segment, SpoolFile>();
  readonly #unsynced = new Set<Segment>();
  readonly #syncing = new Set<Segment>();
  #folderUnsynced = false;
  #scratch = new Uint8Array(64 * 1024);

  constructor(
    files: SpoolFiles,
    instance: string,
    segmentBytes: number,
    found: { readonly segments: readonly Segment[]; readonly nextSeq: number },
  ) {
    this.#files = files;
    this.#instance = instance;
    this.#segmentBytes = segmentBytes;
    this.segments = [...found.segments];
    this.#nextSeq = found.nextSeq;
    this.#bytes = found.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Bytes of all segments on disk. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The number that the next record will have. */
  get nextSeq(): number {
    return this.#nextSeq;
  }

  /** The oldest segment that holds or may still get the record `seq` or a later one. */
  find(seq: number): Segment | undefined {
    return this.segments.find((segment) => segment.lastSeq >= seq || segment === this.#active);
  }

  isActive(segment: Segment): boolean {
    return segment === this.#active;
  }

  /** Bytes that the disk needs for a frame of `size` bytes now, a new segment's header included. */
  costOf(size: number): number {
    const opensSegment = this.#active === undefined || this.#isFullFor(this.#active, size);
    return size + (opensSegment ? segmentHeaderBytes : 0);
  }

  /** Appends a frame. @throws what the disk says; nothing of the frame is then left in the segment */
  write(content: FrameContent): void {
    const size = frameBytes(content);
    if (this.#active !== undefined && this.#isFullFor(this.#active, size)) this.retire();
    const segment = this.#active ?? this.#create();
    const file = this.#open.get(segment)!;
    const bytes = this.#encode(content, size, segment);
    this.#unsynced.add(segment);
    try {
      file.writeAt(bytes, segment.sizeBytes);
    } catch (error) {
      this.#cutBack(segment, file);
      throw error;
    }
    segment.sizeBytes += size;
    this.#bytes += size;
    this.#nextSeq += content.end - content.first;
    segment.lastSeq = this.#nextSeq - 1;
  }

  /** Closes the active segment: the next frame begins a new one. */
  retire(): void {
    const segment = this.#active;
    if (segment === undefined) return;
    if (segment.lastSeq < segment.key.firstSeq) {
      this.remove(segment); // its name belongs to the record that never came
      return;
    }
    this.#active = undefined;
    this.#closeIfDone(segment);
  }

  /** Removes a segment from disk. A removal that a power cut undoes is done again at the next start. */
  remove(segment: Segment): void {
    this.#files.remove(segment.name);
    this.forget(segment);
  }

  /** Forgets a segment whose file is gone. */
  forget(segment: Segment): void {
    if (segment.removed) return;
    segment.removed = true;
    this.segments.splice(this.segments.indexOf(segment), 1);
    this.#bytes -= segment.sizeBytes;
    this.#unsynced.delete(segment);
    if (segment === this.#active) this.#active = undefined;
    this.#closeIfDone(segment);
  }

  /**
   * Makes every frame that was written before the call survive a power cut. One call at a time.
   * @throws what the disk says; the segment is then retired, as nobody knows what of it is on disk
   */
  async sync(): Promise<void> {
    const segments = [...this.#unsynced];
    const folder = this.#folderUnsynced;
    this.#unsynced.clear();
    this.#folderUnsynced = false;
    for (const segment of segments) this.#syncing.add(segment);
    try {
      for (const segment of segments) {
        if (!segment.removed) await this.#open.get(segment)!.sync(); // a removed one is passed by all, or dropped
      }
      if (folder) await this.#files.syncFolder();
    } catch (error) {
      this.#folderUnsynced ||= folder;
      this.retire();
      throw error;
    } finally {
      this.#syncing.clear();
      for (const segment of segments) this.#closeIfDone(segment);
    }
  }

  /** Closes all files; not while a `sync` is open. */
  close(): void {
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
    this.#active = undefined;
  }

  #isFullFor(segment: Segment, size: number): boolean {
    return segment.sizeBytes > segmentHeaderBytes && segment.sizeBytes + size > this.#segmentBytes;
  }

  #create(): Segment {
    const key = { firstSeq: this.#nextSeq, instance: this.#instance };
    const segment = new Segment(key, this.#nextSeq - 1, segmentHeaderBytes);
    const file = this.#createFile(segment.name);
    try {
      file.writeAt(encodeSegmentHeader(key, Date.now()), 0);
    } catch (error) {
      file.close();
      this.#files.remove(segment.name);
      throw error;
    }
    this.segments.push(segment);
    this.#open.set(segment, file);
    this.#bytes += segmentHeaderBytes;
    this.#active = segment;
    this.#folderUnsynced = true;
    return segment;
  }

  /** No segment of ours has this name: what has it is what an earlier, failed attempt could not even remove. */
  #createFile(name: string): SpoolFile {
    try {
      return this.#files.create(name);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      this.#files.remove(name);
      return this.#files.create(name);
    }
  }

  #encode(content: FrameContent, size: number, segment: Segment): Uint8Array {
    const { type, batch, origin, first, end } = content;
    let bytes = this.#scratch;
    if (bytes.length < size) {
      bytes = new Uint8Array(size);
      if (size <= keptScratchBytes) this.#scratch = bytes;
    }
    writeBody(bytes, frameHeaderBytes, origin, batch, first, end);
    const header = { type, bodyBytes: size - frameHeaderBytes, seq: this.#nextSeq, count: end - first };
    writeFrameHeader(bytes, 0, header, segment.salt, segment.sizeBytes);
    return bytes.subarray(0, size);
  }

  /** Takes away what a failed write left; where even that fails, nothing more is written behind it. */
  #cutBack(segment: Segment, file: SpoolFile): void {
    try {
      file.truncate(segment.sizeBytes);
    } catch {
      this.retire();
    }
  }

  #closeIfDone(segment: Segment): void {
    if (segment === this.#active || this.#unsynced.has(segment) || this.#syncing.has(segment)) return;
    this.#open.get(segment)?.close();
    this.#open.delete(segment);
  }
}

const keptScratchBytes = 512 * 1024;
