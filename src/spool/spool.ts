/**
 * The spool: records on disk between a source that cannot repeat them and sinks that may be away.
 *
 * ```text
 *   append ─► queue ─► room? ─► frame in the active segment ─► group fsync ─► resolves
 *                       │ no                    │
 *                       └► block | dropOldest | dropNewest     reader A ─► … ─► commit ─► cursor.A ┐ passed by all:
 *                                                              reader B ─► … ─► commit ─► cursor.B ┘ segment removed
 * ```
 *
 * What `append` has confirmed survives a power cut. A cursor may lag behind after one: records are then repeated, never
 * skipped. Format: segment.ts; what a start does with damage: recovery.ts.
 */
import type { Batch } from "../pipeline/batch.ts";
import type { Checkpoints, Position } from "../pipeline/checkpoint.ts";
import { errorText } from "../pipeline/errors.ts";
import type { Source } from "../pipeline/source.ts";
import { DiskSpool } from "./disk_spool.ts";
import { FolderFiles, type SpoolFiles } from "./files.ts";

/** What happens when there is no room: the source waits, or the oldest segment goes, or what comes is refused. */
export type WhenFull = "block" | "dropOldest" | "dropNewest";

/** How a spool is opened. */
export interface SpoolOptions {
  /** Its own folder inside the state folder, which the caller has locked; made where it is missing. */
  readonly folder: string;
  /** Bytes of segments on disk at the most; ≥ 64 KiB. */
  readonly maxBytes: number;
  readonly whenFull: WhenFull;
  /** Who reads. A segment stays until all of these have passed it; cursors of others are kept and wait for nobody. */
  readonly readers: readonly string[];
  /** Size of a segment, what dropOldest takes at once; default an eighth of `maxBytes`, 64 KiB to 4 MiB. */
  readonly segmentBytes?: number;
  /** How long an append that is not urgent may wait for the next fsync; default 500. */
  readonly fsyncMs?: number;
  /** Host that notices about gaps carry; default the system's name. */
  readonly host?: string;
  /** The file system; for tests. */
  readonly fs?: SpoolFiles;
}

/** How one batch is appended. */
export interface AppendOptions {
  /** Whether somebody waits for the confirmation: fsync now. Otherwise within `fsyncMs` or 256 KiB. Default true. */
  readonly urgent?: boolean;
  /** Takes an append that still waits for room out of the queue. */
  readonly signal?: AbortSignal;
}

/** What became of a batch. `records written + refused + tooLong` are all its records. */
export interface AppendOutcome {
  /** Records that are on disk. */
  readonly written: number;
  /** Records of this batch that found no room (dropNewest, or dropOldest with nothing left to drop). */
  readonly refused: number;
  /** Records of this batch that are longer than half of the spool. */
  readonly tooLong: number;
  /** Older records that had to go for it and that some reader had not read, of the reader that lost the most. */
  readonly droppedOldest: number;
}

/** State of one reader. */
export interface ReaderStats {
  /** Number of the last record that is committed. */
  readonly committed: number;
  /** Records, notices included, that are in the spool and not committed. */
  readonly held: number;
  /** Records that dropOldest took before they were read. */
  readonly dropped: number;
  /** Records that were found damaged or missing. */
  readonly damaged: number;
}

/** State of a spool; counters begin at the start of the process. */
export interface SpoolStats {
  readonly bytes: number;
  readonly maxBytes: number;
  readonly segments: number;
  /** Number of the last record, and of the oldest that is there; the next one's where none is. */
  readonly lastSeq: number;
  readonly oldestSeq: number;
  /** Records that came and are written, notices not counted. */
  readonly appendedRecords: number;
  readonly notices: number;
  /** Records that went to nobody, by reason; `oldest` is of the reader that lost the most. */
  readonly dropped: { readonly oldest: number; readonly newest: number; readonly tooLong: number };
  readonly damaged: { readonly bytes: number; readonly spans: number; readonly records: number };
  /** Times that the disk made records safe, and how long that took in all. */
  readonly syncs: { readonly count: number; readonly totalMs: number };
  /** Whether appends wait for room now. */
  readonly blocked: boolean;
  readonly readers: Readonly<Record<string, ReaderStats>>;
}

/** Records on disk, with any number of readers. Dispose it to make everything durable and close all files. */
export interface Spool extends Checkpoints, AsyncDisposable {
  /**
   * Resolves when the batch is on disk for sure, or dropped as configured; the batch must stay as it is until then.
   * Batches are written in the order of the calls.
   * @throws {PeerError} when the disk fails for another reason than room, or the spool is closed. All appends that wait
   * are then refused; some records may be there nevertheless, so that repeating may double them
   */
  append(batch: Batch, options?: AppendOptions): Promise<AppendOutcome>;
  /** The source of a configured reader: read by one iteration at a time. Ends on abort, or after `finish` at the end. */
  reader(id: string): Source;
  /** Where a reader stands; a new one stands before the oldest record. */
  get(id: string): Promise<Position | undefined>;
  /** Moves a reader forward. Survives the death of the process at once, a power cut within half a second. */
  commit(id: string, position: Position): void;
  stats(): SpoolStats;
  /** Says that nothing will be appended any more, so that readers end when they have read everything. */
  finish(): void;
}

/** Opens the spool in a folder, whatever is in there. @throws when the folder cannot be made or listed */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const files = options.fs ?? new FolderFiles(options.folder);
  if (options.readers.length === 0) throw new Error(`Cannot open spool "${options.folder}": nobody reads it`);
  try {
    files.makeFolder();
    const spool = new DiskSpool(options, files);
    await files.syncFolder();
    return spool;
  } catch (error) {
    throw new Error(`Cannot open spool "${options.folder}": ${errorText(error)}\nTry: agent spool check`, {
      cause: error,
    });
  }
}
