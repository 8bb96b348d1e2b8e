/** What a collector is: it finds one kind of evidence and hands it over as artifacts. Everything else is the runner's. */
import type { Machine } from "./machine.ts";

/** How an artifact may be treated: only a `log` is cut at its oldest lines when the bundle must be smaller. */
export type ArtifactKind = "log" | "text" | "json" | "yaml" | "binary";

/** One file of the bundle, before redaction. */
export interface Artifact {
  /** Below the node's folder, with `/`: `system/os-release`. Unsafe characters and real names are the runner's business. */
  readonly path: string;
  readonly kind: ArtifactKind;
  /** The bytes, read once. An error thrown by it makes the artifact partial; what came before is kept. */
  readonly content: AsyncIterable<Uint8Array>;
  /** Where it comes from, for the report: a path, a command line, an address. Redacted like everything. */
  readonly origin: string;
  /** Time of the evidence where it is not now: a cached output, a file's modification. */
  readonly taken?: Date;
  /** gzip: the bytes are compressed; they are unpacked, redacted and packed again. */
  readonly encoding?: "gzip";
}

/** What a collector says beside artifacts; it goes into the report and into `NAME.error`. */
export interface CollectorNote {
  /** Artifact or thing it is about: `kube/kubectl-get-nodes`. */
  readonly about: string;
  /** denied: only root may; missing: not on this machine; error: went wrong; timeout; partial: what came before is kept. */
  readonly state: "denied" | "missing" | "error" | "timeout" | "partial";
  /** `Cannot <verb> <what> "<which>": <state>` and `Try: …`. */
  readonly text: string;
  /** What a command printed on stderr, at most 64 KiB. */
  readonly stderr?: string;
  /** It is an extra: said, but the evidence is whole without it. */
  readonly isExtra?: boolean;
}

/** How large or quick a dump is meant to be. */
export type DumpProfile = "speed" | "complete" | "size";

/** A command to run: no shell, `LC_ALL=C`, `TZ=UTC`, stdin closed, own process group, nice 19 and idle I/O. */
export interface CommandSpec {
  readonly program: string;
  readonly args: readonly string[];
  /** Deadline of this command alone, milliseconds; never beyond the collector's. */
  readonly timeoutMs?: number;
  /** More environment, for KUBECONFIG and its like. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** How a command ended. */
export interface CommandOutcome {
  readonly state: "ok" | "error" | "timeout" | "missing" | "denied";
  readonly exitCode?: number;
  readonly signal?: string;
  /** At most 64 KiB. */
  readonly stderr: string;
}

/** A running command: its output as it comes; what was printed before a deadline is kept. */
export interface RunningCommand {
  readonly stdout: AsyncIterable<Uint8Array>;
  /** Resolves, never rejects, after `stdout` ended. */
  readonly outcome: Promise<CommandOutcome>;
}

/** What a collector may use. */
export interface DumpContext {
  readonly machine: Machine;
  readonly profile: DumpProfile;
  /** Only evidence from then on, where it has times. */
  readonly since?: Date;
  readonly until?: Date;
  /** The user named this collector: see {@linkcode Collector.isAsked}. */
  readonly isAsked?: boolean;
  /** Nothing is redacted: what a collector masks by itself stays as it is. */
  readonly unredacted?: boolean;
  /** Starts a command; never throws. */
  run(command: CommandSpec): RunningCommand;
  /** Says what could not be had. */
  note(note: CollectorNote): void;
  /** What the collector may take, milliseconds from its start; undefined: its own {@linkcode Collector.timeoutMs}. */
  readonly timeoutMs?: number;
  /** Aborts at the collector's deadline, at the dump's, and at the user's stop. */
  readonly signal: AbortSignal;
}

/** One kind of evidence. */
export interface Collector {
  /** Unique, `group/name`: `system/processes`; what `--only` and `--skip` match (also by group, also with `*`). */
  readonly id: string;
  /** One line for `--list`. */
  readonly summary: string;
  /** In which profiles it runs. */
  readonly profiles: readonly DumpProfile[];
  /** A failure of an optional collector leaves the dump complete. */
  readonly optional: boolean;
  /** The user named it: the dump is incomplete where there is nothing for it. */
  readonly isAsked?: boolean;
  /** Deadline, milliseconds, unless the user says otherwise. */
  readonly timeoutMs: number;
  /** Why there is nothing for it on this machine; undefined when it should run. Must be quick. */
  skips(machine: Machine): Promise<string | undefined>;
  /** What it would read and run, for `--dry-run`. */
  plan(machine: Machine): readonly string[];
  /** Yields artifacts, one at a time; the runner reads the content of each before it asks for the next. */
  collect(context: DumpContext): AsyncIterable<Artifact>;
}
