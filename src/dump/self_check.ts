/**
 * The self-check before sealing: is anything that is known to be secret, or somebody's name, still in what was kept?
 * Secrets are also learned while a dump is gathered, so that a file which came before may hold one: it is masked there by
 * its value. What still holds something then is not in the bundle, and said to be missing.
 */
import { type DroppedArtifact, safePath, type StoredArtifact, type StoreOptions } from "./artifact_store.ts";
import { changeArtifacts, type HeldArtifact, heldArtifacts, isDropped, type NodeEvidence } from "./evidence.ts";
import { contentText, keepContent } from "./kept_content.ts";
import type { Leak, RedactionCount, Redactor } from "./redaction.ts";
import type { CollectorReport, DumpReport, Finding, NodeReport } from "./report.ts";
import { WorkFullError } from "./work_file.ts";

/** Looks at every artifact. `goOn` is asked all the time and throws where the user has stopped the dump. */
export async function clearLeaks(
  nodes: readonly NodeEvidence[],
  storing: StoreOptions,
  goOn: () => void,
): Promise<void> {
  const changed = new Map<HeldArtifact, HeldArtifact>();
  for (const node of nodes) {
    const paths = new Set(heldArtifacts(node).map(({ path }) => path));
    for (const artifact of heldArtifacts(node)) {
      goOn();
      const path = await clearedPath(artifact.path, storing.redactor, paths);
      const one = path === artifact.path ? artifact : { ...artifact, path };
      const cleared = isDropped(one) ? one : await clearLeaksOf(one, storing, goOn);
      if (cleared !== artifact) changed.set(artifact, cleared);
    }
  }
  changeArtifacts(nodes, (one) => changed.get(one) ?? one);
}

/** The artifact as it may leave: itself, with what was learned since masked, or dropped. @throws what `goOn` throws */
export async function clearLeaksOf(
  artifact: StoredArtifact,
  storing: StoreOptions,
  goOn: () => void,
): Promise<StoredArtifact | DroppedArtifact> {
  const first = await leaksOf(artifact, storing.redactor, goOn);
  if (first.length === 0) return artifact;
  const masked = await maskedAgain(artifact, storing, goOn);
  const left = masked === undefined ? first : await leaksOf(masked, storing.redactor, goOn);
  if (masked !== undefined && left.length === 0) return masked;
  const rules = [...new Set(left.map(({ rule }) => rule))].join(", ");
  const { path, kind, origin, bytesIn } = artifact;
  const dropped = `the self-check still found something that must not leave the machine (${rules})`;
  return { path, kind, origin, bytesIn, dropped };
}

/** Undefined where that did not work; the artifact is then dropped for what was found before. */
async function maskedAgain(
  artifact: StoredArtifact,
  storing: StoreOptions,
  goOn: () => void,
): Promise<StoredArtifact | undefined> {
  const { content: kept, redactions } = artifact;
  const known = storing.redactor.maskKnown(watched(contentText(kept), goOn));
  try {
    const content = await keepContent(known.content, kept.form === "packed", storing);
    return { ...artifact, content, redactions: sum(redactions, known.counts()) };
  } catch (error) {
    goOn();
    if (error instanceof WorkFullError) throw error;
    return undefined;
  }
}

async function leaksOf({ content }: StoredArtifact, redactor: Redactor, goOn: () => void): Promise<readonly Leak[]> {
  try {
    return await redactor.leaks(watched(contentText(content), goOn));
  } catch {
    goOn();
    return [unchecked];
  }
}

/** The same bytes, until the user stops it. */
async function* watched(content: AsyncIterable<Uint8Array>, goOn: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    goOn();
    yield chunk;
  }
}

/** The path without what was learned after it was made; a mask in its place. */
async function clearedPath(path: string, redactor: Redactor, taken: Set<string>): Promise<string> {
  if ((await redactor.leaks(once(path))).length === 0) return path;
  let masked = "";
  const decoder = new TextDecoder();
  for await (const bytes of redactor.maskKnown(once(path)).content) masked += decoder.decode(bytes, { stream: true });
  masked = safePath(masked);
  const isSafe = (await redactor.leaks(once(masked))).length === 0;
  for (let n = 1;; n++) {
    const free = `${isSafe ? masked : "withheld"}${n === 1 ? "" : `~${n}`}`;
    if (taken.has(free)) continue;
    taken.add(free);
    return free;
  }
}

function sum(a: readonly RedactionCount[], b: readonly RedactionCount[]): readonly RedactionCount[] {
  const counts = new Map<string, number>();
  for (const { rule, times } of [...a, ...b]) counts.set(rule, (counts.get(rule) ?? 0) + times);
  return [...counts].map(([rule, times]) => ({ rule, times }));
}

function once(text: string): AsyncIterable<Uint8Array> {
  return ReadableStream.from([new TextEncoder().encode(text)]);
}

/** The report; where the self-check finds something in the texts of a collector or finding, without those. */
export async function safeReport(report: DumpReport, redactor: Redactor): Promise<DumpReport> {
  if ((await leaksIn(report, redactor)).length === 0) return report;
  const nodes: NodeReport[] = [];
  for (const { failure, ...node } of report.nodes) {
    const collectors: CollectorReport[] = [];
    for (const one of node.collectors) {
      collectors.push((await leaksIn(one, redactor)).length === 0 ? one : withoutTexts(one));
    }
    const findings: Finding[] = [];
    for (const one of node.findings) {
      const leaks = await leaksIn(one, redactor);
      findings.push(leaks.length === 0 ? one : { ...one, title: one.id, evidence: [], advice: withheld });
    }
    const shown = failure === undefined || (await leaksIn(failure, redactor)).length === 0 ? failure : withheld;
    nodes.push({ ...node, collectors, findings, ...(shown === undefined ? {} : { failure: shown }) });
  }
  const bare = { ...report, nodes };
  const [leak] = await leaksIn(bare, redactor);
  if (leak === undefined) return bare;
  throw new Error(
    `Cannot write the dump: its report still names something that must not leave the machine (${leak.rule})` +
      "\nTry: --skip the collector whose files have it in their names",
  );
}

function withoutTexts({ reason: _reason, ...rest }: CollectorReport): CollectorReport {
  return {
    ...rest,
    reason: withheld,
    notes: rest.notes.map(({ state }) => ({ about: rest.id, state, text: withheld })),
    artifacts: rest.artifacts.map(({ reason: _why, ...one }) => ({ ...one, origin: withheld })),
  };
}

async function leaksIn(value: unknown, redactor: Redactor): Promise<readonly Leak[]> {
  return await redactor.leaks(once(JSON.stringify(value)));
}

const unchecked: Leak = { rule: "it could not be checked", offset: 0 };
const withheld = "withheld: the self-check found something in it that must not leave the machine";
