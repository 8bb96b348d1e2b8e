/** Names that do not resolve, destinations that cannot be reached, interfaces and tables in trouble. */
import type { Analyser, Finding } from "../report.ts";
import { analyserOf, finding, parseTable } from "./finding.ts";

const path = "network/reachability.txt";

/** Name servers that do not answer; destinations that neither family reaches. */
export const reachabilityAnalyser: Analyser = analyserOf("reachability", path, (text) => {
  const rows = parseTable(text);
  const servers = rows.filter((row) => row.cell("test").startsWith("dns"));
  const failed = servers.filter((row) => row.cell("result") === "fail" || row.cell("target") === "-");
  const findings: Finding[] = [];
  if (failed.length > 0) {
    const isAll = failed.length === servers.length;
    findings.push(finding({
      id: "dns-failing",
      severity: isAll ? "critical" : "warning",
      title: isAll ? "No name server answers" : "A name server does not answer",
      evidence: failed.map(({ line }) => line),
      artifact: path,
      advice: "Look at network/resolv.conf and network/routes.txt: is the server right, is there a way to it, does a " +
        "firewall drop UDP and TCP port 53?",
    }));
  }
  const targets = new Set(rows.filter((row) => row.cell("test") === "tcp").map((row) => row.cell("target")));
  for (const target of targets) {
    const ways = rows.filter((row) => row.cell("test") === "tcp" && row.cell("target") === target);
    if (ways.some((row) => row.cell("result") === "ok")) continue;
    findings.push(finding({
      id: "destination-unreachable",
      severity: "critical",
      title: `${target} cannot be reached`,
      evidence: ways.map(({ line }) => line),
      artifact: path,
      advice: "Logs wait in the spool until it can: is the name right, is the service up, is the port open?",
    }));
  }
  return findings;
});

/** The table of tracked connections: when it is full, new connections are dropped. */
export const conntrackAnalyser: Analyser = {
  id: "conntrack",
  analyse: async (read) => {
    const count = Number(await read("network/conntrack-count") ?? NaN);
    const max = Number(await read("network/conntrack-max") ?? NaN);
    if (!(count >= max * 0.9)) return [];
    return [finding({
      id: "conntrack-full",
      severity: "critical",
      title: "The table of tracked connections is nearly full",
      evidence: [`${count} of ${max}`],
      artifact: "network/conntrack-count",
      advice: "Raise net.netfilter.nf_conntrack_max, or find who opens so many connections (network/sockets.txt).",
    })];
  },
};
