/**
 * A collector that falls back on its last good output: the live one gets three quarters of the time; what it could not
 * give is taken from the cache, with the time at which that was true.
 */
import type { Artifact, Collector, CollectorNote, DumpContext, DumpProfile } from "./collector.ts";
import { isPrecached, type PrecacheStore } from "./precache.ts";

/** The table with a fallback for each collector that has one. */
export function withPrecache(collectors: readonly Collector[], store: PrecacheStore): readonly Collector[] {
  return collectors.map((collector) => isPrecached(collector) ? withFallback(collector, store) : collector);
}

function withFallback(collector: Collector, store: PrecacheStore): Collector {
  return { ...collector, collect: (context) => collectOrRemember(collector, store, context) };
}

async function* collectOrRemember(
  collector: Collector,
  store: PrecacheStore,
  context: DumpContext,
): AsyncIterable<Artifact> {
  const live = new LiveRun(collector, context);
  try {
    yield* live.artifacts();
  } finally {
    live.end();
  }
  if (context.signal.aborted || !live.isLacking) return;
  const cached = store.read(collector.id);
  if (cached === undefined) return;
  for (const { path, kind, origin, text } of cached.artifacts) {
    if (live.whole.has(path)) continue;
    // Beside what the live one gave in part, never in its place.
    const to = live.begun.has(path) ? `cached/${path}` : path;
    yield { path: to, kind, origin: `${origin} (kept by the agent)`, taken: cached.taken, content: once(text) };
  }
  const minutes = Math.max(0, Math.round((Date.now() - cached.taken.getTime()) / 60_000));
  const text = `Cannot get all of "${collector.id}" now: what the agent kept ${minutes} minutes ago is there instead`;
  context.note({ about: collector.id, state: "partial", text });
}

/** The live collector, whose every wait ends in time. */
class LiveRun {
  /** Paths that were begun, and those that came whole. */
  readonly begun = new Set<string>();
  readonly whole = new Set<string>();
  readonly #collector: Collector;
  readonly #context: DumpContext;
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  readonly #timeoutMs: number;
  readonly #endMs: number;
  readonly #troubled = new Set<string>();
  #failed = false;

  constructor(collector: Collector, context: DumpContext) {
    const timeoutMs = Math.min((context.timeoutMs ?? collector.timeoutMs) * 0.75, mostLiveMs[context.profile]);
    this.#collector = collector;
    this.#context = context;
    this.#timeoutMs = timeoutMs;
    this.#endMs = performance.now() + timeoutMs;
    this.#signal = AbortSignal.any([context.signal, this.#over.signal, AbortSignal.timeout(timeoutMs)]);
  }

  /** Whether something is missing that may be in the cache. */
  get isLacking(): boolean {
    return this.#failed || this.#troubled.size > 0;
  }

  end(): void {
    this.#over.abort();
  }

  async *artifacts(): AsyncIterable<Artifact> {
    let iterator: AsyncIterator<Artifact> | undefined;
    try {
      iterator = this.#collector.collect(this.#narrowed())[Symbol.asyncIterator]();
      for (;;) {
        const next = await this.#within(iterator.next());
        if (next === late || next.done === true) return;
        const { path } = next.value;
        this.begun.add(path);
        yield { ...next.value, content: this.#content(next.value) };
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    } finally {
      // A collector that hangs does not answer this either.
      iterator?.return?.().then(undefined, () => {});
    }
  }

  async *#content({ path, content }: Artifact): AsyncIterable<Uint8Array> {
    const iterator = content[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#within(iterator.next());
        if (next === late) return;
        if (next.done === true) break;
        yield next.value;
      }
      if (!this.#troubled.has(path)) this.whole.add(path);
    } catch (error) {
      this.#troubled.add(path);
      throw error; // who reads it says so
    } finally {
      iterator.return?.().then(undefined, () => {});
    }
  }

  /** Commands get no more than what is left; what is noted about an artifact makes it one that lacks. */
  #narrowed(): DumpContext {
    return {
      ...this.#context,
      signal: this.#signal,
      run: (command) => {
        const leftMs = Math.max(1, this.#endMs - performance.now());
        return this.#context.run({ ...command, timeoutMs: Math.min(command.timeoutMs ?? leftMs, leftMs) });
      },
      note: (note: CollectorNote) => {
        if (note.state === "timeout" || note.state === "error") this.#troubled.add(note.about);
        this.#context.note(note);
      },
    };
  }

  async #within<T>(work: Promise<T>): Promise<T | typeof late> {
    let onAbort = (): void => {};
    const aborted = new Promise<typeof late>((resolve) => {
      onAbort = (): void => resolve(late);
      if (this.#signal.aborted) onAbort();
      else this.#signal.addEventListener("abort", onAbort, { once: true });
    });
    work.catch(() => {}); // when it loses the race
    try {
      const first = await Promise.race([work, aborted]);
      if (first === late && !this.#failed) {
        this.#fail(`not within ${(this.#timeoutMs / 1_000).toFixed(1)} s`, "timeout");
      }
      return first;
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
    }
  }

  #fail(why: string, state: "error" | "timeout" = "error"): void {
    if (this.#failed) return;
    this.#failed = true;
    if (this.#context.signal.aborted) return;
    this.#context.note({ about: this.#collector.id, state, text: `Cannot collect "${this.#collector.id}": ${why}` });
  }
}

const late = Symbol("late");
/** Longer is nothing worth waiting for where something is at hand. */
const mostLiveMs: Readonly<Record<DumpProfile, number>> = { speed: 8_000, size: 20_000, complete: 40_000 };

async function* once(text: string): AsyncIterable<Uint8Array> {
  yield await Promise.resolve(new TextEncoder().encode(text));
}
