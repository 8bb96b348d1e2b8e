/** Where reading of one file of a log directory stands, and whether a file is the one that a mark speaks of. */
import {
  type Fingerprint,
  fingerprintBytes,
  fingerprintOf,
  hasFingerprint,
  hash53,
} from "../../formats/fingerprint.ts";
import type { PositionValue } from "../../pipeline/checkpoint.ts";
import type { LogFile } from "./log_file.ts";

/** The value of a file's key in the position. */
export interface LogMark {
  /** Name under which it was read last: `current`, or that of an archive. */
  readonly name: string;
  /** First byte that was not delivered. */
  readonly offset: number;
  /** Of the bytes before `offset`, the first ones and the last ones: inodes are used again. */
  readonly fingerprint: Fingerprint;
  readonly marker: number;
  /** Read to its end, and nothing can be added any more. */
  readonly done: boolean;
  /** The offset is within a line that was too long for one record. */
  readonly inLine: boolean;
  /** Label of the last line that had one: `@` and 24 digits, or empty. */
  readonly stamp: string;
}

/** The mark of a file whose reading begins. */
export function newMark(name: string): LogMark {
  return {
    name,
    offset: 0,
    fingerprint: fingerprintOf(nothing),
    marker: hash53(nothing),
    done: false,
    inLine: false,
    stamp: "",
  };
}

/** The mark moved to `offset`, with what identifies the content up to there. */
export function markAt(file: LogFile, offset: number, rest: Pick<LogMark, "done" | "inLine" | "stamp">): LogMark {
  const length = Math.min(markerBytes, offset);
  return {
    name: file.name,
    offset,
    fingerprint: fingerprintOf(file.peek(0, Math.min(fingerprintBytes, offset))),
    marker: hash53(file.peek(offset - length, length)),
    done: rest.done,
    inLine: rest.inLine,
    stamp: rest.stamp,
  };
}

/** Whether the file's content is the one that the mark speaks of, as far as it was read, or grown from it. */
export function isContentOf(mark: LogMark, file: LogFile): boolean {
  if (file.sizeBytes < mark.offset) return false;
  const length = Math.min(markerBytes, mark.offset);
  return hasFingerprint(file.peek(0, fingerprintBytes), mark.fingerprint) &&
    hash53(file.peek(mark.offset - length, length)) === mark.marker;
}

/** The mark as JSON; short, because a position holds one per archive. */
export function encodeMark(mark: LogMark): PositionValue {
  const { name, offset, fingerprint, marker, done, inLine, stamp } = mark;
  return {
    name,
    offset,
    fingerprint: { ...fingerprint },
    marker,
    ...(done ? { done } : {}),
    ...(inLine ? { inLine } : {}),
    ...(stamp === "" ? {} : { stamp }),
  };
}

/** The inverse of {@linkcode encodeMark}; undefined for anything else, so that damage costs one file only. */
export function decodeMark(value: PositionValue | undefined): LogMark | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { name, offset, fingerprint, marker, done, inLine, stamp } = value as Record<string, PositionValue>;
  if (typeof name !== "string" || !isCount(offset) || !isCount(marker)) return undefined;
  if (typeof fingerprint !== "object" || fingerprint === null) return undefined;
  const { length, hash } = fingerprint as Record<string, PositionValue>;
  if (!isCount(length) || length > fingerprintBytes || !isCount(hash)) return undefined;
  return {
    name,
    offset,
    fingerprint: { length, hash },
    marker,
    done: done === true,
    inLine: inLine === true,
    stamp: typeof stamp === "string" ? stamp : "",
  };
}

function isCount(value: PositionValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Bytes before the offset that the marker covers. */
const markerBytes = 256;
const nothing = new Uint8Array(0);
