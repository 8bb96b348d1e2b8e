/**
 * One file that is followed: an open descriptor or none, the offset, and what proves that the content is still the same.
 * Every read begins a little before the offset, so that the bytes that prove it come with the bytes that are wanted: a
 * file that was truncated and grew again is noticed however fast it was.
 */
import {
  type Fingerprint,
  fingerprintBytes,
  fingerprintOf,
  hasFingerprint,
  hash53,
} from "../../formats/fingerprint.ts";
import type { Block } from "./block.ts";
import { type Flush, type ReadContext, readTurn, type Turn } from "./block_reader.ts";
import { openRegular } from "./discovery.ts";
import { type FileMark, markerAt, markerBytes } from "./identity.ts";
import { nulRun } from "./line_cutter.ts";

/** The {@linkcode FileMark.marker} of an offset. */
export type Waypoint = Pick<FileMark, "offset" | "marker">;

/** A file by its inode. Closed by whoever made it. */
export class TailedFile {
  readonly key: string;
  readonly program: string;
  /** Path under which it was found. */
  path: string;
  /** The path that rotation has given it other names since; names of its copies are made of it, too. */
  origin: string;
  /** Where the inode was last seen, links resolved: to open it again. */
  location: string;
  /** `new`: content not looked at yet; `waiting`: perhaps a copy; `ignored`: not a log. */
  state: "new" | "waiting" | "following" | "ignored" = "new";
  /** No pattern finds it any more (rotated, deleted, link switched); it is read to its end. */
  outside = false;
  /** No pattern ever found it: it lies beside a file that was rotated, and is taken for an earlier content of it. */
  beside = false;
  /** Size at the end of the last read and the modification time at the last look: nothing to do while both stay. */
  seenBytes = -1;
  seenMtimeMs = -1;
  /** Modification time when it was last verified while the consumer held us up. */
  heldMtimeMs = -1;
  /** Modification time at the last look at which the content was the one that is known; -1 before the first one. */
  soundMtimeMs = -1;
  /** When it last changed, and when it is looked at next; on the clock of `performance.now()`. */
  grewAtMs = 0;
  pollAtMs = 0;
  pollMs = 0;
  /** What the next turn takes of an open end, and whether the file is done with after it. */
  flush: Flush = "nothing";
  ending = false;
  /** Watching does not tell of its changes. */
  unhinted = false;
  /** While it cannot be read: the reason that was reported. */
  trouble: string | undefined;
  /** While `waiting`: since when, and since when it has not grown. */
  waitingSinceMs = 0;
  waitingBytes = 0;
  waitingStableMs = 0;
  /** While `waiting` for long: how much of it is the same as in its original, byte for byte, and the original's key. */
  comparedBytes = 0;
  copyOf: string | undefined;

  #offset = 0;
  #generation = 0;
  #fingerprint: Fingerprint = fingerprintOf(new Uint8Array(0));
  #marker = hash53(new Uint8Array(0));
  #inLine = false;
  #file: Deno.FsFile | undefined;
  #fileAt = 0;
  #bornMs = 0;
  #holeScanned = 0;
  #longLines = 0;
  /** Some offsets that reading passed, and the markers there, oldest first: a copy may end before the present one. */
  #waypoints: Waypoint[] = [];

  constructor(key: string, path: string, location: string, program: string) {
    this.key = key;
    this.path = path;
    this.origin = path;
    this.location = location;
    this.program = program;
  }

  get offset(): number {
    return this.#offset;
  }

  get fingerprint(): Fingerprint {
    return this.#fingerprint;
  }

  get waypoints(): readonly Waypoint[] {
    return this.#waypoints;
  }

  /** Whether nothing was in it at the last look. */
  get wasEmpty(): boolean {
    return this.soundMtimeMs >= 0 && this.#offset === 0 && this.#fingerprint.length === 0;
  }

  /** Where it lies: its path is another one's by now when it was rotated out of the patterns. */
  get place(): string {
    return this.outside ? this.location : this.path;
  }

  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  get mark(): FileMark {
    return {
      path: this.path,
      offset: this.#offset,
      generation: this.#generation,
      fingerprint: this.#fingerprint,
      marker: this.#marker,
      inLine: this.#inLine,
      ...this.#written,
    };
  }

  /** For the mark, which may be all that is known when the file is gone. */
  get #written(): { readonly writtenMs: number } | undefined {
    return this.seenMtimeMs < 0 ? undefined : { writtenMs: this.seenMtimeMs };
  }

  /** Goes on at `mark`, whose content was compared with this file's. */
  resume(mark: FileMark): void {
    this.#offset = mark.offset;
    this.#generation = mark.generation;
    this.#fingerprint = mark.fingerprint;
    this.#marker = mark.marker;
    this.#inLine = mark.inLine;
    this.#growFingerprint();
  }

  /**
   * Looks at the content without reading on: takes more of the beginning into the fingerprint, so that a copy of what was
   * not read can be recognized. Returns whether it is still the content that is known.
   */
  verify(): boolean {
    const mtimeMs = this.look()?.mtime?.getTime() ?? -1;
    const head = this.peek(0, fingerprintBytes);
    if (!hasFingerprint(head, this.#fingerprint) || markerAt(this.#offset, this.peek) !== this.#marker) return false;
    this.#fingerprint = fingerprintOf(head);
    this.soundMtimeMs = mtimeMs;
    return true;
  }

  /** Begins at the beginning: a new content of the same inode. */
  restart(generation = this.#generation + 1): void {
    this.#offset = 0;
    this.#generation = generation;
    this.#fingerprint = fingerprintOf(new Uint8Array(0));
    this.#marker = hash53(new Uint8Array(0));
    this.#inLine = false;
    this.#holeScanned = 0;
    this.#waypoints = [];
    this.comparedBytes = 0;
    this.seenBytes = -1;
    this.heldMtimeMs = -1;
  }

  /** Begins at the first line that starts at `sizeBytes` or later. */
  startAtEnd(sizeBytes: number): void {
    const lastByte = sizeBytes === 0 ? new Uint8Array([10]) : this.peek(sizeBytes - 1, 1);
    this.#inLine = lastByte[0] !== 10; // the line that is being written began before us
    this.#offset = sizeBytes;
    this.#marker = markerAt(sizeBytes, this.peek) ?? 0;
    this.#growFingerprint();
  }

  /** Opens `location`. @throws when it cannot, or when another inode is there by now */
  open(): void {
    if (this.#file !== undefined) return;
    const file = openRegular(this.location);
    const info = file.statSync();
    if (`${info.dev}:${info.ino ?? 0}` !== this.key) {
      file.close();
      throw new Deno.errors.NotFound(`another file is there`);
    }
    this.#file = file;
    this.#fileAt = 0;
    this.#bornMs = info.birthtime?.getTime() ?? 0;
  }

  /** When the inode was made, as of the last `open`, milliseconds since 1970: inodes are used again. 0 where nothing tells. */
  get bornMs(): number {
    return this.#bornMs;
  }

  /** Lets go of the descriptor; what is known of the file stays. */
  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** Size and links of the inode; undefined where a closed file is no longer at `location`. */
  look(): Deno.FileInfo | undefined {
    if (this.#file !== undefined) return this.#file.statSync();
    try {
      const info = Deno.statSync(this.location);
      return `${info.dev}:${info.ino ?? 0}` === this.key ? info : undefined;
    } catch {
      return undefined;
    }
  }

  /** Bytes of the open file; a fresh array. */
  readonly peek = (offset: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, this.#readAt(offset, bytes));
  };

  /** Reads one block and cuts it to batches. The offset moves behind what they hold. @throws when reading fails */
  read(context: ReadContext, flush: Flush): Turn {
    this.open();
    const block = context.pool.take();
    try {
      return readTurn(this, context, block, flush);
    } finally {
      block.release();
    }
  }

  /** For {@linkcode readTurn}: fills `block` from before the offset on. */
  fill(block: Block): { readonly from: number; readonly lead: number; readonly end: number; readonly same: boolean } {
    const lead = this.#offset <= fingerprintBytes ? this.#offset : markerBytes;
    const from = this.#offset - lead;
    const end = this.#readAt(from, block.bytes.subarray(0, block.bytes.length - 1)); // one byte for an LF of our own
    const proof = Math.min(markerBytes, this.#offset);
    const { length, hash } = this.#fingerprint;
    const same = end >= lead && hash53(block.bytes, lead - proof, lead) === this.#marker &&
      (length <= this.#offset || end >= length && hash53(block.bytes, 0, length) === hash);
    if (same) {
      this.seenBytes = from + end;
      this.soundMtimeMs = Math.max(this.soundMtimeMs, this.seenMtimeMs);
    }
    return { from, lead, end, same };
  }

  /** The mark behind index `at` of a block that was filled from `from` on, `at` not before the lead. */
  markAt(block: Block, from: number, at: number, inLine: boolean): FileMark {
    const offset = from + at;
    return {
      path: this.path,
      offset,
      generation: this.#generation,
      fingerprint: from === 0 && this.#fingerprint.length < Math.min(fingerprintBytes, at)
        ? fingerprintOf(block.bytes.subarray(0, at))
        : this.#fingerprint,
      marker: hash53(block.bytes, at - Math.min(markerBytes, offset), at),
      inLine,
      ...this.#written,
    };
  }

  /** Moves to a mark that {@linkcode markAt} made. */
  advance(mark: FileMark): void {
    if (mark.offset > this.#offset) this.#passWaypoint(mark);
    this.#offset = mark.offset;
    this.#fingerprint = mark.fingerprint;
    this.#marker = mark.marker;
    this.#inLine = mark.inLine;
  }

  /** Of the older half of them every other one is forgotten, again and again, so that the newest are the densest. */
  #passWaypoint({ offset, marker }: Waypoint): void {
    this.#waypoints.push({ offset, marker });
    if (this.#waypoints.length <= maxWaypoints) return;
    this.#waypoints = this.#waypoints.filter((_, i) => i >= maxWaypoints / 2 || i % 2 === 0);
  }

  /**
   * The offset of the first byte at or behind `offset` that is not NUL; undefined when there is none yet. Looks at a
   * bounded piece per call and remembers how far it came.
   */
  findHoleEnd(offset: number, buffer: Uint8Array): number | undefined {
    let at = Math.max(offset, this.#holeScanned);
    for (let i = 0; i < holeReadsPerTurn; i++) {
      const length = this.#readAt(at, buffer);
      const nuls = nulRun(buffer, 0, length);
      at += nuls;
      this.#holeScanned = at;
      if (nuls < length) return at;
      if (length === 0) return undefined;
    }
    return undefined;
  }

  /** Moves to `offset`, behind a hole. */
  jump(offset: number): void {
    this.#offset = offset;
    this.#marker = markerAt(offset, this.peek) ?? 0;
    this.#growFingerprint();
  }

  /** Number of long lines so far, this one included. */
  countLongLine(): number {
    return ++this.#longLines;
  }

  get inLine(): boolean {
    return this.#inLine;
  }

  #growFingerprint(): void {
    if (this.#fingerprint.length < fingerprintBytes) {
      this.#fingerprint = fingerprintOf(this.peek(0, Math.min(fingerprintBytes, this.#offset)));
    }
  }

  #readAt(offset: number, into: Uint8Array): number {
    const file = this.#file!;
    if (this.#fileAt !== offset) file.seekSync(offset, Deno.SeekMode.Start);
    let done = 0;
    while (done < into.length) {
      const count = file.readSync(done === 0 ? into : into.subarray(done));
      if (count === null) break;
      done += count;
    }
    this.#fileAt = offset + done;
    return done;
  }
}

const holeReadsPerTurn = 64;
const maxWaypoints = 16;
