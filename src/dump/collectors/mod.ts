/** All collectors, in the order in which they run: what is quick and says most comes first. */
import type { Collector } from "../collector.ts";
import { type AskedCommand, commandCollector, metricsCollector, type OwnState, ownStateCollector } from "./asked.ts";
import { auditCollector } from "./audit.ts";
import { certificatesCollector } from "./certificates.ts";
import { clockCollector } from "./clock.ts";
import { containersCollector } from "./containers.ts";
import { diskCollector } from "./disk.ts";
import { includeCollector } from "./include.ts";
import { journalCollector } from "./journal.ts";
import { k3sCollector } from "./k3s.ts";
import { kernelLogCollector } from "./kernel_log.ts";
import { kubernetesCollector, type KubernetesOptions } from "./kubernetes.ts";
import { logsCollector, podLogsCollector } from "./logs.ts";
import { type Destination, namesCollector } from "./names.ts";
import { firewallCollector, interfacesCollector, socketsCollector } from "./network.ts";
import { namedProcessCollector, processesCollector } from "./processes.ts";
import { routerCollector } from "./router.ts";
import { servicesCollector } from "./services.ts";
import {
  identityCollector,
  kernelSettingsCollector,
  memoryCollector,
  packagesCollector,
  sysctlCollector,
} from "./system.ts";

export type { AskedCommand, Destination, KubernetesOptions, OwnState };

/** What the table is made with; all of it may be left out. */
export interface CollectorOptions {
  /** What the agent knows of itself. */
  readonly ownState?: readonly OwnState[];
  /** Where the sinks send to: can it be reached? */
  readonly destinations?: readonly Destination[];
  /** Units whose journal is taken in any case. */
  readonly units?: readonly string[];
  /** `--process NAME`. */
  readonly processes?: readonly string[];
  /** `--include GLOB`, absolute. */
  readonly include?: readonly string[];
  readonly commands?: readonly AskedCommand[];
  /** Pages of metrics, http or https. */
  readonly metrics?: readonly string[];
  /** Folders with certificates, besides the usual ones. */
  readonly certificateFolders?: readonly string[];
  readonly kubernetes?: Partial<KubernetesOptions>;
}

/** The table. @throws for a pattern of `include` or an address of `metrics` that cannot be read */
export function collectors(options: CollectorOptions = {}): readonly Collector[] {
  return [
    ownStateCollector(options.ownState ?? []),
    identityCollector,
    clockCollector,
    diskCollector,
    memoryCollector,
    kernelLogCollector,
    processesCollector,
    servicesCollector,
    interfacesCollector,
    socketsCollector,
    namesCollector(options.destinations ?? []),
    firewallCollector,
    ...(options.processes ?? []).map(namedProcessCollector),
    ...(options.commands ?? []).map(commandCollector),
    ...(options.metrics ?? []).map(metricsCollector),
    ...(options.include ?? []).map(includeCollector),
    certificatesCollector(options.certificateFolders ?? []),
    kernelSettingsCollector,
    sysctlCollector,
    routerCollector,
    k3sCollector,
    kubernetesCollector({ namespaces: [], resources: [], ...options.kubernetes }),
    containersCollector,
    podLogsCollector,
    journalCollector(options.units ?? []),
    auditCollector,
    logsCollector,
    packagesCollector,
  ];
}
