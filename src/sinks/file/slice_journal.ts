/**
 * What a folder of slices holds for certain: one line per flush binds the lengths of the files to the positions of the
 * sources, so that both are there after a crash, or neither is.
 *
 * ```text
 *   DIR/.agent-slices   crc32(json) in hex SP json LF …      the first line is a snapshot, the others change it
 *   {"files":{"kube-system/audit-2026112019.log.gz":[18233,1234567,1763668800000]},"positions":{"audit@archive":{…}}}
 *                                                    bytes  inode   last written   (null: no file of ours any more)
 * ```
 *
 * A file is named here before it is made, with no bytes: what is not named here is not ours, and never cut or removed.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { mergePosition, type Position } from "../../pipeline/checkpoint.ts";
import { errorText, failure } from "../../pipeline/errors.ts";
import { readTextIfThere, syncFolder, writeAllSync, writeFileAtomic } from "../../system/atomic_file.ts";
import { openLog } from "../../system/log.ts";

/** What is known of a file of ours. */
export interface KnownFile {
  /** Bytes of it that count; whatever is behind them was never confirmed. */
  readonly bytes: number;
  /** 0 before it is made. */
  readonly inode: number;
  /** By the clock, milliseconds since 1970. */
  readonly writtenMs: number;
}

/** One line. */
export interface JournalChange {
  /** Paths below the folder; null forgets. */
  readonly files?: Readonly<Record<string, readonly [number, number, number] | null>>;
  /** By pair of source and sink: what to merge. */
  readonly positions?: Readonly<Record<string, Position>>;
  /** By pair: what tells positions of this folder from those of another. */
  readonly tokens?: Readonly<Record<string, string>>;
}

/** The journal of a folder, which the caller has locked. */
export class SliceJournal implements Disposable {
  readonly #path: string;
  readonly #files = new Map<string, KnownFile>();
  readonly #positions = new Map<string, Position>();
  readonly #tokens = new Map<string, string>();
  #file: Deno.FsFile;
  #bytes = 0;
  #snapshotBytes = 0;
  /** Whether behind the last good line there may be one that must not count. */
  #soiled = false;

  private constructor(path: string) {
    this.#path = path;
    this.#file = this.#load() ? this.#goOn() : this.#startAnew();
  }

  /** Reads the journal of `folder`, or begins one. @throws when the folder cannot be written */
  static open(folder: string): SliceJournal {
    return new SliceJournal(join(folder, journalName));
  }

  /** Files of ours by path below the folder, in the order in which they were made. */
  get files(): ReadonlyMap<string, KnownFile> {
    return this.#files;
  }

  position(pair: string): Position | undefined {
    return this.#positions.get(pair);
  }

  token(pair: string): string | undefined {
    return this.#tokens.get(pair);
  }

  /** Forgets where `pair` stood: its positions are of another state folder. */
  beginPair(pair: string, token: string): void {
    this.#positions.delete(pair);
    this.#tokens.set(pair, token);
    this.#file.close();
    this.#file = this.#startAnew();
  }

  /** Makes a change durable; it counts when this resolves. @throws when the disk does not take it: then nothing changed */
  async append(change: JournalChange): Promise<void> {
    if (this.#bytes > maxLogBytes + 2 * this.#snapshotBytes) this.#compact();
    const line = lineOf(change);
    try {
      if (this.#soiled) await this.#cleanUp();
      this.#soiled = true;
      writeAllSync(this.#file, line);
      await this.#file.syncData();
      this.#soiled = false;
    } catch (error) {
      await this.#cleanUp().catch(() => {}); // tried again before the next line
      throw failure("write to", `"${this.#path}"`, error);
    }
    this.#bytes += line.length;
    this.#apply(change);
  }

  /** Whether it is known what is on disk: if not, the files must keep the lengths that the last line may give them. */
  get certain(): boolean {
    return !this.#soiled;
  }

  /** Makes it known, after a failed append. @throws while the disk does not let it */
  async makeCertain(): Promise<void> {
    if (this.#soiled) await this.#cleanUp();
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  /** Cuts off what must not count, for certain. */
  async #cleanUp(): Promise<void> {
    this.#file.truncateSync(this.#bytes);
    this.#file.seekSync(this.#bytes, Deno.SeekMode.Start);
    await this.#file.syncData();
    this.#soiled = false;
  }

  #compact(): void {
    try {
      const old = this.#file;
      this.#file = this.#startAnew();
      old.close();
    } catch (error) {
      log.warning(`"${this.#path}" is not made smaller: ${errorText(error)}`); // a longer one is as good
      this.#snapshotBytes = this.#bytes;
    }
  }

  #startAnew(): Deno.FsFile {
    const snapshot = lineOf({
      files: Object.fromEntries([...this.#files].map(([path, file]) => [path, tupleOf(file)])),
      positions: Object.fromEntries(this.#positions),
      tokens: Object.fromEntries(this.#tokens),
    });
    writeFileAtomic(this.#path, snapshot, { mode: 0o600 });
    const file = Deno.openSync(this.#path, { read: true, write: true });
    file.seekSync(snapshot.length, Deno.SeekMode.Start);
    this.#bytes = this.#snapshotBytes = snapshot.length;
    this.#soiled = false;
    return file;
  }

  /** Goes on behind the last good line: a full disk does not stop a start. */
  #goOn(): Deno.FsFile {
    const file = Deno.openSync(this.#path, { read: true, write: true });
    file.truncateSync(this.#bytes);
    file.seekSync(this.#bytes, Deno.SeekMode.Start);
    this.#snapshotBytes = 0;
    return file;
  }

  /** Reads what is there; false where that is nothing. A damaged line that is not the last one takes away all certainty: then nothing is ours. */
  #load(): boolean {
    const text = readTextIfThere(this.#path);
    if (text === undefined) return false;
    const lines = text.split("\n");
    lines.pop(); // empty, or torn: nobody counted on it
    const changes = lines.map(parseLine);
    const damaged = changes.indexOf(undefined);
    if (damaged < 0 || damaged === changes.length - 1 && damaged > 0) {
      for (const [i, change] of changes.entries()) {
        if (change === undefined) break;
        this.#apply(change);
        this.#bytes += encoder.encode(lines[i]!).length + 1;
      }
      return changes.length > 0;
    }
    const aside = `${this.#path}.damaged-${Date.now()}`;
    Deno.renameSync(this.#path, aside);
    syncFolder(join(this.#path, ".."));
    log.error(
      `"${this.#path}" is damaged in line ${damaged + 1}; it is kept as "${aside}", and files there are let be`,
    );
    return false;
  }

  #apply({ files, positions, tokens }: JournalChange): void {
    for (const [path, file] of Object.entries(files ?? {})) {
      if (file === null) this.#files.delete(path);
      else this.#files.set(path, { bytes: file[0], inode: file[1], writtenMs: file[2] });
    }
    for (const [pair, change] of Object.entries(positions ?? {})) {
      this.#positions.set(pair, mergePosition(this.#positions.get(pair), change));
    }
    for (const [pair, token] of Object.entries(tokens ?? {})) this.#tokens.set(pair, token);
  }
}

/** What is known of a file as the journal writes it. */
export function tupleOf({ bytes, inode, writtenMs }: KnownFile): readonly [number, number, number] {
  return [bytes, inode, writtenMs];
}

function lineOf(change: JournalChange): Uint8Array {
  const json = JSON.stringify(change);
  return encoder.encode(`${checksum(json)} ${json}\n`);
}

function parseLine(line: string): JournalChange | undefined {
  const json = line.slice(9);
  return line.slice(0, 8) === checksum(json) ? JSON.parse(json) as JournalChange : undefined;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

/** Name of the journal; no path of a template can be it, since none begins with a dot. */
const journalName = ".agent-slices";
const maxLogBytes = 1024 * 1024;
const encoder = new TextEncoder();
const log = openLog("file");
