/** The machine itself: release, kernel, processor, memory, limits, modules, settings. From /proc, /sys and /etc alone. */
import type { Artifact, Collector, DumpContext } from "../collector.ts";
import {
  collector,
  commandArtifacts,
  fileArtifacts,
  type FileSpec,
  formatTable,
  joinedFiles,
  textArtifact,
} from "./define.ts";
import { abortable, namesIn, readTextOr } from "./files.ts";

/** What says which system this is. */
export const identityCollector: Collector = collector({
  id: "system/identity",
  summary: "release, kernel, command line of the kernel, uptime, load, host name",
  plan: () => identityFiles.map(({ from }) => `read ${from}`),
  async *collect(context): AsyncIterable<Artifact> {
    yield* fileArtifacts(context, identityFiles);
    const kernel = await joinedFiles(context, "system/kernel.txt", [
      "/proc/version",
      "/proc/sys/kernel/osrelease",
      "/proc/sys/kernel/arch",
      "/proc/sys/kernel/tainted",
      "/proc/sys/kernel/random/boot_id",
      "/proc/cmdline",
    ]);
    if (kernel !== undefined) yield kernel;
    const { hostname, init, kinds, userId, root } = context.machine;
    const facts = { hostname, init, kinds: [...kinds], userId, root };
    yield textArtifact("system/machine.json", "what was found out", JSON.stringify(facts, null, 2) + "\n", "json");
    yield* commandArtifacts(context, [{ program: "id", args: [], to: "system/id.txt" }]);
  },
});

const identityFiles: readonly FileSpec[] = [
  { from: "/etc/os-release", to: "system/os-release" },
  { from: "/etc/openwrt_release", to: "system/openwrt_release" },
  { from: "/etc/alpine-release", to: "system/alpine-release" },
  { from: "/etc/debian_version", to: "system/debian_version" },
  { from: "/etc/hostname", to: "system/hostname" },
  { from: "/proc/uptime", to: "system/uptime" },
  { from: "/proc/loadavg", to: "system/loadavg" },
  { from: "/proc/device-tree/model", to: "system/device-tree-model" },
  { from: "/sys/class/dmi/id/product_name", to: "system/product-name" },
];

/** Processor, memory and how short of them it is. */
export const memoryCollector: Collector = collector({
  id: "system/memory",
  summary: "memory, swap, pressure, control groups that were out of memory, processor",
  plan: () => [...memoryFiles.map(({ from }) => `read ${from}`), "read /proc/pressure/*", "read /sys/fs/cgroup"],
  async *collect(context): AsyncIterable<Artifact> {
    yield* fileArtifacts(context, memoryFiles);
    const pressure = await joinedFiles(
      context,
      "system/pressure.txt",
      ["cpu", "io", "memory"].map((name) => `/proc/pressure/${name}`),
    );
    if (pressure !== undefined) yield pressure;
    const groups = await readGroups(context);
    if (groups !== undefined) yield textArtifact("system/cgroup-memory.txt", "/sys/fs/cgroup", groups);
  },
});

const memoryFiles: readonly FileSpec[] = [
  { from: "/proc/meminfo", to: "system/meminfo", required: true },
  { from: "/proc/vmstat", to: "system/vmstat" },
  { from: "/proc/swaps", to: "system/swaps" },
  { from: "/proc/stat", to: "system/stat" },
  { from: "/proc/cpuinfo", to: "system/cpuinfo", maxBytes: 65_536 },
  { from: "/proc/interrupts", to: "system/interrupts" },
  { from: "/proc/softirqs", to: "system/softirqs" },
  { from: "/proc/buddyinfo", to: "system/buddyinfo" },
];

/** Control groups with what they use, may use, and how often they were at the limit; undefined where version 2 is not in use. */
async function readGroups(context: DumpContext): Promise<string | undefined> {
  const rows: string[][] = [["current", "max", "oom", "oom_kill", "high", "group"]];
  const base = "/sys/fs/cgroup";
  const read = async (group: string, file: string): Promise<string> =>
    (await readTextOr(context.machine.locate(`${base}${group}/${file}`), context.signal) ?? "").trim();
  const visit = async (group: string, depth: number): Promise<void> => {
    if (rows.length > 1_000) return;
    const current = await read(group, "memory.current");
    if (current !== "") {
      const events = await read(group, "memory.events");
      const count = (name: string): string => new RegExp(`^${name} (\\d+)`, "m").exec(events)?.[1] ?? "-";
      const max = await read(group, "memory.max");
      rows.push([current, max, count("oom"), count("oom_kill"), count("high"), group === "" ? "/" : group]);
    }
    if (depth === 0) return;
    for (const name of await foldersIn(context, base + group)) await visit(`${group}/${name}`, depth - 1);
  };
  await visit("", context.profile === "complete" ? 4 : 2);
  return rows.length === 1 ? undefined : formatTable(rows);
}

async function foldersIn(context: DumpContext, path: string): Promise<readonly string[]> {
  const found: string[] = [];
  try {
    const entries = Deno.readDir(context.machine.locate(path))[Symbol.asyncIterator]();
    for (;;) {
      const next = await abortable(entries.next(), context.signal);
      if (next.done === true || found.length >= 2_000) break;
      if (next.value.isDirectory) found.push(next.value.name);
    }
  } catch {
    context.signal.throwIfAborted();
  }
  return found.sort();
}

/** Modules, limits, and what the kernel is able to do. */
export const kernelSettingsCollector: Collector = collector({
  id: "system/kernel-settings",
  summary: "modules, devices, file systems that the kernel knows, system-wide limits",
  plan: () => settingsFiles.map(({ from }) => `read ${from}`),
  async *collect(context): AsyncIterable<Artifact> {
    yield* fileArtifacts(context, settingsFiles);
    const limits = await joinedFiles(context, "system/limits.txt", [
      "/proc/sys/fs/file-nr",
      "/proc/sys/fs/inotify/max_user_watches",
      "/proc/sys/fs/inotify/max_user_instances",
      "/proc/sys/kernel/pid_max",
      "/proc/sys/kernel/threads-max",
      "/proc/sys/vm/max_map_count",
      "/proc/self/limits",
      "/etc/security/limits.conf",
    ]);
    if (limits !== undefined) yield limits;
  },
});

const settingsFiles: readonly FileSpec[] = [
  { from: "/proc/modules", to: "system/modules" },
  { from: "/proc/filesystems", to: "system/filesystems" },
  { from: "/proc/devices", to: "system/devices" },
  { from: "/proc/iomem", to: "system/iomem" },
  { from: "/proc/slabinfo", to: "system/slabinfo", isExtra: true },
  { from: "/proc/mdstat", to: "system/mdstat" },
  { from: "/proc/mtd", to: "system/mtd" },
  { from: "/etc/sysctl.conf", to: "system/sysctl.conf" },
  { from: "/etc/fstab", to: "system/fstab" },
  { from: "/etc/inittab", to: "system/inittab" },
];

/** All of /proc/sys, as `sysctl -a` shows it. */
export const sysctlCollector: Collector = collector({
  id: "system/sysctl",
  summary: "settings of the kernel, like sysctl -a",
  profiles: ["complete", "size"],
  plan: () => ["read /proc/sys/**"],
  async *collect(context): AsyncIterable<Artifact> {
    const lines: string[] = [];
    const visit = async (folder: string, key: string, depth: number): Promise<void> => {
      for (const name of await namesIn(context, folder)) {
        // Thousands of equal entries per interface; "all" and "default" say what is meant.
        if (key === "net.ipv4.neigh." || key === "net.ipv6.neigh.") { if (name !== "default") continue; }
        const path = `${folder}/${name}`;
        const info = await infoOf(context.machine.locate(path));
        if (info?.isDirectory === true && depth > 0) await visit(path, `${key}${name}.`, depth - 1);
        else if (info?.isFile === true && ((info.mode ?? 0) & 0o444) !== 0 && !secretSettings.test(name)) {
          const value = await readTextOr(context.machine.locate(path), context.signal, 4_096);
          if (value !== undefined) lines.push(`${key}${name} = ${value.trimEnd().replaceAll("\n", " | ")}`);
        }
      }
    };
    await visit("/proc/sys", "", 8);
    yield textArtifact("system/sysctl.txt", "/proc/sys", lines.map((line) => line + "\n").join(""));
  },
});

async function infoOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch {
    return undefined;
  }
}

/** Keys of TCP Fast Open and IPv6's stable addresses are secrets; the stamp of random numbers only wastes entropy. */
const secretSettings = /^(tcp_fastopen_key|stable_secret|uuid)$/;

/** Packages, where the list is a file or a quick command. */
export const packagesCollector: Collector = collector({
  id: "system/packages",
  summary: "installed packages",
  profiles: ["complete"],
  optional: true,
  timeoutMs: 20_000,
  plan: () => ["read /var/lib/dpkg/status, /lib/apk/db/installed or /usr/lib/opkg/status", "run rpm -qa"],
  async *collect(context): AsyncIterable<Artifact> {
    for (const path of ["/var/lib/dpkg/status", "/lib/apk/db/installed", "/usr/lib/opkg/status"]) {
      const text = await readTextOr(context.machine.locate(path), context.signal, 64 * 1_048_576);
      if (text !== undefined) yield textArtifact("system/packages.txt", path, packageLines(text));
    }
    yield* commandArtifacts(context, [{ program: "rpm", args: ["-qa"], to: "system/packages-rpm.txt" }]);
  },
});

/** `name version` of each paragraph of dpkg, opkg (`Package:`) or apk (`P:`). */
function packageLines(text: string): string {
  return text.split("\n\n").map((paragraph) => {
    const name = /^(?:Package: |P:)(.+)$/m.exec(paragraph)?.[1];
    const version = /^(?:Version: |V:)(.+)$/m.exec(paragraph)?.[1] ?? "";
    const isGone = /^Status: .*(deinstall|not-installed)/m.test(paragraph);
    return name === undefined || isGone ? "" : `${name} ${version}\n`;
  }).join("");
}
