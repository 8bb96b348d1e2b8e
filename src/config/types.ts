/**
 * The types of sources and sinks that this product has, and which of them this version has. A type moves from `later`
 * to `now` with the commit that builds it.
 */
import type { SinkConfig, SourceConfig } from "./config.ts";

/** Said of a part that the product has and this version has not; fixed by the contract. */
export const notAvailable = "not available in this version";

/** `type:` of sources in the configuration. */
export const sourceTypes = {
  now: [
    "file",
    "stdin",
    "tap",
    "kernel",
    "journal",
    "audit",
    "syslog",
    "tcp",
    "tls",
    "relp",
    "webhook",
    "kubernetesAudit",
    "nats",
  ],
  later: [],
} as const satisfies { now: readonly SourceConfig["type"][]; later: readonly string[] };

/** `type:` of sinks in the configuration. */
export const sinkTypes = {
  now: [
    "relp",
    "syslog",
    "stream",
    "file",
    "exec",
    "stdout",
    "elasticsearch",
    "loki",
    "otlp",
    "victorialogs",
    "http",
    "nats",
  ],
  later: [],
} as const satisfies { now: readonly SinkConfig["type"][]; later: readonly string[] };

/** Keys that the product has and this version has not. */
export const laterKeys: readonly string[] = ["backfill"];

/** What `--from` may begin with, built or not. */
export const quickSources: readonly string[] = [
  "file",
  "journal",
  "kernel",
  "audit",
  "stdin",
  "tap",
  "syslog",
  "kubernetes-audit",
];

/** What `--to` may begin with, built or not. */
export const quickSinks: readonly string[] = [
  "relp",
  "relps",
  "file",
  "stdout",
  "tls",
  "tcp",
  "syslog+tls",
  "syslog+tcp",
  "syslog+udp",
  "exec",
  "elasticsearch+https",
  "elasticsearch+http",
  "loki+https",
  "loki+http",
  "otlp+https",
  "otlp+http",
  "victorialogs+https",
  "victorialogs+http",
  "https",
  "http",
  "nats",
];
