/**
 * Processes, from /proc. Of the environment only the names: its values are where passwords live, and what is never read
 * cannot leak.
 */
import { readlink } from "node:fs/promises";
import type { Artifact, Collector, DumpContext } from "../collector.ts";
import { collector, formatTable, textArtifact } from "./define.ts";
import { abortable, namesIn, readSmall, readTextOr } from "./files.ts";

/** All processes as one table, and in the complete profile their details. */
export const processesCollector: Collector = collector({
  id: "system/processes",
  summary: "processes: command lines, memory, open files, limits, names of the environment",
  timeoutMs: 20_000,
  plan: () => ["read /proc/*/{stat,status,cmdline,limits,cgroup}", "list /proc/*/fd", "names in /proc/*/environ"],
  async *collect(context): AsyncIterable<Artifact> {
    const pids = await readPids(context);
    const rows = [["pid", "ppid", "uid", "state", "threads", "rss_kb", "swap_kb", "fds", "start_s", "command"]];
    for (const pid of pids) {
      const row = await rowOf(context, pid);
      if (row !== undefined) rows.push(row);
    }
    yield textArtifact("system/processes.txt", "/proc/*/status", formatTable(rows));
    if (context.profile !== "speed") yield detailsArtifact(context, pids, "system/process-details.txt");
  },
});

/** Ids of all processes, ascending. */
export async function readPids(context: DumpContext): Promise<readonly number[]> {
  const names = await namesIn(context, "/proc", 100_000);
  return names.filter((name) => /^\d+$/.test(name)).map(Number).sort((a, b) => a - b);
}

/** Details of each process, one after the other as they are read. */
export function detailsArtifact(context: DumpContext, pids: readonly number[], to: string): Artifact {
  const encoder = new TextEncoder();
  async function* content(): AsyncIterable<Uint8Array> {
    for (const pid of pids) yield encoder.encode(await describeProcess(context, pid));
  }
  return { path: to, kind: "text", origin: "/proc/*/{cmdline,limits,fd,cgroup,environ}", content: content() };
}

/** Command line, limits, open files, control group and names of the environment; empty when it has ended. */
export async function describeProcess(context: DumpContext, pid: number): Promise<string> {
  const command = await commandOf(context, pid);
  if (command === undefined) return "";
  const parts = [`==== ${pid} ${command}\n`];
  const isKernel = command.startsWith("[");
  if (isKernel) return "";
  for (const name of ["status", "limits", "cgroup", "io", "oom_score", "oom_score_adj", "wchan"]) {
    const text = await readTextOr(context.machine.locate(`/proc/${pid}/${name}`), context.signal, 65_536);
    if (text !== undefined && text !== "") parts.push(`-- ${name}\n${text.replace(dullLines, "").trimEnd()}\n`);
  }
  for (const name of ["exe", "cwd", "root"]) {
    const target = await linkOf(context, `/proc/${pid}/${name}`);
    if (target !== undefined) parts.push(`-- ${name} -> ${target}\n`);
  }
  parts.push(await openFilesOf(context, pid), `-- environment (names only)\n${await environmentNames(context, pid)}\n`);
  return parts.join("") + "\n";
}

/** Half of what the kernel says of each process is the same for all. */
const dullLines =
  /^(Mems_allowed|Cpus_allowed|Speculation|NStgid|NSpid|NSpgid|NSsid|Sig[BICP]\w*|ShdPnd|Ngid|untag_mask|HugetlbPages)[^\n]*\n/gm;

/** The command line with spaces, `[name]` of a kernel thread; undefined when it has ended. */
export async function commandOf(context: DumpContext, pid: number): Promise<string | undefined> {
  const line = await readTextOr(context.machine.locate(`/proc/${pid}/cmdline`), context.signal, 65_536);
  if (line === undefined) return undefined;
  const words = line.replace(/\0+$/, "").split("\0").join(" ").replace(/\s+/g, " ");
  if (words !== "") return words;
  const name = await readTextOr(context.machine.locate(`/proc/${pid}/comm`), context.signal, 4_096);
  return name === undefined ? undefined : `[${name.trim()}]`;
}

/** Names of the environment, never a value; `denied` where it may not be read. */
export async function environmentNames(context: DumpContext, pid: number): Promise<string> {
  try {
    const bytes = await readSmall(context.machine.locate(`/proc/${pid}/environ`), context.signal, 262_144);
    const entries = new TextDecoder().decode(bytes).split("\0");
    // Programs overwrite this area with other texts: what has no "=" may be a value, so it is not shown.
    const names = entries.filter((entry) => /^[A-Za-z_][A-Za-z0-9_.]{0,127}=/.test(entry));
    return names.map((entry) => entry.slice(0, entry.indexOf("="))).sort().join(" ");
  } catch {
    context.signal.throwIfAborted();
    return "denied";
  }
}

async function rowOf(context: DumpContext, pid: number): Promise<string[] | undefined> {
  const status = await readTextOr(context.machine.locate(`/proc/${pid}/status`), context.signal, 65_536);
  const stat = await readTextOr(context.machine.locate(`/proc/${pid}/stat`), context.signal, 65_536);
  const command = await commandOf(context, pid);
  if (status === undefined || command === undefined) return undefined;
  const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "-";
  // Field 2 is the name in parentheses and may contain anything; the start is field 22, in hundredths of a second.
  const startTicks = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  const start = startTicks === undefined ? "-" : String(Math.round(Number(startTicks) / 100));
  const files = await countOf(context, `/proc/${pid}/fd`);
  const head = [String(pid), field("PPid"), field("Uid"), field("State"), field("Threads")];
  return [...head, field("VmRSS"), field("VmSwap"), files, start, command.slice(0, 4_096)];
}

async function openFilesOf(context: DumpContext, pid: number): Promise<string> {
  const names = (await listOf(context, `/proc/${pid}/fd`))?.sort((a, b) => Number(a) - Number(b));
  if (names === undefined) return "-- open files: denied\n";
  const most = context.profile === "complete" ? 1_000 : 100;
  const lines: string[] = [];
  for (const name of names.slice(0, most)) {
    const target = await linkOf(context, `/proc/${pid}/fd/${name}`);
    if (target !== undefined) lines.push(`${name} -> ${target}\n`);
  }
  const more = names.length > most ? `and ${names.length - most} more\n` : "";
  return `-- open files: ${names.length}\n${lines.join("")}${more}`;
}

async function countOf(context: DumpContext, path: string): Promise<string> {
  const names = await listOf(context, path);
  return names === undefined ? "-" : String(names.length);
}

/** Names in a folder of a process; undefined where it may not be seen, without a note: there are hundreds of them. */
async function listOf(context: DumpContext, path: string): Promise<string[] | undefined> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(context.machine.locate(path))) {
      if (names.push(name) >= 100_000) break;
    }
    return names;
  } catch {
    context.signal.throwIfAborted();
    return undefined;
  }
}

async function linkOf(context: DumpContext, path: string): Promise<string | undefined> {
  try {
    // Without `locate`: it would follow the link instead of reading it.
    const own = context.machine.live ? path : context.machine.root.replace(/\/+$/, "") + path;
    return (await abortable(readlink(own), context.signal)).replaceAll("\n", "\\n");
  } catch {
    context.signal.throwIfAborted();
    return undefined;
  }
}

/** Everything about the processes of some names, for `--process NAME`. */
export function namedProcessCollector(name: string): Collector {
  const folder = `processes/${name.replaceAll(/[^\w.-]/g, "_")}`;
  return collector({
    id: `process/${name}`,
    summary: `processes named "${name}"`,
    timeoutMs: 20_000,
    plan: () => [`find "${name}" in /proc/*/{comm,cmdline}, read their status, limits, maps, open files`],
    async *collect(context): AsyncIterable<Artifact> {
      let found = 0;
      for (const pid of await readPids(context)) {
        if (!await isNamed(context, pid, name) || ++found > 64) continue;
        yield textArtifact(`${folder}/${pid}.txt`, `/proc/${pid}`, await describeProcess(context, pid));
        yield textArtifact(`${folder}/${pid}-maps.txt`, `/proc/${pid}/maps`, await summarizeMaps(context, pid));
      }
      if (found === 0) {
        context.note({
          about: folder,
          state: "missing",
          text: `Cannot find process "${name}": none runs by this name`,
        });
      }
    },
  });
}

async function isNamed(context: DumpContext, pid: number, name: string): Promise<boolean> {
  const comm = (await readTextOr(context.machine.locate(`/proc/${pid}/comm`), context.signal, 4_096))?.trim();
  if (comm === name.slice(0, 15)) return true;
  const words = (await commandOf(context, pid))?.split(" ").slice(0, 2) ?? [];
  return words.some((word) => word === name || word.endsWith(`/${name}`));
}

/** Mapped files with the address space that each takes, KiB; a core would be too much and too private. */
async function summarizeMaps(context: DumpContext, pid: number): Promise<string> {
  const maps = await readTextOr(context.machine.locate(`/proc/${pid}/maps`), context.signal, 8_388_608);
  if (maps === undefined) return "denied\n";
  const sizes = new Map<string, number>();
  for (const [, from, to, name] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ *(.*)$/gm)) {
    const sizeKib = (parseInt(to!, 16) - parseInt(from!, 16)) / 1_024;
    sizes.set(name === "" ? "[anonymous]" : name!, (sizes.get(name === "" ? "[anonymous]" : name!) ?? 0) + sizeKib);
  }
  const rows = [...sizes].sort((a, b) => b[1] - a[1]).map(([name, size]) => [String(Math.round(size)), name]);
  return formatTable([["kib", "mapped"], ...rows]);
}
