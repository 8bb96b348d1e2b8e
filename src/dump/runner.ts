/**
 * Runs collectors: some at a time, each to its own deadline, all to that of the dump. A collector that hangs, fails or
 * lies about its signal costs its own evidence and nothing else.
 */
import { type ArtifactStore, type DroppedArtifact, nextUnlessAborted, type StoredArtifact } from "./artifact_store.ts";
import type { Collector, CollectorNote, DumpContext, DumpProfile } from "./collector.ts";
import type { Machine } from "./machine.ts";
import type { Redactor } from "./redaction.ts";
import type { DumpStatus } from "./report.ts";
import { startCommand } from "./running_command.ts";
import { WorkFullError } from "./work_file.ts";

/** What is run, and how. */
export interface GatherOptions {
  readonly collectors: readonly Collector[];
  readonly machine: Machine;
  readonly profile: DumpProfile;
  readonly since?: Date;
  readonly until?: Date;
  readonly redactor: Redactor;
  readonly store: ArtifactStore;
  /** False: `--no-redact`. Default true. */
  readonly redacted?: boolean;
  /** For all of it, milliseconds from now. */
  readonly deadlineMs: number;
  /** Collectors at a time, ≥ 1. */
  readonly jobs: number;
  /** The user's deadline for a collector; undefined: its own. */
  timeoutOf(collector: Collector): number | undefined;
  /** Deadlines of commands by program. */
  readonly commandTimeoutMs: ReadonlyMap<string, number>;
  readonly progress: GatherProgress;
}

/** Told of each collector, for the progress display. */
export interface GatherProgress {
  started(id: string): void;
  ended(id: string, status: DumpStatus): void;
}

/** One collector's end. */
export interface Gathered {
  readonly collector: Collector;
  readonly status: DumpStatus;
  readonly missing: boolean;
  readonly start: Date;
  readonly durationMs: number;
  readonly reason?: string;
  readonly notes: readonly CollectorNote[];
  readonly artifacts: readonly (StoredArtifact | DroppedArtifact)[];
}

/**
 * Runs all, in their order. When `signal` aborts, what runs is ended and kept, and what has not begun is skipped.
 * @throws {WorkFullError} when there is no room
 */
export async function gather(options: GatherOptions, signal: AbortSignal): Promise<readonly Gathered[]> {
  const results = new Array<Gathered>(options.collectors.length);
  const endMs = performance.now() + options.deadlineMs;
  const whole = new AbortController();
  const stop = (): void => whole.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  const timer = setTimeout(() => whole.abort(deadline), options.deadlineMs);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < options.collectors.length) {
      const index = next++;
      results[index] = await new CollectorRun(options.collectors[index]!, options, whole.signal, endMs).run();
    }
  };
  try {
    await Promise.all(Array.from({ length: options.jobs }, work));
  } finally {
    whole.abort(deadline); // where one threw, the others end too
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
  return results;
}

class CollectorRun {
  readonly #collector: Collector;
  readonly #options: GatherOptions;
  readonly #whole: AbortSignal;
  readonly #wholeEndMs: number;
  readonly #own = new AbortController();
  readonly #notes: CollectorNote[] = [];
  readonly #artifacts: (StoredArtifact | DroppedArtifact)[] = [];
  readonly #start = new Date();
  readonly #startMs = performance.now();
  #timeoutMs = 0;

  constructor(collector: Collector, options: GatherOptions, whole: AbortSignal, wholeEndMs: number) {
    this.#collector = collector;
    this.#options = options;
    this.#whole = whole;
    this.#wholeEndMs = wholeEndMs;
  }

  async run(): Promise<Gathered> {
    const { progress } = this.#options;
    if (this.#whole.aborted) {
      return this.#ended({ status: "skipped", missing: !this.#collector.optional, reason: this.#unstarted() });
    }
    progress.started(this.#collector.id);
    const result = this.#ended(await this.#collect());
    progress.ended(this.#collector.id, result.status);
    return result;
  }

  async #collect(): Promise<Outcome> {
    this.#timeoutMs = this.#options.timeoutOf(this.#collector) ?? this.#collector.timeoutMs;
    const stop = (): void => this.#own.abort(this.#whole.reason);
    this.#whole.addEventListener("abort", stop);
    const timer = setTimeout(() => this.#own.abort(deadline), this.#timeoutMs);
    try {
      const skipped = await within(this.#collector.skips(this.#options.machine), this.#own.signal);
      if (skipped === "aborted") return this.#late();
      if (skipped !== undefined) {
        return { status: "skipped", missing: this.#collector.isAsked === true, reason: skipped.text };
      }
      return await this.#readAll();
    } catch (error) {
      if (error instanceof WorkFullError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      return this.#own.signal.aborted ? this.#late() : { status: "error", missing: true, reason };
    } finally {
      this.#own.abort("over"); // nothing that it started goes on
      clearTimeout(timer);
      this.#whole.removeEventListener("abort", stop);
    }
  }

  async #readAll(): Promise<Outcome> {
    const iterator = this.#collector.collect(this.#context())[Symbol.asyncIterator]();
    try {
      for (;;) {
        const result = await nextUnlessAborted(iterator, this.#own.signal);
        if (result === "aborted") return this.#late();
        if (result.done) return this.#own.signal.aborted ? this.#late() : this.#judge();
        const stored = await this.#options.store.store(result.value, this.#own.signal);
        this.#artifacts.push(stored);
      }
    } finally {
      void iterator.return?.().then(undefined, () => {});
    }
  }

  #context(): DumpContext {
    const { machine, profile, since, until, commandTimeoutMs } = this.#options;
    const signal = this.#own.signal;
    return {
      machine,
      profile,
      signal,
      isAsked: this.#collector.isAsked === true,
      unredacted: this.#options.redacted === false,
      timeoutMs: Math.min(this.#timeoutMs, this.#wholeEndMs - performance.now()),
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
      run: (command) => startCommand(command, { machine, signal, timeoutMs: commandTimeoutMs }),
      note: (note) => {
        if (this.#notes.length < maxNotes) this.#notes.push(note);
      },
    };
  }

  /** The worst of what was noted decides. */
  #judge(): Outcome {
    const noted = (state: CollectorNote["state"]): CollectorNote | undefined =>
      this.#notes.find((note) => note.state === state && note.isExtra !== true);
    const dropped = this.#artifacts.find((one) => "dropped" in one);
    if (dropped !== undefined) {
      return { status: "dropped", missing: true, reason: `${dropped.path}: ${dropped.dropped}` };
    }
    const timeout = noted("timeout");
    if (timeout !== undefined) return { status: "timeout", missing: true, reason: firstLine(timeout.text) };
    const error = noted("error") ?? noted("partial");
    if (error !== undefined) return { status: "error", missing: true, reason: firstLine(error.text) };
    const partial = this.#artifacts.find((one) => "partial" in one && one.partial !== undefined);
    if (partial !== undefined && "partial" in partial) {
      return { status: "error", missing: true, reason: `${partial.path}: ${partial.partial}` };
    }
    const denied = noted("denied");
    if (denied !== undefined) return { status: "denied", missing: true, reason: firstLine(denied.text) };
    const missing = noted("missing");
    if (missing !== undefined && this.#artifacts.length === 0) {
      return { status: "skipped", missing: this.#collector.isAsked === true, reason: firstLine(missing.text) };
    }
    if (this.#collector.isAsked === true && this.#artifacts.length === 0) {
      return { status: "skipped", missing: true, reason: "it found nothing on this machine" };
    }
    return { status: "ok", missing: false };
  }

  #late(): Outcome {
    if (this.#whole.aborted) {
      return { status: "timeout", missing: true, reason: `${this.#unstarted()}; what was there before it is kept` };
    }
    return {
      status: "timeout",
      missing: true,
      reason: `Cannot finish within ${this.#timeoutMs / 1_000} s; what was there before is kept` +
        `\nTry: --timeout ${this.#collector.id}=${Math.ceil(this.#timeoutMs / 500)}s`,
    };
  }

  #unstarted(): string {
    return this.#whole.reason === deadline ? "the deadline of the dump came" : "the dump was stopped";
  }

  #ended(outcome: Outcome): Gathered {
    const { redactor } = this.#options;
    const { reason, status, missing } = outcome;
    return {
      collector: this.#collector,
      status,
      missing: missing && !this.#collector.optional,
      start: this.#start,
      durationMs: Math.round(performance.now() - this.#startMs),
      ...(reason === undefined ? {} : { reason: redactor.redactText(reason) }),
      notes: this.#notes.map((note) => ({
        about: redactor.redactText(note.about),
        state: note.state,
        text: redactor.redactText(note.text),
        ...(note.stderr === undefined || note.stderr === ""
          ? {}
          : { stderr: redactor.redactText(note.stderr.slice(0, maxStderrChars)) }),
      })),
      artifacts: this.#artifacts,
    };
  }
}

interface Outcome {
  readonly status: DumpStatus;
  readonly missing: boolean;
  readonly reason?: string;
}

async function within(
  skips: Promise<string | undefined>,
  signal: AbortSignal,
): Promise<{ text: string } | undefined | "aborted"> {
  const answers = (async function* (): AsyncGenerator<string | undefined> {
    yield await skips;
  })();
  const result = await nextUnlessAborted(answers, signal);
  if (result === "aborted") return "aborted";
  return result.value === undefined ? undefined : { text: result.value };
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]!;
}

/** Why everything ends when the time is over; other reasons are the user's. */
const deadline = "deadline";
const maxNotes = 2_000;
const maxStderrChars = 64 * 1024;
