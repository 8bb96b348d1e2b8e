/** What a dump holds while it is made, and the report that is drawn from it. */
import type { DroppedArtifact, StoredArtifact } from "./artifact_store.ts";
import type { BundleFile } from "./bundle.ts";
import type { DumpProfile } from "./collector.ts";
import type {
  ArtifactReport,
  CollectorReport,
  DumpCost,
  DumpReport,
  DumpStatus,
  Finding,
  NodeReport,
} from "./report.ts";
import type { Gathered } from "./runner.ts";

/** An artifact that may have been cut. */
export type HeldArtifact =
  | (StoredArtifact & { readonly trimmed?: { readonly bytes: number; readonly lines: number } })
  | DroppedArtifact;

/** A collector's end, whose artifacts may have been cut or dropped since. */
export interface HeldCollector extends Omit<Gathered, "artifacts" | "collector"> {
  readonly id: string;
  readonly summary: string;
  readonly optional: boolean;
  artifacts: readonly HeldArtifact[];
}

/** One machine's evidence. */
export interface NodeEvidence {
  /** Folder below `nodes/`: redacted and safe. */
  readonly id: string;
  readonly collectors: readonly HeldCollector[];
  findings: readonly Finding[];
  readonly failure?: string;
}

/** What the report says beside the evidence. */
export interface ReportHeader {
  readonly id: string;
  readonly program: string;
  readonly profile: DumpProfile;
  readonly start: Date;
  readonly durationMs: number;
  readonly redacted: boolean;
  readonly cost: DumpCost;
}

/** The report of all that is there now. */
export function reportOf(header: ReportHeader, nodes: readonly NodeEvidence[]): DumpReport {
  const reports = nodes.map(nodeReport);
  const { start, ...rest } = header;
  return {
    formatVersion: 1,
    ...rest,
    start: start.toISOString(),
    complete: reports.every((node) => node.failure === undefined && node.collectors.every(({ missing }) => !missing)),
    nodes: reports,
  };
}

/** The files of the evidence, in the order of the bundle: small ones first, so that they are found without unpacking all. */
export function evidenceFiles(nodes: readonly NodeEvidence[], gathered: Date): readonly BundleFile[] {
  const files = nodes.flatMap((node) =>
    heldArtifacts(node).flatMap((artifact): BundleFile[] =>
      isDropped(artifact)
        ? []
        : [{ path: nodePath(node.id, artifact.path), modified: artifact.taken ?? gathered, content: artifact.content }]
    )
  );
  const rank = ({ content }: BundleFile): number => content instanceof Uint8Array || content.form === "plain" ? 0 : 1;
  return files.toSorted((a, b) => rank(a) - rank(b));
}

/** Below the bundle's folder. The node `.` has no folder of its own: the layout of k3s's script. */
export function nodePath(nodeId: string, path: string): string {
  return nodeId === "." ? path : `nodes/${nodeId}/${path}`;
}

/** All artifacts of a node. */
export function heldArtifacts(node: NodeEvidence): readonly HeldArtifact[] {
  return node.collectors.flatMap(({ artifacts }) => artifacts);
}

/** Whether nothing of it is in the bundle. */
export function isDropped(artifact: HeldArtifact): artifact is DroppedArtifact {
  return "dropped" in artifact;
}

/** Puts another artifact in the place of each, as `change` says. */
export function changeArtifacts(nodes: readonly NodeEvidence[], change: (one: HeldArtifact) => HeldArtifact): void {
  for (const node of nodes) for (const held of node.collectors) held.artifacts = held.artifacts.map(change);
}

function nodeReport(node: NodeEvidence): NodeReport {
  return {
    id: node.id,
    collectors: node.collectors.map(collectorReport),
    findings: node.findings,
    ...(node.failure === undefined ? {} : { failure: node.failure }),
  };
}

function collectorReport(held: HeldCollector): CollectorReport {
  const artifacts = held.artifacts.map(artifactReport);
  const dropped = held.artifacts.find(isDropped);
  const trimmed = artifacts.some(({ status }) => status === "trimmed");
  const { id, summary, optional, durationMs, notes } = held;
  const status: DumpStatus = dropped !== undefined
    ? "dropped"
    : held.status === "ok" && trimmed
    ? "trimmed"
    : held.status;
  const reason = held.reason ?? (dropped === undefined ? undefined : `${dropped.path}: ${dropped.dropped}`);
  return {
    id,
    summary,
    optional,
    status,
    missing: held.missing || (dropped !== undefined && !optional),
    start: held.start.toISOString(),
    durationMs,
    ...(reason === undefined ? {} : { reason }),
    notes,
    artifacts,
  };
}

function artifactReport(artifact: HeldArtifact): ArtifactReport {
  const { path, kind, origin, bytesIn } = artifact;
  const about = { path, kind, origin, bytesIn };
  if (isDropped(artifact)) {
    return { ...about, bytesOut: 0, sha256: "", status: "dropped", redactions: [], reason: artifact.dropped };
  }
  const { content, redactions, partial, trimmed, taken } = artifact;
  return {
    ...about,
    bytesOut: content.sizeBytes,
    sha256: content.sha256,
    status: partial !== undefined ? "error" : trimmed !== undefined ? "trimmed" : "ok",
    redactions,
    ...(partial === undefined ? {} : { reason: partial }),
    ...(trimmed === undefined ? {} : { trimmed }),
    ...(taken === undefined ? {} : { taken: taken.toISOString() }),
  };
}
