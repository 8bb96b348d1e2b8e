/** Lets analysers read the redacted evidence of one machine. One that throws or hangs costs its own findings. */
import { contentText } from "./artifact_store.ts";
import { type HeldArtifact, heldArtifacts, isDropped, type NodeEvidence } from "./evidence.ts";
import type { Analyser, Finding } from "./report.ts";

/** What all analysers found, in their order. */
export async function analyse(analysers: readonly Analyser[], node: NodeEvidence): Promise<readonly Finding[]> {
  const artifacts = new Map(heldArtifacts(node).map((artifact) => [artifact.path, artifact]));
  const read = async (path: string): Promise<string | undefined> => {
    const artifact = artifacts.get(path);
    return artifact === undefined || isDropped(artifact) ? undefined : await newestText(artifact);
  };
  const paths = [...artifacts.values()].filter((one) => !isDropped(one)).map(({ path }) => path);
  const findings: Finding[] = [];
  for (const analyser of analysers) {
    try {
      findings.push(...await within(analyser.analyse(read, paths), analyserTimeoutMs));
    } catch (error) {
      findings.push({
        id: `analyser-${analyser.id}`,
        severity: "info",
        title: `The analyser ${analyser.id} failed`,
        evidence: [],
        artifact: "",
        // The message could repeat what it read; the class says enough to go on.
        advice: `Look at the evidence yourself (${error instanceof Error ? error.name : "error"}).`,
      });
    }
  }
  return findings;
}

/** The last {@linkcode maxTextBytes} of an artifact: what is newest is what matters. */
async function newestText(artifact: Exclude<HeldArtifact, { dropped: string }>): Promise<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const bytes of contentText(artifact.content)) {
    parts.push(bytes);
    sizeBytes += bytes.length;
    while (parts.length > 1 && sizeBytes - parts[0]!.length >= maxTextBytes) sizeBytes -= parts.shift()!.length;
  }
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
}

async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException("not within its time", "TimeoutError")), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const maxTextBytes = 8 * 1024 ** 2;
const analyserTimeoutMs = 5_000;
