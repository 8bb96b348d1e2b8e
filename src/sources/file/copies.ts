/** Copies: a rotation that copies a file and then truncates it leaves what was read, and perhaps what was not, in another. */
import { fingerprintBytes, hasFingerprint, hash53 } from "../../formats/fingerprint.ts";
import { type FileMark, isContentOf, isCopyOf, markerAt } from "./identity.ts";
import { isRotatedName } from "./rotated_name.ts";
import type { TailedFile, Waypoint } from "./tailed_file.ts";

/** A content that is no longer where it was. */
export interface Departure {
  readonly key: string;
  readonly mark: FileMark;
  /** The name that names of its copies are made of. */
  readonly origin: string;
  /** At least so many bytes behind the mark were not read. */
  readonly unreadBytes: number;
  /** Offsets before the mark's at which the content is known, ascending. */
  readonly waypoints: readonly Waypoint[];
  /** When it is forgotten, on the clock of `performance.now()`. */
  readonly untilMs: number;
}

/** Contents that are no longer where they were, truncated or gone: a copy of them may turn up. */
export class Departures {
  #all: Departure[] = [];

  /** Remembers a content. One of which nothing is known cannot be recognized: it is there for its unread bytes alone. */
  add(departure: Departure): void {
    if (departure.mark.fingerprint.length > 0 || departure.unreadBytes > 0) this.#all.push(departure);
  }

  /** Whether the content is still remembered. */
  has(mark: FileMark): boolean {
    return this.#all.some((other) => other.mark === mark);
  }

  /** The content that is now in the open file `file`, no longer remembered. */
  take(file: TailedFile): Departure | undefined {
    const found = this.#all.find(({ key, mark, origin }) =>
      key !== file.key && mark.path !== file.place && isFirmBasis(mark, origin, file.place) &&
      isContentOf(mark, file.peek)
    );
    this.#all = this.#all.filter((other) => other !== found);
    return found;
  }

  /**
   * Whether all that is in the open file was delivered: it is the copy of a content that was read at least as far. A
   * writer that goes on while it is copied makes the copy shorter than what was read.
   */
  isDeliveredIn(file: TailedFile): boolean {
    const sizeBytes = file.look()?.size ?? 0;
    return this.#all.some(({ key, mark, origin, waypoints }) => {
      if (key === file.key || sizeBytes > mark.offset || !isFirmBasis(mark, origin, file.place)) return false;
      if (sizeBytes === mark.offset) return isContentOf(mark, file.peek);
      const waypoint = waypoints.findLast(({ offset }) => offset <= sizeBytes);
      return waypoint !== undefined && markerAt(waypoint.offset, file.peek) === waypoint.marker &&
        (mark.fingerprint.length > sizeBytes || hasFingerprint(file.peek(0, fingerprintBytes), mark.fingerprint));
    });
  }

  /** Forgets what is too old; the result is what had unread bytes. */
  expire(nowMs: number): readonly Departure[] {
    if (this.#all.every(({ untilMs }) => untilMs > nowMs)) return [];
    const old = this.#all.filter(({ untilMs }) => untilMs <= nowMs);
    this.#all = this.#all.filter(({ untilMs }) => untilMs > nowMs);
    return old.filter(({ unreadBytes }) => unreadBytes > 0);
  }
}

/**
 * The file among `files` of which `file`, which begins with `head`, may be a copy. When it was truncated meanwhile, so
 * that it is no longer sound, the copy is one of what it was.
 */
export function findOriginal(
  file: TailedFile,
  head: Uint8Array,
  files: Iterable<TailedFile>,
): TailedFile | undefined {
  const hashes = new Map<number, number>(); // of our head, by length: nearly all files share one length
  for (const other of files) {
    if (other === file || other.state !== "following" && other.state !== "new") continue;
    // Of one of which nothing was read the beginning may be known, and a copy made.
    if (other.offset === 0 && (other.fingerprint.length === 0 || !isRotatedName(other.origin, file.place))) continue;
    const { length, hash } = other.fingerprint;
    if (length <= head.length) {
      let own = hashes.get(length);
      if (own === undefined) hashes.set(length, own = hash53(head, 0, length));
      if (own !== hash) continue;
    } else if (!isRotatedName(other.origin, file.place)) continue; // a copy that has hardly begun
    const { mark } = other;
    if (!isFirmBasis(mark, other.origin, file.place) || !canOpen(other)) continue;
    if (isSound(other) && isCopyOf(file.peek, file.look()?.size ?? 0, other.peek, other.look()?.size ?? 0)) {
      return other;
    }
    // Asked again: a rotation truncates a moment after it copied, and that may have been just now.
    if (!isSound(other) && isContentOf(mark, file.peek)) return other;
  }
  return undefined;
}

/**
 * Whether `file` goes on waiting beside `original`, of which it looks like a copy: it is named like a rotation, and so far
 * as it was compared every byte is the same. All of its lines come from the original then, and what the original might
 * lose to a truncation comes from the copy. A bounded piece is compared per call.
 */
export function staysCopy(file: TailedFile, original: TailedFile, sizeBytes: number): boolean {
  if (!isRotatedName(original.origin, file.place)) return false;
  if (!isSound(original)) return true; // it was truncated just now: that decides
  if (file.comparedBytes > sizeBytes || file.copyOf !== original.key) file.comparedBytes = 0;
  file.copyOf = original.key;
  const until = Math.min(sizeBytes, file.comparedBytes + comparedPerCall);
  while (file.comparedBytes < until) {
    const length = Math.min(compareBytes, until - file.comparedBytes);
    const own = file.peek(file.comparedBytes, length);
    const other = original.peek(file.comparedBytes, length);
    const same = own.length === length && other.length === length && hash53(own) === hash53(other);
    if (!same) return !isSound(original); // truncated while it was compared
    file.comparedBytes += length;
  }
  return true;
}

/** Whether the whole of `file` is known to be in the content that `key` had up to `offset`. */
export function isDelivered(file: TailedFile, key: string, offset: number): boolean {
  const sizeBytes = file.look()?.size ?? 0;
  return file.copyOf === key && file.comparedBytes === sizeBytes && sizeBytes > 0 && sizeBytes <= offset;
}

/** Whether the content of an open file is still the one that was read, or of which the beginning is known. */
export function isSound(file: TailedFile): boolean {
  const { offset, fingerprint, peek } = file;
  if ((file.look()?.size ?? 0) < offset || markerAt(offset, peek) !== file.mark.marker) return false;
  return fingerprint.length <= offset || hasFingerprint(peek(0, fingerprintBytes), fingerprint);
}

/**
 * Whether enough is known of a content to recognize it at `path`: a full fingerprint, or the name of a rotation of
 * `origin`.
 */
export function isFirmBasis(mark: FileMark, origin: string, path: string): boolean {
  const { length } = mark.fingerprint;
  return length === fingerprintBytes || length > 0 && isRotatedName(origin, path);
}

function canOpen(file: TailedFile): boolean {
  try {
    file.open();
    return true;
  } catch {
    return false;
  }
}

const compareBytes = 256 * 1_024;
const comparedPerCall = 16 * 1_024 * 1_024;
