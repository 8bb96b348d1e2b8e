/** What is common to all ways of sending: what may be tried again, and what the file is. */
import { PeerError } from "../../pipeline/errors.ts";
import type { CredentialFiles } from "../../tls/credentials.ts";
import { type HttpAnswer, readText } from "../http.ts";

/** What is sent, and how. */
export interface UploadContext {
  readonly path: string;
  readonly sizeBytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: CredentialFiles | undefined;
  readonly stallMs: number;
  /** Bytes that the server holds or the runtime took. */
  onProgress(doneBytes: number): void;
  /** Something that a person may want to know. */
  note(text: string): void;
  readonly signal: AbortSignal;
}

/** The server will not take it, however often it is asked. */
export class RefusedUpload extends Error {
  override readonly name = "RefusedUpload";
}

/** It may work later. */
export class BrokenUpload extends Error {
  override readonly name = "BrokenUpload";
  /** What the server asked for, milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs?: number, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The error that an answer of 300 and more is; its text has the first line of what the server says. */
export async function errorOfAnswer(answer: HttpAnswer): Promise<RefusedUpload | BrokenUpload> {
  const said = await readText(answer, 4_096).catch(() => "");
  // S3 and GCS answer in XML.
  const text = (/<Message>([^<]*)<\/Message>/.exec(said)?.[1] ?? said.replace(/<[^>]*>/g, " ")).trim().split("\n")[0]!;
  // deno-lint-ignore no-control-regex
  const shown = text.replace(/[\x00-\x1f\x7f-\x9f]/g, "").slice(0, 200);
  const message = `the server answered ${answer.status}${shown === "" ? "" : `, ${shown}`}`;
  if (!repeatable.has(answer.status)) return new RefusedUpload(message);
  const seconds = Number(answer.headers.get("retry-after") ?? "");
  return new BrokenUpload(message, Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : undefined);
}

/** Network trouble is worth another try; everything else is thrown on. */
export function asBroken(error: unknown): unknown {
  return error instanceof PeerError ? new BrokenUpload(error.message, undefined, { cause: error }) : error;
}

/** The bytes of a file from `from` up to `end`. @throws when the file became shorter */
export async function* readRange(path: string, from: number, end: number): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path, { read: true });
  await file.seek(from, Deno.SeekMode.Start);
  for (let at = from; at < end;) {
    const bytes = new Uint8Array(Math.min(128 * 1024, end - at));
    const count = await file.read(bytes);
    if (count === null) throw new Error(`Cannot read "${path}": it became shorter while it was sent`);
    yield bytes.subarray(0, count);
    at += count;
  }
}

/** Request timeout, conflict of a lock, too early, too many requests, and the server's own troubles. */
const repeatable: ReadonlySet<number> = new Set([408, 423, 425, 429, 500, 502, 503, 504, 507, 520, 522, 524]);
