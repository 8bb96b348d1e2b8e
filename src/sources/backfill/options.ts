/** What the source of a log directory is told, and what it reports. */

/** Where to read, and what the records say of themselves. */
export interface LogDirectoryOptions {
  /** Name in the configuration. */
  readonly id: string;
  /** A directory of s6-log or multilog, or a plain log file; may come later. */
  readonly path: string;
  readonly hostname: string;
  readonly program: string;
  /** Facility × 8 + severity, 0..191. */
  readonly priority: number;
  /** End when everything is read. */
  readonly once: boolean;
  /** Longest pause between two looks. */
  readonly pollMs: number;
  /** How long a plain file that was renamed is read on. */
  readonly graceMs: number;
  /** Told of everything worth a line in the log. Must not throw. */
  report(event: LogDirectoryEvent): void;
}

/** Something that happened. `text` is complete. */
export interface LogDirectoryEvent {
  readonly level: "debug" | "info" | "warning" | "error";
  readonly text: string;
}
