/**
 * What a file is by its content, and what becomes of contents that were moved, copied or truncated: the decisions of the
 * table in roster.ts.
 */
import { fingerprintBytes } from "../../formats/fingerprint.ts";
import { type Departure, Departures, findOriginal, isDelivered, isSound, staysCopy } from "./copies.ts";
import { encodeMark, type FileMark, isContentOf, isPlaceholder, packingOf } from "./identity.ts";
import type { Ledger } from "./ledger.ts";
import type { FileSourceOptions, FileTuning } from "./options.ts";
import type { Surroundings } from "./surroundings.ts";
import { CopySearches } from "./searches.ts";
import type { FoundPath } from "./discovery.ts";
import { isRotatedName } from "./rotated_name.ts";
import type { TailedFile } from "./tailed_file.ts";

/** Decides about the files of one ledger. */
export class Contents {
  readonly #ledger: Ledger;
  readonly #options: Pick<FileSourceOptions, "once">;
  readonly #tuning: FileTuning;
  readonly #fail: (file: TailedFile, error: unknown, nowMs: number) => void;
  readonly #departed = new Departures();
  readonly #searches: CopySearches;

  /**
   * @param fail told of a waiting file that cannot be read
   * @param adopt follows a file beside the patterns that was never seen
   */
  constructor(
    ledger: Ledger,
    surroundings: Surroundings,
    options: Pick<FileSourceOptions, "once">,
    tuning: FileTuning,
    fail: (file: TailedFile, error: unknown, nowMs: number) => void,
    adopt: (place: FoundPath, nowMs: number) => void,
  ) {
    this.#ledger = ledger;
    this.#options = options;
    this.#tuning = tuning;
    this.#fail = fail;
    this.#searches = new CopySearches(ledger, surroundings, this.#departed, {
      takeOver: (copy, nowMs) => this.#takeOver(copy, nowMs),
      adopt,
      check: (file, nowMs) => void this.check(file, nowMs),
    });
  }

  /** Whether a copy is looked for that a rotation under way may hide. */
  get searching(): boolean {
    return this.#searches.open;
  }

  /**
   * Whether a copy of an earlier content of this inode is still looked for. Until then nothing of the present content is
   * to be given out: its position would take the place of the one by which the copy is recognized after a crash.
   */
  isHeld(file: TailedFile): boolean {
    return this.#searches.isFor(file);
  }

  /** Looks at all that wait again, and forgets what departed long ago. */
  reconsiderAll(nowMs: number): void {
    this.#searches.repeat(nowMs);
    for (const file of this.#ledger.files.values()) if (file.state === "waiting") this.reconsider(file, nowMs);
    for (const { mark: { path, offset }, unreadBytes } of this.#departed.expire(nowMs)) {
      const text = `"${path}" was truncated with at least ${unreadBytes} bytes behind offset ${offset} unread, ` +
        "and no copy of them turned up";
      this.#ledger.say("lost", "warning", path, text, unreadBytes);
    }
  }

  /**
   * Compares an open file with what the position knows of its inode, and with what was seen of it while it waited to be
   * decided about: a content that is gone is looked for in copies, like one that was read.
   */
  recall(file: TailedFile, nowMs: number): void {
    const mark = this.#ledger.known.get(file.key);
    this.#ledger.known.delete(file.key);
    if (mark !== undefined && !isPlaceholder(mark)) this.#resume(file, mark, nowMs);
    else this.check(file, nowMs);
  }

  /**
   * Whether the content of an open file is still the one that is known. If not, or if something happened to it after
   * nothing was in it, others may have come and gone meanwhile: they are looked for.
   */
  check(file: TailedFile, nowMs: number): boolean {
    const { wasEmpty, soundMtimeMs } = file;
    if (!file.verify()) this.replaced(file, nowMs);
    else if (!wasEmpty || file.soundMtimeMs === soundMtimeMs) return true;
    else {
      if (file.state === "following" && this.#isPlaceOfCopies(file)) file.state = "new";
      this.#searches.begin(file, undefined, soundMtimeMs, nowMs);
    }
    return false;
  }

  /** What an open file is that was not looked at yet. `startAtEnd`: it was there at the very first start. */
  decide(file: TailedFile, startAtEnd: boolean, nowMs: number): void {
    if (this.isHeld(file)) return;
    if (startAtEnd && !file.outside) {
      file.startAtEnd(file.look()?.size ?? 0);
      this.#ledger.change(file.key, encodeMark(file.mark));
      return this.#follow(file);
    }
    const head = file.peek(0, fingerprintBytes);
    if (head.length === 0) {
      file.verify();
      file.seenBytes = 0; // nothing to judge by
      return;
    }
    const packing = packingOf(head);
    if (packing !== undefined) return this.#ignore(file, packing);
    if (this.#takeOver(file, nowMs) || this.#mayBeSought(file)) return;
    const original = this.#options.once === true ? undefined : findOriginal(file, head, this.#ledger.files.values());
    if (original !== undefined) {
      if (!isSound(original)) {
        this.replaced(original, nowMs);
        if (this.#takeOver(file, nowMs)) return;
      }
      file.state = "waiting";
      file.waitingSinceMs = file.waitingStableMs = nowMs;
      file.waitingBytes = 0;
      staysCopy(file, original, file.look()?.size ?? 0); // compared now: the original may be truncated before the next look
      return;
    }
    file.verify(); // should it be truncated before it is read, its copy can be recognized
    this.#ledger.change(file.key, encodeMark(file.mark));
    this.#follow(file);
  }

  /** Whether a position is still looked for that is of this content: it may be a copy of it, and is decided about then. */
  #mayBeSought(file: TailedFile): boolean {
    for (const key of this.#ledger.sought) {
      const mark = this.#ledger.known.get(key);
      if (mark !== undefined && !isPlaceholder(mark) && isContentOf(mark, file.peek)) return true;
    }
    return false;
  }

  /** Goes on, or leaves open what the present content is: earlier ones of the path may have to be found first. */
  #resume(file: TailedFile, mark: FileMark, nowMs: number): void {
    if ((file.look()?.size ?? 0) >= mark.offset && isContentOf(mark, file.peek)) {
      file.resume(mark);
      file.verify();
      return this.#follow(file);
    }
    file.restart(mark.generation + 1);
    this.#ledger.say(
      "truncated",
      "info",
      file.path,
      `"${file.path}" was truncated or replaced while nobody watched: read from the beginning`,
    );
    const former = { ...mark, path: file.path };
    callByPlace(file);
    const untilMs = nowMs + this.#tuning.departedMs;
    this.#depart({ key: file.key, mark: former, origin: file.origin, unreadBytes: 0, waypoints: [], untilMs });
    file.verify();
    this.#searches.begin(file, former, Infinity, nowMs);
  }

  #follow(file: TailedFile): void {
    file.state = "following";
    file.pollAtMs = 0;
    this.#ledger.say("opened", "debug", file.path, `"${file.path}" is followed from offset ${file.offset}`);
  }

  #ignore(file: TailedFile, packing: string): void {
    file.state = "ignored";
    file.close();
    this.#ledger.change(file.key, null);
    if (file.beside) this.#ledger.drop(file);
    else this.#ledger.say("compressed", "info", file.path, `"${file.path}" is a ${packing} archive: not shipped`);
  }

  /** Takes the offset over from a content that departed, if `file` is a copy of it. */
  #takeOver(file: TailedFile, nowMs: number): boolean {
    const departure = this.#departed.take(file);
    if (departure === undefined) {
      if (!this.#departed.isDeliveredIn(file)) return false;
      this.#passOver(file);
      return true;
    }
    const { mark, origin } = departure;
    file.resume({ ...mark, path: file.path, generation: 0 });
    if (isRotatedName(origin, file.path)) file.origin = origin; // there may be more copies of it
    file.verify();
    this.#ledger.change(file.key, encodeMark(file.mark));
    this.#ledger.say(
      "copied",
      "info",
      file.path,
      `"${file.path}" is the former content of "${mark.path}": going on at offset ${file.offset}`,
    );
    this.#follow(file);
    file.grewAtMs = nowMs;
    return true;
  }

  /** What a file is that was waiting, because it looked like a copy. */
  reconsider(file: TailedFile, nowMs: number): void {
    try {
      if (!file.isOpen || this.#takeOver(file, nowMs)) return;
      const copied = file.copyOf === undefined ? undefined : this.#ledger.files.get(file.copyOf);
      if (copied?.isOpen === true && !isSound(copied)) return this.replaced(copied, nowMs); // considers us again
      const sizeBytes = file.look()?.size ?? 0;
      if (sizeBytes !== file.waitingBytes) {
        file.waitingBytes = sizeBytes;
        file.waitingStableMs = nowMs;
      }
      const waited = nowMs - file.waitingStableMs >= this.#tuning.copyWaitMs ||
        nowMs - file.waitingSinceMs >= 12 * this.#tuning.copyWaitMs;
      const original = findOriginal(file, file.peek(0, fingerprintBytes), this.#ledger.files.values());
      if (original !== undefined && (!waited || staysCopy(file, original, sizeBytes))) {
        if (!isSound(original)) this.replaced(original, nowMs); // considers us again
        return;
      }
      // Whatever it was a copy of has gone another way: what is in it may be nowhere else.
      this.#ledger.change(file.key, encodeMark(file.mark));
      this.#follow(file);
    } catch (error) {
      this.#fail(file, error, nowMs);
    }
  }

  /** The content of `file` is another one: it was truncated. What is unread of the old one may be in a copy. */
  replaced(file: TailedFile, nowMs: number): void {
    const { mark, soundMtimeMs } = file;
    this.#ledger.say(
      "truncated",
      "info",
      file.path,
      `"${file.path}" was truncated or replaced after offset ${mark.offset}: read from the beginning`,
    );
    this.#depart({
      key: file.key,
      mark,
      origin: file.origin,
      unreadBytes: Math.max(0, file.seenBytes - mark.offset),
      waypoints: file.waypoints,
      untilMs: nowMs + this.#tuning.departedMs,
    });
    file.restart();
    callByPlace(file);
    if (this.#isPlaceOfCopies(file)) file.state = "new";
    file.verify(); // should it be truncated again before it is read, its copy can be recognized
    for (const other of this.#ledger.files.values()) if (other.state === "waiting") this.reconsider(other, nowMs);
    this.#searches.begin(file, mark, soundMtimeMs < 0 ? Infinity : soundMtimeMs, nowMs);
  }

  /** Whether a rotation may write a copy over what was in `file`: then it is to be judged like one that is new. */
  #isPlaceOfCopies(file: TailedFile): boolean {
    return [...this.#ledger.files.values()].some((other) =>
      other !== file && isRotatedName(other.origin, file.location)
    );
  }

  /** Remembers a content that is no longer where it was: a copy of it may turn up. */
  depart(key: string, mark: FileMark, untilMs: number): void {
    this.#depart({ key, mark, origin: mark.path, unreadBytes: 0, waypoints: [], untilMs });
  }

  #depart(departure: Departure): void {
    const { key, mark } = departure;
    this.#departed.add(departure);
    for (const file of this.#ledger.files.values()) {
      if (file.state === "waiting" && file.isOpen && isDelivered(file, key, mark.offset)) this.#passOver(file);
    }
  }

  /** A copy whose lines all came from its original: followed from its end. */
  #passOver(file: TailedFile): void {
    file.startAtEnd(file.look()?.size ?? 0);
    file.verify();
    this.#ledger.change(file.key, encodeMark(file.mark));
    this.#ledger.sayDelivered(file.path);
    this.#follow(file);
  }
}

/**
 * A file beside the patterns with another content is no more what was rotated away from its path: that was written over, or
 * had the inode before, where the file lies now.
 */
function callByPlace(file: TailedFile): void {
  if (file.outside) file.path = file.location;
}
