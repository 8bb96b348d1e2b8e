/** Room in the spool: writing as far as the limits allow, and removing what everybody has passed or what has to go. */
import { errorText } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import type { Drops } from "./drops.ts";
import { isNoSpace, type SpoolFiles } from "./files.ts";
import { encodeOrigin } from "./frame_body.ts";
import { countOf, notice, type ReaderState } from "./reader.ts";
import { frameBytes, type FrameContent, type Segment, type Shelf } from "./shelf.ts";

/** Why there is no room: the spool's own limit, or the disk. */
export type Refusal = "limit" | "disk";

/** What `Room` works on. */
export interface RoomOptions {
  readonly files: SpoolFiles;
  readonly shelf: Shelf;
  readonly drops: Drops;
  readonly readers: readonly ReaderState[];
  readonly maxBytes: number;
  readonly mayDropOldest: boolean;
  readonly host: string;
  /** Called whenever something was written or dropped. */
  readonly changed: () => void;
  /** Called with the bytes of a notice, which is to be synced some time. */
  readonly noticed: (bytes: number) => void;
}

/** Writes and removes frames and segments of one spool. */
export class Room {
  /** Notices written since the start. */
  notices = 0;
  /** Highest number that the limit has taken away. */
  droppedThrough: number;
  readonly #options: RoomOptions;
  #uncheckedBytes = Infinity;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.droppedThrough = (options.shelf.segments[0]?.key.firstSeq ?? 1) - 1;
  }

  /**
   * Writes a frame of `size` bytes, after making room as far as allowed.
   * @throws what the disk says, unless that is that it is full
   */
  write(content: FrameContent, size: number): { readonly refusal: Refusal | undefined; readonly dropped: number } {
    for (let dropped = 0;;) {
      const refusal = this.#tryWrite(content, size);
      if (refusal === undefined) return { refusal, dropped };
      if (this.reclaim(true)) continue;
      const oldest = this.#options.shelf.segments[0];
      const droppable = this.#options.mayDropOldest && oldest !== undefined && oldest.lastSeq >= oldest.key.firstSeq;
      if (!droppable) return { refusal, dropped };
      dropped += this.#drop(oldest);
    }
  }

  /** Tells, in the spool itself, of records that did not get into it; what finds no room now is told later. */
  writeNotices(): void {
    const { drops, shelf, host, maxBytes, noticed, changed } = this.#options;
    for (let pending = drops.pending(); pending !== undefined; pending = drops.pending()) {
      const batch = notice(pending.text, host);
      const content: FrameContent = { type: "note", batch, origin: encodeOrigin(batch.origin), first: 0, end: 1 };
      const size = frameBytes(content);
      if (shelf.bytes + shelf.costOf(size) > maxBytes) return;
      try {
        shelf.write(content);
      } catch (error) {
        if (isNoSpace(error)) return;
        throw error;
      }
      log.warning(pending.text);
      this.notices++;
      drops.settle(pending.reason);
      noticed(size);
      changed();
    }
  }

  /** Removes what all readers have passed; `active`: the segment that is being written, too. Whether anything went. */
  reclaim(active: boolean): boolean {
    const { shelf, readers } = this.#options;
    const passed = Math.min(...readers.map(({ cursor }) => cursor.durable));
    let freed = false;
    for (const segment of [...shelf.segments]) {
      if (segment.lastSeq > passed || segment.lastSeq < segment.key.firstSeq) break;
      if (shelf.isActive(segment)) {
        if (!active) break;
        shelf.retire();
      }
      if (!this.#remove(segment)) break;
      freed = true;
    }
    // A reader at the end of a removed segment still holds it open: until it lets go, the disk has no room again.
    if (freed) this.#options.changed();
    return freed;
  }

  #tryWrite(content: FrameContent, size: number): Refusal | undefined {
    const { shelf, drops, maxBytes, changed } = this.#options;
    const noticeRoom = drops.pending() === undefined ? 0 : noticeRoomBytes;
    if (shelf.bytes + shelf.costOf(size) + noticeRoom > maxBytes) return "limit";
    if (this.#isLowOnDisk()) return "disk";
    try {
      if (noticeRoom > 0) this.writeNotices();
      shelf.write(content);
    } catch (error) {
      this.#uncheckedBytes = Infinity;
      if (isNoSpace(error)) return "disk";
      shelf.retire(); // the next frame tries another place
      throw error;
    }
    this.#uncheckedBytes += size;
    changed();
    return undefined;
  }

  #isLowOnDisk(): boolean {
    if (this.#uncheckedBytes < diskCheckBytes) return false;
    this.#uncheckedBytes = 0;
    try {
      const { freeBytes, totalBytes } = this.#options.files.space();
      if (freeBytes >= Math.min(maxReserveBytes, totalBytes / 20)) return false;
      this.#uncheckedBytes = Infinity;
      return true;
    } catch {
      return false; // a file system that cannot tell: its writes will
    }
  }

  #remove(segment: Segment): boolean {
    try {
      this.#options.shelf.remove(segment);
      return true;
    } catch (error) {
      log.error(`Cannot remove segment "${segment.name}": ${errorText(error)}`);
      return false;
    }
  }

  /** Drops the oldest segment; returns the records that somebody had still to read. */
  #drop(segment: Segment): number {
    const { shelf, readers, changed } = this.#options;
    if (shelf.isActive(segment)) shelf.retire();
    shelf.remove(segment);
    this.droppedThrough = Math.max(this.droppedThrough, segment.lastSeq);
    let most = 0;
    for (const state of readers) {
      const lost = Math.max(0, segment.lastSeq - Math.max(segment.key.firstSeq, state.nextSeq) + 1);
      state.dropped += lost;
      most = Math.max(most, lost);
    }
    if (most > 0) log.debug(`the spool is full: its oldest ${countOf(most)} had to go`);
    changed();
    return most;
  }
}

const diskCheckBytes = 256 * 1024;
/** The disk is not ours alone: so much, or a twentieth of it, stays free. */
const maxReserveBytes = 32 * 1024 * 1024;
const noticeRoomBytes = 1_024;
const log = openLog("spool");
