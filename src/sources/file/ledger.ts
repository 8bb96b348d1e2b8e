/** What the roster and its decisions share: who is followed, where, what was known before, and what is to be saved. */
import { dirname } from "node:path";
import type { Position, PositionValue } from "../../pipeline/checkpoint.ts";
import { statIfThere } from "./discovery.ts";
import { decodeMark, encodeMark, type FileMark } from "./identity.ts";
import type { MissedContents } from "./missed.ts";
import type { FileEvent, FileSourceOptions } from "./options.ts";
import type { TailedFile } from "./tailed_file.ts";
import { isTombstoneKey, Tombstones } from "./tombstones.ts";

/** The files of one iteration and their positions. */
export class Ledger {
  readonly files = new Map<string, TailedFile>();
  /** Positions that no file has claimed yet. */
  readonly known = new Map<string, FileMark>();
  /** Those among them that are gone, as far as anybody can tell: their inodes may be used again. */
  readonly gone = new Set<string>();
  /** Others among them that are looked for, while a rotation under way may hide them. */
  readonly sought = new Set<string>();
  /** What was read last from paths whose files are gone. */
  readonly tombstones: Tombstones;
  readonly #byPath = new Map<string, TailedFile>();
  readonly #report: FileSourceOptions["report"];
  readonly #missed: MissedContents;
  #changes: Record<string, PositionValue> = {};

  constructor(
    from: Position | undefined,
    missed: MissedContents,
    report: FileSourceOptions["report"],
    isWatched: (path: string) => boolean,
    nowMs: number,
  ) {
    this.#missed = missed;
    this.#report = report;
    this.tombstones = new Tombstones(from, nowMs, isWatched, (key, value) => this.change(key, value));
    for (const [key, value] of Object.entries(from ?? {})) {
      const mark = isTombstoneKey(key) ? undefined : decodeMark(value);
      if (mark !== undefined) this.known.set(key, mark);
    }
  }

  /** Whether a file is followed, or a position waits for it. */
  expects(key: string): boolean {
    return this.files.has(key) || this.known.has(key) && !this.gone.has(key);
  }

  /**
   * Keeps what is known of a content that is gone under a key that no inode has, since its inode is that of another file:
   * what is noted under the inode is about that file from now on, and a start still knows that the content was there.
   */
  setAside(key: string): void {
    const mark = this.known.get(key);
    if (mark === undefined) return;
    const asideKey = `${key}/${mark.marker}`;
    this.known.delete(key);
    this.gone.delete(key);
    this.known.set(asideKey, mark);
    this.gone.add(asideKey);
    this.change(asideKey, encodeMark(mark));
  }

  /** The file that was last seen at `path`. */
  at(path: string): TailedFile | undefined {
    const file = this.#byPath.get(path);
    return file !== undefined && this.files.get(file.key) === file ? file : undefined;
  }

  /** Remembers where a file is. */
  index(file: TailedFile): void {
    this.#byPath.set(file.path, file);
    this.#byPath.set(file.location, file);
    if (this.#byPath.size > 4 * this.files.size + 1_000) this.#forgetPaths();
  }

  /** Follows a file no more. */
  drop(file: TailedFile): void {
    file.close();
    this.files.delete(file.key);
  }

  /** Notes a change of the position that no record carries. */
  change(key: string, value: PositionValue): void {
    this.#changes[key] = value;
  }

  /** What is noted of a file and was not taken yet. */
  noted(key: string): PositionValue | undefined {
    return this.#changes[key];
  }

  /** Takes the last {@linkcode Ledger.change} of a file back: noted is again what {@linkcode Ledger.noted} gave before. */
  takeBack(key: string, noted: PositionValue | undefined): void {
    if (noted === undefined) delete this.#changes[key];
    else this.#changes[key] = noted;
  }

  /** What was noted since the last call. */
  takeChanges(): Position | undefined {
    if (Object.keys(this.#changes).length === 0) return undefined;
    const changes = this.#changes;
    this.#changes = {};
    return changes;
  }

  /** Forgets the positions that no file has claimed. */
  forgetKnown(nowMs: number): void {
    for (const [key, { path, writtenMs }] of this.known) {
      this.#changes[key] = null;
      this.#bury(path, dirname(path), writtenMs, nowMs);
    }
    this.known.clear();
  }

  /** Forgets the position of a file that is gone and was read to its end. */
  forget(file: TailedFile, nowMs: number): void {
    this.#changes[file.key] = null;
    // What came before it may still be looked for.
    if (!this.#missed.isSearching(file.path)) {
      this.#bury(file.origin, dirname(file.location), file.mark.writtenMs, nowMs);
    }
  }

  /** Where the folder is gone, too, as that of a container is, nothing can be put away beside the path. */
  #bury(path: string, folder: string, writtenMs: number | undefined, nowMs: number): void {
    if (writtenMs === undefined || statIfThere(folder) === undefined) return;
    this.tombstones.set(path, writtenMs, nowMs);
  }

  /** Tells of an event. */
  say(kind: FileEvent["kind"], level: FileEvent["level"], path: string, text: string, droppedBytes?: number): void {
    const event = { kind, level, path, text };
    this.#report(droppedBytes === undefined ? event : { ...event, droppedBytes });
  }

  /** Tells of a copy that is not read. */
  sayDelivered(path: string): void {
    this.say("copied", "info", path, `"${path}" is a copy of what was delivered: going on at its end`);
  }

  #forgetPaths(): void {
    for (const path of [...this.#byPath.keys()]) if (this.at(path) === undefined) this.#byPath.delete(path);
    this.#missed.forget(this.files);
  }
}
