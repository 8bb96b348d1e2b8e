/**
 * Holds the final file to its largest size: logs lose their oldest lines, the largest most; when that is not enough, large
 * files that are no logs are left out. Small files, the report and what they say stay. All of it is reported.
 */
import type { PackedBundle } from "./bundle.ts";
import { changeArtifacts, type HeldArtifact, heldArtifacts, isDropped, type NodeEvidence } from "./evidence.ts";
import type { KeepOptions } from "./kept_content.ts";
import { exactSize } from "./output.ts";
import { cutLevel, trimToSize } from "./trim.ts";

/** What is fitted, and into what. */
export interface FitOptions extends KeepOptions {
  readonly nodes: readonly NodeEvidence[];
  readonly maxBytes: number;
  /** Packs what the nodes hold now, with its report. */
  pack(): Promise<PackedBundle>;
  /** Size of the file that a bundle becomes. */
  sealedBytes(bundle: PackedBundle): number;
}

/** The bundle whose file is not larger than `maxBytes`. @throws when what must stay is larger */
export async function fitBundle(options: FitOptions): Promise<PackedBundle> {
  for (let round = 0; round < maxRounds; round++) {
    const bundle = await options.pack();
    const overBytes = options.sealedBytes(bundle) - options.maxBytes;
    if (overBytes <= 0) return bundle;
    const target = overBytes * (1 + round * 0.02) + slackBytes * (round + 1);
    if (!(await trimLogs(options, target)) && !dropLargest(options, target)) {
      throw new Error(
        `Cannot keep the dump within ${exactSize(options.maxBytes)}: its report and small files alone take ${
          exactSize(options.sealedBytes(bundle))
        }\nTry: a larger --max-size, or fewer collectors with --only and --skip`,
      );
    }
  }
  throw new Error(`Cannot keep the dump within ${exactSize(options.maxBytes)}\nTry: a larger --max-size`);
}

/** Cuts logs by `overBytes` together. False: none can be cut any more. */
async function trimLogs(options: FitOptions, overBytes: number): Promise<boolean> {
  const logs = options.nodes.flatMap(heldArtifacts).filter((one) => isLog(one));
  const sizes = logs.map(({ content }) => content.body.sizeBytes);
  const level = cutLevel(sizes, Math.max(0, sizes.reduce((sum, size) => sum + size, 0) - overBytes));
  const cut = logs.filter(({ content }) => content.body.sizeBytes > level);
  if (cut.length === 0) return false;
  const changed = new Map<HeldArtifact, HeldArtifact>();
  for (const log of cut) {
    const { content, bytes, lines } = await trimToSize(log.content, level, log.path, options);
    const before = log.trimmed ?? { bytes: 0, lines: 0 };
    changed.set(log, {
      ...log,
      content,
      // A marker of an earlier round is a line of its own.
      trimmed: { bytes: before.bytes + bytes, lines: before.lines + lines - (log.trimmed === undefined ? 0 : 1) },
    });
  }
  changeArtifacts(options.nodes, (one) => changed.get(one) ?? one);
  return true;
}

/** Leaves out large files until `overBytes` are gone. False: there is none. */
function dropLargest(options: FitOptions, overBytes: number): boolean {
  const large = options.nodes.flatMap(heldArtifacts).filter((one) => isLarge(one))
    .toSorted((a, b) => b.content.body.sizeBytes - a.content.body.sizeBytes);
  if (large.length === 0) return false;
  let gone = 0;
  const changed = new Map<HeldArtifact, HeldArtifact>();
  for (const one of large) {
    if (gone >= overBytes) break;
    gone += one.content.body.sizeBytes;
    const { path, kind, origin, bytesIn } = one;
    const dropped = `left out (${exactSize(one.content.sizeBytes)}) to keep the dump within ${
      exactSize(options.maxBytes)
    }`;
    changed.set(one, { path, kind, origin, bytesIn, dropped });
  }
  changeArtifacts(options.nodes, (one) => changed.get(one) ?? one);
  return true;
}

type Kept = Exclude<HeldArtifact, { dropped: string }>;

function isLog(artifact: HeldArtifact): artifact is Kept {
  return isLarge(artifact) && artifact.kind === "log";
}

function isLarge(artifact: HeldArtifact): artifact is Kept {
  return !isDropped(artifact) && artifact.content.form !== "plain";
}

const maxRounds = 12;
const slackBytes = 512;
