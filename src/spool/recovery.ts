/**
 * What a folder holds after whatever happened to it. Always succeeds (invariant 6): reads names, scans the newest segment
 * for its end, and leaves damage inside older segments to the readers, who pass over it when they come there.
 */
import { openLog } from "../system/log.ts";
import type { SpoolFile, SpoolFiles } from "./files.ts";
import {
  formatVersion,
  parseSegmentName,
  readSegmentVersion,
  segmentHeaderBytes,
  type SegmentKey,
  segmentName,
} from "./segment.ts";
import { Segment } from "./shelf.ts";
import { readSlots } from "./slot_file.ts";
import { BufferPool, type ReadAt, readSpan, SegmentWalk } from "./walk.ts";

/** What was found. */
export interface Recovered {
  readonly instance: string;
  readonly segments: readonly Segment[];
  /** The number that the next record gets: above all that was ever given out, as far as the disk tells. */
  readonly nextSeq: number;
  /** The number at which a reader without a position begins: that of the oldest record that was found, whole or not. */
  readonly startSeq: number;
  /** Damaged bytes at the very end: a write that was cut off. The numbers up to `nextSeq` that it had are not used again. */
  readonly tornBytes: number;
}

/** The file name of a reader's cursor. */
export function cursorName(readerId: string): string {
  return `${cursorPrefix}${encodeURIComponent(readerId)}`;
}

/** The readers that have a cursor in the folder, by name. */
export function knownReaders(files: SpoolFiles): readonly string[] {
  return files.list().filter((name) => name.startsWith(cursorPrefix)).sort().flatMap((name) => {
    try {
      return [decodeURIComponent(name.slice(cursorPrefix.length))];
    } catch {
      return [];
    }
  });
}

/**
 * Takes stock of the folder, which the caller has locked. Segments without a single frame are removed, spans that are
 * damaged at the end of the newest one are set aside.
 */
export function recoverFolder(files: SpoolFiles, quarantine: Quarantine): Recovered {
  const cursors = readCursors(files);
  removeEmpty(files);
  const names = files.list().map(parseSegmentName).filter((key) => key !== undefined);
  names.sort((a, b) => a.firstSeq - b.firstSeq);
  const segments: Segment[] = [];
  for (const key of names) {
    const sizeBytes = usableBytes(files, key);
    if (sizeBytes !== undefined) segments.push(new Segment(key, key.firstSeq - 1, sizeBytes));
  }
  const instance = segments.at(-1)?.key.instance ?? cursors.at(-1)?.instance ?? newInstance();
  const ends = cursors.filter((cursor) => cursor.instance === instance).map((cursor) => cursor.value + 1);
  // A segment that is left alone keeps its name, too.
  const taken = names.map((key) => key.firstSeq + (segments.some((segment) => segment.key === key) ? 0 : 1));
  let nextSeq = Math.max(1, ...ends, ...taken);
  let tornBytes = 0;
  segments.forEach((segment, i) => {
    if (i + 1 < segments.length) segment.lastSeq = segments[i + 1]!.key.firstSeq - 1;
  });
  const startSeq = segments[0]?.key.firstSeq;
  const newest = segments.at(-1);
  if (newest !== undefined) {
    const end = findEnd(files, newest, quarantine);
    newest.lastSeq = end.lastSeq;
    tornBytes = end.tornBytes;
    nextSeq = Math.max(nextSeq, end.nextSeq);
    if (end.frames === 0) {
      files.remove(newest.name); // its name must be free for the records that are still to come
      segments.pop();
    }
  }
  return { instance, segments, nextSeq, startSeq: startSeq ?? nextSeq, tornBytes };
}

/** Reads from an open segment, past sectors that the disk cannot read any more: they come as zeros. */
export function tolerantReader(file: SpoolFile, limitBytes: () => number): ReadAt {
  return (into, offset) => {
    const room = into.subarray(0, Math.max(0, Math.min(into.length, limitBytes() - offset)));
    if (room.length === 0) return 0;
    try {
      return file.readAt(room, offset);
    } catch {
      const block = room.subarray(0, blockBytes - offset % blockBytes);
      try {
        return file.readAt(block, offset);
      } catch {
        block.fill(0);
        return block.length;
      }
    }
  };
}

/** Keeps copies of damaged spans for whoever wants to look at them later; bounded, best effort. */
export class Quarantine {
  readonly #files: SpoolFiles;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(files: SpoolFiles, maxBytes: number) {
    this.#files = files;
    this.#maxBytes = maxBytes;
    for (const name of files.list().filter((name) => name.endsWith(badSuffix))) {
      const file = files.open(name);
      this.#bytes += file.sizeBytes;
      file.close();
    }
  }

  /** Copies the first 64 KiB of a span of `segment` to `SEGMENT.OFFSET.bad`, once, while there is room. */
  keep(segment: Segment, read: ReadAt, at: number, end: number): void {
    const name = `${segment.name}.${at}${badSuffix}`;
    try {
      const span = readSpan(read, at, Math.min(end - at, maxSpanBytes));
      if (span.every((byte) => byte === 0) || this.#bytes + span.length > this.#maxBytes) return;
      if (this.#files.list().includes(name)) return;
      const copy = this.#files.create(name);
      try {
        copy.writeAt(span, 0);
        this.#bytes += span.length;
      } finally {
        copy.close();
      }
    } catch (error) {
      log.debug(`Cannot set damaged bytes aside as "${name}": ${(error as Error).message}`);
    }
  }
}

interface End {
  readonly frames: number;
  readonly lastSeq: number;
  readonly nextSeq: number;
  readonly tornBytes: number;
}

/** Where the newest segment ends. Records whose frame has lost its body keep their numbers: they are told as a gap. */
function findEnd(files: SpoolFiles, segment: Segment, quarantine: Quarantine): End {
  const file = files.open(segment.name);
  const read = tolerantReader(file, () => segment.sizeBytes);
  const walk = new SegmentWalk(segment.key, read, new BufferPool());
  let [frames, lastSeq, nextSeq, tornBytes] = [0, segment.key.firstSeq - 1, segment.key.firstSeq, 0];
  try {
    for (let found = walk.next(segment.sizeBytes); found !== undefined; found = walk.next(segment.sizeBytes)) {
      tornBytes = 0;
      if (found.kind === "frame") {
        frames++;
        lastSeq = Math.max(lastSeq, found.header.seq + found.header.count - 1);
        continue;
      }
      nextSeq = Math.max(nextSeq, found.nextSeq ?? 0);
      if (found.end < segment.sizeBytes) continue; // the readers will see to it
      tornBytes = found.end - found.at;
      segment.damageSeen.add(found.at);
      quarantine.keep(segment, read, found.at, found.end);
    }
  } finally {
    walk.close();
    file.close();
  }
  return { frames, lastSeq, nextSeq: Math.max(nextSeq, lastSeq + 1), tornBytes };
}

/** Size of a segment that can be read; undefined for what holds nothing, or is of a later version and left alone. */
function usableBytes(files: SpoolFiles, key: SegmentKey): number | undefined {
  const name = segmentName(key);
  try {
    const file = files.open(name);
    try {
      const header = new Uint8Array(segmentHeaderBytes);
      const sizeBytes = file.sizeBytes;
      if (sizeBytes <= segmentHeaderBytes) return undefined;
      const version = tolerantReader(file, () => sizeBytes)(header, 0) === header.length
        ? readSegmentVersion(header)
        : undefined;
      if (version === undefined || version <= formatVersion) return sizeBytes;
      log.error(`Cannot read spool segment "${name}": version ${version} is of a later agent; it is left alone`);
    } finally {
      file.close();
    }
  } catch (error) {
    log.error(`Cannot open spool segment "${name}": ${(error as Error).message}; it is left alone`);
  }
  return undefined;
}

/** Every intact cursor, lowest first. */
function readCursors(files: SpoolFiles): readonly { readonly instance: string; readonly value: number }[] {
  return files.list().filter((name) => name.startsWith(cursorPrefix))
    .flatMap((name) => readSlots(files, name)?.slot ?? [])
    .sort((a, b) => a.value - b.value);
}

/** A segment that was created and never written to holds nothing, and its name will be wanted. */
function removeEmpty(files: SpoolFiles): void {
  for (const name of files.list().filter((name) => parseSegmentName(name) !== undefined)) {
    try {
      const file = files.open(name);
      const sizeBytes = file.sizeBytes;
      file.close();
      if (sizeBytes <= segmentHeaderBytes) files.remove(name);
    } catch (error) {
      log.debug(`Cannot remove empty segment "${name}": ${(error as Error).message}`);
    }
  }
}

function newInstance(): string {
  return crypto.getRandomValues(new BigUint64Array(1))[0]!.toString(16).padStart(16, "0");
}

const cursorPrefix = "cursor.";
const badSuffix = ".bad";
const blockBytes = 4_096;
const maxSpanBytes = 64 * 1024;
const log = openLog("spool");
