/** All analysers; their findings are shown in this order within a severity. */
import type { Analyser } from "../report.ts";
import { agentAnalyser, ownCertificateAnalyser, spoolAnalyser } from "./agent.ts";
import { certificatesAnalyser } from "./certificates.ts";
import { clockAnalyser } from "./clock.ts";
import { diskAnalyser } from "./disk.ts";
import { logSignsAnalyser } from "./log_signs.ts";
import { groupAnalyser, memoryAnalyser, pressureAnalyser } from "./memory.ts";
import { conntrackAnalyser, reachabilityAnalyser } from "./network.ts";
import { failedUnitsAnalyser, nodesAnalyser, podsAnalyser, restartsAnalyser, supervisedAnalyser } from "./services.ts";

/** The table. */
export const analysers: readonly Analyser[] = [
  diskAnalyser,
  memoryAnalyser,
  groupAnalyser,
  clockAnalyser,
  certificatesAnalyser(),
  reachabilityAnalyser,
  agentAnalyser,
  spoolAnalyser,
  ownCertificateAnalyser,
  failedUnitsAnalyser,
  restartsAnalyser,
  supervisedAnalyser,
  podsAnalyser,
  nodesAnalyser,
  pressureAnalyser,
  conntrackAnalyser,
  logSignsAnalyser,
];
