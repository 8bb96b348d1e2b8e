/**
 * The quick form: `--from`, `--to` and `--listen` as the same configuration that a file gives, without what reading a
 * file costs. All functions throw {@linkcode UsageError}.
 */
import { secretResources } from "../formats/kubernetes_audit.ts";
import { parseNatsName } from "../formats/nats_subject.ts";
import { UsageError } from "../pipeline/errors.ts";
import { parsePathTemplate } from "../sinks/file/template.ts";
import type {
  AgentConfig,
  FileSinkConfig,
  NatsSinkConfig,
  RelpSourceConfig,
  SinkConfig,
  SourceConfig,
  SyslogSinkConfig,
} from "./config.ts";
import { parseForwardAddress, parseHostPort, parseSocketPath, parseSyslogAddress } from "./address.ts";
import {
  auditPriority,
  defaultMaxConnections,
  defaultMaxDatagramBytes,
  defaultPorts,
  defaultPriority,
  defaults,
  fileSinkDefaults,
  fileSourceDefaults,
  forwardDefaults,
  kubernetesAuditDefaults,
  natsDefaults,
  networkSinkDefaults,
  relpSinkDefaults,
  relpSourceDefaults,
  retryDefaults,
  slicesDefaults,
  sourceDefaults,
  spoolDefaults,
} from "./defaults.ts";
import { quickHttpSink } from "./quick_http.ts";
import { parseTarget, refuseRest, said, splitSpec, withoutSlashes } from "./quick_spec.ts";
import { type QuickTls, serverTlsOf, tlsOf } from "./quick_tls.ts";
import { quickListeners, quickSinks, quickSources } from "./types.ts";

/**
 * The source that a `--from` names: `file:PATTERN`, `kernel:`, `stdin:`, `tap:PATH`, `syslog:udp://host:port` … Of `tls`
 * a listener takes the files alone: the permitted peers are the sinks'.
 */
export function parseFrom(spec: string, tls: QuickTls = {}): SourceConfig {
  const { kind, rest } = splitSpec("--from", spec, quickSources);
  const { permittedPeer: _, ...files } = tls;
  return said("--from", spec, () => sourceOf(kind, rest, files));
}

/** The sink that a `--to` names: `relp://host:2514`, `relps://host:2515`, `file:DIR`, `stdout:` … */
export function parseTo(url: string, tls: QuickTls = {}): SinkConfig {
  const { kind, rest } = splitSpec("--to", url, quickSinks);
  return said("--to", url, () => sinkOf(kind, rest, tls));
}

/**
 * The source that a `--listen` names: `relp://host:2514`, `relps://`, `tls://host:19612` (plain lines), `tcp://`,
 * `syslog+tls://host:6514`, `syslog+tcp://`, `syslog+udp://`, `syslog:unix:/dev/log`, `forward://host:24224`,
 * `forward+tls://`. With a CA, clients must show a certificate.
 */
export function parseListen(url: string, tls: QuickTls = {}): SourceConfig {
  const { kind, rest } = splitSpec("--listen", url, quickListeners);
  return said("--listen", url, () => listenerOf(kind, rest, tls));
}

/** The sink of `agent collect --to DIR`. */
export function collectorSink(folder: string): FileSinkConfig {
  if (folder === "") throw new UsageError(`--to: the folder is missing\nTry: --to ./logs`);
  return { type: "file", folder, ...fileSinkDefaults, ...retryDefaults };
}

/** A whole configuration of named parts: every part's name is the text that it was given as. */
export function quickConfig(
  parts: {
    readonly sources: Readonly<Record<string, SourceConfig>>;
    readonly sinks: Readonly<Record<string, SinkConfig>>;
    readonly state?: string;
    readonly hostname: string;
  },
): AgentConfig {
  return {
    state: parts.state ?? defaults.state,
    hostname: parts.hostname,
    metadata: {},
    sources: parts.sources,
    rules: [],
    redact: {},
    sinks: parts.sinks,
    spool: spoolDefaults,
    tests: [],
  };
}

function sourceOf(kind: (typeof quickSources)[number], rest: string, tls: QuickTls): SourceConfig {
  const { start, longLines, maxLineBytes } = sourceDefaults;
  const record = { priority: defaultPriority };
  switch (kind) {
    case "file":
      if (rest === "") throw new Error("the path is missing; write file:/var/log/*.log");
      return {
        type: "file",
        include: [rest],
        exclude: [],
        start,
        longLines,
        maxLineBytes,
        ...fileSourceDefaults,
        ...record,
      };
    case "stdin":
      refuseRest(rest);
      return { type: "stdin", maxLineBytes, ...record };
    case "kernel":
      refuseRest(rest);
      return { type: "kernel", fields: false, removePstore: false };
    case "journal":
      refuseRest(rest);
      return { type: "journal", units: [], start, maxLineBytes };
    case "audit": {
      const include = [rest === "" ? "/var/log/audit/audit.log" : rest];
      return { type: "audit", include, decode: false, start, maxLineBytes, priority: auditPriority };
    }
    case "kubernetes-audit":
      return {
        type: "kubernetesAudit",
        include: rest === "" ? kubernetesAuditDefaults.include : [rest],
        start,
        maxLineBytes: kubernetesAuditDefaults.maxLineBytes,
        levels: [],
        stages: [],
        redactBodies: secretResources,
        rememberedEvents: kubernetesAuditDefaults.rememberedEvents,
        priority: auditPriority,
      };
    case "tap":
      return { type: "tap", socket: parseSocketPath(rest || defaults.tapSocket), tai: "s6", maxLineBytes, ...record };
    case "syslog":
      return syslogSource(rest, tls);
  }
}

function sinkOf(kind: (typeof quickSinks)[number], rest: string, tls: QuickTls): SinkConfig {
  switch (kind) {
    case "relp":
    case "relps": {
      const { host, port } = parseTarget(rest, defaultPorts[kind]);
      const secured = kind === "relps" ? { tls: tlsOf(tls, [host]) } : {};
      return { type: "relp", host, port, ...secured, ...relpSinkDefaults, ...retryDefaults };
    }
    case "tls": {
      const { host, port } = parseTarget(rest, defaultPorts.streamTls);
      const secured = { transport: "tls", tls: tlsOf(tls, [host]), withHeader: false } as const;
      return { type: "stream", host, port, ...secured, ...networkSinkDefaults, ...retryDefaults };
    }
    case "tcp": {
      const { host, port } = parseTarget(rest);
      const plain = { transport: "tcp", withHeader: false } as const;
      return { type: "stream", host, port, ...plain, ...networkSinkDefaults, ...retryDefaults };
    }
    case "syslog+tls":
    case "syslog+tcp":
    case "syslog+udp":
      return syslogSink(kind, rest, tls);
    case "exec":
      if (rest === "") throw new Error("the command is missing; write exec:COMMAND");
      return { type: "exec", command: rest, acknowledge: false, timeoutMs: 90_000, ...retryDefaults };
    case "file":
      if (rest === "") throw new Error("the folder is missing; write file:DIR");
      return /[{%]/.test(rest) ? slicesSink(rest) : collectorSink(rest);
    case "stdout":
      refuseRest(rest);
      return { type: "stdout", ...retryDefaults };
    case "nats":
      return natsSink(rest, tls);
    case "elasticsearch+https":
    case "elasticsearch+http":
    case "loki+https":
    case "loki+http":
    case "otlp+https":
    case "otlp+http":
    case "victorialogs+https":
    case "victorialogs+http":
    case "https":
    case "http":
      return quickHttpSink(kind, rest, (host) => tlsOf(tls, [host]));
  }
}

/** `//host:port/STREAM`; with TLS options, over TLS. */
function natsSink(rest: string, tls: QuickTls): NatsSinkConfig {
  const [, address = "", stream] = /^\/\/([^/]*)(?:\/([^/]*))?$/.exec(rest) ?? [];
  if (stream === undefined || stream === "") throw new Error("the stream is missing; write nats://host:4222/STREAM");
  const { host, port } = parseTarget(`//${address}`, defaultPorts.nats);
  const secured = [tls.ca, tls.cert, tls.key].some((given) => given !== undefined);
  const { connectionTimeoutMs } = networkSinkDefaults;
  return {
    type: "nats",
    servers: [{ host, port }],
    stream: parseNatsName(stream),
    connectionTimeoutMs,
    timeoutMs: natsDefaults.timeoutMs,
    ...(secured ? { tls: { ...tlsOf(tls, [host]), permittedPeer: [] } } : {}),
    ...retryDefaults,
  };
}

/** `DIR/{field}/name-%Y%m%d.log.gz`: the folder ends where the template begins. */
function slicesSink(rest: string): FileSinkConfig {
  const [, folder, path] = /^((?:[^{%/]*\/)*)(.*)$/s.exec(rest)!;
  const slices = { path: parsePathTemplate(path!).text, ...slicesDefaults };
  return {
    type: "file",
    folder: folder!.replace(/(?<=.)\/$/, "") || ".",
    ...fileSinkDefaults,
    slices,
    ...retryDefaults,
  };
}

function syslogSink(kind: "syslog+tls" | "syslog+tcp" | "syslog+udp", rest: string, tls: QuickTls): SyslogSinkConfig {
  const isTls = kind === "syslog+tls";
  const { host, port } = parseTarget(rest, isTls ? defaultPorts.syslogTls : defaultPorts.syslog);
  return {
    type: "syslog",
    transport: kind.slice("syslog+".length) as "tls" | "tcp" | "udp",
    host,
    port,
    format: "rfc5424",
    framing: isTls ? "octetCounted" : "newline",
    maxDatagramBytes: defaultMaxDatagramBytes,
    ...(isTls ? { tls: tlsOf(tls, [host]) } : {}),
    ...networkSinkDefaults,
    ...retryDefaults,
  };
}

function listenerOf(kind: (typeof quickListeners)[number], rest: string, tls: QuickTls): SourceConfig {
  switch (kind) {
    case "syslog":
      return syslogSource(rest, tls);
    case "syslog+tls":
    case "syslog+tcp":
    case "syslog+udp":
      return syslogSource(`${kind.slice("syslog+".length)}:${rest}`, tls);
    case "tcp":
    case "tls": {
      const listen = parseHostPort(withoutSlashes(rest), kind === "tls" ? defaultPorts.streamTls : undefined);
      const { maxLineBytes } = sourceDefaults;
      const lines = { listen, maxLineBytes, maxConnections: defaultMaxConnections, priority: defaultPriority };
      return { type: kind, ...lines, ...(kind === "tls" ? { tls: serverTlsOf(tls) } : {}) };
    }
    case "forward":
    case "forward+tls":
      return {
        type: "forward",
        listen: parseForwardAddress(withoutSlashes(rest)),
        ...forwardDefaults,
        maxConnections: defaultMaxConnections,
        priority: defaultPriority,
        ...(kind === "forward+tls" ? { tls: serverTlsOf(tls) } : {}),
      };
    case "relp":
    case "relps": {
      const listen = parseHostPort(withoutSlashes(rest), defaultPorts[kind]);
      const server: RelpSourceConfig = { type: "relp", listen, ...relpSourceDefaults };
      return kind === "relp" ? server : { ...server, tls: serverTlsOf(tls) };
    }
  }
}

function syslogSource(rest: string, tls: QuickTls): SourceConfig {
  const listen = parseSyslogAddress(rest);
  return {
    type: "syslog",
    listen,
    maxMessageBytes: sourceDefaults.maxLineBytes,
    maxConnections: defaultMaxConnections,
    priority: defaultPriority,
    ...(listen.transport === "tls" ? { tls: serverTlsOf(tls) } : {}),
  };
}
