/** The spool of an agent that does not run: what is in it, what of it is damaged, its records, and dropping them. */
import type { Batch } from "../pipeline/batch.ts";
import { dropFileName, type DropReason, dropReasons, Drops } from "./drops.ts";
import type { SpoolFiles } from "./files.ts";
import { readBody } from "./frame_body.ts";
import { cursorName, knownReaders, Quarantine, recoverFolder, tolerantReader } from "./recovery.ts";
import { parseSegmentName, type SegmentKey, segmentName } from "./segment.ts";
import { readSlots, SlotFile } from "./slot_file.ts";
import { BufferPool, SegmentWalk } from "./walk.ts";

/** One segment, read from end to end. */
export interface SegmentReport {
  readonly name: string;
  readonly bytes: number;
  readonly frames: number;
  readonly records: number;
  /** First and last number of a record; 0 where there is none. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Spans that hold no intact frame: offsets in the file. */
  readonly damage: readonly { readonly at: number; readonly end: number }[];
}

/** What is in a folder. */
export interface SpoolReport {
  readonly bytes: number;
  readonly records: number;
  readonly damagedBytes: number;
  /** Numbers between the oldest and the newest record that nothing intact carries. */
  readonly missingRecords: number;
  readonly segments: readonly SegmentReport[];
  readonly readers: readonly {
    readonly id: string;
    /** Number of the last record that is committed; undefined where the cursor is damaged. */
    readonly committed: number | undefined;
    /** Intact records behind it. */
    readonly held: number;
  }[];
  /** Records that were dropped before they got in, and that no notice tells of yet. */
  readonly untold: Readonly<Record<DropReason, number>>;
  /** Copies of damaged spans. */
  readonly setAside: readonly string[];
}

/** Reads everything; changes nothing. */
export function inspectSpool(files: SpoolFiles): SpoolReport {
  const ranges: { first: number; end: number }[] = [];
  const segments = keysIn(files).map((key) => inspectSegment(files, key, ranges));
  const sum = (of: (segment: SegmentReport) => number): number => segments.reduce((total, one) => total + of(one), 0);
  return {
    bytes: sum(({ bytes }) => bytes),
    records: sum(({ records }) => records),
    damagedBytes: sum(({ damage }) => damage.reduce((total, { at, end }) => total + end - at, 0)),
    missingRecords: missingIn(ranges),
    segments,
    readers: knownReaders(files).map((id) => {
      const committed = readSlots(files, cursorName(id))?.slot.value;
      const held = ranges.reduce(
        (total, { first, end }) => total + Math.max(0, end - Math.max(first, (committed ?? 0) + 1)),
        0,
      );
      return { id, committed, held };
    }),
    untold: Object.fromEntries(
      dropReasons.map((reason) => [reason, readSlots(files, dropFileName(reason))?.slot.value ?? 0]),
    ) as Record<DropReason, number>,
    setAside: files.list().filter((name) => name.endsWith(".bad")),
  };
}

/**
 * The intact records from number `from` on, in order, a frame at a time: each valid until the next is asked
 * for. Calls `damaged` with the bytes of every span that is passed over.
 */
export function* exportSpool(
  files: SpoolFiles,
  from: number,
  damaged: (bytes: number) => void,
): Generator<Batch> {
  for (const key of keysIn(files)) {
    const file = files.open(segmentName(key));
    const size = file.sizeBytes;
    const walk = new SegmentWalk(key, tolerantReader(file, () => size), new BufferPool());
    const wanted = (header: { seq: number; count: number }): boolean => header.seq + header.count > from;
    try {
      for (let found = walk.next(size, wanted); found !== undefined; found = walk.next(size, wanted)) {
        if (found.kind === "damage") {
          damaged(found.end - found.at);
          continue;
        }
        const { header, body } = found;
        const content = readBody(body, header.count);
        if (content === undefined) continue;
        const skip = Math.max(0, from - header.seq);
        yield {
          bytes: body,
          bounds: content.bounds.subarray(2 * skip),
          count: header.count - skip,
          packed: true,
          origin: content.origin,
          position: { spool: header.seq + header.count - 1 },
          release: () => {},
        };
      }
    } finally {
      walk.close();
      file.close();
    }
  }
}

/**
 * Drops all records up to number `through` for every reader; the next start tells each reader of it.
 * @returns how many records that somebody had still to read are gone
 * @throws when the disk refuses; repeating the call completes it
 */
export async function dropFromSpool(files: SpoolFiles, through: number): Promise<number> {
  const found = recoverFolder(files, new Quarantine(files, 0));
  const last = Math.min(through, found.nextSeq - 1);
  const failed = (error: unknown): never => {
    throw error;
  };
  const readers = knownReaders(files);
  let dropped = readers.length === 0 ? Math.max(0, last - found.startSeq + 1) : 0;
  for (const id of readers) {
    const cursor = new SlotFile(files, cursorName(id), found.instance, found.startSeq - 1, failed);
    dropped = Math.max(dropped, last - Math.max(cursor.value, found.startSeq - 1));
    if (cursor.value < last) cursor.set(last);
    await cursor.sync();
    cursor.close();
  }
  const drops = new Drops(files, found.instance, failed);
  if (dropped > 0) drops.add("hand", dropped);
  for (const slot of drops.slots) {
    await slot.sync();
    slot.close();
  }
  for (const segment of found.segments) if (segment.lastSeq <= last) files.remove(segment.name);
  await files.syncFolder();
  return dropped;
}

function keysIn(files: SpoolFiles): readonly SegmentKey[] {
  return files.list().map(parseSegmentName).filter((key) => key !== undefined).sort((a, b) => a.firstSeq - b.firstSeq);
}

function inspectSegment(files: SpoolFiles, key: SegmentKey, ranges: { first: number; end: number }[]): SegmentReport {
  const name = segmentName(key);
  const file = files.open(name);
  const bytes = file.sizeBytes;
  const walk = new SegmentWalk(key, tolerantReader(file, () => bytes), new BufferPool());
  const damage: { at: number; end: number }[] = [];
  let [frames, records, firstSeq, lastSeq] = [0, 0, 0, 0];
  try {
    for (let found = walk.next(bytes); found !== undefined; found = walk.next(bytes)) {
      if (found.kind === "damage") {
        damage.push({ at: found.at, end: found.end });
        continue;
      }
      const { seq, count } = found.header;
      frames++;
      records += count;
      firstSeq ||= seq;
      lastSeq = seq + count - 1;
      const before = ranges.at(-1);
      if (before?.end === seq) before.end += count;
      else ranges.push({ first: seq, end: seq + count });
    }
  } finally {
    walk.close();
    file.close();
  }
  return { name, bytes, frames, records, firstSeq, lastSeq, damage };
}

function missingIn(ranges: readonly { readonly first: number; readonly end: number }[]): number {
  return ranges.reduce((sum, { first }, i) => sum + (i === 0 ? 0 : Math.max(0, first - ranges[i - 1]!.end)), 0);
}
