/** From a configuration to the parts of an engine. Only what it names is loaded. */
import { join } from "node:path";
import type { AgentConfig, FileSinkConfig, RelpSinkConfig, SinkConfig } from "../config/config.ts";
import type { Checkpoints } from "../pipeline/checkpoint.ts";
import type { Sink } from "../pipeline/sink.ts";
import type { Source } from "../pipeline/source.ts";
import type { Spool } from "../spool/spool.ts";
import { deadLetterFolder } from "../spool/dead_letters.ts";
import { splitPath } from "../rules/field.ts";
import { openLog } from "../system/log.ts";
import { checkCredentialFiles } from "../tls/credentials.ts";
import type { EngineParts } from "./engine.ts";
import type { EngineFeed } from "./feed.ts";
import { needsSpool, type SinkPart } from "./pairs.ts";
import { hasCommonMetadata, openRules } from "./rules.ts";
import { openSource } from "./sources.ts";
import { SinkAside } from "./aside.ts";
import { SinkHealth } from "./health.ts";

/** What the configuration does not say. */
export interface WiringOptions {
  readonly version: string;
  readonly checkpoints: Checkpoints;
  readonly once: boolean;
  /** Where everything is counted. */
  readonly feed: EngineFeed;
}

/** Opens every source and sink. What was opened is closed again when one of them cannot be. */
export async function openParts(config: AgentConfig, options: WiringOptions): Promise<EngineParts> {
  const rules = openRules(config);
  const sinks: SinkPart[] = [];
  const sources: Source[] = [];
  let spool: Spool | undefined;
  try {
    for (const [name, sink] of Object.entries(config.sinks)) {
      // Where the agent gets its certificate itself, the first one may still be to come.
      if (config.certificate === undefined && "tls" in sink && sink.tls !== undefined) {
        checkCredentialFiles(sink.tls);
      }
      sinks.push(await openSinkPart(name, sink, config, options));
    }
    for (const [name, source] of Object.entries(config.sources)) {
      sources.push(await openSource(name, source, config, options));
    }
    // What can neither be read again nor has a peer that repeats is kept here.
    if (sources.some(needsSpool)) spool = await openConfiguredSpool(config);
  } catch (error) {
    for (const source of sources) await source[Symbol.asyncDispose]?.();
    for (const { sink } of sinks) await sink[Symbol.asyncDispose]();
    throw error;
  }
  const { checkpoints, once, feed } = options;
  const parts = { sources, sinks, ...(spool === undefined ? {} : { spool }) };
  feed.attach(config, parts);
  return { ...parts, checkpoints, rules, feed, once, drainMs: 3_000 };
}

/** Whether anything is to be kept in the state folder: all sources but those whose peers keep what is not answered. */
export function needsState(config: AgentConfig): boolean {
  return Object.values(config.sources).some(({ type }) => type !== "relp");
}

async function openConfiguredSpool({ state, hostname, spool, sinks }: AgentConfig): Promise<Spool> {
  const { openSpool } = await import("../spool/spool.ts");
  return await openSpool({ folder: join(state, "spool"), host: hostname, readers: Object.keys(sinks), ...spool });
}

async function openSinkPart(
  name: string,
  config: SinkConfig,
  agent: AgentConfig,
  options: WiringOptions,
): Promise<SinkPart> {
  const { state } = agent;
  const inRecords = "maxRequestRecords" in config && !hasCommonMetadata(agent);
  const sink = await openSink(name, config, inRecords ? {} : agent.metadata, options);
  const aside = new SinkAside({ sink: name, folder: deadLetterFolder(state, name), ...config.aside });
  const health = new SinkHealth(name, {
    reportSuspension: config.reportSuspension,
    reportContinuation: config.reportSuspensionContinuation,
  }, options.feed.tally(name));
  return { sink, health, backoff: config.backoff, aside };
}

async function openFile(id: string, config: FileSinkConfig): Promise<Sink> {
  const { folder, maxOpenFiles, slices } = config;
  if (slices === undefined) return (await import("../sinks/file/sink.ts")).openFileSink({ id, ...config });
  const { openSliceSink } = await import("../sinks/file/slices.ts");
  const { parsePathTemplate } = await import("../sinks/file/template.ts");
  const { path, timeField, gzipLevel: level, ...rest } = slices;
  const template = parsePathTemplate(path);
  return openSliceSink({ id, folder, maxOpenFiles, template, timeField: splitPath(timeField), level, ...rest });
}

/** Only Gardener's line has places for metadata of its own; all other records are enriched by the rules. */
async function openRelp(
  id: string,
  { template, ...config }: RelpSinkConfig,
  metadata: AgentConfig["metadata"],
  version: string,
): Promise<Sink> {
  const { openRelpSink } = await import("../sinks/relp/sink.ts");
  if (template === "forward") return openRelpSink({ id, version, ...config });
  const { RsyslogTemplate } = await import("../formats/rsyslog_template.ts");
  return openRelpSink({ id, version, ...config, layout: new RsyslogTemplate(template, metadata) });
}

async function openSink(
  id: string,
  config: SinkConfig,
  metadata: AgentConfig["metadata"],
  { version }: WiringOptions,
): Promise<Sink> {
  switch (config.type) {
    case "relp":
      return await openRelp(id, config, metadata, version);
    case "syslog": {
      const onTruncated = (records: number): void =>
        openLog("syslog").warning(`sink ${id}: ${records} records cut to fit`);
      return (await import("../sinks/syslog/sink.ts")).openSyslogSink({ id, ...config, onTruncated });
    }
    case "stream":
      return (await import("../sinks/stream/sink.ts")).openStreamSink({ id, ...config });
    case "nats":
      return (await import("../sinks/nats/sink.ts")).openNatsSink({ id, name: `agent ${id}`, ...config });
    case "exec":
      return (await import("../sinks/exec.ts")).openExecSink({ id, ...config });
    case "file":
      return await openFile(id, config);
    case "elasticsearch":
    case "loki":
    case "otlp":
    case "victorialogs":
    case "http":
      return await (await import("./http_sinks.ts")).openHttp(id, config, metadata, version);
    case "stdout":
      return (await import("../sinks/stdout.ts")).openStdoutSink(id);
  }
}
