/** Reads a bundle to its end: what is in it, whether it is what its manifest says, and what must not become a file. */
import { createHash } from "node:crypto";
import { BundleError } from "../bundle_error.ts";
import type { DumpReport } from "../report.ts";
import { parseReport } from "../report_schema.ts";
import { type ManifestEntry, parseManifest } from "./manifest.ts";
import { collisionKey, safePath, shownText } from "./names.ts";
import type { OpenedBundle } from "./open_bundle.ts";
import type { TarItem } from "./tar_reader.ts";

/** One entry of the archive. */
export interface EntryFacts {
  /** With the bundle's own folder, escaped: safe to be shown. */
  readonly path: string;
  readonly kind: TarItem["kind"];
  readonly sizeBytes: number;
  /** ISO 8601, UTC. */
  readonly modified: string;
  /** Of files that were read. */
  readonly sha256?: string;
  /** Why it is not used: its name, its kind, a name that was there before. */
  readonly refused?: string;
}

/** All that is known after reading. */
export interface Inspection {
  readonly entries: readonly EntryFacts[];
  /** `verified`: all files are there and as listed; `none`: the bundle has no manifest (k3s's script makes none). */
  readonly manifest: "verified" | "none" | "wrong";
  /** What is wrong with the bundle, one line each, escaped. */
  readonly problems: readonly string[];
  readonly report: DumpReport | undefined;
}

/** Takes files out of the archive. */
export interface FileTaker {
  folder(segments: readonly string[]): void;
  /** Reads `content` to its end. @returns why it is refused, undefined when it was taken */
  file(segments: readonly string[], content: AsyncIterable<Uint8Array>, modified: Date): Promise<string | undefined>;
}

/** Reads all of it, or throws the reason of `signal`; a damaged end is a problem among the others, what came before it counts. */
export async function inspectBundle(
  bundle: OpenedBundle,
  taker?: FileTaker,
  signal: AbortSignal = new AbortController().signal,
): Promise<Inspection> {
  const reading = new Reading(taker, signal);
  const problems: string[] = [];
  try {
    for await (const item of bundle.entries()) await reading.take(item);
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
    problems.push(shownText(error.message.split("\n")[0]!) + `, after ${reading.entries.length} entries`);
    if (reading.entries.length === 0) throw error;
  }
  for (const { path, refused } of reading.entries) {
    if (refused !== undefined) problems.push(`${path}: refused, ${refused}`);
  }
  const { manifest, found } = reading.compare();
  return { entries: reading.entries, manifest, problems: [...problems, ...found], report: reading.report() };
}

class Reading {
  readonly entries: EntryFacts[] = [];
  readonly #taker: FileTaker | undefined;
  readonly #signal: AbortSignal;
  readonly #seen = new Set<string>();
  /** Files by their path below the bundle's own folder. */
  readonly #files = new Map<string, ManifestEntry>();
  readonly #texts = new Map<string, string>();

  constructor(taker: FileTaker | undefined, signal: AbortSignal) {
    this.#taker = taker;
    this.#signal = signal;
  }

  async take(item: TarItem): Promise<void> {
    const { kind, sizeBytes } = item;
    const facts = {
      path: shownText(item.name),
      kind,
      sizeBytes,
      modified: (Number.isNaN(item.modified.getTime()) ? new Date(0) : item.modified).toISOString(),
    };
    const place = safePath(item.name);
    if ("refused" in place) return void this.entries.push({ ...facts, refused: place.refused });
    if (kind === "folder") {
      this.#taker?.folder(place.segments);
      return void this.entries.push(facts);
    }
    if (kind !== "file") return void this.entries.push({ ...facts, refused: `it is a ${kind}` });
    const key = collisionKey(place.segments);
    if (place.segments.length === 0 || this.#seen.has(key)) {
      return void this.entries.push({ ...facts, refused: "there is a file of that name before it" });
    }
    this.#seen.add(key);
    const { sha256, refused } = await this.#read(item, place.segments);
    this.entries.push({ ...facts, sha256, ...(refused === undefined ? {} : { refused }) });
  }

  async #read(item: TarItem, segments: readonly string[]): Promise<{ sha256: string; refused: string | undefined }> {
    const below = segments.slice(1).join("/");
    const hash = createHash("sha256");
    const kept: Uint8Array[] | undefined = wanted.has(below) && item.sizeBytes <= maxTextBytes ? [] : undefined;
    const signal = this.#signal;
    async function* watched(): AsyncGenerator<Uint8Array> {
      for await (const bytes of item.content) {
        signal.throwIfAborted();
        hash.update(bytes);
        kept?.push(bytes.slice());
        yield bytes;
      }
    }
    const content = watched();
    const refused = await this.#taker?.file(segments, content, item.modified);
    for await (const _ of content) continue; // what nobody took counts for the checksum all the same
    const sha256 = hash.digest("hex");
    this.#files.set(below, { sizeBytes: item.sizeBytes, sha256 });
    if (kept !== undefined) this.#texts.set(below, await new Blob(kept as Uint8Array<ArrayBuffer>[]).text());
    return { sha256, refused };
  }

  compare(): { readonly manifest: Inspection["manifest"]; readonly found: readonly string[] } {
    const text = this.#texts.get("manifest.json");
    if (text === undefined) return { manifest: "none", found: [] };
    const manifest = parseManifest(text);
    if (manifest === undefined) return { manifest: "wrong", found: ["manifest.json: it cannot be read"] };
    const found: string[] = [];
    for (const [path, { sizeBytes, sha256 }] of manifest) {
      const there = this.#files.get(path);
      if (there === undefined) found.push(`${shownText(path)}: missing, the manifest lists it`);
      else if (there.sha256 !== sha256 || there.sizeBytes !== sizeBytes) {
        found.push(`${shownText(path)}: not as the manifest says`);
      }
    }
    for (const path of this.#files.keys()) {
      if (path !== "manifest.json" && !manifest.has(path)) found.push(`${shownText(path)}: not in the manifest`);
    }
    return { manifest: found.length === 0 ? "verified" : "wrong", found };
  }

  report(): DumpReport | undefined {
    try {
      return parseReport(this.#texts.get("report.json") ?? "");
    } catch {
      return undefined;
    }
  }
}

const wanted: ReadonlySet<string> = new Set(["manifest.json", "report.json"]);
const maxTextBytes = 32 * 1024 * 1024;
