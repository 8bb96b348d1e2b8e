/**
 * The `file` sink: one folder per host, one record per line, acknowledged only when the disk has it.
 * Lines are written at once; one fdatasync serves every batch that came while the one before it ran.
 */
import type { Batch } from "../../pipeline/batch.ts";
import type { Rejection, Sink } from "../../pipeline/sink.ts";
import { findHost } from "../../formats/syslog_host.ts";
import { lockFolderItself } from "../../system/lock.ts";
import { HostFolder, type RotationLimits } from "./host_folder.ts";
import { escapedRecord, folderName } from "./line.ts";
import type { OpenFile } from "./open_file.ts";

/** Where and how to keep lines. */
export interface FileSinkOptions extends RotationLimits {
  readonly id: string;
  /** Folder above the hosts' folders; made where it is missing. */
  readonly folder: string;
  /** Files open at once at the most; the least recently used is closed first. */
  readonly maxOpenFiles?: number;
}

/** Opens the sink and locks its folder. The caller disposes it. @throws when another agent writes to the folder */
export function openFileSink(options: FileSinkOptions): Sink {
  return new FileSink(options, lockFolderItself(options.folder));
}

class FileSink implements Sink {
  readonly id: string;
  readonly batchRecords = 4_096;
  readonly #options: FileSinkOptions;
  readonly #lock: Disposable;
  /** Most recently used last. */
  readonly #hosts = new Map<string, HostFolder>();
  #dirty = new Map<OpenFile, HostFolder>();
  #waiting: PromiseWithResolvers<void> | undefined;
  #syncing: Promise<void> | undefined;
  #failure: unknown;
  readonly #span = { start: 0, end: 0 };

  constructor(options: FileSinkOptions, lock: Disposable) {
    this.id = options.id;
    this.#options = options;
    this.#lock = lock;
  }

  async send(batch: Batch): Promise<readonly Rejection[]> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      for (let first = 0; first < batch.count;) first = this.#writeRun(batch, first);
      await this.#synced();
      return [];
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  reset(): void {
    this.#failure = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#syncing?.catch(() => {});
    for (const folder of this.#hosts.values()) folder.letGo()?.close();
    this.#lock[Symbol.dispose]();
  }

  /** Writes the records of one host that stand together from `first` on; returns the index behind them. */
  #writeRun(batch: Batch, first: number): number {
    const { bytes, bounds, origin } = batch;
    const oneHost = origin.peer ?? (origin.form === "plain" ? origin.host : undefined);
    let end = first + 1;
    let host = oneHost;
    if (host === undefined) {
      const found = findHost(bytes, bounds[2 * first]!, bounds[2 * first + 1]!, this.#span);
      const { start: hostStart, end: hostEnd } = this.#span;
      host = found ? decoder.decode(bytes.subarray(hostStart, hostEnd)) : origin.host;
      while (found && end < batch.count && this.#sameHost(batch, end, hostStart, hostEnd)) end++;
    } else end = batch.count;
    if (batch.packed) this.#write(host, bytes.subarray(bounds[2 * first], bounds[2 * end - 1]! + 1));
    else for (let i = first; i < end; i++) this.#write(host, escapedRecord(batch, i));
    return end;
  }

  #sameHost(batch: Batch, index: number, start: number, end: number): boolean {
    const { bytes, bounds } = batch;
    const span = this.#span;
    if (!findHost(bytes, bounds[2 * index]!, bounds[2 * index + 1]!, span)) return false;
    if (span.end - span.start !== end - start) return false;
    for (let i = 0; i < end - start; i++) if (bytes[span.start + i] !== bytes[start + i]) return false;
    return true;
  }

  #write(host: string, chunk: Uint8Array): void {
    const folder = this.#folder(folderName(host));
    const { file, retired } = folder.fileFor(chunk.length, Date.now());
    if (retired !== undefined) this.#dirty.set(retired, folder); // closed by the sync that it may be in, or the next
    file.append(chunk);
    this.#dirty.set(file, folder);
  }

  #folder(name: string): HostFolder {
    let folder = this.#hosts.get(name);
    if (folder === undefined) {
      folder = new HostFolder(this.#options.folder, name, this.#options);
      this.#makeRoom();
    } else this.#hosts.delete(name);
    this.#hosts.set(name, folder);
    return folder;
  }

  #makeRoom(): void {
    if (this.#hosts.size < (this.#options.maxOpenFiles ?? 512)) return;
    const [name, folder] = this.#hosts.entries().next().value!;
    this.#hosts.delete(name);
    const file = folder.letGo();
    if (file === undefined) return;
    file.retired = true;
    this.#dirty.set(file, folder);
  }

  /** Resolves when everything written so far is on disk. */
  #synced(): Promise<void> {
    this.#waiting ??= Promise.withResolvers<void>();
    const { promise } = this.#waiting;
    this.#syncing ??= this.#syncAll();
    return promise;
  }

  async #syncAll(): Promise<void> {
    await Promise.resolve(); // let every batch that is at hand be written first
    while (this.#waiting !== undefined) {
      const waiting = this.#waiting;
      const dirty = this.#dirty;
      this.#waiting = undefined;
      this.#dirty = new Map();
      const results = await Promise.allSettled([...dirty].map(([file, folder]) => this.#syncFile(file, folder)));
      const failed = results.find((result) => result.status === "rejected");
      if (failed === undefined) waiting.resolve();
      else waiting.reject(failed.reason);
    }
    this.#syncing = undefined;
  }

  async #syncFile(file: OpenFile, folder: HostFolder): Promise<void> {
    try {
      await file.sync();
    } catch (error) {
      folder.abandon(file);
      file.close();
      throw error;
    }
    if (file.retired && !this.#dirty.has(file)) file.close();
  }
}

const decoder = new TextDecoder();
