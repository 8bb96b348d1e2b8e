/** Sends a bundle: tries again with pauses where that makes sense, and never touches the file itself. */
import { type BackoffLimits, backoffMs, pause } from "../../pipeline/backoff.ts";
import { errorText, failure, TryLaterError } from "../../pipeline/errors.ts";
import type { CredentialFiles } from "../../tls/credentials.ts";
import { BrokenUpload, type UploadContext } from "./attempt.ts";
import { PutUpload } from "./put.ts";
import type { UploadTarget } from "./target.ts";
import { TusUpload } from "./tus.ts";

/** What is sent where, and how patiently. */
export interface UploadOptions {
  readonly path: string;
  readonly target: UploadTarget;
  /** Sent with every request to the target; for tokens. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: CredentialFiles;
  /** Tries in a row that bring nothing; from 1. */
  readonly attempts?: number;
  readonly pauses?: BackoffLimits;
  /** Longest time in which no byte moves. */
  readonly stallMs?: number;
  onProgress?(doneBytes: number, totalBytes: number): void;
  /** A line about what goes on: a try that failed, an upload that is continued. */
  note?(text: string): void;
  readonly signal: AbortSignal;
}

/**
 * Sends the file; resolves when the server has said that it holds all of it.
 * @throws {TryLaterError} when the network or the server did not do it in all tries, an Error when the server refuses; the file is there
 */
export async function uploadBundle(options: UploadOptions): Promise<void> {
  const { path, target, signal } = options;
  const { sizeBytes, modifiedMs } = statFile(path);
  const way = target.protocol === "tus" ? new TusUpload(target.url) : new PutUpload(target.url);
  const best = { bytes: 0 };
  const context: UploadContext = {
    path,
    sizeBytes,
    modifiedMs,
    headers: options.headers ?? {},
    tls: options.tls,
    stallMs: options.stallMs ?? defaultStallMs,
    onProgress: (done) => {
      best.bytes = Math.max(best.bytes, done);
      options.onProgress?.(done, sizeBytes);
    },
    note: (text) => options.note?.(text),
    signal,
  };
  const attempts = options.attempts ?? defaultAttempts;
  let before = 0;
  for (let attempt = 1;; attempt++) {
    try {
      return await way.attempt(context);
    } catch (error) {
      if (!(error instanceof BrokenUpload) || signal.aborted) throw uploadFailure(options, error);
      // What can be continued is worth as many tries as bring it forward.
      if (target.protocol === "tus" && best.bytes > before) attempt = 1;
      before = best.bytes;
      if (attempt >= attempts) throw uploadFailure(options, error);
      const pauseMs = Math.max(
        backoffMs(options.pauses ?? defaultPauses, attempt),
        Math.min(error.retryAfterMs ?? 0, maxRetryAfterMs),
      );
      context.note(`${error.message}; again in ${(pauseMs / 1_000).toFixed(1)} s`);
      await pause(pauseMs, signal);
    }
  }
}

function uploadFailure({ path, target, signal }: UploadOptions, error: unknown): Error {
  const state = signal.aborted ? "stopped" : errorText(error);
  const text = `Cannot upload "${path}" to ${target.shown}: ${state}`;
  const hint = `the file is kept; agent dump upload ${path} --upload URL`;
  if (error instanceof BrokenUpload && !signal.aborted) {
    return new TryLaterError(`${text}\nTry: ${hint}`, { cause: error });
  }
  return new Error(state.includes("\nTry: ") ? text : `${text}\nTry: ${hint}`, { cause: error });
}

function statFile(path: string): { readonly sizeBytes: number; readonly modifiedMs: number } {
  try {
    const { size, mtime, isFile } = Deno.statSync(path);
    if (!isFile) throw new Error("it is no file");
    return { sizeBytes: size, modifiedMs: mtime?.getTime() ?? 0 };
  } catch (error) {
    throw failure("upload", `"${path}"`, error, "the path that agent dump printed");
  }
}

const defaultAttempts = 6;
const defaultPauses: BackoffLimits = { firstMs: 1_000, maxMs: 30_000 };
const maxRetryAfterMs = 300_000;
const defaultStallMs = 60_000;
