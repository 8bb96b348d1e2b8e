/**
 * Redacts a bundle that is there once more, on any machine: with more words or patterns, or because it was made without.
 * What is masked already stays; the report and the sums are made anew.
 */
import { ArtifactStore, type StoredArtifact, type StoreOptions } from "./artifact_store.ts";
import { type BundleFile, packBundle, type PackedBundle } from "./bundle.ts";
import { type FileTaker, inspectBundle } from "./opening/inspect.ts";
import type { OpenedBundle } from "./opening/open_bundle.ts";
import { kindOfName, redactedNotes } from "./received.ts";
import type { Redactor } from "./redaction.ts";
import type { ArtifactReport, DumpReport } from "./report.ts";
import { reportFiles } from "./report_files.ts";
import { clearLeaksOf } from "./self_check.ts";
import { createHash } from "node:crypto";

/** The bundle anew, and what could not be taken along: paths with reasons, redacted. */
export interface RedactedAgain {
  readonly bundle: PackedBundle;
  readonly dropped: readonly string[];
}

/** Reads all of `bundle` and packs it again below `base`. @throws when it is damaged */
export async function redactAgain(
  bundle: OpenedBundle,
  base: string,
  options: StoreOptions,
  signal: AbortSignal,
): Promise<RedactedAgain> {
  const taker = new Taker(options, signal);
  const { report, problems } = await inspectBundle(bundle, taker);
  if (problems.length > 0) throw new Error(`Cannot redact the bundle: ${problems[0]}`);
  const { redactor } = options;
  const dropped = [...taker.dropped];
  const kept: { readonly before: string; readonly artifact: StoredArtifact }[] = [];
  for (const one of taker.stored) {
    const artifact = await clearLeaksOf(one.artifact, options, () => signal.throwIfAborted());
    if ("dropped" in artifact) dropped.push(`${artifact.path}: ${artifact.dropped}`);
    else kept.push({ ...one, artifact });
  }
  const files = kept.map(({ artifact }): BundleFile => ({
    path: artifact.path,
    modified: artifact.taken ?? new Date(),
    content: artifact.content,
  }));
  const first = report === undefined
    ? [manifestOnly(files)]
    : reportFiles(changedReport(report, kept, redactor), files);
  return { bundle: await packBundle(base, [...first, ...files], options), dropped };
}

class Taker implements FileTaker {
  readonly stored: { readonly before: string; readonly artifact: StoredArtifact }[] = [];
  readonly dropped: string[] = [];
  readonly #store: ArtifactStore;
  readonly #signal: AbortSignal;

  constructor(options: StoreOptions, signal: AbortSignal) {
    this.#store = new ArtifactStore(options);
    this.#signal = signal;
  }

  folder(): void {}

  async file(segments: readonly string[], content: AsyncIterable<Uint8Array>, modified: Date): Promise<undefined> {
    const before = segments.slice(1).join("/");
    if (before === "" || madeAnew.has(before)) return;
    const result = await this.#store.store({
      path: before,
      kind: kindOfName(before),
      content,
      origin: before,
      taken: modified,
      ...(before.endsWith(".gz") ? { encoding: "gzip" } : {}),
    }, this.#signal);
    if ("dropped" in result) this.dropped.push(`${result.path}: ${result.dropped}`);
    else if (result.partial !== undefined) this.dropped.push(`${result.path}: ${result.partial}`);
    else this.stored.push({ before, artifact: result });
  }
}

/** Each text of the report through the redactor; each file with its new size and sum, or as dropped. */
function changedReport(
  report: DumpReport,
  kept: readonly { readonly before: string; readonly artifact: StoredArtifact }[],
  redactor: Redactor,
): DumpReport {
  const byPath = new Map(kept.map(({ before, artifact }) => [before, artifact]));
  const text = (value: string): string => redactor.redactText(value);
  const artifactOf = (node: string, one: ArtifactReport): ArtifactReport => {
    const prefix = node === "." ? "" : `nodes/${node}/`;
    const artifact = byPath.get(prefix + one.path);
    const about = {
      ...one,
      origin: text(one.origin),
      ...(one.reason === undefined ? {} : { reason: text(one.reason) }),
    };
    if (artifact === undefined) {
      return {
        ...about,
        path: text(one.path),
        bytesOut: 0,
        sha256: "",
        status: "dropped",
        reason: "left out when redacted again",
      };
    }
    const path = artifact.path.slice(`nodes/${safeNode(artifact.path)}/`.length);
    const redactions = [...one.redactions, ...artifact.redactions];
    const { sizeBytes: bytesOut, sha256 } = artifact.content;
    return { ...about, path: node === "." ? artifact.path : path, bytesOut, sha256, redactions };
  };
  const nodes = report.nodes.map((node) => {
    const first = kept.find(({ before }) => before.startsWith(`nodes/${node.id}/`));
    return {
      ...node,
      id: node.id === "." || first === undefined ? text(node.id) : safeNode(first.artifact.path),
      ...(node.failure === undefined ? {} : { failure: text(node.failure) }),
      collectors: node.collectors.map((collector) => {
        const artifacts = collector.artifacts.map((one) => artifactOf(node.id, one));
        const lost = artifacts.some(({ status }, i) =>
          status === "dropped" && collector.artifacts[i]!.status !== "dropped"
        );
        return {
          ...collector,
          id: text(collector.id),
          summary: text(collector.summary),
          ...(lost ? { status: "dropped" as const, missing: !collector.optional } : {}),
          ...(collector.reason === undefined ? {} : { reason: text(collector.reason) }),
          notes: redactedNotes(collector.notes, text),
          artifacts,
        };
      }),
      findings: node.findings.map((finding) => ({
        ...finding,
        title: text(finding.title),
        evidence: finding.evidence.map(text),
        artifact: text(finding.artifact),
        advice: text(finding.advice),
      })),
    };
  });
  const complete = nodes.every(({ failure, collectors }) =>
    failure === undefined && collectors.every(({ missing }) => !missing)
  );
  return { ...report, redacted: true, complete, nodes };
}

/** `nodes/<this>/…` */
function safeNode(path: string): string {
  return path.split("/")[1] ?? "";
}

function manifestOnly(files: readonly BundleFile[]): BundleFile {
  const list = files.map(({ path, content }) =>
    content instanceof Uint8Array
      ? { path, size: content.length, sha256: createHash("sha256").update(content).digest("hex") }
      : { path, size: content.sizeBytes, sha256: content.sha256 }
  );
  const text = JSON.stringify({ formatVersion: 1, files: list }, null, 1) + "\n";
  return { path: "manifest.json", modified: new Date(), content: new TextEncoder().encode(text) };
}

/** What this program writes itself, from the report. */
const madeAnew = new Set([
  "README.html",
  "README.txt",
  "report.txt",
  "report.json",
  "findings.json",
  "manifest.json",
]);
