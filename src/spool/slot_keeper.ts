/** Brings positions to disk: twice a second while they move, or at once while somebody waits for the room they free. */
import type { SlotFile } from "./slot_file.ts";

/** Syncs a set of slot files. */
export class SlotKeeper {
  readonly #slots: readonly SlotFile[];
  readonly #synced: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  /** @param synced is called after every round: what depends on durable positions can go on */
  constructor(slots: readonly SlotFile[], synced: () => void) {
    this.#slots = slots;
    this.#synced = synced;
  }

  /** Says that a slot has changed; `urgent` when somebody waits for it. */
  changed(urgent: boolean): void {
    if (this.#closed || this.#running !== undefined) return; // the running round looks again at its end
    if (urgent) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#start();
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#start();
      }, roundMs);
    }
  }

  /** Brings everything to disk, once, and closes the files. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
    for (const slot of this.#slots) {
      await slot.sync();
      slot.close();
    }
  }

  #start(): void {
    this.#running = this.#round();
  }

  async #round(): Promise<void> {
    for (const slot of this.#slots) await slot.sync();
    this.#running = undefined;
    if (this.#closed) return;
    this.#synced();
    if (this.#slots.some((slot) => slot.dirty)) this.changed(false);
  }
}

const roundMs = 500;
