/**
 * Files read with distrust: a dump looks at folders that anybody may write to. Stat comes first, opening never waits for
 * a writer, the size at the opening is the limit, and an abort is answered even when the disk is not.
 */
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { errorText } from "../../pipeline/errors.ts";
import type { CollectorNote, DumpContext } from "../collector.ts";

/** A file that may be read: it is a regular one. */
export interface RegularFile {
  /** As it is opened here; below the root of the machine. */
  readonly path: string;
  /** At the time of looking; 0 in /proc. */
  readonly sizeBytes: number;
  /** What the disk holds of it; much less than its size for a sparse file. */
  readonly allocatedBytes: number;
  readonly modifiedMs: number;
  /** Device and inode, the same for all names of one file. */
  readonly identity: string;
}

/** Which part of a file is read. */
export interface ReadRange {
  /** First byte; default 0. */
  readonly from?: number;
  /** The most that is read, whatever the file becomes meanwhile. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** An error of reading, and what the note about it says. */
export class FileError extends Error {
  override readonly name = "FileError";
  readonly state: CollectorNote["state"];

  constructor(state: CollectorNote["state"], text: string) {
    super(text);
    this.state = state;
  }
}

/** Waits for `work` or for the abort, whichever is first: a dead NFS server answers neither stat nor read. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * The same, for a few seconds only: what a dead server holds back shall not take the time of what others would give.
 * @throws FileError when they are over
 */
export async function answered<T>(work: Promise<T>, path: string, signal: AbortSignal): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), answerMs);
  try {
    return await abortable(work, AbortSignal.any([signal, late.signal]));
  } catch (error) {
    signal.throwIfAborted();
    if (!late.signal.aborted) throw error;
    const text = `Cannot read "${path}": no answer within ${
      answerMs / 1_000
    } s\nTry: look at the server of its file system`;
    throw new FileError("timeout", text);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks at a path, links followed. @throws FileError for what is missing, forbidden or no regular file */
export async function inspect(path: string, signal: AbortSignal): Promise<RegularFile> {
  try {
    const info = await answered(stat(path), path, signal);
    if (!info.isFile()) {
      throw new FileError("error", `Cannot read "${path}": it is ${kindOf(info)}, not a file`);
    }
    return {
      path,
      sizeBytes: info.size,
      allocatedBytes: info.blocks * 512,
      modifiedMs: info.mtimeMs,
      identity: `${info.dev}:${info.ino}`,
    };
  } catch (error) {
    throw toFileError(error, path);
  }
}

/** The bytes of a file that `inspect` accepted. @throws FileError when it is another kind of thing by now, or unreadable */
export async function* readChunks(path: string, range: ReadRange): AsyncIterable<Uint8Array> {
  const { signal } = range;
  const handle = await openRegular(path, signal);
  try {
    let at = range.from ?? 0;
    for (let left = range.maxBytes; left > 0;) {
      const chunk = new Uint8Array(Math.min(left, chunkBytes));
      const { bytesRead } = await abortable(handle.read(chunk, 0, chunk.length, at), signal);
      if (bytesRead === 0) return;
      at += bytesRead;
      left -= bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  } catch (error) {
    throw toFileError(error, path);
  } finally {
    // After an abort the read may hang for ever: closing waits for it, nobody waits for the closing.
    const closed = handle.close().catch(() => {});
    if (!signal.aborted) await closed;
  }
}

/** A whole file of at most `maxBytes` (default 1 MiB); the rest is left out. @throws FileError */
export async function readSmall(path: string, signal: AbortSignal, maxBytes = 1_048_576): Promise<Uint8Array> {
  await inspect(path, signal);
  const parts: Uint8Array[] = [];
  for await (const chunk of readChunks(path, { maxBytes, signal })) parts.push(chunk);
  return parts.length === 1 ? parts[0]! : concatenated(parts);
}

/** Text of a small file, or undefined where it cannot be had for whatever reason but an abort. */
export async function readTextOr(path: string, signal: AbortSignal, maxBytes?: number): Promise<string | undefined> {
  try {
    return decoder.decode(await readSmall(path, signal, maxBytes));
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}

/** Names in a folder, sorted, at most `maxNames`; none where it cannot be read, which is noted unless it is missing. */
export async function namesIn(context: DumpContext, path: string, maxNames = 20_000): Promise<readonly string[]> {
  const names: string[] = [];
  try {
    const entries = Deno.readDir(context.machine.locate(path))[Symbol.asyncIterator]();
    for (;;) {
      const next = await answered(entries.next(), path, context.signal);
      if (next.done === true || names.push(next.value.name) >= maxNames) break;
    }
  } catch (error) {
    context.signal.throwIfAborted();
    const failed = toFileError(error, path);
    const isExtra = rootOnlyFolders.has(path);
    if (failed.state !== "missing" && !/not a directory/i.test(failed.message)) {
      noteFailure(context, path, failed, isExtra);
    }
  }
  return names.sort();
}

/** Says that something could not be read; `about` is the artifact or the path. `isExtra`: that it is forbidden is no loss. */
export function noteFailure(context: DumpContext, about: string, error: unknown, isExtra = false): void {
  const failed = toFileError(error, about);
  const hint = failed.state === "denied" && context.machine.userId !== 0 ? "\nTry: run it as root" : "";
  const extra = isExtra && failed.state === "denied" ? { isExtra } : {};
  context.note({ about, state: failed.state, text: failed.message + hint, ...extra });
}

/** Any error of the file system as one that says its state. */
export function toFileError(error: unknown, path: string): FileError {
  if (error instanceof FileError) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT" || error instanceof Deno.errors.NotFound) {
    return new FileError("missing", `Cannot read "${path}": it is not there`);
  }
  const isDenied = code === "EACCES" || code === "EPERM" || error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable;
  if (isDenied) return new FileError("denied", `Cannot read "${path}": permission denied`);
  return new FileError("error", `Cannot read "${path}": ${errorText(error)}`);
}

/** Bytes back to back. */
export function concatenated(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

async function openRegular(path: string, signal: AbortSignal): Promise<FileHandle> {
  try {
    const handle = await abortable(open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY), signal);
    const info = await abortable(handle.stat(), signal);
    if (info.isFile()) return handle;
    await handle.close();
    throw new FileError("error", `Cannot read "${path}": it became ${kindOf(info)}`);
  } catch (error) {
    throw toFileError(error, path);
  }
}

function kindOf(info: {
  isDirectory(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}): string {
  if (info.isDirectory()) return "a folder";
  if (info.isFIFO()) return "a pipe";
  if (info.isSocket()) return "a socket";
  return info.isCharacterDevice() || info.isBlockDevice() ? "a device" : "something else";
}

/** Folders that distributions keep to root, and that are empty on most machines: systemd's private logs, pstore, TLS keys. */
const rootOnlyFolders: ReadonlySet<string> = new Set(["/var/log/private", "/sys/fs/pstore", "/var/lib/systemd/pstore"]);
const decoder = new TextDecoder();
const chunkBytes = 256 * 1024;
const answerMs = 5_000;
