/**
 * The `journal` source: the systemd journal through `journalctl -o json`. Its position is the cursor of the last entry.
 *
 * ```text
 *   ┌► catch up: from the cursor to the end, all boots ──► follow: -f, from the cursor on ──► it ended ─┐
 *   └──────────────────────────────────── pause, doubling ◄─────────────────────────────────────────────┘
 * ```
 *
 * Two runs, because `-f` shows the current boot alone (systemd 250 to 257) and cannot be told otherwise. Entries
 * that come between the two are read by the second, which begins at the cursor. journalctl is asked for what a record
 * needs and read only as fast as the consumer takes it; it keeps what it has open through rotation.
 */
import { entriesBetween, journalFields, parseJournalEntry } from "../../formats/journal.ts";
import { LineSplitter } from "../../formats/lines.ts";
import { backoffMs, pause } from "../../pipeline/backoff.ts";
import { type Batch, batchOfLines, type Origin } from "../../pipeline/batch.ts";
import type { Position } from "../../pipeline/checkpoint.ts";
import type { BatchLimits, Source } from "../../pipeline/source.ts";
import { openLog } from "../../system/log.ts";
import { JournalctlRun } from "./child.ts";
import { RecordCollector } from "./collector.ts";
import { type JournalPlace, placeOf, positionOf, seekArgs } from "./place.ts";

/** What to read. */
export interface JournalSourceOptions {
  readonly id: string;
  /** Host of entries that name none. */
  readonly host: string;
  /** Units, as `journalctl --unit` takes them (patterns too); none: everything. */
  readonly units?: readonly string[];
  /** Least important severity that is read, 0..7; default 7: everything. */
  readonly priority?: number;
  /** Journal namespace, as `journalctl --namespace` takes it. */
  readonly namespace?: string;
  /** Where to begin when there is no position yet; default `beginning`. */
  readonly start?: "beginning" | "end";
  /** End when everything that is there now was read. */
  readonly once: boolean;
  /** Longest message in bytes, ≥ 1,024; longer ones are split. Default 64 KiB. */
  readonly maxLineBytes?: number;
  /** The program; default `journalctl` from the PATH. */
  readonly journalctl?: string;
  /**
   * More arguments, for example `--directory=PATH` for a journal that is not this machine's. Of such a one journalctl
   * follows only the latest boot that is there when it starts.
   */
  readonly extraArgs?: readonly string[];
}

/** Opens the source. Nothing is started before it is read; reading fails where there is no journalctl. */
export function openJournalSource(options: JournalSourceOptions): Source {
  return {
    id: options.id,
    replayable: true,
    read: (from, limits, signal) => new Iteration(options, from, limits, signal).run(),
  };
}

class Iteration {
  readonly #options: JournalSourceOptions;
  readonly #limits: BatchLimits;
  readonly #signal: AbortSignal;
  readonly #records: RecordCollector;
  /** Complaints of journalctl that were passed on: each is said once. */
  readonly #said = new Set<string>();
  /** The last entry that was given to the consumer, or is about to be. */
  #place: JournalPlace | undefined;
  /** The cursor cannot be sought: its time is used instead, until there is a newer one. */
  #byTime = false;
  #missingSaid = false;
  #damaged = false;

  constructor(
    options: JournalSourceOptions,
    from: Position | undefined,
    limits: BatchLimits,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#limits = limits;
    this.#signal = signal;
    this.#place = placeOf(from);
    this.#records = new RecordCollector(options.host, options.maxLineBytes ?? 64 * 1_024);
  }

  async *run(): AsyncGenerator<Batch> {
    if (this.#place === undefined && this.#options.start === "end") yield* this.#skipToEnd();
    for (let attempt = 1; !this.#signal.aborted; attempt++) {
      const before = this.#place;
      const caughtUp = yield* this.#pass(false);
      if (this.#options.once) {
        if (!caughtUp && !this.#signal.aborted) throw new Error(`Cannot read the journal: ${this.#lastSaid()}`);
        return;
      }
      if (caughtUp && !this.#signal.aborted) yield* this.#pass(true);
      if (this.#place !== before) attempt = 1;
      await pause(backoffMs(restartBackoff, attempt), this.#signal);
    }
  }

  /** One run of journalctl. Returns whether it ended well. */
  async *#pass(follow: boolean): AsyncGenerator<Batch, boolean> {
    if (this.#signal.aborted) return false;
    const sought = this.#place;
    const seek = seekArgs(sought, this.#byTime);
    await using run = this.#start([...(follow ? ["--follow", "--no-tail"] : []), ...seek]);
    const kill = (): void => run.kill();
    this.#signal.addEventListener("abort", kill);
    try {
      const lines = new LineSplitter(maxEntryBytes);
      let entries = 0;
      for (let chunk = await run.read(); chunk !== undefined; chunk = await run.read()) {
        if (this.#signal.aborted) return false;
        const { bytes, bounds, count } = lines.push(chunk);
        for (let i = 0; i < count; i++) {
          const line = bytes.subarray(bounds[2 * i], bounds[2 * i + 1]);
          if (this.#takeLine(line, entries === 0 && !follow ? "first" : entries === 0 ? "firstFollowed" : "later")) {
            entries++;
          }
        }
        for (const batch of this.#records.take(this.#limits, this.#origin())) {
          yield batch;
          if (this.#signal.aborted) return false;
        }
      }
      if (this.#signal.aborted) return false;
      const { code, complaint } = await run.ended();
      if (code === 0) {
        if (!follow && entries === 0 && seek.length > 0) this.#sayMissing();
        return true;
      }
      if (entries === 0 && !this.#byTime && sought !== undefined && /seek to cursor/i.test(complaint)) {
        this.#byTime = true;
        log.warning(`the saved cursor cannot be sought; reading on by time: ${complaint}`);
        return yield* this.#pass(follow);
      }
      this.#say(complaint === "" ? `journalctl ended with code ${code}` : complaint);
      return false;
    } finally {
      this.#signal.removeEventListener("abort", kill);
    }
  }

  /** Whether the line was an entry. */
  #takeLine(line: Uint8Array, turn: "first" | "firstFollowed" | "later"): boolean {
    const entry = parseJournalEntry(line);
    if (entry === undefined) {
      this.#noteDamage(line.length);
      return false;
    }
    this.#damaged = false;
    if (turn !== "later" && entry.cursor === this.#place?.cursor) return true; // given before
    if (turn === "first" && this.#place !== undefined && !this.#byTime) {
      this.#noteMissing(this.#place.cursor, entry.cursor);
    }
    this.#records.add(entry);
    this.#place = { cursor: entry.cursor, realtimeUs: entry.realtimeUs };
    this.#byTime = false;
    return true;
  }

  /** The entry where we stood is gone; so may others be that came after it. */
  #noteMissing(last: string, next: string): void {
    const count = entriesBetween(last, next);
    if (count === 0) return;
    this.#sayMissing();
    const what = count === undefined ? "journal entries" : `up to ${count} journal entries`;
    this.#records.addNotice(`agent: gap of ${what}: removed from the journal before they could be read`);
  }

  #sayMissing(): void {
    if (this.#missingSaid) return;
    this.#missingSaid = true;
    log.warning(
      "the last entry that was read is no longer in the journal, or not among the units and priorities asked for: " +
        "entries after it may be missing\nTry: a larger SystemMaxUse= in journald.conf",
    );
  }

  /** One notice for a run of lines that are no entries: the pieces of one that is too long, for example. */
  #noteDamage(sizeBytes: number): void {
    if (this.#damaged) return;
    this.#damaged = true;
    const text = `gap of 1 journal entry: it is longer than ${maxEntryBytes} bytes, or cannot be read`;
    log.warning(`${text} (${sizeBytes} bytes)`);
    this.#records.addNotice(`agent: ${text}`);
  }

  /** Takes the place of the last entry without giving it away; an empty journal leaves none. */
  async *#skipToEnd(): AsyncGenerator<Batch> {
    await using run = this.#start(["--lines=1"]);
    const kill = (): void => run.kill();
    this.#signal.addEventListener("abort", kill);
    try {
      const lines = new LineSplitter(maxEntryBytes);
      for (let chunk = await run.read(); chunk !== undefined; chunk = await run.read()) {
        const { bytes, bounds, count } = lines.push(chunk);
        for (let i = 0; i < count; i++) {
          this.#place = parseJournalEntry(bytes.subarray(bounds[2 * i], bounds[2 * i + 1])) ?? this.#place;
        }
      }
    } finally {
      this.#signal.removeEventListener("abort", kill);
    }
    if (this.#place !== undefined) yield batchOfLines([], this.#origin(), positionOf(this.#place));
  }

  #start(args: readonly string[]): JournalctlRun {
    const { units = [], priority, namespace, journalctl = "journalctl", extraArgs = [] } = this.#options;
    return new JournalctlRun(journalctl, [
      "--output=json",
      "--all", // without it every field of 4 KiB and more is null
      "--no-pager",
      `--output-fields=${journalFields.join(",")}`,
      ...units.map((unit) => `--unit=${unit}`),
      ...(priority === undefined ? [] : [`--priority=${priority}`]),
      ...(namespace === undefined ? [] : [`--namespace=${namespace}`]),
      ...args,
      ...extraArgs,
    ], (line) => this.#say(line));
  }

  #say(text: string): void {
    // A cursor that cannot be sought has a line of its own; a boot without entries has nothing to say.
    if (/seek to cursor|No such boot ID/i.test(text) || this.#said.has(text)) return;
    if (this.#said.size >= maxSaid) this.#said.clear();
    this.#said.add(text);
    log.warning(`journalctl: ${text}`);
  }

  #lastSaid(): string {
    return [...this.#said].at(-1) ?? "journalctl failed and said nothing";
  }

  #origin(): Origin {
    return {
      source: this.#options.id,
      host: this.#options.host,
      program: "journal",
      priority: 13,
      form: "syslog",
      readAtMs: Date.now(),
    };
  }
}

/** An entry that is longer as JSON is not read: memory is bounded whatever is in the journal. */
const maxEntryBytes = 8 * 2 ** 20;
const maxSaid = 50;
const restartBackoff = { firstMs: 250, maxMs: 10_000 };
const log = openLog("journal");
