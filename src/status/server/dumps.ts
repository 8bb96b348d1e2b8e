/**
 * Dumps that are asked for over HTTP: one at a time, made by whoever the server was given for it. A dump is for somebody: when nobody
 * asks how it goes any more, it is cancelled; when it is done, it can be fetched for a while and is then removed.
 */
import { errorText } from "../../pipeline/errors.ts";
import { removeIfThere } from "../../system/atomic_file.ts";
import { openLog } from "../../system/log.ts";

/** The profiles of `agent dump`. */
export const dumpProfiles = ["speed", "complete", "size"] as const;

/** What is asked for. */
export interface DumpWish {
  readonly profile?: (typeof dumpProfiles)[number];
  /** For the whole dump, milliseconds. */
  readonly deadlineMs?: number;
  /** False: not even where recipients are configured. */
  readonly encrypt: boolean;
  readonly since?: Date;
  readonly until?: Date;
}

/** How far it is. */
export interface DumpStep {
  readonly done: number;
  /** 0 while nobody knows. */
  readonly total: number;
  /** What it does, in a few words. */
  readonly doing: string;
}

/** A file that was made. Whoever made it leaves it to the server, which removes it. */
export interface MadeDump {
  readonly path: string;
  /** False: something that was wanted is missing; the report in it tells what. */
  readonly complete: boolean;
}

/** Makes a dump. @throws why there is none; nothing is left then */
export type MakeDump = (wish: DumpWish, report: (step: DumpStep) => void, signal: AbortSignal) => Promise<MadeDump>;

/** What callers are told of a dump. */
export interface DumpState extends DumpStep {
  readonly id: string;
  readonly state: "running" | "done" | "failed";
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly endMs?: number;
  /** `3/17:kernel`, or what it does. */
  readonly progress: string;
  readonly error?: string;
  readonly name?: string;
  readonly sizeBytes?: number;
  readonly complete?: boolean;
}

/** Limits, in milliseconds. */
export interface DumpTimes {
  /** How long a finished one can be fetched. */
  readonly keepMs: number;
  /** How long a running one goes on when nobody asks for it; default 30 s. */
  readonly leaseMs?: number;
}

/** One dump. */
export class DumpRun {
  readonly id: string = crypto.randomUUID();
  readonly #startMs = Date.now();
  readonly #stop = new AbortController();
  readonly #leaseMs: number;
  #lease: ReturnType<typeof setTimeout> | undefined;
  #watchers = 0;
  #step: DumpStep = { done: 0, total: 0, doing: "starting" };
  #made: (MadeDump & { readonly sizeBytes: number }) | undefined;
  #error: string | undefined;
  #endMs: number | undefined;
  #changed = Promise.withResolvers<void>();
  /** Settles when it is over, however it went. */
  readonly ended: Promise<void>;

  constructor(make: MakeDump, wish: DumpWish, leaseMs: number) {
    this.#leaseMs = leaseMs;
    this.ended = this.#run(make, wish);
    this.touch();
  }

  get state(): DumpState {
    const { done, total, doing } = this.#step;
    const made = this.#made;
    return {
      id: this.id,
      state: made !== undefined ? "done" : this.#error !== undefined ? "failed" : "running",
      startMs: this.#startMs,
      done,
      total,
      doing,
      progress: total === 0 ? doing : `${done}/${total}:${doing}`,
      ...(this.#endMs === undefined ? {} : { endMs: this.#endMs }),
      ...(this.#error === undefined ? {} : { error: this.#error }),
      ...(made === undefined
        ? {}
        : { name: made.path.split("/").at(-1)!, sizeBytes: made.sizeBytes, complete: made.complete }),
    };
  }

  /** Path of the file; undefined while there is none. */
  get path(): string | undefined {
    return this.#made?.path;
  }

  /** Somebody has asked for it. */
  touch(): void {
    clearTimeout(this.#lease);
    if (this.#endMs !== undefined || this.#watchers > 0) return;
    this.#lease = setTimeout(() => this.cancel("nobody asked for it any more"), this.#leaseMs);
  }

  /** The state, and again after each change, until it is over or `signal` aborts; nobody needs to ask meanwhile. */
  async *watch(signal: AbortSignal): AsyncGenerator<DumpState> {
    this.#watchers++;
    this.touch();
    const gone = Promise.withResolvers<void>();
    const leave = (): void => gone.resolve();
    signal.addEventListener("abort", leave, { once: true });
    try {
      while (!signal.aborted) {
        const changed = this.#changed.promise;
        const { state } = this;
        yield state;
        if (state.state !== "running") return;
        await Promise.race([changed, gone.promise]);
      }
    } finally {
      signal.removeEventListener("abort", leave);
      this.#watchers--;
      this.touch();
    }
  }

  /** Ends it; `reason` is told as its error. */
  cancel(reason: string): void {
    if (this.#endMs === undefined) this.#stop.abort(new Error(reason));
  }

  async #run(make: MakeDump, wish: DumpWish): Promise<void> {
    const { signal } = this.#stop;
    try {
      const made = await make(wish, (step) => {
        this.#step = step;
        this.#tell();
      }, signal);
      const { size: sizeBytes } = Deno.statSync(made.path);
      this.#made = { ...made, sizeBytes };
    } catch (error) {
      this.#error = signal.aborted ? `cancelled: ${(signal.reason as Error).message}` : errorText(error);
    }
    this.#endMs = Date.now();
    clearTimeout(this.#lease);
    this.#tell();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** The dumps of a server. Dispose it: what runs is cancelled, and what is there is removed. */
export class Dumps implements AsyncDisposable {
  readonly #make: MakeDump;
  readonly #times: DumpTimes;
  readonly #runs = new Map<string, DumpRun>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #newest: DumpRun | undefined;

  constructor(make: MakeDump, times: DumpTimes) {
    this.#make = make;
    this.#times = times;
  }

  /** The one that was asked for last. */
  get newest(): DumpRun | undefined {
    return this.#newest;
  }

  /** The one that runs. */
  get running(): DumpRun | undefined {
    return this.#newest?.state.state === "running" ? this.#newest : undefined;
  }

  find(id: string): DumpRun | undefined {
    return this.#runs.get(id);
  }

  /** Begins one; undefined while another one runs. */
  start(wish: DumpWish): DumpRun | undefined {
    if (this.running !== undefined) return undefined;
    for (const old of [...this.#runs.values()].slice(0, -maxKept)) this.#forget(old);
    const run = new DumpRun(this.#make, wish, this.#times.leaseMs ?? 30_000);
    this.#runs.set(run.id, run);
    this.#newest = run;
    void run.ended.then(() => this.#later(this.#times.keepMs, () => this.#forget(run)));
    return run;
  }

  /** Cancels it if it runs, and removes what there is of it. */
  async remove(run: DumpRun): Promise<void> {
    run.cancel("somebody asked for that");
    await run.ended;
    this.#forget(run);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const run of this.#runs.values()) run.cancel("the server stops");
    await Promise.all([...this.#runs.values()].map((run) => run.ended));
    for (const run of [...this.#runs.values()]) this.#forget(run);
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #forget(run: DumpRun): void {
    this.#runs.delete(run.id);
    if (this.#newest === run) this.#newest = undefined;
    try {
      if (run.path !== undefined) removeIfThere(run.path);
    } catch (error) {
      log.warning(`Cannot remove "${run.path}": ${errorText(error)}`);
    }
  }

  #later(afterMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, afterMs);
    this.#timers.add(timer);
  }
}

const log = openLog("status");
/** Finished ones that may be there when another one begins. */
const maxKept = 2;
