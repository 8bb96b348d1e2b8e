/** Services that failed or are started again and again, by the init system and by Kubernetes. */
import type { Analyser, Finding } from "../report.ts";
import { analyserOf, finding, parseTable } from "./finding.ts";

/** Units of systemd that failed. */
export const failedUnitsAnalyser: Analyser = analyserOf("failed-units", "services/systemd-failed.txt", (text) => {
  const lines = text.split("\n").filter((line) => /\sfailed\s/.test(line));
  return lines.length === 0 ? [] : [finding({
    id: "failed-units",
    severity: "warning",
    title: lines.length === 1 ? `${unitOf(lines[0]!)} has failed` : `${lines.length} services have failed`,
    evidence: lines.map((line) => line.trim()),
    artifact: "services/systemd-failed.txt",
    advice: "The log of each is in systemd/UNIT/log.txt; systemctl status UNIT shows the last lines.",
  })];
});

function unitOf(line: string): string {
  return line.replace(/^[\s●*]+/, "").split(/\s+/)[0] ?? "";
}

/** Services that systemd restarted three times and more. */
export const restartsAnalyser: Analyser = analyserOf("restarts", "services/systemd-services.txt", (text) => {
  const units = text.split("\n\n").map((block) => ({
    id: /^Id=(.*)$/m.exec(block)?.[1] ?? "",
    times: Number(/^NRestarts=(\d+)$/m.exec(block)?.[1] ?? 0),
    state: /^SubState=(.*)$/m.exec(block)?.[1] ?? "",
    result: /^Result=(.*)$/m.exec(block)?.[1] ?? "",
  })).filter(({ times }) => times >= 3).sort((a, b) => b.times - a.times);
  return units.length === 0 ? [] : [finding({
    id: "restart-loop",
    severity: units.some(({ state, times }) => state === "auto-restart" || times >= 10) ? "critical" : "warning",
    title: units.length === 1
      ? `${units[0]!.id} was restarted ${units[0]!.times} times`
      : `${units.length} services are restarted again and again`,
    evidence: units.map(({ id, times, state, result }) => `${id}: ${times} restarts, ${state}, last result ${result}`),
    artifact: "services/systemd-services.txt",
    advice: "The reason is in the last lines before each restart: systemd/UNIT/log.txt.",
  })];
});

/** Services of s6 whose supervisor counted deaths. */
export const supervisedAnalyser: Analyser = analyserOf("supervised", "services/supervised.txt", (text) => {
  const rows = parseTable(text).filter((row) => Number(row.cell("deaths")) >= 3);
  return rows.length === 0 ? [] : [finding({
    id: "restart-loop",
    severity: "critical",
    title: `${rows.length === 1 ? rows[0]!.cell("service") : `${rows.length} services`} died three times and more`,
    evidence: rows.map(({ line }) => line),
    artifact: "services/supervised.txt",
    advice: "The reason is in the last lines of its logger: see logs/run/log and logs/var/log.",
  })];
});

/** Pods that do not come up. */
export const podsAnalyser: Analyser = analyserOf("pods", "kube/pods.txt", (text) => {
  const bad = /\b(CrashLoopBackOff|OOMKilled|ImagePullBackOff|ErrImagePull|CreateContainerConfigError|Evicted|Error)\b/;
  const lines = text.split("\n").filter((line) => bad.test(line));
  const findings: Finding[] = [];
  if (lines.length > 0) {
    findings.push(finding({
      id: "pods-failing",
      severity: lines.some((line) => /CrashLoopBackOff|OOMKilled/.test(line)) ? "critical" : "warning",
      title: `${lines.length} pods do not come up (${
        [...new Set(lines.map((line) => bad.exec(line)![1]))].join(", ")
      })`,
      evidence: lines,
      artifact: "kube/pods.txt",
      advice: "Read kube/kubectl_logs_NAMESPACE_POD_CONTAINER_previous.log of each, then kube/events.txt.",
    }));
  }
  const pending = text.split("\n").filter((line) => /\sPending\s/.test(line));
  if (pending.length > 0) {
    findings.push(finding({
      id: "pods-pending",
      severity: "warning",
      title: `${pending.length} pods wait to be placed`,
      evidence: pending,
      artifact: "kube/pods.txt",
      advice: "kube/events.txt says why: too little room on the nodes, a volume, a taint.",
    }));
  }
  return findings;
});

/** Nodes that are not ready. */
export const nodesAnalyser: Analyser = analyserOf("nodes", "kube/nodes.txt", (text) => {
  const lines = text.split("\n").filter((line) => /\sNotReady\b/.test(line));
  return lines.length === 0 ? [] : [finding({
    id: "nodes-not-ready",
    severity: "critical",
    title: `${lines.length} nodes of the cluster are not ready`,
    evidence: lines,
    artifact: "kube/nodes.txt",
    advice: "Look at the node itself: kubelet or k3s, its disk, its network; kube/events.txt.",
  })];
});
