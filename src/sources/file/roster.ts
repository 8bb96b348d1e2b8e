/**
 * Who is who: which inodes are followed, from where, and what became of those that a rotation moved, copied, truncated or
 * deleted. The decisions, for a path that a pattern finds or that lies beside one:
 *
 * | inode | content | decision |
 * | --- | --- | --- |
 * | known | beginning and bytes before the offset agree, not shorter | go on |
 * | known | anything else | another content: next generation, from the beginning |
 * | unknown | that of a file which was truncated or vanished | a copy or a move: take its offset over |
 * | unknown | that of a file which is still there | perhaps a copy about to be made: wait, then a file of its own |
 * | unknown | gzip and the like | an archive: not shipped |
 * | unknown | else | a new file, from the beginning |
 */
import { dirname } from "node:path";
import { fingerprintBytes } from "../../formats/fingerprint.ts";
import type { Position, PositionValue } from "../../pipeline/checkpoint.ts";
import { errorText } from "../../pipeline/errors.ts";
import { Discovery, type FoundPath, realPath, statIfThere } from "./discovery.ts";
import { Departures, findOriginal, isFirmBasis, isSound } from "./copies.ts";
import { decodeMark, encodeMark, fileKey, type FileMark, isContentOf, packingOf } from "./identity.ts";
import { OpenFiles } from "./open_files.ts";
import type { FileEvent, FileSourceOptions, FileTuning } from "./options.ts";
import { programOf } from "./rotated_name.ts";
import { Surroundings, timeOf } from "./surroundings.ts";
import { TailedFile } from "./tailed_file.ts";

/** All files of one iteration. Close it to let go of their descriptors. */
export class Roster implements Disposable {
  readonly files = new Map<string, TailedFile>();
  readonly discovery: Discovery;
  readonly #options: FileSourceOptions;
  readonly #tuning: FileTuning;
  /** Positions that no file has claimed yet. */
  readonly #known = new Map<string, FileMark>();
  readonly #surroundings: Surroundings;
  readonly #byPath = new Map<string, TailedFile>();
  readonly #saidLost = new Set<string>();
  readonly #saidFolders = new Set<string>();
  readonly #startedMs: number;
  readonly #departed = new Departures();
  readonly #openFiles: OpenFiles;
  #changes: Record<string, PositionValue> = {};
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
    for (const [key, value] of Object.entries(from ?? {})) {
      const mark = decodeMark(value);
      if (mark !== undefined) this.#known.set(key, mark);
    }
    // Without this, a first run that finds no file would be forgotten, and the next one be the first again.
    if (this.#startAtEnd) this.#changes.started = true;
  }

  [Symbol.dispose](): void {
    for (const file of this.files.values()) file.close();
    this.files.clear();
  }

  /** Changes of the position that no record carries: new positions without data, files that are gone. */
  takeChanges(): Position | undefined {
    if (Object.keys(this.#changes).length === 0) return undefined;
    const changes = this.#changes;
    this.#changes = {};
    return changes;
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
    const file = this.#byPath.get(path);
    return file !== undefined && this.files.get(file.key) === file ? file : undefined;
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
    for (const file of this.files.values()) if (file.state === "waiting") this.#reconsider(file, nowMs);
    this.#departed.expire(nowMs);
    if (this.#known.size > 0 && nowMs - this.#startedMs > this.#tuning.forgetMs) {
      for (const key of this.#known.keys()) this.#changes[key] = null;
      this.#known.clear();
    }
  }

  /**
   * Opens a file, within the limit of open files, and decides what it is if that is not decided yet.
   * Returns whether it is open.
   */
  settle(file: TailedFile, nowMs: number): boolean {
    if (file.state === "ignored") return false;
    try {
      if (!file.isOpen && !this.#openFiles.makeRoom(file, this.files.values(), nowMs)) return false;
      file.open();
      if (file.state === "new") this.#decide(file, nowMs);
    } catch (error) {
      this.fail(file, error, nowMs);
      return false;
    }
    if (file.trouble !== undefined) {
      this.#say("readable", "info", file.path, `"${file.path}" can be read again`);
      file.trouble = undefined;
    }
    return file.isOpen;
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
    this.#say("unreadable", "error", file.path, `Cannot read file "${file.path}": ${reason}\nTry: ${hint}`);
  }

  /** The content of `file` is another one: it was truncated. What is unread of the old one may be in a copy. */
  replaced(file: TailedFile, nowMs: number): void {
    const mark = file.mark;
    this.#say(
      "truncated",
      "info",
      file.path,
      `"${file.path}" was truncated or replaced after offset ${mark.offset}: read from the beginning`,
    );
    this.#depart(file.key, mark, nowMs);
    file.restart();
    for (const other of this.files.values()) if (other.state === "waiting") this.#reconsider(other, nowMs);
    this.#searchCopies(file, mark, nowMs);
  }

  /** Lets go of a file that is gone and was read to its end. */
  remove(file: TailedFile, nowMs: number): void {
    this.#drop(file);
    if (file.state === "ignored") return;
    this.#changes[file.key] = null;
    this.#depart(file.key, file.mark, nowMs);
    this.#say("removed", "info", file.path, `"${file.path}" is gone, read to its end at offset ${file.offset}`);
  }

  /** Finds a closed file again that is not where it was; otherwise it is gone. */
  relocate(file: TailedFile, nowMs: number): void {
    const location = this.#surroundings.locate(file.key, file.path, file.location);
    if (location !== undefined) file.location = location;
    else if (file.state === "ignored" || file.state === "new" || file.offset >= file.seenBytes) {
      this.remove(file, nowMs);
    } else {
      this.#say(
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
      this.#say(
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
    const newcomers: { place: FoundPath; outside: boolean }[] = [];
    for (const [key, [place, ...others]] of places) {
      const file = this.files.get(key);
      if (file === undefined) newcomers.push({ place: place!, outside: false });
      else this.#rediscover(file, [place!, ...others]);
    }
    for (const file of [...this.files.values()]) if (!places.has(file.key) && !file.outside) this.#leave(file, nowMs);
    newcomers.push(...this.#searchKnown(places).map((place) => ({ place, outside: true })));
    newcomers.push(
      ...this.#surroundings.searchMissed(found, this.files, this.#known).map((place) => ({ place, outside: true })),
    );
    newcomers.sort((a, b) => this.#rank(a.place) - this.#rank(b.place) || timeOf(a.place.info) - timeOf(b.place.info));
    for (const { place, outside } of newcomers) this.#adopt(place, outside, nowMs);
    this.#surroundings.remember(found);
  }

  /** Known inodes first: what became of them decides what others are. */
  #rank(place: FoundPath): number {
    return this.#known.has(fileKey(place.info)) ? 0 : 1;
  }

  #rediscover(file: TailedFile, places: readonly FoundPath[]): void {
    file.outside = file.beside = false;
    if (places.some(({ path }) => path === file.path)) return;
    const { path } = places[0]!;
    this.#say("rotated", "info", path, `"${file.path}" is now "${path}"`);
    file.path = path;
    file.location = realPath(path);
    this.#index(file);
  }

  /** No pattern finds the file any more: deleted, moved out of the patterns, or a link leads elsewhere. */
  #leave(file: TailedFile, nowMs: number): void {
    if (file.state === "ignored") return this.#drop(file);
    file.outside = true;
    file.pollAtMs = 0;
    file.pollMs = 0;
    file.grewAtMs = nowMs;
    if (file.isOpen && file.look()?.nlink === 0) return;
    const location = this.#surroundings.locate(file.key, file.path, file.location);
    if (location === undefined || location === file.location) return;
    this.#say("rotated", "info", file.path, `"${file.path}" is now "${location}": read to its end`);
    file.location = location;
  }

  #adopt({ path, info }: FoundPath, outside: boolean, nowMs: number): void {
    const key = fileKey(info);
    if (this.files.has(key)) return;
    const live = outside ? this.#known.get(key)?.path ?? path : path;
    const file = new TailedFile(key, live, realPath(path), this.#options.program ?? programOf(live));
    file.outside = outside;
    file.beside = outside && !this.#known.has(key);
    file.grewAtMs = nowMs;
    this.files.set(key, file);
    this.#index(file);
    this.settle(file, nowMs);
  }

  #decide(file: TailedFile, nowMs: number): void {
    const mark = this.#known.get(file.key);
    if (mark !== undefined) return this.#resume(file, mark, nowMs);
    if (this.#startAtEnd && !file.outside) {
      file.startAtEnd(file.look()?.size ?? 0);
      this.#changes[file.key] = encodeMark(file.mark);
      return this.#follow(file);
    }
    const head = file.peek(0, fingerprintBytes);
    if (head.length === 0) {
      file.seenBytes = 0; // nothing to judge by
      return;
    }
    const packing = packingOf(head);
    if (packing !== undefined) return this.#ignore(file, packing);
    if (this.#takeOver(file, nowMs)) return;
    const original = this.#options.once === true ? undefined : findOriginal(file, head, this.files.values());
    if (original !== undefined) {
      if (!isSound(original)) {
        this.replaced(original, nowMs);
        if (this.#takeOver(file, nowMs)) return;
      }
      file.state = "waiting";
      file.waitingSinceMs = file.waitingStableMs = nowMs;
      file.waitingBytes = 0;
      return;
    }
    this.#follow(file);
  }

  #resume(file: TailedFile, mark: FileMark, nowMs: number): void {
    this.#known.delete(file.key);
    if ((file.look()?.size ?? 0) >= mark.offset && isContentOf(mark, file.peek)) {
      file.resume(mark);
      return this.#follow(file);
    }
    file.restart(mark.generation + 1);
    this.#say(
      "truncated",
      "info",
      file.path,
      `"${file.path}" was truncated or replaced while nobody watched: read from the beginning`,
    );
    this.#depart(file.key, { ...mark, path: file.path }, nowMs);
    this.#searchCopies(file, mark, nowMs);
  }

  #follow(file: TailedFile): void {
    file.state = "following";
    file.pollAtMs = 0;
    this.#say("opened", "debug", file.path, `"${file.path}" is followed from offset ${file.offset}`);
  }

  #ignore(file: TailedFile, packing: string): void {
    file.state = "ignored";
    file.close();
    if (file.beside) this.#drop(file);
    else this.#say("compressed", "info", file.path, `"${file.path}" is a ${packing} archive: not shipped`);
  }

  /** Takes the offset over from a content that departed, if `file` is a copy of it. */
  #takeOver(file: TailedFile, nowMs: number): boolean {
    const mark = this.#departed.take(file);
    if (mark === undefined) return false;
    file.resume({ ...mark, path: file.path, generation: 0 });
    this.#changes[file.key] = encodeMark(file.mark);
    this.#say(
      "copied",
      "info",
      file.path,
      `"${file.path}" is the former content of "${mark.path}": going on at offset ${file.offset}`,
    );
    this.#follow(file);
    file.grewAtMs = nowMs;
    return true;
  }

  #reconsider(file: TailedFile, nowMs: number): void {
    try {
      if (!file.isOpen || this.#takeOver(file, nowMs)) return;
      const sizeBytes = file.look()?.size ?? 0;
      if (sizeBytes !== file.waitingBytes) {
        file.waitingBytes = sizeBytes;
        file.waitingStableMs = nowMs;
      }
      const waited = nowMs - file.waitingStableMs >= this.#tuning.copyWaitMs ||
        nowMs - file.waitingSinceMs >= 12 * this.#tuning.copyWaitMs;
      const original = waited ? undefined : findOriginal(file, file.peek(0, fingerprintBytes), this.files.values());
      if (original !== undefined) {
        if (!isSound(original)) this.replaced(original, nowMs); // considers us again
        return;
      }
      if (file.beside) this.#drop(file); // a copy that somebody made beside the patterns
      else this.#follow(file);
    } catch (error) {
      this.fail(file, error, nowMs);
    }
  }

  /** After a truncation: a copy beside the file that holds lines which were not read before. */
  #searchCopies(file: TailedFile, mark: FileMark, nowMs: number): void {
    for (const place of this.#surroundings.siblings(file.path, dirname(file.location))) {
      const key = fileKey(place.info);
      if (this.files.has(key) || this.#known.has(key) || place.info.size <= mark.offset) continue;
      const copy = new TailedFile(key, file.path, place.path, file.program);
      try {
        copy.open();
        if (isFirmBasis(mark, place.path) && isContentOf(mark, copy.peek)) {
          this.files.set(key, copy);
          copy.outside = true; // a pattern may find it, too: the next look at the folders tells
          copy.path = place.path;
          if (this.#takeOver(copy, nowMs)) return this.#index(copy);
          this.files.delete(key);
        }
        copy.close();
      } catch {
        copy.close(); // it vanished or may not be read: then it cannot help
      }
    }
  }

  /** Files of the position that no pattern finds: rotated out of the patterns while nobody watched. */
  #searchKnown(places: ReadonlyMap<string, unknown>): readonly FoundPath[] {
    const found: FoundPath[] = [];
    for (const [key, mark] of this.#known) {
      if (places.has(key) || this.#saidLost.has(key)) continue;
      const path = this.#surroundings.locate(key, mark.path, realPath(mark.path));
      const info = path === undefined ? undefined : statIfThere(path);
      if (path !== undefined && info !== undefined) {
        found.push({ path, info });
        continue;
      }
      this.#saidLost.add(key);
      this.#departed.add(key, mark, this.#startedMs + this.#tuning.forgetMs);
      this.#say(
        "lost",
        "info",
        mark.path,
        `"${mark.path}" as it was at the last run is gone: lines after its offset ${mark.offset}, if any, are out of reach`,
      );
    }
    return found;
  }

  #depart(key: string, mark: FileMark, nowMs: number): void {
    this.#departed.add(key, mark, nowMs + departedMs);
  }

  /** Something else is at the place of `file`, or nothing. */
  #lose(file: TailedFile): void {
    if (file.state === "new") this.#drop(file); // the next look at the folders finds it where it is then
    else file.pollAtMs = 0;
  }

  #drop(file: TailedFile): void {
    file.close();
    this.files.delete(file.key);
  }

  #index(file: TailedFile): void {
    this.#byPath.set(file.path, file);
    this.#byPath.set(file.location, file);
    if (this.#byPath.size > 4 * this.files.size + 1_000) this.#forgetPaths();
  }

  #forgetPaths(): void {
    for (const path of [...this.#byPath.keys()]) if (this.at(path) === undefined) this.#byPath.delete(path);
    this.#surroundings.forget(this.files);
  }

  #say(kind: FileEvent["kind"], level: FileEvent["level"], path: string, text: string, droppedBytes?: number): void {
    const event = { kind, level, path, text };
    this.#options.report(droppedBytes === undefined ? event : { ...event, droppedBytes });
  }
}

const departedMs = 60_000;
