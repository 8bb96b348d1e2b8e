/**
 * A ring of recent lines on disk: two files of half its size, so that the newest half at least is always whole. Secrets
 * are masked before a line is written. Remembering never waits and never fails: what does not fit in memory is counted.
 */
import { join } from "node:path";
import { writeAllSync } from "../system/atomic_file.ts";
import type { Artifact, Collector } from "./collector.ts";
import type { Redactor } from "./redaction.ts";

/** How large the ring is. */
export interface RecentLinesOptions {
  /** Made with mode 0700. */
  readonly folder: string;
  /** Of both files together; 64 KiB and more. */
  readonly maxBytes: number;
  /** Masks secrets; a new one for each writing, so that it does not grow. */
  openRedactor(): Redactor;
}

/** The writing end. */
export class RecentLines {
  readonly #options: RecentLinesOptions;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #left = 0;
  #writing = false;

  constructor(options: RecentLinesOptions) {
    this.#options = options;
  }

  /** Takes whole lines, LFs included; copies them. */
  remember(lines: Uint8Array): void {
    if (this.#pendingBytes + lines.length > maxPendingBytes) {
      this.#left += lines.length;
      return;
    }
    this.#pending.push(lines.slice());
    this.#pendingBytes += lines.length;
  }

  /** Writes what was remembered since; to be called every few seconds. @throws when the disk does not take it: it is then gone */
  async flush(): Promise<void> {
    if (this.#writing || (this.#pending.length === 0 && this.#left === 0)) return;
    this.#writing = true;
    try {
      const gap = this.#left === 0 ? "" : `--- ${this.#left} bytes came too quickly to be kept ---\n`;
      const chunks = this.#pending;
      this.#pending = [];
      this.#pendingBytes = this.#left = 0;
      this.#append(await this.#masked(chunks) + gap);
    } finally {
      this.#writing = false;
    }
  }

  async #masked(chunks: readonly Uint8Array[]): Promise<string> {
    const about = { path: "agent/recent.log", kind: "log" } as const;
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of this.#options.openRedactor().redact(streamOf(chunks), about).content) {
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  }

  /** Appends, and begins a new file when half of the size is reached. A line that is torn by a crash is the last one. */
  #append(text: string): void {
    const { folder, maxBytes } = this.#options;
    const newer = join(folder, newerName);
    const bytes = encoder.encode(text).subarray(-maxBytes / 2);
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (sizeOf(newer) + bytes.length > maxBytes / 2) renameIfThere(newer, join(folder, olderName));
    using file = Deno.openSync(newer, { create: true, append: true, mode: 0o600 });
    writeAllSync(file, bytes);
  }
}

/** What a ring holds, oldest first; empty when there is none. */
export function readRecentLines(folder: string): string {
  return readPart(join(folder, olderName)) + readPart(join(folder, newerName));
}

/** The ring of a folder as a collector. */
export function recentLinesCollector(folder: string): Collector {
  return {
    id: "agent/recent",
    summary: "the newest lines that the agent shipped",
    profiles: ["speed", "complete", "size"],
    optional: true,
    timeoutMs: 5_000,
    skips: () => Promise.resolve(readRecentLines(folder) === "" ? "the agent keeps no recent lines" : undefined),
    plan: () => [`read ${folder}`],
    async *collect(): AsyncIterable<Artifact> {
      const bytes = encoder.encode(readRecentLines(folder));
      const taken = await Deno.stat(join(folder, newerName)).then(({ mtime }) => mtime, () => null);
      yield {
        path: "agent/recent.log",
        kind: "log",
        origin: folder,
        content: streamOf([bytes]),
        ...(taken === null ? {} : { taken }),
      };
    },
  };
}

function readPart(path: string): string {
  try {
    const text = decoder.decode(Deno.readFileSync(path));
    return text === "" || text.endsWith("\n") ? text : text + "\n";
  } catch {
    return "";
  }
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function* streamOf(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}

const newerName = "recent.log";
const olderName = "recent.older.log";
const maxPendingBytes = 1024 * 1024;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
