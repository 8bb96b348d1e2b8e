/**
 * What a running agent tells of itself: the figures behind the page, the metrics, `agent status` and the alerts. The engine
 * gives them (`AgentFeed`); everything in this folder only shows them.
 */

/** Records and bytes since the start of the process; only ever growing. */
export interface Amount {
  readonly records: number;
  readonly bytes: number;
}

/** Why records did not go on. `intended`: a rule or a limit of the configuration said so. */
export interface DropCount extends Amount {
  /** `rule`, `rateLimit`, `spoolFull`, `longLine`, `hole`, `kernelOverrun`, `tapGap`, `refused`, `damaged` … */
  readonly reason: string;
  readonly intended: boolean;
}

/** One source. What it received is, for each sink that it feeds, delivered, dropped or held: see {@linkcode PairState}. */
export interface SourceState {
  readonly id: string;
  readonly type: string;
  readonly received: Amount;
  readonly drops: readonly DropCount[];
  /** Milliseconds since 1970 of the newest record; undefined before the first. */
  readonly lastRecordMs?: number;
  /** Why it cannot be read, while that is so. */
  readonly error?: string;
  readonly errorSinceMs?: number;
  /** Of files: how many are watched, how many are open, and bytes not read yet. */
  readonly files?: { readonly watched: number; readonly open: number; readonly unreadBytes: number };
  /** Of servers: peers that are connected. */
  readonly sessions?: number;
}

/** One sink. */
export interface SinkState {
  readonly id: string;
  readonly type: string;
  /** `host:port`, folder or command; never a secret. */
  readonly target: string;
  readonly up: boolean;
  /** When it went down, or came up, milliseconds since 1970; undefined when nothing happened yet. */
  readonly sinceMs?: number;
  /** Newest failure, also after it is back. */
  readonly lastError?: string;
  readonly lastErrorMs?: number;
  readonly lastSuccessMs?: number;
  /** Failed tries since the start. */
  readonly failures: number;
  /** How often it went down, came back, and how long it was down in all. */
  readonly suspensions: number;
  readonly resumptions: number;
  readonly suspendedMs: number;
  readonly delivered: Amount;
  /** Records for it that went no further, for all sources together. */
  readonly drops: readonly DropCount[];
  /** Bytes of its dead letters that are gone, to make room for newer ones. */
  readonly deadLettersRemovedBytes?: number;
  /** Read and not confirmed, in memory, and waiting in the spool. */
  readonly held: Amount;
  /** Age of the oldest record that it does not hold yet, milliseconds; 0 when there is none. */
  readonly lagMs: number;
  /** End of the certificate that is shown to it, milliseconds since 1970. */
  readonly certificateEndMs?: number;
}

/**
 * One source to one sink: received = delivered + dropped + held, in every moment. Sources that go through the disk queue
 * feed the sink `spool`, and the source `spool` feeds the sinks.
 */
export interface PairState {
  readonly source: string;
  readonly sink: string;
  readonly received: number;
  readonly delivered: number;
  readonly dropped: number;
  readonly held: number;
}

/** The disk queue. */
export interface SpoolState {
  readonly usedBytes: number;
  readonly maxBytes: number;
  readonly records: number;
  readonly drops: readonly DropCount[];
  /** Times that the disk made records safe, and how long that took in all. */
  readonly syncs?: { readonly count: number; readonly totalMs: number };
  /** Whether sources wait for room. */
  readonly blocked?: boolean;
}

/** The machine's own certificate. */
export interface CertificateState {
  readonly subject: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly renewalMs: number;
  readonly ok: boolean;
  readonly problem?: string;
}

/** All of it, at one moment. */
export interface AgentState {
  readonly version: string;
  readonly hostname: string;
  readonly command: "ship" | "collect" | "serve";
  readonly nowMs: number;
  readonly startMs: number;
  readonly sources: readonly SourceState[];
  readonly sinks: readonly SinkState[];
  readonly pairs: readonly PairState[];
  readonly spool?: SpoolState;
  readonly certificate?: CertificateState;
  /** Audit rules of the node, where the agent keeps them (issue: `agent audit`). */
  readonly auditRulesLoaded?: boolean;
}

/** One record of the live tail, after rules and redaction. */
export interface TailRecord {
  readonly source: string;
  readonly timeMs: number;
  readonly host: string;
  readonly program: string;
  /** 0..7. */
  readonly severity: number;
  readonly message: string;
  /** Records that this reader was too slow for, since the one before. */
  readonly skipped: number;
}

/** What a reader of the tail wants. */
export interface TailFilter {
  /** Ids of sources; none: all. */
  readonly sources: readonly string[];
  /** Least important severity, 0..7. */
  readonly severity: number;
  /** Text that the message contains, without regard to case; empty: any. */
  readonly contains: string;
}

/** What the engine offers to the status server. */
export interface AgentFeed {
  state(): AgentState;
  /** Follows what passes from now on. A slow reader loses records, never delays them; at most 1,000 wait for it. Ends when `signal` aborts. */
  tail(filter: TailFilter, signal: AbortSignal): AsyncIterable<TailRecord>;
  /** The configuration in use as YAML, every secret taken out. */
  configuration(): string;
}
