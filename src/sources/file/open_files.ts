/** Keeps the number of open files bounded: idle ones give their descriptors back, what is known of them stays. */
import { statIfThere } from "./discovery.ts";
import { fileKey } from "./identity.ts";
import type { TailedFile } from "./tailed_file.ts";

/** The bound of one source. */
export class OpenFiles {
  readonly #maxOpenFiles: number;
  /** Open files, or more: closing is not counted at once. */
  #openAtMost = 0;
  #noRoomUntilMs = 0;

  constructor(maxOpenFiles: number) {
    this.#maxOpenFiles = maxOpenFiles;
  }

  /**
   * Room for `file` among `files`, made by closing those that have been idle for the longest time. False: none may be
   * closed now.
   */
  makeRoom(file: TailedFile, files: Iterable<TailedFile>, nowMs: number): boolean {
    if (nowMs < this.#noRoomUntilMs) return false;
    if (++this.#openAtMost <= this.#maxOpenFiles) return true;
    const open = [...files].filter((other) => other.isOpen);
    this.#openAtMost = open.length + 1;
    if (this.#openAtMost <= this.#maxOpenFiles) return true;
    const idle = open.filter((other) => other !== file && isIdle(other, nowMs)).sort((a, b) => a.grewAtMs - b.grewAtMs);
    // Several at once, so that this is seldom done.
    const closable = idle.slice(0, Math.ceil(this.#maxOpenFiles / 8)).filter(canBeFoundAgain);
    for (const other of closable) other.close();
    this.#openAtMost -= closable.length;
    if (closable.length === 0) this.#noRoomUntilMs = nowMs + noRoomMs;
    return closable.length > 0;
  }
}

function isIdle(file: TailedFile, nowMs: number): boolean {
  return file.state === "following" && (file.pollAtMs > nowMs || file.offset === file.seenBytes);
}

/** A file that its path no longer leads to stays open: its descriptor is all we have of it. */
function canBeFoundAgain({ location, key }: TailedFile): boolean {
  const info = statIfThere(location);
  return info !== undefined && fileKey(info) === key;
}

const noRoomMs = 20;
