/**
 * Contents that were begun and truncated between two looks at their file, and the unread rest of the one that was being
 * read: both may be in a copy beside it. The inode tells of one truncation, not of several; but a copy is not older than
 * the last look at which the content before was still there.
 */
import { dirname } from "node:path";
import { type Departures, isFirmBasis } from "./copies.ts";
import type { FoundPath } from "./discovery.ts";
import { encodeMark, fileKey, type FileMark, isContentOf } from "./identity.ts";
import type { Ledger } from "./ledger.ts";
import { type Surroundings, timeOf } from "./surroundings.ts";
import { TailedFile } from "./tailed_file.ts";

/** Copies that are looked for beside one file. */
export interface CopySearch {
  /** Of the file. */
  readonly key: string;
  readonly origin: string;
  readonly folder: string;
  readonly program: string;
  /** What was being read of it; undefined when it was empty. */
  readonly mark: FileMark | undefined;
  /**
   * When the file had last been written to when that content was seen in it, milliseconds since 1970: copies that are not
   * older are of that content or of a later one. Infinity: such copies are looked for elsewhere.
   */
  readonly sinceMs: number;
  /** How long the present content waits where names never rest. */
  readonly untilMs: number;
  /** That is over: looked on for at leisure. */
  readonly late: boolean;
}

/** What is done with what is found. */
export interface CopyHandler {
  /** Goes on in an open file that holds the rest of a content that departed. Returns whether it does. */
  takeOver(copy: TailedFile, nowMs: number): boolean;
  /** Follows a file that was never seen. */
  adopt(place: FoundPath, nowMs: number): void;
  /** Looks again at a followed file that may have been written over. */
  check(file: TailedFile, nowMs: number): void;
}

/** The searches of one iteration. Those during which names changed are repeated until the names rest. */
export class CopySearches {
  readonly #ledger: Ledger;
  readonly #surroundings: Surroundings;
  readonly #departed: Departures;
  readonly #handler: CopyHandler;
  #open: CopySearch[] = [];
  /** Copies of what was delivered, with their modification times. */
  #delivered = new Map<string, number>();

  constructor(ledger: Ledger, surroundings: Surroundings, departed: Departures, handler: CopyHandler) {
    this.#ledger = ledger;
    this.#surroundings = surroundings;
    this.#departed = departed;
    this.#handler = handler;
  }

  /** Whether a copy is looked for that a rotation under way may hide. */
  get open(): boolean {
    return this.#open.some(({ late }) => !late);
  }

  /** Whether copies of what was in `file` are still looked for. */
  isFor(file: TailedFile): boolean {
    return this.#open.some(({ key, late }) => key === file.key && !late);
  }

  /** Looks for the copies beside `file`, now and, while names change, again. */
  begin(file: TailedFile, mark: FileMark | undefined, sinceMs: number, nowMs: number): void {
    const { key, origin, location, program } = file;
    const folder = dirname(location);
    this.#run({ key, origin, folder, program, mark, sinceMs, untilMs: nowMs + patienceMs, late: false }, nowMs);
  }

  /** Repeats what names that change may have disturbed. */
  repeat(nowMs: number): void {
    for (const search of this.#open.splice(0)) this.#run(search, nowMs);
  }

  #run(search: CopySearch, nowMs: number): void {
    const { origin, folder, sinceMs, untilMs } = search;
    const restsSinceMs = this.#surroundings.restsSince(folder);
    const siblings = this.#surroundings.siblings(origin, folder);
    for (const { info } of siblings) this.#checkKnown(fileKey(info), nowMs);
    this.#takeRest(search, siblings, nowMs);
    const missed = siblings.filter((place) =>
      timeOf(place.info) >= sinceMs && this.#isNew(place) && !this.#surroundings.isExcluded(place.path)
    );
    for (const place of missed.sort((a, b) => timeOf(a.info) - timeOf(b.info))) this.#handler.adopt(place, nowMs);
    if (nowMs >= untilMs + leisureMs || this.#surroundings.isAsOf(folder, restsSinceMs)) return;
    this.#open.push({ ...search, late: nowMs >= untilMs });
  }

  /** The copy that holds what was not read of the content which was truncated. */
  #takeRest({ mark, origin, program }: CopySearch, siblings: readonly FoundPath[], nowMs: number): void {
    if (mark === undefined) return;
    for (const place of siblings.filter((each) => this.#isNew(each))) {
      const key = fileKey(place.info);
      const copy = new TailedFile(key, place.path, place.path, program);
      try {
        copy.open();
        if (this.#departed.isDeliveredIn(copy)) this.#noteDelivered(copy, place);
        else if (this.#departed.has(mark) && isFirmBasis(mark, origin, place.path) && isContentOf(mark, copy.peek)) {
          this.#ledger.files.set(key, copy);
          copy.outside = true; // a pattern may find it, too: the next look at the folders tells
          if (this.#handler.takeOver(copy, nowMs)) {
            this.#ledger.known.delete(key);
            this.#ledger.index(copy);
            continue;
          }
          this.#ledger.files.delete(key);
        }
        copy.close();
      } catch {
        copy.close(); // it vanished or may not be read: then it cannot help
      }
    }
  }

  /** What a pattern finds is noted at once: what departed is forgotten by a kill, and all of the copy would come again. */
  #noteDelivered(copy: TailedFile, { path, info }: FoundPath): void {
    this.#delivered.set(copy.key, timeOf(info));
    if (!this.#surroundings.isFound(path)) return;
    copy.startAtEnd(copy.look()?.size ?? 0);
    copy.verify();
    this.#ledger.known.set(copy.key, copy.mark);
    this.#ledger.change(copy.key, encodeMark(copy.mark));
    this.#ledger.sayDelivered(path);
  }

  #isNew({ info }: FoundPath): boolean {
    const key = fileKey(info);
    return !this.#ledger.expects(key) && this.#delivered.get(key) !== timeOf(info);
  }

  /** A copy may be written over an earlier one. */
  #checkKnown(key: string, nowMs: number): void {
    const file = this.#ledger.files.get(key);
    if (file?.state === "following" && file.isOpen) this.#handler.check(file, nowMs);
  }
}

/** Where names never rest, nothing waits for longer than this; */
const patienceMs = 2_000;
/** what is found later is better than nothing, while copies of what was delivered are still known for what they are. */
const leisureMs = 30_000;
