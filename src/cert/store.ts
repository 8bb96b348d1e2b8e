/**
 * Key and certificate on disk. Generations are folders that are complete before they get their name; which one is in
 * use is one symbolic link, replaced in one step. There is never a moment with half a pair.
 *
 * ```text
 *   DIR/lock                      flock(2): one process changes the store at a time
 *   DIR/key → current/key         0600     ┐
 *   DIR/cert → current/cert                ├ what programs are told to use
 *   DIR/ca → current/ca                    ┘
 *   DIR/current → gen-7
 *   DIR/gen-7/{key,cert,ca,meta.json}
 *   DIR/gen-6/…                   the one before, for `rollBack`; a file `refused` in it means: never again
 *   DIR/pending/{key,request,meta.json}   a key whose certificate is on its way
 *   DIR/….tmp                     unfinished: removed at the next start
 * ```
 *
 * Killed at any point, the next start finds a usable pair if there ever was one (`recover`).
 */
import { join } from "node:path";
import { pause } from "../pipeline/backoff.ts";
import { failure, TryLaterError } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import { type Generation, type GenerationMeta, readGeneration, statIfThere } from "./generation.ts";
import { publicKeyOf, readPrivateKey } from "./keys.ts";
import { diskFiles, type StoreFiles } from "./store_files.ts";

/** A key whose certificate was asked for. The request is kept, because EST wants the same one again after 202. */
export interface Pending {
  readonly key: string;
  /** PEM. */
  readonly request: string;
  /** JSON of subject and alternative names. */
  readonly names: string;
  /** What else the request depends on: kind of key, digest of the challenge. */
  readonly details: string;
}

/** The store in one folder. Reading needs no lock; whoever changes it holds {@linkcode CertificateStore.lock}. */
export class CertificateStore {
  readonly dir: string;
  readonly #files: StoreFiles;

  /** @param files the file operations; others than the default only in tests */
  constructor(dir: string, files: StoreFiles = diskFiles) {
    this.dir = dir;
    this.#files = files;
  }

  /** Paths for programs that read the pair. */
  get keyPath(): string {
    return join(this.dir, "key");
  }

  get certPath(): string {
    return join(this.dir, "cert");
  }

  get caPath(): string {
    return join(this.dir, "ca");
  }

  /**
   * Waits for other processes that change this store, then repairs what a crash left. Dispose the result to let go.
   * @throws {TryLaterError} when another process keeps it for longer than 60 s
   */
  async lock(signal: AbortSignal): Promise<Disposable> {
    const file = this.#openLock();
    for (let triesLeft = 600; !file.tryLockSync(true); triesLeft--) {
      if (triesLeft === 0 || signal.aborted) {
        file.close();
        throw new TryLaterError(
          `Cannot change certificates in "${this.dir}": another agent is at it\nTry: later again`,
        );
      }
      await pause(100, signal);
    }
    try {
      this.#recover();
    } catch (error) {
      file.close();
      throw error;
    }
    return { [Symbol.dispose]: () => file.close() };
  }

  /** The generation in use; undefined where there is none that can be used. */
  current(): Generation | undefined {
    const name = this.#currentName();
    return name === undefined ? undefined : readGeneration(this.dir, name);
  }

  /** Numbers of the generations on disk that can be used, newest first. */
  usable(): readonly number[] {
    return this.#numbers().filter((number) => readGeneration(this.dir, `gen-${number}`) !== undefined);
  }

  /** The key whose certificate is on its way. */
  pending(): Pending | undefined {
    const folder = join(this.dir, "pending");
    try {
      const [key, request] = ["key", "request"].map((name) => Deno.readTextFileSync(join(folder, name)));
      const { names, details } = JSON.parse(Deno.readTextFileSync(join(folder, "meta.json"))) as Partial<Pending>;
      publicKeyOf(readPrivateKey(key!));
      return names === undefined || details === undefined
        ? undefined
        : { key: key!, request: request!, names, details };
    } catch {
      return undefined; // none, or one that cannot be used: another is made
    }
  }

  /** Keeps a key before its request leaves the machine: an answer that a crash ate can then be asked for again. */
  savePending(pending: Pending): void {
    const folder = join(this.dir, "pending");
    const temporary = `${folder}.new.tmp`;
    this.#files.makeFolder(temporary);
    this.#files.writeNew(join(temporary, "key"), pending.key, 0o600);
    this.#files.writeNew(join(temporary, "request"), pending.request, 0o600); // it may carry the challenge
    this.#files.writeNew(
      join(temporary, "meta.json"),
      JSON.stringify({ names: pending.names, details: pending.details }),
      0o600,
    );
    this.#files.syncFolder(temporary);
    this.#files.remove(folder);
    this.#files.rename(temporary, folder);
  }

  /** Makes a checked pair the one in use; the one before is kept. */
  install(
    pair: { readonly key: string; readonly cert: string; readonly ca: string },
    meta: GenerationMeta,
  ): Generation {
    const number = (this.#numbers()[0] ?? 0) + 1;
    const folder = join(this.dir, `gen-${number}`);
    const temporary = `${folder}.tmp`;
    this.#files.makeFolder(temporary);
    this.#files.writeNew(join(temporary, "key"), pair.key, 0o600);
    this.#files.writeNew(join(temporary, "cert"), pair.cert, 0o644);
    this.#files.writeNew(join(temporary, "ca"), pair.ca, 0o644);
    this.#files.writeNew(join(temporary, "meta.json"), JSON.stringify(meta), 0o644);
    this.#files.syncFolder(temporary);
    this.#files.rename(temporary, folder);
    this.#linkNames();
    this.#use(`gen-${number}`);
    this.#files.remove(join(this.dir, "pending"));
    this.#prune();
    return readGeneration(this.dir, `gen-${number}`)!;
  }

  /**
   * Goes back to the generation before, because peers refuse the one in use, which is never used again.
   * @returns the generation in use now, undefined when there is none to go back to: then nothing changes
   */
  rollBack(): Generation | undefined {
    const bad = this.current();
    const good = this.usable().find((number) => bad === undefined || number < bad.number);
    if (bad === undefined || good === undefined) return undefined;
    this.#files.writeNew(join(bad.folder, "refused"), "", 0o644);
    this.#files.syncFolder(bad.folder);
    this.#use(`gen-${good}`);
    return this.current();
  }

  #openLock(): Deno.FsFile {
    try {
      this.#files.makeFolder(this.dir);
      return Deno.openSync(join(this.dir, "lock"), { read: true, write: true, create: true, mode: 0o600 });
    } catch (error) {
      throw failure("use", `folder "${this.dir}"`, error, "make it writable, or name another with --dir");
    }
  }

  /** After a crash: away with what is unfinished, on with the newest pair that can be used. */
  #recover(): void {
    for (const { name } of Deno.readDirSync(this.dir)) {
      if (name.endsWith(".tmp")) this.#files.remove(join(this.dir, name));
    }
    this.#refuseForeignFiles();
    const newest = this.usable()[0];
    if (newest === undefined) return;
    this.#linkNames();
    const name = this.#currentName();
    if (name === `gen-${newest}`) return;
    if (name !== undefined) log.info(`using "gen-${newest}" instead of "${name}" in ${this.dir}`);
    this.#use(`gen-${newest}`);
  }

  /** A key that somebody put there by hand must not be overwritten. */
  #refuseForeignFiles(): void {
    for (const name of ["key", "cert", "ca", "current"]) {
      const path = join(this.dir, name);
      const found = statIfThere(path);
      if (found === undefined || found.isSymlink) continue;
      throw new Error(
        `Cannot use folder "${this.dir}": "${name}" in it was not made by the agent\nTry: move it away, or name another folder with --dir`,
      );
    }
  }

  #linkNames(): void {
    for (const name of ["key", "cert", "ca"]) {
      const path = join(this.dir, name);
      if (statIfThere(path) === undefined) this.#files.link(`current/${name}`, path);
    }
  }

  #use(name: string): void {
    const temporary = join(this.dir, "current.tmp");
    this.#files.remove(temporary);
    this.#files.link(name, temporary);
    this.#files.rename(temporary, join(this.dir, "current"));
  }

  /** Keeps the generation in use and the one before it that can be used. */
  #prune(): void {
    const keep = new Set(this.usable().slice(0, 2));
    for (const number of this.#numbers().slice(1)) {
      if (keep.has(number)) continue;
      const folder = join(this.dir, `gen-${number}`);
      this.#files.rename(folder, `${folder}.tmp`);
      this.#files.remove(`${folder}.tmp`);
    }
  }

  #currentName(): string | undefined {
    try {
      return Deno.readLinkSync(join(this.dir, "current"));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw failure("read", `"${join(this.dir, "current")}"`, error);
    }
  }

  #numbers(): readonly number[] {
    const found: number[] = [];
    try {
      for (const { name } of Deno.readDirSync(this.dir)) {
        const number = /^gen-(\d{1,9})$/.exec(name)?.[1];
        if (number !== undefined) found.push(Number(number));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return found.sort((a, b) => b - a);
  }
}

const log = openLog("cert");
