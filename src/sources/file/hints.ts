/**
 * Hints from inotify: "look at this path now". Only hints: events are missing on network file systems and after an
 * overrun, so everything is also polled. Events of our own reads (`access`) are passed over.
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
    if (folders.size === this.#folders.size && [...folders].every((path) => this.#folders.has(path))) return false;
    this.#folders = folders;
    this.#close();
    if (folders.size === 0) return true;
    try {
      const watcher = Deno.watchFs([...folders], { recursive: false });
      this.#watcher = watcher;
      this.#running = this.#running.then(() => this.#run(watcher));
    } catch (error) {
      this.#onTrouble(errorText(error));
    }
    return true;
  }

  /** Ends watching; resolves when nothing of it runs any more. */
  async close(): Promise<void> {
    this.#close();
    await this.#running;
  }

  #close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  async #run(watcher: Deno.FsWatcher): Promise<void> {
    let burst = 0;
    let burstEndsMs = 0;
    try {
      for await (const { kind, paths } of watcher) {
        if (this.#watcher !== watcher) return;
        if (kind !== "access") { for (const path of paths) this.#onHint(path, kind !== "modify"); }
        const nowMs = performance.now();
        if (nowMs > burstEndsMs) {
          burst = 0;
          burstEndsMs = nowMs + burstMs;
        }
        // A busy writer makes an event per line. The queue of the runtime is short and drops what nobody takes: cheap.
        if (++burst >= eventsPerBurst) await new Promise((resolve) => setTimeout(resolve, burstMs));
      }
    } catch (error) {
      if (this.#watcher !== watcher) return;
      this.#watcher = undefined;
      this.#onTrouble(errorText(error));
    }
  }
}

const burstMs = 10;
const eventsPerBurst = 24;
