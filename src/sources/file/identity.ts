/**
 * Which file is this? A device and inode say it while a file lives; inodes are used again and files are truncated, so the
 * content has to agree: the beginning (fingerprint) and the bytes before the offset (marker).
 */
import { type Fingerprint, fingerprintBytes, hasFingerprint, hash53 } from "../../formats/fingerprint.ts";
import type { PositionValue } from "../../pipeline/checkpoint.ts";

/** Where reading of one file stands: the value of its key in the position. */
export interface FileMark {
  /** Path under which it was found, for people, for the program's name, and to look for it after a rotation. */
  readonly path: string;
  /** First byte that was not delivered: behind the last complete line. */
  readonly offset: number;
  /** How many contents this inode had before. */
  readonly generation: number;
  readonly fingerprint: Fingerprint;
  /** Hash of the {@linkcode markerBytes} before `offset`, or of fewer at the beginning of the file. */
  readonly marker: number;
  /** The offset is within a line whose rest is to be passed over. */
  readonly inLine: boolean;
  /** When the file was last written to before what was read of it; milliseconds since 1970. Missing where nobody looked. */
  readonly writtenMs?: number;
}

/** Whether a file was only found so far: nothing was decided about its content, and nothing of it was given out. */
export function isPlaceholder({ offset, fingerprint }: FileMark): boolean {
  return offset === 0 && fingerprint.length === 0;
}

/** Bytes before the offset that the marker covers. */
export const markerBytes = 256;

/** Reads bytes of a file that is being compared; may give fewer at its end. Valid until the next call. */
export type Peek = (offset: number, length: number) => Uint8Array;

/** Key of a file in the position. */
export function fileKey(info: { readonly dev: number; readonly ino: number | null }): string {
  return `${info.dev}:${info.ino ?? 0}`;
}

/** The mark as JSON. */
export function encodeMark(mark: FileMark): PositionValue {
  const { path, offset, generation, fingerprint, marker, inLine, writtenMs } = mark;
  const value = { path, offset, generation, fingerprint: { ...fingerprint }, marker };
  return { ...value, ...(writtenMs === undefined ? {} : { writtenMs }), ...(inLine ? { inLine } : {}) };
}

/** The inverse of {@linkcode encodeMark}; undefined for anything else, so that a damaged position costs one file only. */
export function decodeMark(value: PositionValue | undefined): FileMark | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { path, offset, generation, fingerprint, marker, inLine, writtenMs } = value as Record<string, PositionValue>;
  if (typeof path !== "string" || !isCount(offset) || !isCount(generation) || !isCount(marker)) return undefined;
  if (typeof fingerprint !== "object" || fingerprint === null) return undefined;
  const { length, hash } = fingerprint as Record<string, PositionValue>;
  if (!isCount(length) || length > fingerprintBytes || !isCount(hash)) return undefined;
  const mark = { path, offset, generation, fingerprint: { length, hash }, marker, inLine: inLine === true };
  return isCount(writtenMs) ? { ...mark, writtenMs } : mark;
}

/** Hash of the bytes before `offset`. Undefined where the file is shorter than that. */
export function markerAt(offset: number, peek: Peek): number | undefined {
  const length = Math.min(markerBytes, offset);
  const bytes = peek(offset - length, length);
  return bytes.length < length ? undefined : hash53(bytes);
}

/** Whether the content behind `peek` is the one that `mark` speaks of, as far as `mark.offset`, or grown from it. */
export function isContentOf(mark: FileMark, peek: Peek): boolean {
  return hasFingerprint(peek(0, fingerprintBytes), mark.fingerprint) && markerAt(mark.offset, peek) === mark.marker;
}

/**
 * Whether `copy` may be a copy of `original`, complete or still being written: not longer, the same beginning, and the
 * same bytes at the copy's end.
 */
export function isCopyOf(copy: Peek, copyBytes: number, original: Peek, originalBytes: number): boolean {
  if (copyBytes === 0 || copyBytes > originalBytes) return false;
  const headBytes = Math.min(fingerprintBytes, copyBytes);
  const tailBytes = Math.min(markerBytes, copyBytes);
  return hash53(copy(0, headBytes)) === hash53(original(0, headBytes)) &&
    hash53(copy(copyBytes - tailBytes, tailBytes)) === hash53(original(copyBytes - tailBytes, tailBytes));
}

/** How a file is packed that begins with `head`: archives are not logs. Undefined: it is not. */
export function packingOf(head: Uint8Array): string | undefined {
  return packings.find(([, magic]) => magic.every((byte, i) => head[i] === byte))?.[0];
}

const packings: readonly (readonly [string, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ["bzip2", [0x42, 0x5a, 0x68]],
];

function isCount(value: PositionValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
