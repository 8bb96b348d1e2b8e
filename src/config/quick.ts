/**
 * The quick form: `--from`, `--to` and `--listen` as the same configuration that a file gives, without what reading a
 * file costs. All functions throw {@linkcode UsageError}.
 */
import { secretResources } from "../formats/kubernetes_audit.ts";
import { errorText, UsageError } from "../pipeline/errors.ts";
import { parsePathTemplate } from "../sinks/file/template.ts";
import type {
  AgentConfig,
  FileSinkConfig,
  NatsSinkConfig,
  RelpSourceConfig,
  SinkConfig,
  SourceConfig,
  SyslogSinkConfig,
  TlsConfig,
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
import { parseName } from "./nats.ts";
import { nearest } from "./nearest.ts";
import { complaintOfPeer, looksLikeFingerprint } from "./peers.ts";
import { quickListeners, quickSinks, quickSources } from "./types.ts";

/** The TLS options of the command line: files, and who may be at the other end. */
export interface QuickTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Names or fingerprints, not both; none: the host that is asked for (client), whoever the CA signed (server). */
  readonly permittedPeer?: readonly string[];
}

/** `given` completed by the environment: `CAFILE`, `CERTFILE`, `KEYFILE`. A pair is never put together from both. */
export function withEnvironment(given: QuickTls, env: (name: string) => string | undefined): QuickTls {
  const from = (name: string): string | undefined => env(name) || undefined;
  const ca = given.ca ?? from("CAFILE");
  const pairGiven = given.cert !== undefined || given.key !== undefined;
  const cert = pairGiven ? given.cert : from("CERTFILE");
  const key = pairGiven ? given.key : from("KEYFILE");
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(given.permittedPeer === undefined ? {} : { permittedPeer: given.permittedPeer }),
  };
}

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

/** Refuses TLS options beside plain addresses alone: what was meant to be encrypted would not be. */
export function refuseIdleTls(
  given: QuickTls,
  parts: readonly (SourceConfig | SinkConfig)[],
): void {
  const options = [
    ...(given.ca === undefined ? [] : ["--ca"]),
    ...(given.cert === undefined ? [] : ["--cert"]),
    ...(given.key === undefined ? [] : ["--key"]),
    ...(given.permittedPeer === undefined ? [] : ["--permitted-peer"]),
  ];
  if (options.length === 0 || parts.some((part) => "tls" in part && part.tls !== undefined)) return;
  throw new UsageError(`${options.join(", ")}: no address here uses TLS\nTry: relps:// instead of relp://`);
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
    stream: parseName(stream),
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

function serverTlsOf(tls: QuickTls): TlsConfig {
  const secured = tlsOf(tls, []);
  if (secured.cert === undefined) throw new Error("TLS needs a certificate of its own; add --cert FILE --key FILE");
  if (secured.ca === undefined && secured.permittedPeer.length > 0) {
    throw new Error("--permitted-peer: without --ca nobody's certificate can be checked");
  }
  return secured;
}

function tlsOf(tls: QuickTls, defaultPeers: readonly string[]): TlsConfig {
  const { ca, cert, key } = tls;
  if (cert !== undefined && key === undefined) throw new Error("--cert is given without --key; they go together");
  if (cert === undefined && key !== undefined) throw new Error("--key is given without --cert; they go together");
  const permittedPeer = tls.permittedPeer ?? defaultPeers;
  for (const peer of permittedPeer) {
    const complaint = complaintOfPeer(peer);
    if (complaint !== undefined) throw new Error(`--permitted-peer ${complaint}`);
  }
  const fingerprints = permittedPeer.filter(looksLikeFingerprint).length;
  if (fingerprints > 0 && fingerprints < permittedPeer.length) {
    throw new Error("--permitted-peer: names and fingerprints cannot be mixed");
  }
  return {
    authMode: fingerprints > 0 ? "fingerprint" : "name",
    permittedPeer,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
}

function parseTarget(rest: string, defaultPort?: number): { host: string; port: number } {
  const target = parseHostPort(withoutSlashes(rest), defaultPort);
  if (target.port === 0) throw new Error(`"0" is not a port; allowed: 1 to 65535`);
  return target;
}

function withoutSlashes(rest: string): string {
  if (!rest.startsWith("//")) throw new Error(`the host is missing; write it behind "//"`);
  return rest.slice(2).replace(/\/$/, "");
}

function splitSpec<Kind extends string>(
  option: string,
  spec: string,
  known: readonly Kind[],
): { kind: Kind; rest: string } {
  const colon = spec.indexOf(":");
  const word = colon < 0 ? spec : spec.slice(0, colon);
  const kind = known.find((one) => one === word);
  if (colon >= 0 && kind !== undefined) return { kind, rest: spec.slice(colon + 1) };
  const near = kind ?? nearest(word, known);
  const meant = colon < 0 && /[/.*]/.test(spec) ? `file:${spec}` : near === undefined ? undefined : `${near}:`;
  throw new UsageError(hidePassword(
    `${option} "${spec}": it does not begin with a known type; allowed: ${known.map((name) => `${name}:`).join(", ")}` +
      (meant === undefined ? "" : `\nTry: ${meant}`),
  ));
}

function refuseRest(rest: string): void {
  if (rest !== "") throw new Error(`nothing may follow the ":", and "${rest}" does`);
}

function said<T>(option: string, spec: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(hidePassword(`${option} "${spec}": ${errorText(error)}`));
  }
}

/** `user:password@` in a URL is not repeated. */
function hidePassword(message: string): string {
  return message.replaceAll(/\/\/[^/@\s"]*@/g, "//…@");
}
