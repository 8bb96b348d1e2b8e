/** `agent collect`: the receiving end, wired from a file or from `--listen` and `--to`. */
import project from "../../deno.json" with { type: "json" };
import type { AgentConfig, SinkConfig } from "../config/config.ts";
import {
  collectorSink,
  parseListen,
  parseTo,
  quickConfig,
  type QuickTls,
  refuseIdleTls,
  withEnvironment,
} from "../config/quick.ts";
import { runService } from "../engine/service.ts";
import { UsageError } from "../pipeline/errors.ts";
import type { CommandContext } from "./context.ts";
import { collectValues, newCommand, parseOptions } from "./options.ts";
import { quickStateFolder } from "./state_folder.ts";

interface CollectOptions extends QuickTls {
  readonly config?: string;
  readonly listen?: readonly string[];
  readonly to?: string;
  readonly print?: boolean;
  readonly state?: string;
}

const example = `agent collect --listen relp://0.0.0.0:2514 --to /var/log/remote
agent collect --listen relps://0.0.0.0:2515 --to /var/log/remote --ca ca.crt --cert server.crt --key server.key`;

/** Receives until it is told to stop. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand(
    "collect",
    "Receives logs and keeps them, one folder per host; acknowledges what is on disk.",
    example,
  )
    .option("--config <file>", "configuration, YAML or JSON")
    .option("--listen <url>", "where to listen; may be given several times", collectValues)
    .option("--to <dir>", "folder for the hosts' folders")
    .option("--print", "print every record, too")
    .option("--state <dir>", "folder of positions and the lock")
    .option(
      "--ca <file>",
      "CA certificates that sign the clients': with it a client must present one (default: $CAFILE)",
    )
    .option("--cert <file>", "own certificate (default: $CERTFILE)")
    .option("--key <file>", "its key (default: $KEYFILE)")
    .option("--permitted-peer <name>", "name or fingerprint of a client; may be given several times", collectValues);
  const parsed = parseOptions<CollectOptions>(command, words, context);
  if (parsed === undefined) return 0;
  const { options } = parsed;
  const load = await loader(options);
  await runService({
    config: load(),
    ...(options.config === undefined ? {} : { reload: load }),
    onReload: (handler) => context.onSignal("SIGHUP", handler),
    version: project.version,
    once: false,
  }, context.signal);
  return 0;
}

async function loader(options: CollectOptions): Promise<() => AgentConfig> {
  const { config, listen, to, state } = options;
  if (config === undefined) {
    const quick = quickCollectConfig(options);
    return () => quick;
  }
  if (listen !== undefined || to !== undefined) throw new UsageError("--config and --listen, --to exclude each other");
  const { loadConfig } = await import("../config/load.ts");
  return () => withPrint({ ...loadConfig(config), ...(state === undefined ? {} : { state }) }, options);
}

function quickCollectConfig(options: CollectOptions): AgentConfig {
  const { listen = [], to } = options;
  if (listen.length === 0 || to === undefined) {
    throw new UsageError(
      `${to === undefined ? "--to" : "--listen"} is missing\nTry: agent collect --listen relp://0.0.0.0:2514 --to DIR`,
    );
  }
  const tls = withEnvironment(options, (name) => Deno.env.get(name));
  const sources = Object.fromEntries(listen.map((url) => [url, parseListen(url, tls)]));
  refuseIdleTls(options, Object.values(sources));
  const state = options.state ?? quickStateFolder(["collect", ...listen, "to", to]);
  return withPrint(
    quickConfig({ sources, sinks: { [to]: collectorSink(to) }, state, hostname: Deno.hostname() }),
    options,
  );
}

function withPrint(config: AgentConfig, { print }: CollectOptions): AgentConfig {
  if (print !== true) return config;
  const sinks: Readonly<Record<string, SinkConfig>> = { ...config.sinks, stdout: parseTo("stdout:") };
  return { ...config, sinks };
}
