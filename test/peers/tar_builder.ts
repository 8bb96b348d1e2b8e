/** Archives made by hand, honest and hostile: independent of the code that reads and writes ours. */
import { gzipSync } from "node:zlib";
import { createHash } from "node:crypto";
import { joinBytes } from "../../src/formats/bytes.ts";

/** One entry; what is not said is a file of the right size. */
export interface TarPart {
  readonly name: string;
  readonly content?: string | Uint8Array;
  /** Type flag: `0` file, `1` hard link, `2` symbolic link, `3` device, `5` folder, `x` pax, `L` long name. */
  readonly type?: string;
  readonly link?: string;
  /** What the header says instead of the truth. */
  readonly sizeBytes?: number;
  readonly badChecksum?: boolean;
}

/** A tar of `parts`, with its end. */
export function buildTar(parts: readonly TarPart[], end: Uint8Array = new Uint8Array(1_024)): Uint8Array<ArrayBuffer> {
  const blocks: Uint8Array[] = [];
  for (const part of parts) {
    const content = typeof part.content === "string"
      ? new TextEncoder().encode(part.content)
      : part.content ?? new Uint8Array();
    blocks.push(headerOf(part, content.length), content, new Uint8Array((512 - content.length % 512) % 512));
  }
  return joinBytes([...blocks, end]);
}

/** {@linkcode buildTar}, compressed. */
export function buildTarGz(parts: readonly TarPart[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(buildTar(parts)));
}

/** A bundle as `agent dump` makes it: a report, a manifest, and `evidence` by its path below the bundle's folder. */
export function buildBundle(base: string, evidence: Readonly<Record<string, string>>): readonly TarPart[] {
  const files = { "report.json": JSON.stringify(sampleReport), ...evidence };
  const listed = Object.entries(files).map(([path, text]) => ({
    path,
    size: new TextEncoder().encode(text).length,
    sha256: createHash("sha256").update(text).digest("hex"),
  }));
  const manifest = JSON.stringify({ formatVersion: 1, id: sampleReport.id, files: listed });
  return [
    { name: `${base}/`, type: "5" },
    ...Object.entries({ ...files, "manifest.json": manifest }).map(([path, content]) => ({
      name: `${base}/${path}`,
      content,
    })),
  ];
}

function headerOf(part: TarPart, length: number): Uint8Array {
  const block = new Uint8Array(512);
  const put = (at: number, text: string): void => {
    block.set(new TextEncoder().encode(text), at);
  };
  block.set(new TextEncoder().encode(part.name).subarray(0, 100));
  put(100, "0000777\0");
  put(124, (part.sizeBytes ?? length).toString(8).padStart(11, "0"));
  put(136, "14000000000");
  put(148, "        ");
  put(156, part.type ?? "0");
  put(157, part.link ?? "");
  put(257, "ustar\x0000");
  const sum = block.reduce((total, byte) => total + byte, part.badChecksum === true ? 1 : 0);
  put(148, sum.toString(8).padStart(6, "0") + "\0 ");
  return block;
}

/** An incomplete dump with one finding; a title that would turn a terminal red. */
export const sampleReport = {
  formatVersion: 1,
  id: "0123456789abcdef",
  program: "agent 0.1.0",
  profile: "speed",
  start: "2026-11-20T12:00:00.000Z",
  durationMs: 1_234,
  redacted: true,
  cost: { peakMemoryBytes: 1, workBytes: 1, jobs: 2 },
  complete: false,
  nodes: [{
    id: "host-abc",
    collectors: [{
      id: "kube/kubectl",
      summary: "what kubectl says",
      optional: false,
      status: "timeout",
      missing: true,
      start: "2026-11-20T12:00:00.000Z",
      durationMs: 1_000,
      reason: "not done within 1 s",
      notes: [],
      artifacts: [],
    }],
    findings: [{
      id: "disk-full",
      severity: "critical",
      title: "the disk / is full\u001b[31m",
      evidence: ["/dev/vda1 100%"],
      artifact: "system/df.txt",
      advice: "remove what is old",
    }],
  }],
} as const;
