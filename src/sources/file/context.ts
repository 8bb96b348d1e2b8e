/** What an iteration works with, made of what its source was told. */
import { fingerprintBytes } from "../../formats/fingerprint.ts";
import type { BatchLimits } from "../../pipeline/source.ts";
import { BlockPool } from "./block.ts";
import type { ReadContext } from "./block_reader.ts";
import { type CutRules, longestLineBytes } from "./line_cutter.ts";
import { compileJoinRules } from "./multiline.ts";
import { defaultMaxLineBytes, defaultTuning, type FileSourceOptions, type FileTuning } from "./options.ts";

/** Half of the process's limit of open files; the other half is for everybody else. */
export function openFilesAllowed(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))?.[1];
    return Math.min(Math.max(Math.floor(Number(limit ?? 1_024) / 2), 64), defaultTuning.maxOpenFiles);
  } catch {
    return 512; // no procfs: half of the usual limit
  }
}

/** What all files share while they are read. @throws when a pattern for joined lines cannot be read */
export function readContext(options: FileSourceOptions, tuning: FileTuning, limits: BatchLimits): ReadContext {
  const maxLineBytes = options.maxLineBytes ?? defaultMaxLineBytes;
  const { id, hostname, priority, format = "plain" } = options;
  const rules: CutRules = {
    maxLineBytes,
    longLines: options.longLines ?? "split",
    stripCarriageReturn: options.stripCarriageReturn ?? false,
    multiline: options.multiline === undefined ? undefined : compileJoinRules(options.multiline),
    container: format === "plain" ? undefined : format,
  };
  return {
    // Room for the proof before the offset, two of the longest lines, and one LF of our own.
    pool: new BlockPool(Math.max(tuning.blockBytes, 2 * longestLineBytes(rules) + fingerprintBytes + 1)),
    limits,
    rules,
    origin: { source: id, host: hostname, priority: priority ?? defaultPriority },
    report: options.report,
  };
}

/** user.notice (RFC 5424 section 6.2.1). */
export const defaultPriority = 13;
