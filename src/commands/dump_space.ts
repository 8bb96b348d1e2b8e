/** Room for a dump: where it keeps what it gathers, and whether there is enough, before anything is gathered. */
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatSize } from "../formats/duration.ts";
import type { Machine } from "../dump/machine.ts";
import { exactSize, freeBytesOf } from "../dump/output.ts";
import { RemoteMounts } from "../dump/remote_mounts.ts";
import { WorkFile } from "../dump/work_file.ts";

/** What the room is for. */
export interface SpaceNeed {
  /** Path of the file, or `-`. */
  readonly output: string;
  /** Largest final file, if there is one. */
  readonly maxBytes?: number;
  /** What gathering may keep, see {@linkcode estimateBytes}. */
  readonly workBytes: number;
}

/**
 * Opens the work file: in TMPDIR where that is set, else in the folder with room, else in memory: a full disk is a
 * reason for a dump, not against one. @throws where TMPDIR or the output's folder have too little
 */
export function openWorkFile(need: SpaceNeed): WorkFile {
  const asked = Deno.env.get("TMPDIR");
  const outputFolder = need.output === "-" ? undefined : dirname(need.output);
  const outputBytes = need.output === "-" ? 0 : Math.min(need.maxBytes ?? Infinity, need.workBytes);
  if (outputFolder !== undefined) demand(outputFolder, outputBytes, `write "${need.output}"`, need);
  if (asked !== undefined && asked !== "") {
    const shared = outputFolder !== undefined && deviceOf(asked) === deviceOf(outputFolder);
    demand(asked, need.workBytes + (shared ? outputBytes : 0), `keep what is gathered in "${asked}" (TMPDIR)`, need);
    return WorkFile.inFolder(asked);
  }
  const folders = ["/var/tmp", "/tmp", "/dev/shm", "/run", ...(outputFolder === undefined ? [] : [outputFolder])];
  const remote = RemoteMounts.read();
  for (const folder of folders) {
    if (remote.has(folder)) continue; // a dead server would hold us up before the first deadline
    const shared = outputFolder !== undefined && deviceOf(folder) === deviceOf(outputFolder);
    if ((freeBytesOf(folder) ?? 0) < need.workBytes + (shared ? outputBytes : 0)) continue;
    try {
      return WorkFile.inFolder(folder);
    } catch {
      continue; // not ours to write
    }
  }
  return WorkFile.inMemory(maxMemoryBytes);
}

/** What gathering will keep, roughly: logs shrink to a sixth, rotated ones are packed already. */
export function estimateBytes(machine: Machine, withLogs: boolean, artifactLimitBytes: number): number {
  return baseBytes + (withLogs ? logBytes(machine.locate("/var/log"), artifactLimitBytes) : 0);
}

function demand(folder: string, neededBytes: number, what: string, { maxBytes }: SpaceNeed): void {
  const free = freeBytesOf(folder);
  if (free === undefined || free >= neededBytes) return;
  throw new Error(
    `Cannot ${what}: about ${exactSize(neededBytes)} are needed, ${exactSize(free)} are free` +
      `\nTry: ${maxBytes === undefined ? `--max-size ${formatSize(Math.max(65_536, free / 2))}, ` : ""}` +
      "another folder (--output FILE, TMPDIR=FOLDER), --output - over SSH, or --profile speed",
  );
}

/** Sizes in a tree of logs; what it cannot see in a moment it leaves out. */
function logBytes(root: string, limitBytes: number): number {
  const endMs = performance.now() + maxWalkMs;
  const remote = RemoteMounts.read();
  const folders = remote.has(root) ? [] : [root];
  let sum = 0;
  for (let folder = folders.pop(); folder !== undefined && performance.now() < endMs; folder = folders.pop()) {
    try {
      for (const { name, isDirectory, isFile } of Deno.readDirSync(folder)) {
        const path = join(folder, name);
        if (isDirectory) { if (!remote.has(path)) folders.push(path); }
        else if (isFile) {
          const { size, blocks } = Deno.lstatSync(path);
          const real = Math.min(size, (blocks ?? Infinity) * 512, limitBytes); // a sparse file is what it has
          sum += /\.(gz|xz|zst|bz2)$/.test(name) ? real : real / 6;
        }
      }
    } catch {
      continue;
    }
  }
  return Math.ceil(sum);
}

function deviceOf(folder: string): number | undefined {
  try {
    return statSync(folder).dev;
  } catch {
    return undefined;
  }
}

const baseBytes = 4 * 1024 ** 2;
const maxMemoryBytes = 64 * 1024 ** 2;
const maxWalkMs = 300;
