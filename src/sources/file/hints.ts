/**
 * Hints from inotify: "look at this path now". Only hints: events are missing on network file systems and after an
 * overrun, so everything is also polled. Events of our own reads (`access`) are passed over.
 *
 * A writer that writes line by line makes an event per line, and the kernel and the runtime work for each, wanted or not.
 * In such a flood watching rests: polling, which costs the same at any rate, is better then.
 */
import { errorText } from "../../pipeline/errors.ts";

/** Called with a path that changed, and whether a name appeared or vanished. */
export type HintHandler = (path: string, namesChanged: boolean) => void;

/** Watches folders until closed. */
export class Hints {
  readonly #onHint: HintHandler;
  readonly #onTrouble: (reason: string) => void;
  #watcher: Deno.FsWatcher | undefined;
  #folders: ReadonlySet<string> = new Set();
  #failed: string | undefined;
  #restsUntilMs = 0;
  #restMs = firstRestMs;
  #running: Promise<void> = Promise.resolve();

  constructor(onHint: HintHandler, onTrouble: (reason: string) => void) {
    this.#onHint = onHint;
    this.#onTrouble = onTrouble;
  }

  /** Whether hints can be expected at all. */
  get working(): boolean {
    return this.#watcher !== undefined;
  }

  /** Watches exactly these folders. Returns whether that is a change, so that all must be looked at once. */
  watch(folders: ReadonlySet<string>): boolean {
    if (performance.now() < this.#restsUntilMs) return false;
    if (
      this.#watcher !== undefined && folders.size === this.#folders.size &&
      [...folders].every((path) => this.#folders.has(path))
    ) return false;
    this.#folders = folders;
    this.#close();
    if (folders.size === 0 || this.#failed === [...folders].join("\0")) return false;
    try {
      const watcher = Deno.watchFs([...folders], { recursive: false });
      this.#watcher = watcher;
      this.#running = this.#running.then(() => this.#run(watcher));
      this.#failed = undefined;
    } catch (error) {
      this.#failed = [...folders].join("\0"); // tried again when there are others
      this.#onTrouble(errorText(error));
    }
    return true;
  }

  /** Ends watching; resolves when nothing of it runs any more. */
  async close(): Promise<void> {
    this.#close();
    await this.#running;
  }

  /** No watching for a while; for longer, when the flood is still there afterwards. */
  #rest(calmMs: number): void {
    this.#restMs = calmMs > 10_000 ? firstRestMs : Math.min(this.#restMs * 2, maxRestMs);
    this.#restsUntilMs = performance.now() + this.#restMs;
    this.#close();
  }

  #close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  async #run(watcher: Deno.FsWatcher): Promise<void> {
    const startMs = performance.now();
    let inBurst = 0;
    let burstEndsMs = 0;
    let fullBursts = 0;
    try {
      for await (const { kind, paths } of watcher) {
        if (this.#watcher !== watcher) return;
        if (kind !== "access") { for (const path of paths) this.#onHint(path, kind !== "modify"); }
        const nowMs = performance.now();
        if (nowMs > burstEndsMs) {
          if (inBurst < eventsPerBurst) fullBursts = 0;
          inBurst = 0;
          burstEndsMs = nowMs + burstMs;
        }
        if (++inBurst < eventsPerBurst) continue;
        if (++fullBursts > floodBursts) return this.#rest(nowMs - startMs);
        // The queue of the runtime is short and drops what nobody takes.
        await new Promise((resolve) => setTimeout(resolve, burstMs));
        burstEndsMs = 0;
      }
    } catch (error) {
      if (this.#watcher !== watcher) return;
      this.#watcher = undefined;
      this.#failed = [...this.#folders].join("\0");
      this.#onTrouble(errorText(error));
    }
  }
}

const burstMs = 10;
const eventsPerBurst = 24;
const floodBursts = 20;
const firstRestMs = 2_000;
const maxRestMs = 30_000;
