/** Disks: what is mounted where, how full it is in bytes and in inodes, and what the drivers counted. */
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Artifact, Collector, DumpContext } from "../collector.ts";
import { collector, commandArtifacts, fileArtifacts, type FileSpec, formatTable, textArtifact } from "./define.ts";
import { abortable, readTextOr, toFileError } from "./files.ts";

/** Mounts and room. Of a tree that is not running, room is told where it has a disk of its own: elsewhere it is this machine's. */
export const diskCollector: Collector = collector({
  id: "system/disk",
  summary: "mounts, room and inodes of each file system, counters of the disks",
  timeoutMs: 20_000,
  plan: () => [...diskFiles.map(({ from }) => `read ${from}`), "statfs(2) of each mount"],
  async *collect(context): AsyncIterable<Artifact> {
    yield* fileArtifacts(context, diskFiles);
    const mounts = await readTextOr(context.machine.locate("/proc/mounts"), context.signal);
    if (!context.machine.live) return yield* roomOfTree(context, mounts ?? "");
    if (mounts === undefined) return;
    yield textArtifact("system/disk.txt", "statfs(2)", formatTable(await roomOf(context, mounts)));
    const tree = ["-o", "NAME,TYPE,SIZE,FSTYPE,MOUNTPOINT,RO,MODEL"];
    yield* commandArtifacts(context, [{ program: "lsblk", args: tree, to: "system/lsblk.txt" }]);
  },
});

const diskFiles: readonly FileSpec[] = [
  { from: "/proc/mounts", to: "system/mounts", required: true },
  { from: "/proc/partitions", to: "system/partitions" },
  { from: "/proc/diskstats", to: "system/diskstats" },
];

async function* roomOfTree(context: DumpContext, mounts: string): AsyncIterable<Artifact> {
  const root = context.machine.locate("/");
  const around = await deviceOf(dirname(root.replace(/\/+$/, "")));
  const own: string[] = [];
  for (const line of [`${root} / unknown rw`, ...mounts.split("\n").slice(0, 500)]) {
    const mount = line.split(" ")[1];
    if (mount === undefined || own.some((one) => one.split(" ")[1] === mount)) continue;
    const device = await deviceOf(context.machine.locate(mount));
    if (device !== undefined && device !== around) own.push(line);
  }
  const table = await roomOf(context, own.join("\n"));
  if (table.length > 1) yield textArtifact("system/disk.txt", "statfs(2)", formatTable(table));
}

async function deviceOf(path: string): Promise<number | undefined> {
  return (await Deno.stat(path).catch(() => undefined))?.dev;
}

async function roomOf(context: DumpContext, mounts: string): Promise<readonly string[][]> {
  const header = ["filesystem", "type", "kib", "used", "available", "use%", "inodes", "iused", "iuse%", "ro", "mount"];
  const rows: string[][] = [header];
  const seen = new Set<string>();
  for (const line of mounts.split("\n").slice(0, 5_000)) {
    const [device, mount, type, options] = line.split(" ");
    if (device === undefined || mount === undefined || type === undefined || pseudoTypes.test(type)) continue;
    // One device may be mounted in a thousand containers.
    const key = device.startsWith("/dev/") ? `${device} ${options?.slice(0, 2)}` : mount;
    if (seen.has(key)) continue;
    seen.add(key);
    const figures = await figuresOf(context, mount);
    if (figures === undefined) continue;
    rows.push([device, type, ...figures, options?.split(",")[0] === "ro" ? "ro" : "rw", mount]);
  }
  return rows;
}

/** Undefined, and noted, for a file system that does not answer: a dead server must not hold the dump up. */
async function figuresOf(context: DumpContext, mount: string): Promise<readonly string[] | undefined> {
  const path = mount.replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
  const limit = AbortSignal.any([context.signal, AbortSignal.timeout(statTimeoutMs)]);
  try {
    const { blocks, bfree, bavail, bsize, files, ffree } = await abortable(statfs(context.machine.locate(path)), limit);
    const kib = (count: number): string => String(Math.round(count * bsize / 1_024));
    const percent = (used: number, all: number): string => all <= 0 ? "-" : String(Math.ceil(100 * used / all));
    const used = blocks - bfree;
    const inodes = [String(files), String(files - ffree), percent(files - ffree, files)];
    return [kib(blocks), kib(used), kib(bavail), percent(used, used + bavail), ...inodes];
  } catch (error) {
    context.signal.throwIfAborted();
    const text = `Cannot ask for the room of "${path}": no answer within ${statTimeoutMs / 1_000} s`;
    if (limit.aborted) context.note({ about: "system/disk.txt", state: "timeout", text });
    // Mounts of other users' FUSE and of other namespaces are not for us, and say nothing about the machine.
    else if (toFileError(error, path).state === "error") {
      context.note({ about: "system/disk.txt", state: "partial", text: toFileError(error, path).message });
    }
    return undefined;
  }
}

const pseudoTypes =
  /^(proc|sysfs|devpts|cgroup2?|pstore|bpf|securityfs|debugfs|tracefs|configfs|mqueue|hugetlbfs|fusectl|autofs|binfmt_misc|nsfs|rpc_pipefs|efivarfs|selinuxfs)$/;
const statTimeoutMs = 1_000;
