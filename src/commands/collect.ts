/** `agent collect`: the receiving end, wired from a file or from `--listen` and `--to`. */
import type { AgentConfig, SinkConfig } from "../config/config.ts";
import { collectorSink, parseListen, parseTo, quickConfig } from "../config/quick.ts";
import { type QuickTls, refuseIdleTls } from "../config/quick_tls.ts";
import { UsageError } from "../pipeline/errors.ts";
import type { CommandContext } from "./context.ts";
import { collectValues, newCommand, parseOptions } from "./options.ts";
import { addServiceOptions, runServiceCommand, type ServiceForm, type ServiceWords } from "./service.ts";
import { quickStateFolder } from "./state_folder.ts";

interface CollectWords extends ServiceWords {
  readonly listen?: readonly string[];
  readonly to?: string;
  readonly print?: boolean;
}

const example = `agent collect --listen relp://0.0.0.0:2514 --to /var/log/remote
agent collect --listen relps://0.0.0.0:2515 --to /var/log/remote --ca ca.crt --cert server.crt --key server.key
agent collect --listen tls://0.0.0.0:19612 --listen syslog+tls://0.0.0.0:6514 --to /var/log/remote --ca …`;

/** Receives until it is told to stop. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const summary = "Receives logs and keeps them, one folder per host; acknowledges what is on disk.";
  const command = newCommand("collect", summary, example)
    .option("--listen <url>", "where to listen; may be given several times", collectValues)
    .option("--to <dir>", "folder for the hosts' folders")
    .option("--print", "print every record, too");
  const parsed = parseOptions<CollectWords>(addServiceOptions(command, "client"), words, context);
  if (parsed === undefined) return 0;
  const { options } = parsed;
  const form: ServiceForm = {
    quickWords: { "--listen": options.listen, "--to": options.to },
    quick: (tls) => quick(options, tls),
    finish: (config) => options.print === true ? withPrint(config) : config,
  };
  return await runServiceCommand("collect", options, form, false, context);
}

function quick(options: CollectWords, tls: QuickTls): AgentConfig {
  const { listen = [], to } = options;
  if (listen.length === 0 || to === undefined) {
    throw new UsageError(
      `${to === undefined ? "--to" : "--listen"} is missing\nTry: agent collect --listen relp://0.0.0.0:2514 --to DIR`,
    );
  }
  const sources = Object.fromEntries(listen.map((url) => [url, parseListen(url, tls)]));
  refuseIdleTls(options, Object.values(sources));
  const state = options.state ?? quickStateFolder(["collect", ...listen, "to", to]);
  return quickConfig({ sources, sinks: { [to]: collectorSink(to) }, state, hostname: Deno.hostname() });
}

function withPrint(config: AgentConfig): AgentConfig {
  const sinks: Readonly<Record<string, SinkConfig>> = { ...config.sinks, stdout: parseTo("stdout:") };
  return { ...config, sinks };
}
