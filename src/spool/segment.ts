/**
 * The spool's format on disk, version 1. Pure: bytes in, values out. All numbers are big-endian.
 *
 * ```text
 *   FOLDER/00000000000000041234-9f3c22aa01b7e6d4.seg     first sequence number (20 digits) - instance (16 hex digits)
 *   FOLDER/cursor.NAME  FOLDER/drops.*                   see slot_file.ts
 *   FOLDER/bad/…                                         damaged spans set aside, see recovery.ts
 *
 *   segment  "LSEG" · version u16 · flags u16 · firstSeq u64 · createdMs u64 · instance u64 · crc u32         36 B
 *            frame …
 *   frame    magic 0x4C53 u16 · type u16 · bodyBytes u32 · seq u64 · count u32 · bodyCrc u32 · headCrc u32    28 B
 *            body
 *   body     form u8 (0 plain, 1 syslog) · priority u8 · readAtMs f64
 *            4 × (length u16 · UTF-8)            source, host, program, peer; length 0xFFFF: absent
 *            count × length u32                  of each record, without its LF
 *            count × (record · LF)
 * ```
 *
 * A frame holds some records of one batch: record i has the sequence number `seq + i`. All that is needed to read a
 * frame is in its segment's name, so a damaged segment header costs nothing. `headCrc` begins with a value made of the
 * instance, the first sequence number and the frame's offset: a frame is valid at its own place only. Neither a stale
 * disk block nor bytes that somebody logs on purpose can pass for one, whatever is damaged around them.
 */
import { crc32 } from "node:zlib";

/** What the name of a segment says. */
export interface SegmentKey {
  /** Sequence number of the first record; ≥ 1. */
  readonly firstSeq: number;
  /** Random number of the spool, 16 hex digits: tells its files from those of an earlier spool in the same folder. */
  readonly instance: string;
}

/** Bytes before the first frame. */
export const segmentHeaderBytes = 36;
/** Bytes before the body of a frame. */
export const frameHeaderBytes = 28;
/** The version that this module writes and the highest that it reads. */
export const formatVersion = 1;

/** `data`: records as they came. `note`: one record written by the spool itself, about what it dropped. */
export type FrameType = "data" | "note";

/** What a frame says before its body. */
export interface FrameHeader {
  readonly type: FrameType;
  readonly bodyBytes: number;
  /** Sequence number of the first record. */
  readonly seq: number;
  /** Number of records, ≥ 1. */
  readonly count: number;
  readonly bodyCrc: number;
}

const typeCodes: Readonly<Record<FrameType, number>> = { data: 1, note: 3 };
const magic = 0x4c53;

/** The file name of a segment. */
export function segmentName(key: SegmentKey): string {
  return `${String(key.firstSeq).padStart(20, "0")}-${key.instance}.seg`;
}

/** What a file name says; undefined when it is not that of a segment. */
export function parseSegmentName(name: string): SegmentKey | undefined {
  const match = /^(\d{20})-([0-9a-f]{16})\.seg$/.exec(name);
  const firstSeq = match === null ? 0 : Number(match[1]);
  return firstSeq >= 1 && Number.isSafeInteger(firstSeq) ? { firstSeq, instance: match![2]! } : undefined;
}

/** The first bytes of a segment. */
export function encodeSegmentHeader(key: SegmentKey, createdMs: number): Uint8Array {
  const bytes = new Uint8Array(segmentHeaderBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(segmentMagic);
  view.setUint16(4, formatVersion);
  view.setBigUint64(8, BigInt(key.firstSeq));
  view.setBigUint64(16, BigInt(Math.max(0, Math.floor(createdMs))));
  view.setBigUint64(24, BigInt("0x" + key.instance));
  view.setUint32(32, crc32(bytes.subarray(0, 32)));
  return bytes;
}

/** The version in an intact segment header; undefined when it is damaged, which is no reason not to read on. */
export function readSegmentVersion(bytes: Uint8Array): number | undefined {
  if (bytes.length < segmentHeaderBytes || segmentMagic.some((byte, i) => bytes[i] !== byte)) return undefined;
  const view = viewOf(bytes);
  return view.getUint32(32) === crc32(bytes.subarray(0, 32)) ? view.getUint16(4) : undefined;
}

/** The value that the frame checksums of a segment begin with. */
export function segmentSalt(key: SegmentKey): number {
  return crc32(segmentName(key));
}

/**
 * Writes the header of the frame that begins at `at`, whose body of `header.bodyBytes` bytes stands behind it already.
 * @param offset where the frame will be in its file
 */
export function writeFrameHeader(
  bytes: Uint8Array,
  at: number,
  header: Omit<FrameHeader, "bodyCrc">,
  salt: number,
  offset: number,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, frameHeaderBytes);
  const body = bytes.subarray(at + frameHeaderBytes, at + frameHeaderBytes + header.bodyBytes);
  view.setUint16(0, magic);
  view.setUint16(2, typeCodes[header.type]);
  view.setUint32(4, header.bodyBytes);
  view.setBigUint64(8, BigInt(header.seq));
  view.setUint32(16, header.count);
  view.setUint32(20, crc32(body));
  view.setUint32(24, headCrc(bytes, at, salt, offset));
}

/** The frame header at `at` (`offset` in its file); undefined when there is none that is intact. */
export function readFrameHeader(bytes: Uint8Array, at: number, salt: number, offset: number): FrameHeader | undefined {
  if (at + frameHeaderBytes > bytes.length || bytes[at] !== magic >> 8 || bytes[at + 1] !== (magic & 0xff)) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, frameHeaderBytes);
  if (view.getUint32(24) !== headCrc(bytes, at, salt, offset)) return undefined;
  const code = view.getUint16(2);
  const type = code === typeCodes.data ? "data" : code === typeCodes.note ? "note" : undefined;
  if (type === undefined) return undefined;
  return {
    type,
    bodyBytes: view.getUint32(4),
    seq: Number(view.getBigUint64(8)),
    count: view.getUint32(16),
    bodyCrc: view.getUint32(20),
  };
}

/** Where a frame header may begin at or after `from`: the next magic number; `bytes.length` when there is none. */
export function findMagic(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(magic >> 8, from); at >= 0; at = bytes.indexOf(magic >> 8, at + 1)) {
    if (at + 1 >= bytes.length || bytes[at + 1] === (magic & 0xff)) return at;
  }
  return bytes.length;
}

/** Whether a body is the one that its header speaks of. */
export function isIntact(header: FrameHeader, body: Uint8Array): boolean {
  return body.length === header.bodyBytes && crc32(body) === header.bodyCrc;
}

function headCrc(bytes: Uint8Array, at: number, salt: number, offset: number): number {
  return crc32(bytes.subarray(at, at + 24), (salt ^ offset) >>> 0);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const segmentMagic = new TextEncoder().encode("LSEG");
