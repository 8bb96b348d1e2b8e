/**
 * Hints from inotify: "look at this path now". Only hints: events are missing on network file systems and after an
 * overrun, so everything is also polled. Events of our own reads (`access`) are passed over.
 *
 * A writer that writes line by line makes an event per line, and the kernel and the runtime work for each, wanted or not.
 * In such a flood watching rests: polling, which costs the same at any rate, is better then.
 *
 * For every event the runtime opens the path that it names (Deno 2.9.5), on a thread of its own. If that is a FIFO, the
 * thread waits for a writer, and so does whoever asks for another watcher or ends one: this process, at its stop. So
 * a folder in which a FIFO lies ends watching for as long as the process lives, and everything is polled.
 */
import { errorText } from "../../pipeline/errors.ts";
import { statIfThere } from "./discovery.ts";

/** Called with a path that changed, and whether a name appeared or vanished. */
export type HintHandler = (path: string, namesChanged: boolean) => void;

/** Watches folders until closed. */
export class Hints {
  readonly #onHint: HintHandler;
  readonly #onTrouble: (reason: string, advice: string) => void;
  #watcher: Deno.FsWatcher | undefined;
  #folders: ReadonlySet<string> = new Set();
  #failed: string | undefined;
  /** The runtime's thread may hang: watchers are neither opened nor closed any more. */
  #stuck = false;
  #restsUntilMs = 0;
  #restMs = firstRestMs;
  #running: Promise<void> = Promise.resolve();

  /** @param onTrouble is told why nothing is watched, and what to do about it */
  constructor(onHint: HintHandler, onTrouble: (reason: string, advice: string) => void) {
    this.#onHint = onHint;
    this.#onTrouble = onTrouble;
  }

  /** Whether hints can be expected at all. */
  get working(): boolean {
    return this.#watcher !== undefined;
  }

  /**
   * Watches exactly these folders. Returns whether that is a change, so that all must be looked at once.
   * @param fifo one that lies in them: nothing is watched any more
   */
  watch(folders: ReadonlySet<string>, fifo?: string): boolean {
    if (fifo !== undefined && !this.#stuck) {
      this.#giveUp(fifo);
      return true;
    }
    if (this.#stuck || performance.now() < this.#restsUntilMs) return false;
    if (
      this.#watcher !== undefined && folders.size === this.#folders.size &&
      [...folders].every((path) => this.#folders.has(path))
    ) return false;
    this.#close();
    this.#folders = folders;
    if (this.#stuck || folders.size === 0 || this.#failed === [...folders].join("\0")) return false;
    try {
      const watcher = Deno.watchFs([...folders], { recursive: false });
      this.#watcher = watcher;
      this.#running = this.#running.then(() => this.#run(watcher));
      this.#failed = undefined;
    } catch (error) {
      this.#failed = [...folders].join("\0"); // tried again when there are others
      this.#onTrouble(errorText(error), moreInotify);
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
    const fifo = this.#watcher === undefined ? undefined : firstFifo(this.#folders);
    if (fifo === undefined) this.#watcher?.close();
    else this.#giveUp(fifo);
    this.#watcher = undefined;
  }

  /** What runs is left to itself: to end it could take for ever. */
  #giveUp(fifo: string): void {
    this.#stuck = true;
    this.#watcher = undefined;
    this.#running = Promise.resolve();
    this.#onTrouble(`"${fifo}" is a FIFO, which the runtime would wait for`, "keep FIFOs out of folders with logs");
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
      this.#onTrouble(errorText(error), moreInotify);
    }
  }
}

/** The first FIFO in one of these folders. */
function firstFifo(folders: ReadonlySet<string>): string | undefined {
  for (const folder of folders) {
    const path = oddNamesOf(folder).find((path) => statIfThere(path)?.isFifo === true);
    if (path !== undefined) return path;
  }
  return undefined;
}

/** Paths in a folder that are neither files nor folders; none where it cannot be listed. */
function oddNamesOf(folder: string): readonly string[] {
  try {
    return [...Deno.readDirSync(folder)].filter(({ isFile, isDirectory }) => !isFile && !isDirectory)
      .map(({ name }) => `${folder}/${name}`);
  } catch {
    return [];
  }
}

const moreInotify = "a larger fs.inotify.max_user_watches or fs.inotify.max_user_instances";
const burstMs = 10;
const eventsPerBurst = 24;
const floodBursts = 20;
const firstRestMs = 2_000;
const maxRestMs = 30_000;
