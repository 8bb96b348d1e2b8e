/**
 * A log directory of s6-log or multilog as a source that can be read again: what was logged while nobody shipped it, and
 * on from there.
 *
 * ```text
 *   DIR/ @40…1.s  @40…2.s  @40…3.u  current        oldest first, each to its end, then `current` as it grows
 *
 *   program ──► agent tap ──► s6-log DIR ──► this source ──► sinks          one cursor: nothing is sent twice
 *                   └─ socket: "something new" ──► wake()
 * ```
 *
 * A `tap` with `backfill: DIR` is this source. The directory is the truth, also for what is logged now; the tap's socket
 * is only a hint to look at once instead of at the next poll. Two readers of the same lines, one live and one of the
 * files, would have to find out which lines they share, and stamps do not tell: several lines may have the same.
 *
 * ```text
 *   position   "DEVICE:INODE": {name, offset, fingerprint, marker, done, inLine, stamp}    for each file that is there
 * ```
 *
 * What it cannot know: which boot a stamp of 1970 is of, so it counts from this one and marks the time as estimated; what
 * a processor of s6-log did to an archive, unless that begins and ends as it was read; that a plain file was copied,
 * truncated and has outgrown its old size meanwhile (the `file` source knows).
 */
import type { Batch } from "../../pipeline/batch.ts";
import type { Position } from "../../pipeline/checkpoint.ts";
import type { BatchLimits, Source } from "../../pipeline/source.ts";
import type { TaiKind } from "../../formats/tai64n.ts";
import { BootClock } from "../../system/boot.ts";
import { DirectoryReader, type ReaderOptions } from "./directory_reader.ts";
import type { LogDirectoryOptions } from "./options.ts";
import { Stamps } from "./stamps.ts";

/** Options of {@linkcode openLogDirectorySource}. */
export interface LogDirectorySourceOptions extends Omit<LogDirectoryOptions, "once" | "pollMs" | "graceMs"> {
  readonly once?: boolean;
  /** Who writes the labels; default `s6`. */
  readonly tai?: TaiKind;
  /** Longer lines become several records; default 64 KiB. */
  readonly maxLineBytes?: number;
  /** Default 250. */
  readonly pollMs?: number;
  /** Default 2,000. */
  readonly graceMs?: number;
  /** For tests of a clock that is not set. */
  readonly clock?: BootClock;
}

/** A source that can be told that something new is there. */
export interface LogDirectorySource extends Source {
  /** Looks at once, and often for a while. Costs nothing when called often. */
  wake(): void;
}

/** Opens the source. Reading waits for a directory that is not there, and fails where it may not look. */
export function openLogDirectorySource(options: LogDirectorySourceOptions): LogDirectorySource {
  const readers = new Set<DirectoryReader>();
  const { hostname, program, priority, tai = "s6", clock = new BootClock() } = options;
  const complete: ReaderOptions = {
    ...options,
    once: options.once ?? false,
    pollMs: options.pollMs ?? 250,
    graceMs: options.once === true ? 0 : options.graceMs ?? 2_000,
    maxLineBytes: options.maxLineBytes ?? 64 * 1024,
    stamps: new Stamps({ hostname, program, priority, tai, clock }),
  };
  return {
    id: options.id,
    replayable: true,
    read: (from, limits, signal) => readAll(complete, readers, from, limits, signal),
    wake: () => readers.forEach((reader) => reader.wake()),
  };
}

async function* readAll(
  options: ReaderOptions,
  readers: Set<DirectoryReader>,
  from: Position | undefined,
  limits: BatchLimits,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const reader = new DirectoryReader(options, from, limits, signal);
  readers.add(reader);
  try {
    yield* reader.run();
  } finally {
    readers.delete(reader);
  }
}
