/** What a dump says about itself: the figures behind `report.txt`, `report.json`, `README.html` and the exit code. */
import type { ArtifactKind, CollectorNote, DumpProfile } from "./collector.ts";
import type { RedactionCount } from "./redaction.ts";

/** How a collector, or an artifact, ended. */
export type DumpStatus = "ok" | "error" | "timeout" | "skipped" | "denied" | "trimmed" | "dropped";

/** One file in the bundle. */
export interface ArtifactReport {
  /** In the bundle, below `nodes/<id>/`, redacted. */
  readonly path: string;
  readonly kind: ArtifactKind;
  readonly origin: string;
  /** Bytes before redaction, and in the bundle. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Lower-case hexadecimal, of the bytes in the bundle. */
  readonly sha256: string;
  readonly status: DumpStatus;
  readonly redactions: readonly RedactionCount[];
  /** Why it is not whole, or not there; redacted. */
  readonly reason?: string;
  /** What was cut: bytes and lines of the oldest part. */
  readonly trimmed?: { readonly bytes: number; readonly lines: number };
  /** ISO 8601; where the evidence is not of now. */
  readonly taken?: string;
}

/** One collector. */
export interface CollectorReport {
  readonly id: string;
  readonly summary: string;
  readonly optional: boolean;
  readonly status: DumpStatus;
  /** Evidence that the dump was meant to have is not in it, or not whole: one of these makes the dump incomplete. */
  readonly missing: boolean;
  /** ISO 8601, UTC. */
  readonly start: string;
  readonly durationMs: number;
  /** Why it was skipped, or what went wrong; redacted. */
  readonly reason?: string;
  readonly notes: readonly CollectorNote[];
  readonly artifacts: readonly ArtifactReport[];
}

/** What an analyser found. */
export interface Finding {
  /** `disk-full`, `clock-off` …: stable, for programs. */
  readonly id: string;
  readonly severity: "critical" | "warning" | "info";
  readonly title: string;
  /** The lines or figures that show it, at most 10, redacted. */
  readonly evidence: readonly string[];
  /** Artifact it was seen in, for a link. */
  readonly artifact: string;
  /** What to do about it. */
  readonly advice: string;
}

/** Reads artifacts of the finished gathering; an analyser that throws is noted and stops nothing. */
export interface Analyser {
  readonly id: string;
  /** Redacted artifacts by path below the node's folder; undefined where there is none. */
  analyse(read: (path: string) => Promise<string | undefined>, paths: readonly string[]): Promise<readonly Finding[]>;
}

/** What a dump cost the machine. */
export interface DumpCost {
  /** Peak of the resident set of this process, bytes; 0 where it is unknown. */
  readonly peakMemoryBytes: number;
  /** Bytes of the work file: redacted, compressed, encrypted. */
  readonly workBytes: number;
  readonly jobs: number;
}

/** One machine in the dump. */
export interface NodeReport {
  /** Folder below `nodes/`. */
  readonly id: string;
  readonly collectors: readonly CollectorReport[];
  readonly findings: readonly Finding[];
  /** Why there is nothing of this node. */
  readonly failure?: string;
}

/** The whole; its JSON form is `report.json`, format version 1. */
export interface DumpReport {
  readonly formatVersion: 1;
  readonly id: string;
  readonly program: string;
  readonly profile: DumpProfile;
  /** ISO 8601, UTC. */
  readonly start: string;
  readonly durationMs: number;
  readonly redacted: boolean;
  readonly cost: DumpCost;
  /** Every required collector ended ok, on every node. */
  readonly complete: boolean;
  readonly nodes: readonly NodeReport[];
}
