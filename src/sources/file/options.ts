/** What the file source is told, what it reports, and the figures it works with. */

import type { ContainerFormat } from "../../formats/container_line.ts";

/** What to do with lines that are longer than `maxLineBytes`. */
export type LongLines = "truncate" | "split" | "skip";

/** Joins lines to one record: stack traces, for example. At least one of the patterns is needed. */
export interface MultilineOptions {
  /** A line that matches begins a record; lines that do not belong to the record before. As `rules/pattern` reads it. */
  readonly startPattern?: string;
  /** A line that matches belongs to the record before. */
  readonly continuePattern?: string;
  /** A record is complete when nothing was added for so long; milliseconds, > 0. */
  readonly timeoutMs: number;
}

/** Options of {@linkcode openFileSource}. */
export interface FileSourceOptions {
  /** Name in the configuration. */
  readonly id: string;
  /** Path patterns (see `formats/glob.ts`); relative ones are relative to the working directory. */
  readonly include: readonly string[];
  /** Patterns of paths that are left out. */
  readonly exclude?: readonly string[];
  /** Where the files that are there at the very first start are begun; files that come later are read from the beginning. */
  readonly start: "beginning" | "end";
  /** Ends when all files are read to the end; last lines without a newline are delivered, too. Default false. */
  readonly once?: boolean;
  /** Longest record in bytes, 1 KiB..16 MiB; default 64 KiB. With `multiline` it bounds the joined record. */
  readonly maxLineBytes?: number;
  /** Default `split`: the only choice that loses nothing. */
  readonly longLines?: LongLines;
  readonly multiline?: MultilineOptions;
  /** What a line is: the record, or a container runtime's line with (a part of) the record inside. Default `plain`. */
  readonly format?: "plain" | ContainerFormat;
  /** Drops one CR before the LF; default false: bytes are kept. */
  readonly stripCarriageReturn?: boolean;
  /** Host of the records. */
  readonly hostname: string;
  /** Program of the records; default: the file's base name without rotation suffix and `.log`. */
  readonly program?: string;
  /** Priority of the records, 0..191; default 13 (user.notice). */
  readonly priority?: number;
  /** False where inotify is known to be of no use (NFS, some overlays): polling alone. Default true. */
  readonly watch?: boolean;
  readonly tuning?: Partial<FileTuning>;
  /** Told of everything worth a line in the log. Must not throw. */
  report(event: FileEvent): void;
}

/** Something that happened to a file. `text` is complete, for the log. */
export interface FileEvent {
  readonly kind:
    | "opened"
    | "rotated"
    | "truncated"
    | "removed"
    | "copied"
    | "compressed"
    | "unreadable"
    | "readable"
    | "hole"
    | "longLine"
    | "watch"
    | "lost";
  readonly level: "debug" | "info" | "warning" | "error";
  readonly path: string;
  readonly text: string;
  /** Bytes of the file that will not be delivered because of this event: to be counted as dropped. */
  readonly droppedBytes?: number;
  /** Records among them, where that is known. */
  readonly droppedRecords?: number;
}

/** Figures of the file source. The defaults are right; tests make them smaller. */
export interface FileTuning {
  /** First pause after the end of an active file; it doubles. */
  readonly minPollMs: number;
  /** Longest pause for a file that was active of late, and for files that watching does not tell of. */
  readonly maxPollMs: number;
  /** Longest pause for idle files that watching tells of; of more than 500, 20 ms for each, up to a minute. */
  readonly idlePollMs: number;
  /** Pause between looks at the folders. */
  readonly sweepMs: number;
  /** How long a deleted or vanished file is kept open after its end was reached, for a writer that still holds it. */
  readonly graceMs: number;
  /** How long a file that looks like the copy of another waits for that one to be truncated. */
  readonly copyWaitMs: number;
  /** How long a content that was truncated or vanished is remembered, for a copy of it to turn up. */
  readonly departedMs: number;
  /** A position whose file was never seen for so long is forgotten. */
  readonly forgetMs: number;
  /** Files open at the same time; idle ones are closed first. Default: half of what the process may open, 8,192 at most. */
  readonly maxOpenFiles: number;
  /** Bytes read per file and turn. */
  readonly blockBytes: number;
}

/** The figures that hold unless told otherwise. */
export const defaultTuning: FileTuning = {
  minPollMs: 4,
  maxPollMs: 1_000,
  idlePollMs: 10_000,
  sweepMs: 1_000,
  graceMs: 5_000,
  copyWaitMs: 5_000,
  departedMs: 60_000,
  forgetMs: 24 * 3_600_000,
  maxOpenFiles: 8_192,
  blockBytes: 256 * 1_024,
};

/** Longest record unless told otherwise. */
export const defaultMaxLineBytes = 64 * 1_024;
