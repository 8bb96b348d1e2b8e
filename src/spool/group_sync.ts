/** Group fsync: however many appends wait, one fsync serves them all, and the next group gathers meanwhile. */

/** Gathers those who wait for the disk. */
export class GroupSync {
  readonly #sync: () => Promise<void>;
  readonly #delayMs: number;
  #waiting: ((error?: Error) => void)[] = [];
  #bytes = 0;
  #urgent = false;
  #running: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param sync makes all that is written so far survive a power cut
   * @param delayMs how long those may wait who are in no hurry
   */
  constructor(sync: () => Promise<void>, delayMs: number) {
    this.#sync = sync;
    this.#delayMs = delayMs;
  }

  /** Tells of `bytes` that are written; `done` is called once they are on disk, or with the error. */
  add(bytes: number, urgent: boolean, done: (error?: Error) => void): void {
    this.#waiting.push(done);
    this.#bytes += bytes;
    this.#urgent ||= urgent;
    this.#schedule();
  }

  /** Resolves when nothing waits any more; the last group goes to disk now. */
  async settle(): Promise<void> {
    while (this.#running !== undefined || this.#waiting.length > 0) {
      this.#urgent = true;
      this.#schedule();
      await this.#running;
    }
  }

  #schedule(): void {
    if (this.#running !== undefined || this.#waiting.length === 0) return;
    if (this.#urgent || this.#bytes >= hurryBytes) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#running = this.#run();
    } else {
      this.#timer ??= setTimeout(() => {
        this.#urgent = true;
        this.#timer = undefined;
        this.#schedule();
      }, this.#delayMs);
    }
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // appends of the same turn share the fsync
    const group = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    this.#urgent = false;
    let failed: Error | undefined;
    try {
      await this.#sync();
    } catch (error) {
      failed = error as Error;
    }
    this.#running = undefined;
    for (const done of group) done(failed);
    this.#schedule();
  }
}

/** So much unsynced is enough for an fsync of its own. */
const hurryBytes = 256 * 1024;
