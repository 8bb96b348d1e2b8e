/**
 * Who is who: which inodes are followed, from where, and what became of those that a rotation moved, copied, truncated or
 * deleted. The decisions, for a path that a pattern finds or that lies beside one:
 *
 * | inode | content | decision |
 * | --- | --- | --- |
 * | known | beginning and bytes before the offset agree, not shorter | go on |
 * | known | anything else | another content: next generation, from the beginning; copies beside it that are not older than the last look at the one before are of that or of later ones (searches.ts) |
 * | unknown | that of a file which was truncated or vanished | a copy or a move: take its offset over |
 * | unknown | that of a file which is still there | perhaps a copy about to be made: wait, then a file of its own; one that is named like a rotation and equal to the last byte waits for as long as it is |
 * | unknown | gzip and the like | an archive: not shipped |
 * | unknown | else | a new file, from the beginning |
 */
import { dirname } from "node:path";
import type { Position } from "../../pipeline/checkpoint.ts";
import { errorText } from "../../pipeline/errors.ts";
import { Discovery, type FoundPath, realPath } from "./discovery.ts";
import { Contents } from "./contents.ts";
import { encodeMark, fileKey, isPlaceholder } from "./identity.ts";
import { Ledger } from "./ledger.ts";
import { MissedContents } from "./missed.ts";
import { OpenFiles } from "./open_files.ts";
import type { FileSourceOptions, FileTuning } from "./options.ts";
import { isRotatedName, programOf } from "./rotated_name.ts";
import { holds, Surroundings, timeOf } from "./surroundings.ts";
import { TailedFile } from "./tailed_file.ts";
import { UnclaimedPositions } from "./unclaimed.ts";

/** All files of one iteration. Close it to let go of their descriptors. */
export class Roster implements Disposable {
  readonly files: ReadonlyMap<string, TailedFile>;
  /** What files are by their content. */
  readonly contents: Contents;
  readonly discovery: Discovery;
  readonly #options: FileSourceOptions;
  readonly #tuning: FileTuning;
  readonly #ledger: Ledger;
  readonly #surroundings: Surroundings;
  readonly #missed: MissedContents;
  readonly #unclaimed: UnclaimedPositions;
  readonly #saidFolders = new Set<string>();
  readonly #startedMs: number;
  readonly #openFiles: OpenFiles;
  #startAtEnd: boolean;
  #folders: Set<string> | undefined;

  /** @throws when a pattern cannot be read */
  constructor(options: FileSourceOptions, tuning: FileTuning, from: Position | undefined, nowMs: number) {
    this.#options = options;
    this.#tuning = tuning;
    this.#startedMs = nowMs;
    this.#openFiles = new OpenFiles(tuning.maxOpenFiles);
    this.discovery = new Discovery(options.include, options.exclude ?? []);
    this.#surroundings = new Surroundings(this.discovery);
    this.#startAtEnd = from === undefined && options.start === "end";
    this.#missed = new MissedContents(this.#surroundings);
    this.#ledger = new Ledger(from, this.#missed, options.report, (path) => this.discovery.finds(path), nowMs);
    this.files = this.#ledger.files;
    const fail = (file: TailedFile, error: unknown, atMs: number): void => this.fail(file, error, atMs);
    const adopt = (place: FoundPath, atMs: number): void => this.#adoptAll([{ place, outside: true }], atMs);
    this.contents = new Contents(this.#ledger, this.#surroundings, options, tuning, fail, adopt);
    this.#unclaimed = new UnclaimedPositions(this.#ledger, this.#surroundings, (key, mark) => {
      this.contents.depart(key, mark, nowMs + tuning.forgetMs);
    }, nowMs + searchPatienceMs);
    // Without this, a first run that finds no file would be forgotten, and the next one be the first again.
    if (this.#startAtEnd) this.#ledger.change("started", true);
  }

  [Symbol.dispose](): void {
    for (const file of this.files.values()) file.close();
    this.#ledger.files.clear();
  }

  /** Changes of the position that no record carries: new positions without data, files that are gone. */
  takeChanges(): Position | undefined {
    return this.#ledger.takeChanges();
  }

  /** Whether something is looked for that a rotation under way may hide: to be looked for again soon. */
  get searching(): boolean {
    return this.#missed.searching || this.contents.searching || this.#unclaimed.searching;
  }

  /** Folders worth watching: those of the patterns, and those that links and rotated files lead to. */
  folders(): ReadonlySet<string> {
    if (this.#folders === undefined) {
      this.#folders = new Set(this.discovery.folders);
      for (const file of this.files.values()) this.#folders.add(dirname(file.location));
    }
    return this.#folders;
  }

  /** The file that was last seen at `path`. */
  at(path: string): TailedFile | undefined {
    return this.#ledger.at(path);
  }

  /** Looks at the folders. `force`: also where nothing seems to have changed. */
  sweep(nowMs: number, force: boolean): void {
    const found = this.discovery.scan(force);
    if (found !== undefined) {
      this.#folders = undefined;
      this.#match(found, nowMs);
      this.#sayUnreadableFolders();
    }
    this.#startAtEnd = false;
    this.contents.reconsiderAll(nowMs);
    if (this.#ledger.known.size > 0 && nowMs - this.#startedMs > this.#tuning.forgetMs) {
      this.#ledger.forgetKnown(nowMs);
    }
    this.#ledger.tombstones.expire(nowMs - this.#tuning.forgetMs);
  }

  /**
   * Opens a file, within the limit of open files, and decides what it is if that is not decided yet.
   * Returns whether it is open.
   */
  settle(file: TailedFile, nowMs: number): boolean {
    if (!this.#recall(file, nowMs)) return false;
    try {
      if (file.state === "new" && !this.#missed.isSearching(file.path)) {
        this.contents.decide(file, this.#startAtEnd, nowMs);
      }
    } catch (error) {
      this.fail(file, error, nowMs);
      return false;
    }
    if (file.state !== "following") this.recover(file); // it was looked into
    return file.isOpen;
  }

  /** A file was read: what was the matter with it is over. */
  recover(file: TailedFile): void {
    if (file.trouble === undefined) return;
    file.trouble = undefined;
    this.#ledger.say("readable", "info", file.path, `"${file.path}" can be read again`);
  }

  /** Opens a file and compares it with what is known of it. Returns whether that could be done. */
  #recall(file: TailedFile, nowMs: number): boolean {
    if (file.state === "ignored") return false;
    try {
      if (!file.isOpen && !this.#openFiles.makeRoom(file, this.files.values(), nowMs)) return false;
      file.open();
      if (file.state === "new") this.contents.recall(file, nowMs);
      return true;
    } catch (error) {
      this.fail(file, error, nowMs);
      return false;
    }
  }

  /** Puts a file that cannot be read aside for a while and says why, once. */
  fail(file: TailedFile, error: unknown, nowMs: number): void {
    file.close();
    file.pollMs = Math.min(Math.max(file.pollMs * 2, 1_000), 30_000);
    file.pollAtMs = nowMs + file.pollMs;
    if (error instanceof Deno.errors.NotFound) {
      this.#lose(file);
      return;
    }
    const reason = errorText(error);
    if (file.trouble === reason) return;
    file.trouble = reason;
    const hint = error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable
      ? "let the user that runs the agent read it (group adm or systemd-journal, or an ACL); it is tried again by itself"
      : "it is tried again by itself; the other files go on";
    this.#ledger.say("unreadable", "error", file.path, `Cannot read file "${file.path}": ${reason}\nTry: ${hint}`);
  }

  /** Lets go of a file that is gone and was read to its end. */
  remove(file: TailedFile, nowMs: number): void {
    this.#ledger.drop(file);
    if (file.state === "ignored") return;
    this.#ledger.forget(file, nowMs);
    this.contents.depart(file.key, file.mark, nowMs + this.#tuning.departedMs);
    this.#ledger.say("removed", "info", file.path, `"${file.path}" is gone, read to its end at offset ${file.offset}`);
  }

  /** Finds a closed file again that is not where it was; otherwise it is gone. */
  relocate(file: TailedFile, nowMs: number): void {
    const folder = dirname(file.location);
    const restsSinceMs = this.#surroundings.restsSince(folder);
    const location = this.#surroundings.locate(file.key, file.path, file.location);
    if (location !== undefined) file.location = location;
    else if (this.#surroundings.isLocked(folder)) return;
    else if (!this.#surroundings.isAsOf(folder, restsSinceMs)) return; // looked for again, when the names rest
    else if (file.state === "ignored" || file.state === "new" || file.offset >= file.seenBytes) {
      this.remove(file, nowMs);
    } else {
      this.#ledger.say(
        "lost",
        "warning",
        file.path,
        `"${file.path}" is gone with at least ${file.seenBytes - file.offset} bytes that were not read`,
        file.seenBytes - file.offset,
      );
      this.remove(file, nowMs);
    }
  }

  #sayUnreadableFolders(): void {
    const { unreadable } = this.discovery;
    for (const folder of this.#saidFolders) if (!unreadable.has(folder)) this.#saidFolders.delete(folder);
    for (const [folder, reason] of unreadable) {
      if (this.#saidFolders.has(folder)) continue;
      this.#saidFolders.add(folder);
      this.#ledger.say(
        "unreadable",
        "error",
        folder,
        `Cannot list folder "${folder}": ${reason}\nTry: let the user that runs the agent read and enter it`,
      );
    }
  }

  #match(found: readonly FoundPath[], nowMs: number): void {
    const places = new Map<string, FoundPath[]>();
    for (const place of found) {
      const key = fileKey(place.info);
      const same = places.get(key);
      if (same === undefined) places.set(key, [place]);
      else same.push(place);
    }
    const newcomers: Newcomer[] = [];
    for (const [key, [place, ...others]] of places) {
      const file = this.files.get(key);
      if (file === undefined) newcomers.push({ place: place!, outside: false });
      else this.#rediscover(file, [place!, ...others]);
    }
    for (const file of [...this.files.values()]) if (!places.has(file.key) && !file.outside) this.#leave(file, nowMs);
    const { known } = this.#ledger;
    this.#missed.compare(found, this.#ledger, nowMs);
    newcomers.push(...this.#unclaimed.search(places, nowMs).map((place) => ({ place, outside: true })));
    // Known contents first: what became of them decides what others are.
    const isKnown = ({ place }: Newcomer): boolean => {
      const mark = known.get(fileKey(place.info));
      return mark !== undefined && !isPlaceholder(mark);
    };
    const others = newcomers.filter((newcomer) => !isKnown(newcomer));
    this.#adoptAll(newcomers.filter(isKnown), nowMs);
    const missed = this.#missed.search(found, (key) => this.#ledger.expects(key), nowMs);
    this.#adoptAll([...others, ...missed.map((place) => ({ place, outside: true }))], nowMs);
    this.#missed.confirm(nowMs, (path) => this.#settleAt(path, nowMs));
  }

  /** Decides what is at `path`; the result takes that back. */
  #settleAt(path: string, nowMs: number): () => void {
    const file = this.at(path);
    if (file?.state !== "new") return () => {};
    const { key } = file;
    const noted = this.#ledger.noted(key);
    const isKnown = this.#ledger.known.has(key);
    this.settle(file, nowMs);
    return () => {
      if (isKnown || file.state !== "following" || file.offset > 0) return;
      file.state = "new";
      this.#ledger.takeBack(key, noted);
    };
  }

  /** Oldest first; all are there when the first one is decided about, which may be a copy of another. */
  #adoptAll(newcomers: Newcomer[], nowMs: number): void {
    newcomers.sort((a, b) => timeOf(a.place.info) - timeOf(b.place.info));
    const files = newcomers.flatMap(({ place, outside }) => this.#enlist(place, outside, nowMs) ?? []);
    for (const file of files) this.#recall(file, nowMs);
    for (const file of files) this.settle(file, nowMs);
  }

  #rediscover(file: TailedFile, places: readonly FoundPath[]): void {
    file.outside = file.beside = false;
    if (places.some(({ path }) => path === file.path)) return;
    const { path } = places[0]!;
    this.#ledger.say("rotated", "info", path, `"${file.path}" is now "${path}"`);
    file.path = path;
    if (!isRotatedName(file.origin, path)) file.origin = path;
    file.location = realPath(path);
    this.#ledger.index(file);
  }

  /** No pattern finds the file any more: deleted, moved out of the patterns, or a link leads elsewhere. */
  #leave(file: TailedFile, nowMs: number): void {
    if (file.state === "ignored") return this.#ledger.drop(file);
    file.outside = true;
    file.pollAtMs = 0;
    file.pollMs = 0;
    file.grewAtMs = nowMs;
    if (file.isOpen && file.look()?.nlink === 0) return;
    const location = this.#surroundings.locate(file.key, file.path, file.location);
    if (location === undefined || location === file.location) return;
    this.#ledger.say("rotated", "info", file.path, `"${file.path}" is now "${location}": read to its end`);
    file.location = location;
  }

  #enlist({ path, info }: FoundPath, outside: boolean, nowMs: number): TailedFile | undefined {
    const key = fileKey(info);
    if (this.files.has(key)) return undefined;
    if (this.#isUsedAgain(key, path)) this.#ledger.setAside(key);
    const before = this.#ledger.gone.has(key) ? path : this.#ledger.known.get(key)?.path ?? path;
    const live = outside ? before : path;
    const file = new TailedFile(key, live, realPath(path), this.#options.program ?? programOf(live));
    if (isRotatedName(before, path)) file.origin = before;
    file.outside = outside;
    file.beside = outside && !this.#ledger.expects(key);
    file.grewAtMs = nowMs;
    file.seenMtimeMs = timeOf(info);
    this.#ledger.files.set(key, file);
    this.#ledger.index(file);
    // Saved before anything of a later content can be: whatever is decided, in whatever order, a start after a kill finds it.
    if (!this.#ledger.known.has(key)) this.#ledger.change(key, encodeMark(file.mark));
    return file;
  }

  /** Whether the inode of a content that is gone is that of another file, at `path`, and not the former one come back. */
  #isUsedAgain(key: string, path: string): boolean {
    const mark = this.#ledger.gone.has(key) ? this.#ledger.known.get(key) : undefined;
    return mark !== undefined && (isPlaceholder(mark) || !holds(path, mark));
  }

  /** Something else is at the place of `file`, or nothing. */
  #lose(file: TailedFile): void {
    if (file.state === "new") this.#ledger.drop(file); // the next look at the folders finds it where it is then
    else file.pollAtMs = 0;
  }
}

/** Something to look at; `outside`: no pattern finds it. */
interface Newcomer {
  readonly place: FoundPath;
  readonly outside: boolean;
}

/** Names that do not rest for so long are taken as they are. */
const searchPatienceMs = 5_000;
