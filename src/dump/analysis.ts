/** Lets analysers read the redacted evidence of one machine. One that throws or hangs costs its own findings. */
import { type HeldArtifact, heldArtifacts, isDropped, type NodeEvidence } from "./evidence.ts";
import { newestPart } from "./kept_content.ts";
import { freeAfter } from "./memory.ts";
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
async function newestText({ content }: Exclude<HeldArtifact, { dropped: string }>): Promise<string> {
  const newest = new Uint8Array(Math.min(maxTextBytes, content.form === "packed" ? maxTextBytes : content.sizeBytes));
  let sizeBytes = 0; // of all that came
  for await (const bytes of newestPart(content)) {
    const part = bytes.subarray(Math.max(0, bytes.length - newest.length));
    const at = (sizeBytes + bytes.length - part.length) % newest.length;
    const room = Math.min(part.length, newest.length - at);
    newest.set(part.subarray(0, room), at);
    newest.set(part.subarray(room), 0);
    sizeBytes += bytes.length;
  }
  freeAfter(2 * newest.length); // these bytes, and the text
  if (sizeBytes <= newest.length) return new TextDecoder().decode(newest.subarray(0, sizeBytes));
  const decoder = new TextDecoder();
  const seam = sizeBytes % newest.length;
  return decoder.decode(newest.subarray(seam), { stream: true }) + decoder.decode(newest.subarray(0, seam));
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
