/** Removes files of pstore, and not before every sink holds them. */
import type { Position } from "../../pipeline/checkpoint.ts";
import { errorText } from "../../pipeline/errors.ts";
import { openLog } from "../../system/log.ts";
import { isCovered, type PstoreFile, removePstoreFile } from "./pstore.ts";

/** Shared by all readers of a source: with several sinks the slowest one decides. */
export class PstoreRemover {
  readonly #savedPositions: (() => Promise<readonly (Position | undefined)[]>) | undefined;
  #files: readonly PstoreFile[] = [];
  #nextLookMs = 0;

  /** @param savedPositions the committed position of each sink; undefined: nothing is ever removed */
  constructor(savedPositions: (() => Promise<readonly (Position | undefined)[]>) | undefined) {
    this.#savedPositions = savedPositions;
  }

  /** From now on these files wait for their removal. */
  watch(files: readonly PstoreFile[]): void {
    this.#files = files;
  }

  /** Called often; asks at most once a second, and not at all when nothing is left to remove. Never throws. */
  async look(): Promise<void> {
    const nowMs = performance.now();
    if (this.#files.length === 0 || this.#savedPositions === undefined || nowMs < this.#nextLookMs) return;
    this.#nextLookMs = nowMs + lookMs;
    try {
      const positions = await this.#savedPositions();
      if (positions.length === 0) return;
      const isHeld = (file: PstoreFile): boolean => positions.every((position) => isCovered(file, position));
      const held = this.#files.filter(isHeld);
      this.#files = this.#files.filter((file) => !held.includes(file));
      for (const file of held) removeQuietly(file);
    } catch (error) {
      log.warning(`Cannot learn which files of pstore are delivered: ${errorText(error)}`);
    }
  }
}

function removeQuietly(file: PstoreFile): void {
  try {
    removePstoreFile(file);
    log.info(`removed "${file.path}": every sink holds it`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) log.warning(`Cannot remove "${file.path}": ${errorText(error)}`);
  }
}

const lookMs = 1_000;
const log = openLog("kernel");
