/** The types of sources and sinks, in configuration files and in the quick form. */
import type { SinkConfig, SourceConfig } from "./config.ts";

/** `type:` of sources in the configuration. */
export const sourceTypes = [
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
  "forward",
  "kubernetesAudit",
  "nats",
] as const satisfies readonly SourceConfig["type"][];

/** `type:` of sinks in the configuration. */
export const sinkTypes = [
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
] as const satisfies readonly SinkConfig["type"][];

/** What `--from` may begin with. */
export const quickSources = [
  "file",
  "journal",
  "kernel",
  "audit",
  "stdin",
  "tap",
  "syslog",
  "kubernetes-audit",
] as const;

/** What `--listen` may begin with. */
export const quickListeners = [
  "relp",
  "relps",
  "tls",
  "tcp",
  "syslog+tls",
  "syslog+tcp",
  "syslog+udp",
  "syslog",
  "forward",
  "forward+tls",
] as const;

/** What `--to` may begin with. */
export const quickSinks = [
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
] as const;
