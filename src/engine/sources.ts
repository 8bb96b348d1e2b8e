/** From the configuration of a source to the source. Only the code of its own type is loaded. */
import type {
  AgentConfig,
  AuditSourceConfig,
  FileSourceConfig,
  ForwardSourceConfig,
  KernelSourceConfig,
  KubernetesAuditSourceConfig,
  LinesSourceConfig,
  RelpSourceConfig,
  SourceConfig,
  StdinSourceConfig,
  SyslogSourceConfig,
  TapSourceConfig,
  WebhookSourceConfig,
} from "../config/config.ts";
import type { Source } from "../pipeline/source.ts";
import { openLog } from "../system/log.ts";
import type { WiringOptions } from "./wiring.ts";

/** Opens a source. @throws when it cannot be had at all: a port in use, a socket path that is taken */
export async function openSource(
  id: string,
  config: SourceConfig,
  whole: AgentConfig,
  options: WiringOptions,
): Promise<Source> {
  const { hostname } = whole;
  const { once } = options;
  switch (config.type) {
    case "file":
      return await openFile(id, config, hostname, once);
    case "kernel":
      return await openKernel(id, config, whole, options);
    case "journal": {
      const { openJournalSource } = await import("../sources/journal/source.ts");
      return openJournalSource({ id, once, host: hostname, ...config });
    }
    case "audit":
      return await openAudit(id, config, hostname, once);
    case "kubernetesAudit":
      return await openKubernetesAudit(id, config, hostname, once);
    case "stdin":
      return await openStdin(id, config, hostname);
    case "tap":
      return await openTap(id, config, hostname, once);
    case "relp":
      return await openRelp(id, config, options.version);
    case "nats": {
      const { openNatsSource } = await import("../sources/nats/source.ts");
      const record = { host: hostname, program: config.program ?? "nats" };
      return openNatsSource({ id, once, name: `agent ${id}`, ...config, ...record });
    }
    case "webhook":
      return await openWebhook(id, config, hostname);
    case "forward":
      return await openForward(id, config, hostname);
    case "syslog":
      return await openSyslog(id, config, hostname);
    case "tcp":
    case "tls":
      return await openLines(id, config, hostname);
  }
}

/** What sources have to say about their files. */
function report({ level, text }: { level: "debug" | "info" | "warning" | "error"; text: string }): void {
  openLog("file")[level](text);
}

async function openFile(id: string, config: FileSourceConfig, hostname: string, once: boolean): Promise<Source> {
  const { openFileSource } = await import("../sources/file/file_source.ts");
  const { pollMs, ...rest } = config;
  const tuning = pollMs === undefined ? {} : { tuning: { maxPollMs: pollMs, sweepMs: pollMs } };
  return openFileSource({ id, once, hostname, ...rest, ...tuning, report });
}

async function openWebhook(id: string, config: WebhookSourceConfig, hostname: string): Promise<Source> {
  const { openWebhookSource } = await import("../sources/webhook/source.ts");
  const source = await openWebhookSource({ id, hostname, ...config, program: config.program ?? "webhook" });
  openLog("webhook").info(`listening on ${source.address}${config.tls === undefined ? "" : " (TLS)"}`);
  return source;
}

async function openForward(id: string, config: ForwardSourceConfig, hostname: string): Promise<Source> {
  const { openForwardSource } = await import("../sources/forward/source.ts");
  const source = await openForwardSource({ id, hostname, ...config });
  openLog("forward").info(`listening on ${source.address}${config.tls === undefined ? "" : " (TLS)"}`);
  return source;
}

async function openSyslog(id: string, config: SyslogSourceConfig, hostname: string): Promise<Source> {
  const { openSyslogSource } = await import("../sources/syslog/source.ts");
  const { listen: where, tls, ...rest } = config;
  const listen = where.transport === "tls"
    ? { ...where, transport: "tcp" as const, ...(tls === undefined ? {} : { tls }) }
    : where;
  const source = await openSyslogSource({ id, hostname, ...rest, listen });
  openLog("syslog").info(`listening on ${source.address}`);
  return source;
}

async function openLines(id: string, config: LinesSourceConfig, hostname: string): Promise<Source> {
  const { openSyslogSource } = await import("../sources/syslog/source.ts");
  const { listen, tls, maxLineBytes: maxMessageBytes, type: program, ...rest } = config;
  const source = await openSyslogSource({
    id,
    hostname,
    program,
    records: "lines",
    maxMessageBytes,
    ...rest,
    listen: { transport: "tcp", ...listen, ...(tls === undefined ? {} : { tls }) },
  });
  openLog("lines").info(`listening on ${source.address}`);
  return source;
}

async function openKernel(
  id: string,
  { fields, removePstore }: KernelSourceConfig,
  { hostname, sinks }: AgentConfig,
  { once, checkpoints }: WiringOptions,
): Promise<Source> {
  const { openKernelSource } = await import("../sources/kernel/source.ts");
  const savedPositions = () => Promise.all(Object.keys(sinks).map((sink) => checkpoints.get(`${id}@${sink}`)));
  return openKernelSource({ id, once, host: hostname, fields, removePstore, savedPositions });
}

async function openStdin(id: string, config: StdinSourceConfig, host: string): Promise<Source> {
  const { openStdinSource } = await import("../sources/stdin.ts");
  return openStdinSource({ id, host, ...config, program: config.program ?? "stdin" });
}

/** With `backfill` the log behind the tap is the truth, read with one position, and the socket only wakes its reader. */
async function openTap(id: string, config: TapSourceConfig, hostname: string, once: boolean): Promise<Source> {
  const { backfill, socket: socketPath, program = "console", priority, maxLineBytes, tai } = config;
  if (backfill === undefined) {
    const { openTapSource } = await import("../sources/tap/source.ts");
    return await openTapSource({ id, hostname, socketPath, program, priority, maxLineBytes });
  }
  const { openLogDirectorySource } = await import("../sources/backfill/source.ts");
  const record = { hostname, program, priority, maxLineBytes };
  const source = openLogDirectorySource({ id, once, path: backfill, tai, ...record, report });
  if (once) return source;
  const { openHintSocket } = await import("../sources/backfill/hint_socket.ts");
  const socket = await openHintSocket({ socketPath, onHint: () => source.wake() });
  return {
    id,
    replayable: true,
    read: (from, limits, signal) => source.read(from, limits, signal),
    [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose](),
  };
}

async function openAudit(id: string, config: AuditSourceConfig, host: string, once: boolean): Promise<Source> {
  const { openAuditSource } = await import("../sources/audit/source.ts");
  const { include, socket, start, maxLineBytes, ...style } = config;
  const inner = socket === undefined
    ? (await import("../sources/file/file_source.ts"))
      .openFileSource({ id, once, hostname: host, include, start, maxLineBytes, report })
    : (await import("../sources/audit/socket.ts")).openAuditSocket({ id, host, path: socket, once, maxLineBytes });
  return openAuditSource({ id, host, inner, ...style });
}

/** Events come out of files, or are posted to a webhook in lists; what is done with them is the same. */
async function openKubernetesAudit(
  id: string,
  config: KubernetesAuditSourceConfig,
  hostname: string,
  once: boolean,
): Promise<Source> {
  const { openKubernetesAuditSource } = await import("../sources/kubernetes_audit/source.ts");
  const { include, webhook, start, maxLineBytes, priority, tls, program = "kubernetes-audit", ...rest } = config;
  const record = { program, priority };
  if (webhook === undefined) {
    const { openFileSource } = await import("../sources/file/file_source.ts");
    // What was rotated away twice while the agent was down is found by its name: the API server's are audit-TIME.log.
    const rotated = include.filter((path) => /^[^*?[{]*\.log$/.test(path)).map((path) =>
      path.replace(/\.log$/, "-[0-9]*.log")
    );
    const files = { include: [...include, ...rotated], start, maxLineBytes, longLines: "skip" as const };
    return openKubernetesAuditSource({
      id,
      inner: openFileSource({ id, once, hostname, ...files, ...record, report }),
      ...rest,
    });
  }
  const { openWebhookSource } = await import("../sources/webhook/source.ts");
  const { eventsOfLists } = await import("../formats/kubernetes_audit.ts");
  const inner = await openWebhookSource({
    id,
    hostname,
    ...webhook,
    ...(tls === undefined ? {} : { tls }),
    ...record,
    unfold: eventsOfLists,
  });
  openLog("webhook").info(`listening on ${inner.address}${tls === undefined ? "" : " (TLS)"}`);
  return openKubernetesAuditSource({ id, inner, ...rest });
}

async function openRelp(id: string, config: RelpSourceConfig, version: string): Promise<Source> {
  const { openRelpSource } = await import("../sources/relp/source.ts");
  const { listen, tls, ...rest } = config;
  const source = await openRelpSource({
    id,
    version,
    ...rest,
    listen: { ...listen, ...(tls === undefined ? {} : { tls }) },
  });
  openLog("relp").info(`listening on ${source.address}${tls === undefined ? "" : " (TLS)"}`);
  return source;
}
