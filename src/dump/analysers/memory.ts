/** Too little memory, and waiting for memory, disk or processor. */
import type { Analyser, Finding } from "../report.ts";
import { analyserOf, finding, parseTable } from "./finding.ts";

/** Less than 10 % available is a warning, less than 4 % critical. */
export const memoryAnalyser: Analyser = analyserOf("memory", "system/meminfo", (text) => {
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? NaN);
  const share = kib("MemAvailable") / kib("MemTotal");
  if (!(share < 0.1)) return [];
  return [finding({
    id: "memory-low",
    severity: share < 0.04 ? "critical" : "warning",
    title: `Only ${Math.round(share * 100)} % of the memory is available`,
    evidence: text.split("\n").filter((line) =>
      /^(MemTotal|MemAvailable|SwapTotal|SwapFree|Slab|Committed_AS):/.test(line)
    ),
    artifact: "system/meminfo",
    advice: "Look at system/processes.txt for the largest (column rss_kb), and at Slab for the kernel's own use.",
  })];
});

/** Tasks that all waited for more than a tenth of the last minute. */
export const pressureAnalyser: Analyser = analyserOf("pressure", "system/pressure.txt", (text) => {
  const findings: Finding[] = [];
  for (const [, path, body] of text.matchAll(/==> (\S+) <==\n([^=]*(?:=[^=>][^=]*)*)/g)) {
    const resource = path!.split("/").at(-1)!;
    const full = /^full avg10=\S+ avg60=([\d.]+).*$/m.exec(body!);
    const some = /^some avg10=\S+ avg60=([\d.]+).*$/m.exec(body!);
    const [line, share] = resource === "cpu" ? [some?.[0], Number(some?.[1]) / 4] : [full?.[0], Number(full?.[1])];
    if (line === undefined || !(share >= 10)) continue;
    findings.push(finding({
      id: `pressure-${resource}`,
      severity: share >= 40 ? "critical" : "warning",
      title: `Work waits for ${resource === "io" ? "the disk" : resource === "cpu" ? "the processor" : "memory"}, ` +
        `${Math.round(resource === "cpu" ? 4 * share : share)} % of the last minute`,
      evidence: [line],
      artifact: "system/pressure.txt",
      advice: resource === "memory"
        ? "More is in use than there is: find the process in system/processes.txt, or raise the limit of its group."
        : "Find who uses it in system/processes.txt; for the disk see system/diskstats and errors in kernel/dmesg.log.",
    }));
  }
  return findings;
});

/** Control groups in which something was killed. */
export const groupAnalyser: Analyser = analyserOf("cgroup-memory", "system/cgroup-memory.txt", (text) => {
  // The figures of a group contain those of the groups below it: the deepest say who it was.
  const rows = parseTable(text).filter((row) => Number(row.cell("oom_kill")) > 0);
  const deepest = rows.filter((row) => !rows.some((other) => other.cell("group").startsWith(`${row.cell("group")}/`)));
  const named = deepest.filter((row) => row.cell("group") !== "/");
  if (named.length === 0) return [];
  return [finding({
    id: "oom-group",
    severity: "critical",
    title: `Killed for lack of memory in ${
      named.length === 1 ? named[0]!.cell("group") : `${named.length} control groups`
    }`,
    evidence: named.map(({ line }) => line),
    artifact: "system/cgroup-memory.txt",
    advice: "The group has a limit (column max) that was reached: raise it, or find the leak.",
  })];
});
