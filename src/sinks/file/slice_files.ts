/** The files of a folder of slices: opened as they are needed, written together, confirmed by one line of the journal. */
import { basename, dirname, join } from "node:path";
import type { Position } from "../../pipeline/checkpoint.ts";
import { openLog } from "../../system/log.ts";
import { complaintOf, SliceFile } from "./slice_file.ts";
import { type KnownFile, type SliceJournal, tupleOf } from "./slice_journal.ts";
import type { PathTemplate } from "./template.ts";

/** What the files need to know. */
export interface SliceFilesOptions {
  readonly folder: string;
  readonly template: PathTemplate;
  readonly level: number;
  readonly maxOpenFiles: number;
}

/** All files of a folder. */
export class SliceFiles implements Disposable {
  readonly #options: SliceFilesOptions;
  readonly #journal: SliceJournal;
  /** By path, most recently used last. */
  readonly #open = new Map<string, SliceFile>();

  constructor(options: SliceFilesOptions, journal: SliceJournal) {
    this.#options = options;
    this.#journal = journal;
  }

  /** Cuts off what a crash left unconfirmed, so that every file is whole again before anybody looks. */
  recover(): void {
    for (const [path, known] of this.#journal.files) {
      const whole = join(this.#options.folder, path);
      try {
        const { isFile, ino, size } = Deno.lstatSync(whole);
        if (!isFile || known.inode !== 0 && ino !== known.inode) continue;
        if (known.inode === 0) Deno.removeSync(whole);
        else if (size > known.bytes) {
          Deno.truncateSync(whole, known.bytes);
          log.info(`cut ${size - known.bytes} unconfirmed bytes off "${whole}"`);
        }
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  /**
   * Writes lines behind the files that their slices are in, and resolves when files and positions are safe.
   * @throws when they are not: then the files are as they were
   */
  async write(lines: ReadonlyMap<string, Uint8Array>, positions: Readonly<Record<string, Position>>): Promise<void> {
    await this.#journal.makeCertain();
    const written = new Map<string, SliceFile>();
    const named = await this.#nameAll([...lines.keys()]);
    const files: Record<string, readonly [number, number, number] | null> = {};
    try {
      const waiting = [...lines];
      for (let first = 0; first < waiting.length; first += this.#options.maxOpenFiles) {
        const group = waiting.slice(first, first + this.#options.maxOpenFiles);
        for (const [slice, text] of group) this.#writeOne(named.get(slice)!, text, written);
        const results = await Promise.allSettled([...written.values()].slice(first).map((file) => file.sync()));
        const failed = results.find((result) => result.status === "rejected");
        if (failed !== undefined) throw failed.reason;
        for (const [path, file] of [...written].slice(first)) files[path] = tupleOf(file.known(Date.now()));
        this.#makeRoom();
      }
      await this.#journal.append({ files, positions });
    } catch (error) {
      this.#undo(written);
      throw error;
    }
    for (const file of written.values()) file.confirm();
  }

  /** Removes a file of ours. */
  remove(path: string): void {
    this.#close(path);
    Deno.removeSync(join(this.#options.folder, path));
  }

  [Symbol.dispose](): void {
    for (const path of [...this.#open.keys()]) this.#close(path);
  }

  #writeOne(path: string, text: Uint8Array, written: Map<string, SliceFile>): void {
    let file = this.#open.get(path);
    this.#open.delete(path);
    file ??= SliceFile.open(this.#options.folder, path, this.#journal.files.get(path)!);
    this.#open.set(path, file);
    written.set(path, file);
    file.write(text, this.#options.template.gzip, this.#options.level);
  }

  /** The file of each slice; new ones are named in the journal before they are made. */
  async #nameAll(slices: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const named = new Map<string, string>();
    const changes: Record<string, readonly [number, number, number] | null> = {};
    for (const slice of slices) named.set(slice, this.#nameOne(slice, changes));
    if (Object.keys(changes).length > 0) await this.#journal.append({ files: changes });
    return named;
  }

  #nameOne(slice: string, changes: Record<string, readonly [number, number, number] | null>): string {
    for (let number = 0;; number++) {
      const path = numbered(slice, number);
      const whole = join(this.#options.folder, path);
      const known = this.#journal.files.get(path);
      const complaint = known === undefined ? undefined : complaintOfKnown(whole, known);
      if (known !== undefined && complaint === undefined) return path;
      if (known !== undefined) {
        this.#close(path);
        changes[path] = null;
        log.warning(`"${whole}" is left alone from here on: ${complaint}`);
      }
      if (isThere(whole)) continue; // somebody else's
      changes[path] = [0, 0, Date.now()];
      return path;
    }
  }

  /** Back to what is confirmed, unless the journal may say by now that more is. */
  #undo(written: ReadonlyMap<string, SliceFile>): void {
    for (const [path, file] of written) {
      try {
        if (this.#journal.certain) file.undo();
      } catch {
        // It is cut at the next opening.
      }
      this.#close(path);
    }
  }

  #makeRoom(): void {
    for (const path of this.#open.keys()) {
      if (this.#open.size <= this.#options.maxOpenFiles) return;
      this.#close(path);
    }
  }

  #close(path: string): void {
    this.#open.get(path)?.[Symbol.dispose]();
    this.#open.delete(path);
  }
}

/** `a/audit-2026112019.log.gz`, `a/audit-2026112019.1.log.gz` … */
export function numbered(path: string, number: number): string {
  if (number === 0) return path;
  const name = basename(path);
  const dot = name.indexOf(".", 1);
  const [stem, rest] = dot < 0 ? [name, ""] : [name.slice(0, dot), name.slice(dot)];
  return join(dirname(path), `${stem}.${number}${rest}`);
}

function complaintOfKnown(whole: string, known: KnownFile): string | undefined {
  return known.inode === 0 ? undefined : complaintOf(whole, known);
}

function isThere(whole: string): boolean {
  try {
    Deno.lstatSync(whole);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const log = openLog("file");
