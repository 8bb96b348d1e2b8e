/**
 * Artifacts from the collector's hand to the work file: unpacked, redacted, compressed, encrypted, in one stream. No
 * byte that was not redacted is ever kept. Each is compressed once, here, as the gzip member that it will be in the
 * bundle: its size there is known before the bundle is written.
 */
import { createHash } from "node:crypto";
import type { Artifact, ArtifactKind } from "./collector.ts";
import { gunzip } from "./gzip_stream.ts";
import { keepContent, type KeepOptions, type KeptContent } from "./kept_content.ts";
import { freeAfter } from "./memory.ts";
import type { RedactionCount, Redactor } from "./redaction.ts";
import { RedactionError } from "./redaction/content.ts";
import { WorkFullError } from "./work_file.ts";

/** An artifact that is safe. */
export interface StoredArtifact {
  /** Below the node's folder: redacted, safe to extract, unique. */
  readonly path: string;
  readonly kind: ArtifactKind;
  readonly origin: string;
  readonly bytesIn: number;
  readonly redactions: readonly RedactionCount[];
  readonly taken?: Date;
  readonly content: KeptContent;
  /** Why it is not whole; what is there came before. */
  readonly partial?: string;
}

/** An artifact that could not be made safe: nothing of it was kept. */
export interface DroppedArtifact {
  readonly path: string;
  readonly kind: ArtifactKind;
  readonly origin: string;
  readonly bytesIn: number;
  readonly dropped: string;
}

/** How artifacts are kept. */
export interface StoreOptions extends KeepOptions {
  readonly redactor: Redactor;
  /** Longest content of one artifact; the rest is left out and said. */
  readonly maxArtifactBytes: number;
}

/** Takes artifacts of one node. */
export class ArtifactStore {
  readonly #options: StoreOptions;
  readonly #paths = new Set<string>();
  readonly #folders = new Set<string>();

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** A path that is safe to extract anywhere, redacted and not yet taken. */
  claimPath(wanted: string): string {
    return this.#claim(safePath(this.#options.redactor.redactText(wanted)));
  }

  /**
   * Reads the artifact to its end, or until `signal` aborts: what came until then is kept, and called partial.
   * @throws {WorkFullError} when there is no room
   */
  async store(artifact: Artifact, signal: AbortSignal): Promise<StoredArtifact | DroppedArtifact> {
    const { redactor } = this.#options;
    const path = this.claimPath(artifact.path);
    const about = { path, kind: artifact.kind, origin: redactor.redactText(artifact.origin) };
    const source = new Source(artifact.content, this.#options.maxArtifactBytes, signal);
    const packed = artifact.encoding === "gzip";
    freeAfter(redactionBytes);
    try {
      const unpacked = packed ? source.expanded() : source.bytes();
      const redacted = redactor.redact(unpacked, { path: artifact.path, kind: artifact.kind });
      const content = await keepContent(redacted.content, packed, this.#options);
      const { bytesIn, failure } = source;
      return {
        ...about,
        bytesIn,
        redactions: redacted.counts(),
        content,
        ...(artifact.taken === undefined ? {} : { taken: artifact.taken }),
        ...(failure === undefined ? {} : { partial: redactor.redactText(failure) }),
      };
    } catch (error) {
      if (error instanceof WorkFullError) throw error;
      // Any other message may hold what the redactor stumbled over: its class is all that is told.
      const kind = error instanceof Error ? error.name : "error";
      const reason = error instanceof RedactionError ? `: ${error.message}` : ` (${kind})`;
      return { ...about, bytesIn: source.bytesIn, dropped: `it could not be redacted${reason}` };
    }
  }

  /** Keeps `NAME.error`; both arguments are redacted already. */
  async storeError(about: string, text: string): Promise<StoredArtifact> {
    const bytes = new TextEncoder().encode(text);
    const content = await keepContent(once(bytes), false, this.#options);
    const path = this.#claim(`${safePath(about)}.error`);
    return { path, kind: "text", origin: "agent dump", bytesIn: bytes.length, redactions: [], content };
  }

  /** Unlike all others where case does not count, and no file where another path needs a folder. */
  #claim(safe: string): string {
    const foldersOf = (path: string): string[] =>
      path.split("/").slice(0, -1).map((_, i, all) => all.slice(0, i + 1).join("/").toLowerCase());
    const wanted = foldersOf(safe).some((folder) => this.#paths.has(folder)) ? safe.replaceAll("/", "_") : safe;
    for (let n = 1;; n++) {
      const path = n === 1 ? wanted : numbered(wanted, n);
      const key = path.toLowerCase();
      if (this.#paths.has(key) || this.#folders.has(key)) continue;
      this.#paths.add(key);
      for (const folder of foldersOf(path)) this.#folders.add(folder);
      return path;
    }
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** The collector's bytes: its errors end them, and are kept apart from those of redaction. */
class Source {
  bytesIn = 0;
  failure: string | undefined;
  readonly #content: AsyncIterable<Uint8Array>;
  readonly #maxBytes: number;
  readonly #signal: AbortSignal;

  constructor(content: AsyncIterable<Uint8Array>, maxBytes: number, signal: AbortSignal) {
    this.#content = content;
    this.#maxBytes = maxBytes;
    this.#signal = signal;
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    const iterator = this.#content[Symbol.asyncIterator]();
    try {
      for (;;) {
        const result = await nextUnlessAborted(iterator, this.#signal);
        if (result === "aborted") this.failure ??= "the deadline came; what was there before it is kept";
        if (result === "aborted" || result.done) return;
        this.bytesIn += result.value.length;
        if (this.bytesIn > this.#maxBytes) {
          this.failure = `longer than ${this.#maxBytes} bytes; the rest is left out`;
          return;
        }
        yield result.value;
      }
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
    } finally {
      void iterator.return?.().then(undefined, () => {});
    }
  }

  /** Unpacked, at most `maxBytes` of it: a bomb ends there. */
  async *expanded(): AsyncGenerator<Uint8Array> {
    let sizeBytes = 0;
    try {
      for await (const bytes of gunzip(this.bytes())) {
        sizeBytes += bytes.length;
        if (sizeBytes > this.#maxBytes) {
          this.failure = `longer than ${this.#maxBytes} bytes unpacked; the rest is left out`;
          return;
        }
        yield bytes;
      }
    } catch (error) {
      this.failure ??= `cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
}

/** The next value, unless `signal` aborts first; then there is one moment more for what is already on its way. */
export async function nextUnlessAborted<T>(
  iterator: AsyncIterator<T>,
  signal: AbortSignal,
): Promise<IteratorResult<T> | "aborted"> {
  const aborted = Promise.withResolvers<"aborted">();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = (): void => {
    const graceMs = graceLeftMs(signal);
    if (graceMs <= 0) aborted.resolve("aborted");
    else timer = setTimeout(() => aborted.resolve("aborted"), graceMs);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted && graceLeftMs(signal) <= 0) return "aborted"; // an endless content that does not listen ends here
    return await Promise.race([iterator.next(), aborted.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

function graceLeftMs(signal: AbortSignal): number {
  const since = abortedAtMs.get(signal) ?? performance.now();
  abortedAtMs.set(signal, since);
  return since + abortGraceMs - performance.now();
}

const abortedAtMs = new WeakMap<AbortSignal, number>();

/** No `..`, no control characters, no absolute path, no segment over 120 bytes: extracts the same everywhere. */
export function safePath(path: string): string {
  const segments = path.split("/").filter((one) => one !== "" && one !== ".").map((segment) => {
    const plain = segment === ".." ? "__" : segment.replace(/[^\p{L}\p{N}._+=@%,:~ -]/gu, "_").replace(/^[- ]/, "_");
    return shortened(plain);
  });
  return segments.length === 0 ? "unnamed" : segments.join("/");
}

function shortened(segment: string): string {
  if (new TextEncoder().encode(segment).length <= 120) return segment;
  const digest = createHash("sha256").update(segment).digest("hex").slice(0, 10);
  const extension = /\.[A-Za-z0-9]{1,8}$/.exec(segment)?.[0] ?? "";
  return `${[...segment].slice(0, 25).join("")}~${digest}${extension}`;
}

function numbered(path: string, n: number): string {
  const dot = path.lastIndexOf(".");
  return dot > path.lastIndexOf("/") + 1 ? `${path.slice(0, dot)}~${n}${path.slice(dot)}` : `${path}~${n}`;
}

/** What redaction of a small artifact uses, roughly; of a large one its chunks are counted. */
const redactionBytes = 128 * 1024;
const abortGraceMs = 400;
