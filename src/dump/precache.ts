/**
 * Last good outputs of quick collectors, kept in the state folder, so that a dump on a dying machine has something to
 * show where the live collector hangs. Secrets are masked before anything is written; names and addresses are left to
 * the dump that uses it, so that they get the same pseudonyms as everything else there. What is damaged is as good as
 * not there.
 */
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { errorText } from "../pipeline/errors.ts";
import { removeIfThere, writeFileAtomic } from "../system/atomic_file.ts";
import type { ArtifactKind, Collector, DumpContext } from "./collector.ts";
import type { Machine } from "./machine.ts";
import type { Redactor } from "./redaction.ts";
import { startCommand } from "./running_command.ts";

/** One artifact of an earlier run; secrets are masked. */
export interface CachedArtifact {
  readonly path: string;
  readonly kind: ArtifactKind;
  readonly origin: string;
  readonly text: string;
}

/** What a collector gave when it last went well. */
export interface CachedOutput {
  readonly taken: Date;
  readonly artifacts: readonly CachedArtifact[];
}

/** Reads and writes the folder. Several processes may read; one writes. */
export class PrecacheStore {
  readonly #folder: string;

  /** @param folder made with mode 0700 at the first writing */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The last good output; undefined when there is none that can be read. Never throws. */
  read(collectorId: string): CachedOutput | undefined {
    try {
      const bytes = gunzipSync(Deno.readFileSync(this.#pathOf(collectorId)), { maxOutputLength: 4 * maxOutputBytes });
      const { version, id, taken, artifacts } = JSON.parse(new TextDecoder().decode(bytes)) as StoredOutput;
      const isKnown = version === 1 && id === collectorId && Array.isArray(artifacts) && artifacts.every(isArtifact);
      return isKnown && taken > 0 ? { taken: new Date(taken), artifacts } : undefined;
    } catch {
      return undefined; // missing, torn or garbage: there is nothing to fall back on
    }
  }

  /** Replaces the output of a collector. `artifacts` must be redacted. @throws when it cannot be written; the old one stays */
  write(collectorId: string, artifacts: readonly CachedArtifact[], takenMs: number): void {
    Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const stored: StoredOutput = { version: 1, id: collectorId, taken: takenMs, artifacts };
    writeFileAtomic(this.#pathOf(collectorId), gzipSync(JSON.stringify(stored), { level: 1 }), { mode: 0o600 });
  }

  /** Removes the output of a collector, if there is one. */
  remove(collectorId: string): void {
    removeIfThere(this.#pathOf(collectorId));
  }

  #pathOf(collectorId: string): string {
    return join(this.#folder, `${collectorId.replaceAll(/[^\w.-]/g, "_")}.json.gz`);
  }
}

interface StoredOutput {
  readonly version: 1;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly taken: number;
  readonly artifacts: readonly CachedArtifact[];
}

function isArtifact(value: unknown): value is CachedArtifact {
  const { path, kind, origin, text } = (value ?? {}) as Record<string, unknown>;
  const isPath = typeof path === "string" && !path.startsWith("/") && !path.split("/").includes("..");
  return isPath && typeof kind === "string" && typeof origin === "string" && typeof text === "string";
}

/** What a refresh is made with. */
export interface RefreshOptions {
  readonly store: PrecacheStore;
  readonly machine: Machine;
  /** The whole table; only those of {@linkcode isPrecached} run. */
  readonly collectors: readonly Collector[];
  /** A new one for each refresh: it masks secrets and remembers what it saw, which must not grow for ever. */
  openRedactor(): Redactor;
  /** Told what could not be refreshed; the old output stays. */
  onProblem?(text: string): void;
}

/** Quick collectors that ask nobody over the network, and whose output is small. */
export function isPrecached({ id }: Pick<Collector, "id">): boolean {
  return precachedIds.has(id);
}

const precachedIds: ReadonlySet<string> = new Set([
  "agent/state",
  "kernel/log",
  "network/firewall",
  "network/interfaces",
  "network/sockets",
  "services/states",
  "system/certificates",
  "system/disk",
  "system/identity",
  "system/memory",
  "system/processes",
  "systemd/journal",
]);

/** Runs the quick collectors one after the other, gently, and keeps what went well. Never throws; ends soon after `signal`. */
export async function refreshPrecache(options: RefreshOptions, signal: AbortSignal): Promise<void> {
  const redactor = options.openRedactor();
  for (const collector of options.collectors.filter(isPrecached)) {
    if (signal.aborted) return;
    try {
      if (await collector.skips(options.machine) !== undefined) continue;
      const artifacts = await run(collector, options.machine, redactor, signal);
      if (artifacts !== undefined) options.store.write(collector.id, artifacts, Date.now());
    } catch (error) {
      // What it says is of the machine's files; it is masked like everything.
      if (!signal.aborted) options.onProblem?.(`${collector.id}: ${redactor.redactText(errorText(error))}`);
    }
  }
}

/** Undefined when it did not go well: then the older output is worth more. */
async function run(
  collector: Collector,
  machine: Machine,
  redactor: Redactor,
  stop: AbortSignal,
): Promise<readonly CachedArtifact[] | undefined> {
  const over = new AbortController();
  const signal = AbortSignal.any([stop, over.signal, AbortSignal.timeout(Math.min(collector.timeoutMs, runTimeoutMs))]);
  let isBad = false;
  const context: DumpContext = {
    machine,
    profile: "speed",
    signal,
    run: (command) => startCommand(command, { machine, signal }),
    note: ({ state }) => {
      if (state === "timeout" || state === "error") isBad = true;
    },
  };
  const artifacts: CachedArtifact[] = [];
  let left = maxOutputBytes;
  try {
    for await (const { path, kind, origin, encoding, content } of collector.collect(context)) {
      if (encoding !== undefined || kind === "binary" || left <= 0) continue;
      const text = await newestText(redactor.redact(content, { path, kind }).content, Math.min(left, maxArtifactBytes));
      left -= text.length;
      artifacts.push({ path: redactor.redactText(path), kind, origin: redactor.redactText(origin), text });
    }
    return isBad || signal.aborted || artifacts.length === 0 ? undefined : artifacts;
  } finally {
    over.abort(); // nothing that it started goes on
  }
}

/** The last bytes of a stream, from the beginning of a line on. Redacted first, cut then: a key cut in half has no mark. */
async function newestText(content: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of content) {
    parts.push(chunk.slice());
    sizeBytes += chunk.length;
    while (sizeBytes - parts[0]!.length >= maxBytes) sizeBytes -= parts.shift()!.length;
  }
  const decoder = new TextDecoder();
  const text = parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
  if (text.length <= maxBytes) return text;
  const end = text.slice(-maxBytes);
  return `--- only the end is kept ---\n${end.slice(end.indexOf("\n") + 1)}`;
}

/** Of one artifact, and of one collector: a dozen of them make a cache of a few MiB, compressed to a tenth. */
const maxArtifactBytes = 512 * 1024;
const maxOutputBytes = 1024 * 1024;
const runTimeoutMs = 15_000;
