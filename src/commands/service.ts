/** What `ship` and `collect` have in common: options of TLS and state, a configuration from a file or in quick form. */
import type { Command } from "commander";
import project from "../../deno.json" with { type: "json" };
import { loadConfigApart } from "../config/apart.ts";
import type { AgentConfig } from "../config/config.ts";
import { type QuickTls, withEnvironment } from "../config/quick_tls.ts";
import type { EngineFeed } from "../engine/feed.ts";
import { runService } from "../engine/service.ts";
import type { AgentFeed } from "../status/state.ts";
import { UsageError } from "../pipeline/errors.ts";
import type { AuditRulesKeeper } from "./audit_keeping.ts";
import type { CommandContext } from "./context.ts";
import { collectValues } from "./options.ts";

/** The options that both commands have. */
export interface ServiceWords extends QuickTls {
  readonly config?: string;
  readonly state?: string;
}

/** Adds the options of {@linkcode ServiceWords}. */
export function addServiceOptions(command: Command, peer: string): Command {
  return command
    .option("--config <file>", "configuration, YAML or JSON; read again at SIGHUP")
    .option("--state <dir>", "folder of positions, spool and the lock")
    .option("--ca <file>", `CA certificates that sign the ${peer}'s (default: $CAFILE)`)
    .option("--cert <file>", "own certificate (default: $CERTFILE)")
    .option("--key <file>", "its key (default: $KEYFILE)")
    .option("--permitted-peer <name>", `name or fingerprint of the ${peer}; may be given several times`, collectValues);
}

/** How one command turns its words into a configuration. */
export interface ServiceForm {
  /** The quick form's options, by name; those that are given exclude `--config`. */
  readonly quickWords: Readonly<Record<string, unknown>>;
  /** The configuration of the quick form; `tls` is completed by the environment. */
  quick(tls: QuickTls): AgentConfig;
  /** The last touch on a configuration, whichever way it came. Default: none. */
  finish?(config: AgentConfig): AgentConfig;
}

/** Runs the service that `words` describe until it is told to stop, or with `once` until all is delivered. */
export async function runServiceCommand(
  command: "ship" | "collect",
  words: ServiceWords,
  form: ServiceForm,
  once: boolean,
  context: CommandContext,
): Promise<number> {
  const load = loader(words, form);
  await runService({
    config: await load(),
    ...(words.config === undefined ? {} : { reload: load }),
    keepCertificate: async (config, signal) => {
      await Promise.all([keepCertificate(config, signal), keepForDumps(config, words.config, signal)]);
    },
    keepAuditRules: auditRulesKeeper(),
    openStatus: (config, feed) => openFigures(config, feed, words.config),
    command,
    onReload: (handler) => context.onSignal("SIGHUP", handler),
    version: project.version,
    once,
  }, context.signal);
  return 0;
}

function loader(words: ServiceWords, form: ServiceForm): () => Promise<AgentConfig> {
  const finish = form.finish ?? ((config: AgentConfig): AgentConfig => config);
  const { config: path, state } = words;
  if (path === undefined) {
    const config = finish(form.quick(withEnvironment(words, (name) => Deno.env.get(name))));
    return () => Promise.resolve(config);
  }
  const given = Object.entries(form.quickWords).filter(([, value]) => value !== undefined).map(([name]) => name);
  if (given.length > 0) throw new UsageError(`--config and ${given.join(", ")} exclude each other`);
  return async () => finish({ ...await loadConfigApart(path), ...(state === undefined ? {} : { state }) });
}

/** Keeps what the key `dump.precache` asks for. Its code, too, is loaded only then. */
async function keepForDumps(config: AgentConfig, path: string | undefined, signal: AbortSignal): Promise<void> {
  if (config.dump?.precacheEveryMs === undefined) return;
  const { keepPrecache } = await import("./precache.ts");
  await keepPrecache(config, path, signal);
}

/** Keeps what the key `auditRules` asks for; its code, too, is loaded only then. */
function auditRulesKeeper(): (config: AgentConfig, feed: EngineFeed, signal: AbortSignal) => Promise<void> {
  let keeper: AuditRulesKeeper | undefined;
  return async (config, feed, signal) => {
    if (config.auditRules === undefined && keeper === undefined) return;
    keeper ??= new (await import("./audit_keeping.ts")).AuditRulesKeeper();
    await keeper.keep(config, feed, signal);
  };
}

/** Opens what the key `status` asks for, which is loaded only then. */
async function openFigures(
  config: AgentConfig,
  feed: AgentFeed,
  configPath: string | undefined,
): Promise<AsyncDisposable | undefined> {
  if (config.status === undefined) return undefined;
  const { openStatus } = await import("./status_server.ts");
  const { textfile } = config.status;
  const server = await openStatus(config, feed, configPath);
  if (textfile === undefined) return server;
  const { openTextfile } = await import("../status/metrics/textfile.ts");
  const writer = openTextfile(textfile, feed);
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      await writer[Symbol.asyncDispose]();
      await server?.[Symbol.asyncDispose]();
    },
  };
}

/** Enrols and renews what the key `certificate` asks for. The code for it is loaded only where there is one. */
async function keepCertificate(config: AgentConfig, signal: AbortSignal): Promise<void> {
  const { certificate, hostname, sinks } = config;
  if (certificate === undefined) return;
  const { watchCertificate } = await import("../cert/renewal.ts");
  const { CertificateStore } = await import("../cert/store.ts");
  const { enrolmentOptions, wordsOfConfig } = await import("./certificate.ts");
  const probes = Object.values(sinks).flatMap((sink) =>
    "host" in sink && sink.tls !== undefined ? [{ host: sink.host, port: sink.port }] : [] // NATS speaks before TLS
  );
  const enrolment = enrolmentOptions({ ...wordsOfConfig(certificate), hostname });
  await watchCertificate({
    store: new CertificateStore(certificate.folder),
    enrolment,
    probes,
    ...(certificate.exec === undefined ? {} : { exec: certificate.exec }),
  }, signal);
}
