/**
 * One dump, from collectors to a file: gather, check for leaks, analyse, pack, seal, write. Nothing that leaves has not
 * been through the redactor, and nothing that is written has not been through the seal.
 */
import { ArtifactStore, type StoreOptions } from "./artifact_store.ts";
import { analyse } from "./analysis.ts";
import { packBundle, type PackedBundle } from "./bundle.ts";
import type { Collector, DumpProfile } from "./collector.ts";
import {
  evidenceFiles,
  type HeldArtifact,
  type HeldCollector,
  isDropped,
  type NodeEvidence,
  reportOf,
} from "./evidence.ts";
import { fitBundle } from "./fit.ts";
import type { Machine } from "./machine.ts";
import type { Output } from "./output.ts";
import type { Progress } from "./progress.ts";
import type { Redactor } from "./redaction.ts";
import type { Analyser, DumpReport } from "./report.ts";
import { reportFiles } from "./report_files.ts";
import { gather, type Gathered } from "./runner.ts";
import type { Seal } from "./seal.ts";
import { clearLeaks, safeReport } from "./self_check.ts";
import { DumpStopped } from "./stopped.ts";
import type { Timeouts } from "./selection.ts";
import { releaseProgramPages } from "../system/program_pages.ts";
import type { WorkFile } from "./work_file.ts";

/** All that a dump needs. */
export interface DumpOptions {
  /** Name and version of this program. */
  readonly program: string;
  readonly id: string;
  /** Folder in the archive. */
  readonly base: string;
  /** Folder of this machine below `nodes/`; redacted and safe. Nothing of it is in a dump without collectors. */
  readonly nodeId: string;
  readonly collectors: readonly Collector[];
  readonly analysers: readonly Analyser[];
  readonly machine: Machine;
  readonly profile: DumpProfile;
  readonly since?: Date;
  readonly until?: Date;
  readonly redactor: Redactor;
  readonly redacted: boolean;
  readonly jobs: number;
  /** For gathering and packing together, milliseconds; the gathering ends early enough for the rest. */
  readonly deadlineMs: number;
  readonly timeouts: Timeouts;
  /** Largest final file. */
  readonly maxBytes?: number;
  readonly work: WorkFile;
  readonly output: Output;
  readonly progress: Progress;
  /** When stopped: write what is there. */
  readonly keepPartial: boolean;
  /** Evidence of other machines, gathered at the same time. */
  readonly others?: (store: StoreOptions, signal: AbortSignal) => Promise<readonly NodeEvidence[]>;
  /** Asked once, after the gathering. */
  chooseSeal(): Promise<Seal>;
  readonly signal: AbortSignal;
}

/** A dump that was written. */
export interface DumpOutcome {
  readonly report: DumpReport;
  readonly sizeBytes: number;
}

/** Makes the dump. @throws {DumpStopped}, and when there is no room, no seal or no way to write; nothing is then left */
export async function makeDump(options: DumpOptions): Promise<DumpOutcome> {
  const start = new Date();
  const startMs = performance.now();
  const { profile, work, redactor, progress, jobs } = options;
  const storing: StoreOptions = { work, redactor, ...limits[profile] };
  const store = new ArtifactStore(storing);
  progress.total(options.collectors.length);
  releaseProgramPages(); // of the start
  const others = options.others?.(storing, options.signal) ?? Promise.resolve([]);
  others.catch(() => {}); // awaited below; it must not end the process before that
  const gathered = await gather({ ...gatherOptions(options), store }, options.signal);
  const own: NodeEvidence = {
    id: options.nodeId,
    collectors: await heldCollectors(gathered, store, redactor),
    findings: [],
  };
  const nodes = [...(gathered.length === 0 && options.others !== undefined ? [] : [own]), ...await others];
  goOn(options);
  progress.phase("checking that nothing secret is left");
  await clearLeaks(nodes, storing, () => goOn(options));
  goOn(options);
  progress.phase("looking for causes");
  releaseProgramPages();
  for (const node of nodes) if (node.failure === undefined) node.findings = await analyse(options.analysers, node);
  goOn(options);
  progress.quiet();
  const seal = await options.chooseSeal();
  progress.phase("packing");
  const header = {
    id: options.id,
    program: options.program,
    profile,
    start,
    redacted: options.redacted,
  };
  let report!: DumpReport;
  const pack = async (): Promise<PackedBundle> => {
    goOn(options);
    const cost = { peakMemoryBytes: peakMemoryBytes(), workBytes: work.usedBytes, jobs };
    const durationMs = Math.round(performance.now() - startMs);
    const evidence = evidenceFiles(nodes, start);
    const checked = await safeReport(reportOf({ ...header, durationMs, cost }, nodes), redactor);
    report = checked;
    return await packBundle(options.base, [...reportFiles(checked, evidence), ...evidence], storing);
  };
  const sealedBytes = ({ sizeBytes }: PackedBundle): number => sizeBytes + seal.overheadBytes(sizeBytes);
  const bundle = options.maxBytes === undefined
    ? await pack()
    : await fitBundle({ ...storing, nodes, maxBytes: options.maxBytes, pack, sealedBytes });
  goOn(options);
  progress.phase("writing");
  const stop = options.keepPartial ? new AbortController().signal : options.signal;
  const sizeBytes = await options.output.write(seal.seal(bundle.read()), sealedBytes(bundle), stop)
    .catch((error) => {
      if (stop.aborted) throw new DumpStopped();
      throw error;
    });
  return { report, sizeBytes };
}

function gatherOptions(options: DumpOptions): Omit<Parameters<typeof gather>[0], "store"> {
  const { deadlineMs, timeouts } = options;
  return {
    ...options,
    // What follows the gathering must fit too.
    deadlineMs: Math.max(deadlineMs * 0.5, deadlineMs - Math.max(1_000, deadlineMs * 0.15)),
    timeoutOf: ({ id }) => timeouts.of(id),
    commandTimeoutMs: timeouts.programs,
  };
}

function goOn({ signal, keepPartial }: DumpOptions): void {
  if (signal.aborted && !keepPartial) throw new DumpStopped();
}

/** Each thing that could not be had gets a file `NAME.error` in the place where NAME would be. */
async function heldCollectors(
  gathered: readonly Gathered[],
  store: ArtifactStore,
  redactor: Redactor,
): Promise<readonly HeldCollector[]> {
  const held: HeldCollector[] = [];
  for (const { collector, artifacts, ...rest } of gathered) {
    // Those that the user asked for are named after files, processes and commands of the user.
    const id = redactor.redactText(collector.id);
    const summary = redactor.redactText(collector.summary);
    const { optional } = collector;
    const files: HeldArtifact[] = [...artifacts];
    const told = new Map<string, string[]>();
    const tell = (about: string, text: string): void => void told.set(about, [...told.get(about) ?? [], text]);
    for (const note of rest.notes) {
      tell(note.about, `${note.state}: ${note.text}${note.stderr === undefined ? "" : `\n\nstderr:\n${note.stderr}`}`);
    }
    for (const artifact of artifacts) {
      if (isDropped(artifact)) tell(artifact.path, `dropped: ${artifact.dropped}`);
      else if (artifact.partial !== undefined) tell(artifact.path, `partial: ${artifact.partial}`);
    }
    if (told.size === 0 && rest.missing) tell(id, `${rest.status}: ${rest.reason ?? "no reason is known"}`);
    for (const [about, texts] of told) {
      const text = `${texts.join("\n\n")}\n\nWhat this means: ${guide}\n`;
      files.push(await store.storeError(about, text));
    }
    held.push({ ...rest, id, summary, optional, artifacts: files });
  }
  return held;
}

/** Largest resident set of this process so far, bytes; 0 where the kernel does not tell. */
function peakMemoryBytes(): number {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    return 1_024 * Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

const guide =
  "this evidence could not be had, or is not whole; report.txt lists all that is missing, README.html how to read it.";

/**
 * What each profile spends: gzip level, and the longest artifact. Level 4 takes 60 % of the time of level 6 and makes logs
 * 3 to 6 % larger (test/bench/README.md).
 */
const limits: Readonly<Record<DumpProfile, { readonly level: number; readonly maxArtifactBytes: number }>> = {
  speed: { level: 1, maxArtifactBytes: 64 * 1024 ** 2 },
  complete: { level: 4, maxArtifactBytes: 2 * 1024 ** 3 },
  size: { level: 9, maxArtifactBytes: 64 * 1024 ** 2 },
};
