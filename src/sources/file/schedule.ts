/** When each file is looked at next. Busy ones within milliseconds, idle ones when a hint names them or seconds later. */
import type { FileTuning } from "./options.ts";
import type { Roster } from "./roster.ts";
import type { TailedFile } from "./tailed_file.ts";

/** The times of all files of one iteration, on the clock of `performance.now()`, which no clock step moves. */
export class Schedule {
  /** Files that are to be read now, in turn. */
  readonly hot = new Set<TailedFile>();
  /** When some file last gave data. */
  lastDataMs = performance.now();
  /** When the next file is due. */
  nextPollMs = 0;
  readonly #tuning: FileTuning;
  readonly #roster: Roster;
  readonly #joinTimeoutMs: number | undefined;
  readonly #watching: () => boolean;

  constructor(tuning: FileTuning, roster: Roster, joinTimeoutMs: number | undefined, watching: () => boolean) {
    this.#tuning = tuning;
    this.#roster = roster;
    this.#joinTimeoutMs = joinTimeoutMs;
    this.#watching = watching;
  }

  /** Polls may be due earlier than was planned: new files, new times. */
  lookSoon(): void {
    this.nextPollMs = 0;
  }

  /** Every file may have changed unseen. */
  lookAtAll(): void {
    for (const file of this.#roster.files.values()) file.pollAtMs = Math.min(file.pollAtMs, 0);
    this.nextPollMs = 0;
  }

  /** A hint named the file. */
  hinted(file: TailedFile): void {
    file.pollAtMs = Math.min(file.pollAtMs, 0);
    file.unhinted = false;
    this.nextPollMs = 0;
  }

  /** While the consumer holds us up: a truncation must be seen before the next one, or what lies between is lost. */
  lookForTruncation(): void {
    const nowMs = performance.now();
    for (const file of [...this.#roster.files.values()]) {
      // One that was empty when it was found: what it is has to be known before it is truncated.
      if (file.state === "new" && file.isOpen) this.#roster.settle(file, nowMs);
      if (file.state !== "following" || !file.isOpen) continue;
      const mtimeMs = file.look()?.mtime?.getTime() ?? 0;
      if (mtimeMs === file.heldMtimeMs) continue;
      file.heldMtimeMs = mtimeMs;
      this.#roster.contents.check(file, nowMs);
    }
  }

  /** Looks at the files whose time has come; those with news become hot. */
  pollDue(): void {
    const nowMs = performance.now();
    if (nowMs < this.nextPollMs) return;
    this.nextPollMs = Infinity;
    for (const file of [...this.#roster.files.values()]) {
      if (file.pollAtMs <= nowMs && !this.hot.has(file)) this.#poll(file, nowMs);
      if (!this.hot.has(file)) this.nextPollMs = Math.min(this.nextPollMs, file.pollAtMs);
    }
  }

  /** The file gave data: its next poll comes the sooner, the faster data came of late. */
  noteData(file: TailedFile, nowMs: number): void {
    file.pollMs = Math.min(Math.max((nowMs - file.grewAtMs) / 2, this.#tuning.minPollMs), busyPollMs);
    file.grewAtMs = nowMs;
    this.lastDataMs = nowMs;
  }

  /** The end of the file was reached. */
  cool(file: TailedFile, nowMs: number): void {
    this.hot.delete(file);
    file.flush = "nothing";
    this.#plan(file, nowMs);
  }

  /** The file could not be read, or there is nothing to decide on yet. */
  retryLater(file: TailedFile, nowMs: number): void {
    this.hot.delete(file);
    if (file.state === "ignored") file.pollAtMs = Infinity;
    else if (file.pollAtMs <= nowMs) {
      file.pollMs = Math.min(Math.max(file.pollMs * 2, this.#tuning.minPollMs), busyPollMs);
      file.pollAtMs = nowMs + file.pollMs;
    }
    this.nextPollMs = Math.min(this.nextPollMs, file.pollAtMs);
  }

  #poll(file: TailedFile, nowMs: number): void {
    if (file.state === "ignored") {
      file.pollAtMs = Infinity;
      return;
    }
    try {
      const info = file.look();
      if (info !== undefined) return this.#judge(file, info, nowMs);
      this.#roster.relocate(file, nowMs);
      file.pollAtMs = nowMs + this.#tuning.maxPollMs;
    } catch (error) {
      this.#roster.fail(file, error, nowMs);
    }
  }

  #judge(file: TailedFile, info: Deno.FileInfo, nowMs: number): void {
    const mtimeMs = info.mtime?.getTime() ?? 0;
    const changed = info.size !== file.seenBytes || mtimeMs !== file.seenMtimeMs || file.trouble !== undefined;
    file.seenMtimeMs = mtimeMs;
    if (changed) {
      if (file.pollAtMs > 0 && file.pollMs >= this.#tuning.maxPollMs) file.unhinted = true;
      if (info.size !== file.seenBytes && file.offset < file.seenBytes) file.grewAtMs = nowMs; // an open end grows
      this.hot.add(file);
      return;
    }
    const quietMs = nowMs - file.grewAtMs;
    if (info.nlink === 0 && quietMs >= this.#tuning.graceMs && file.state === "new") {
      this.#roster.remove(file, nowMs); // it never had any content
    } else if (info.nlink === 0 && quietMs >= this.#tuning.graceMs) {
      file.flush = "everything";
      file.ending = true;
      this.hot.add(file);
    } else if (this.#isOpenEnded(file) && quietMs >= this.#joinTimeoutMs!) {
      file.flush = "lines";
      this.hot.add(file);
      file.grewAtMs = nowMs; // once per timeout, should the end be half a line
    } else {
      file.pollMs = Math.max(file.pollMs * 2, this.#tuning.minPollMs);
      this.#plan(file, nowMs);
    }
  }

  #plan(file: TailedFile, nowMs: number): void {
    const { minPollMs, idlePollMs, maxPollMs, graceMs } = this.#tuning;
    // While somebody is busy the queue of hints overruns, and those for quiet files are lost with the others.
    const calm = this.#watching() && !file.unhinted && nowMs - this.lastDataMs > calmAfterMs;
    const idleMs = Math.min(Math.max(idlePollMs, this.#roster.files.size * idleFileMs), longestIdleMs);
    file.pollMs = Math.min(Math.max(file.pollMs, minPollMs), calm ? idleMs : maxPollMs);
    file.pollAtMs = nowMs + file.pollMs;
    this.#notLaterThan(file, file.outside ? file.grewAtMs + graceMs : Infinity, nowMs);
    this.#notLaterThan(file, this.#isOpenEnded(file) ? file.grewAtMs + this.#joinTimeoutMs! : Infinity, nowMs);
    this.nextPollMs = Math.min(this.nextPollMs, file.pollAtMs);
  }

  #notLaterThan(file: TailedFile, atMs: number, nowMs: number): void {
    if (atMs > nowMs) file.pollAtMs = Math.min(file.pollAtMs, atMs);
  }

  /** Whether joined lines wait for their continuation. */
  #isOpenEnded(file: TailedFile): boolean {
    return this.#joinTimeoutMs !== undefined && file.offset < file.seenBytes;
  }
}

const busyPollMs = 250;
const calmAfterMs = 2_000;
/** Of many quiet files, fifty a second are looked at: that is a thousandth of a core. */
const idleFileMs = 20;
const longestIdleMs = 60_000;
