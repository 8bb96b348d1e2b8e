/**
 * Finds the paths that the patterns match. Folders are listed again only when their modification time moved: a look at
 * quiet folders costs one stat(2) each.
 */
import { dirname, join, resolve } from "node:path";
import { type Glob, matchesGlob, parseGlobs } from "../../formats/glob.ts";

/** A path that matches. */
export interface FoundPath {
  readonly path: string;
  readonly info: Deno.FileInfo;
}

interface Listing {
  readonly mtimeMs: number;
  /** Listed so long after the last change that a further one must show as another modification time. */
  readonly settled: boolean;
  readonly entries: readonly Deno.DirEntry[];
}

/** The patterns of one source and what was seen of their folders. */
export class Discovery {
  readonly #include: readonly Glob[];
  readonly #exclude: readonly Glob[];
  readonly #listings = new Map<string, Listing>();
  /** What the last scan saw of each folder; a search lists folders, too, and what it sees is not matched by that. */
  #visited = new Map<string, Listing | undefined>();
  #paths: readonly string[] = [];
  #links = false;
  /** What was found in `#visited`, once it was asked for. */
  #fifo: { readonly path: string | undefined } | undefined;
  /** Folders that could not be listed, with the reason; to be said once. */
  readonly unreadable = new Map<string, string>();

  /** @throws when a pattern cannot be read */
  constructor(include: readonly string[], exclude: readonly string[]) {
    this.#include = include.flatMap((pattern) => parseGlobs(resolve(pattern)));
    this.#exclude = exclude.flatMap((pattern) =>
      parseGlobs(pattern.includes("/") ? resolve(pattern) : `/**/${pattern}`)
    );
  }

  /** Folders that can be listed and were looked at last: worth watching. */
  get folders(): readonly string[] {
    return [...this.#visited.keys()].filter((path) =>
      (this.#listings.get(path)?.mtimeMs ?? -1) >= 0 && !this.unreadable.has(path)
    );
  }

  /** A FIFO in one of the folders that were looked at last; the first. */
  get fifo(): string | undefined {
    return (this.#fifo ??= { path: this.#findFifo() }).path;
  }

  #findFifo(): string | undefined {
    for (const [folder, listing] of this.#visited) {
      const odd = listing?.entries.filter(({ isFile, isDirectory, isSymlink }) =>
        !isFile && !isDirectory && !isSymlink
      );
      const found = odd?.map(({ name }) => join(folder, name)).find((path) => statIfThere(path)?.isFifo === true);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Whether a pattern leaves `path` out. */
  isExcluded(path: string): boolean {
    return matchesGlob(this.#exclude, path);
  }

  /** Whether the patterns find `path` when a file is there. */
  finds(path: string): boolean {
    return matchesGlob(this.#include, path) && !this.isExcluded(path);
  }

  /** All regular files that match, in order of path; undefined when nothing can have changed since the last call. */
  scan(force: boolean): readonly FoundPath[] | undefined {
    if (
      !force && !this.#links && this.#visited.size > 0 && [...this.#visited.keys()].every((path) => this.#isSame(path))
    ) {
      return undefined;
    }
    if (force) this.#listings.clear();
    this.#visited = new Map();
    this.#fifo = undefined;
    this.#links = false;
    const paths = new Set<string>();
    for (const glob of this.#include) this.#walk("/", glob, 0, paths);
    for (const path of this.#listings.keys()) if (!this.#visited.has(path)) this.#listings.delete(path);
    this.#paths = [...paths].filter((path) => !this.isExcluded(path)).sort();
    return this.#paths.flatMap((path) => {
      const info = statIfThere(path);
      return info?.isFile ? [{ path, info }] : [];
    });
  }

  /**
   * When `folder` was last changed, if its names rest: long enough ago that a further change shows as another time.
   * Undefined while a rotation may be under way, name by name: then a search can miss a file that is there all the time.
   */
  restsSince(folder: string): number | undefined {
    const mtimeMs = folderTime(folder);
    return isSettled(mtimeMs) ? mtimeMs : undefined;
  }

  /** Whether `folder` has rested since a call of {@linkcode Discovery.restsSince} that gave `sinceMs`. */
  isAsOf(folder: string, sinceMs: number | undefined): boolean {
    return sinceMs !== undefined && folderTime(folder) === sinceMs;
  }

  /** Names in a folder, for a search beside a file; empty where it cannot be listed. */
  list(folder: string): readonly Deno.DirEntry[] {
    const mtimeMs = folderTime(folder);
    const known = this.#listings.get(folder);
    if (known !== undefined && known.settled && known.mtimeMs === mtimeMs) return known.entries;
    const settled = isSettled(mtimeMs);
    const entries = mtimeMs < 0 ? [] : this.#readFolder(folder);
    // Permission may come without a new modification time.
    const listing = { mtimeMs, settled: settled && !this.unreadable.has(folder), entries };
    this.#listings.set(folder, listing);
    return listing.entries;
  }

  /** Whether `folder` may not be listed or entered now: nothing can be told of what is in it, not even that it is gone. */
  isLocked(folder: string): boolean {
    this.list(folder);
    try {
      Deno.statSync(`${folder}/.`);
      return this.unreadable.has(folder);
    } catch (error) {
      return !(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory);
    }
  }

  #readFolder(folder: string): readonly Deno.DirEntry[] {
    try {
      const entries = [...Deno.readDirSync(folder)];
      this.unreadable.delete(folder);
      return entries;
    } catch (error) {
      this.unreadable.set(folder, (error as Error).message);
      return [];
    }
  }

  #isSame(folder: string): boolean {
    const known = this.#visited.get(folder);
    return known !== undefined && known.settled && known.mtimeMs === folderTime(folder);
  }

  #walk(folder: string, glob: Glob, index: number, found: Set<string>): void {
    const segment = glob.segments[index];
    if (segment === undefined) return;
    const last = index === glob.segments.length - 1;
    if (segment.kind === "name") {
      const path = join(folder, segment.name);
      if (!last) return this.#walk(path, glob, index + 1, found);
      this.#visit(folder).filter(({ name }) => name === segment.name).forEach((entry) =>
        this.#take(path, entry, found)
      );
    } else if (segment.kind === "match") {
      for (const entry of this.#visit(folder)) {
        if (!segment.expression.test(entry.name)) continue;
        const path = join(folder, entry.name);
        if (last) this.#take(path, entry, found);
        else if (isFolder(entry, path)) this.#walk(path, glob, index + 1, found);
      }
    } else this.#walkDeep(folder, glob, index, found);
  }

  #walkDeep(folder: string, glob: Glob, index: number, found: Set<string>): void {
    const last = index === glob.segments.length - 1;
    if (!last) this.#walk(folder, glob, index + 1, found);
    for (const entry of this.#visit(folder)) {
      if (entry.name.startsWith(".")) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory) this.#walkDeep(path, glob, index, found); // links are not followed: they may make circles
      else if (last) this.#take(path, entry, found);
    }
  }

  #take(path: string, entry: Deno.DirEntry, found: Set<string>): void {
    if (entry.isDirectory) return;
    this.#links ||= entry.isSymlink; // its target may change without a trace in this folder
    found.add(path);
  }

  #visit(folder: string): readonly Deno.DirEntry[] {
    const entries = this.list(folder);
    this.#visited.set(folder, this.#listings.get(folder));
    return entries;
  }
}

/** What is at `path`, links followed; undefined where nothing is or may be seen. */
export function statIfThere(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

/**
 * Opens a file for reading. What is no file is not opened: a FIFO holds up the whole process until somebody writes to it.
 * The caller closes it. @throws {Deno.errors.NotFound} when there is no regular file
 */
export function openRegular(path: string): Deno.FsFile {
  if (!Deno.statSync(path).isFile) throw new Deno.errors.NotFound(`"${path}" is no regular file`);
  return Deno.openSync(path, { read: true });
}

/** `path` without links; itself where that cannot be told. */
export function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return join(dirname(path), path.slice(path.lastIndexOf("/") + 1));
  }
}

function isFolder(entry: Deno.DirEntry, path: string): boolean {
  return entry.isDirectory || entry.isSymlink && statIfThere(path)?.isDirectory === true;
}

function folderTime(path: string): number {
  return statIfThere(path)?.mtime?.getTime() ?? -1;
}

function isSettled(mtimeMs: number): boolean {
  return Math.abs(Date.now() - mtimeMs) > (mtimeMs % 1_000 === 0 ? coarseMs : fineMs);
}

/** File systems with times in nanoseconds move them at every tick of the kernel's clock, others every second or two. */
const fineMs = 20;
const coarseMs = 2_500;
