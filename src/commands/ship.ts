/** `agent ship`: wiring of sources, rules and sinks from a file or from `--from` and `--to`. */
import type { AgentConfig } from "../config/config.ts";
import { parseFrom, parseTo, quickConfig } from "../config/quick.ts";
import { type QuickTls, refuseIdleTls } from "../config/quick_tls.ts";
import { UsageError } from "../pipeline/errors.ts";
import type { CommandContext } from "./context.ts";
import { collectValues, newCommand, parseOptions } from "./options.ts";
import { addServiceOptions, runServiceCommand, type ServiceWords } from "./service.ts";
import { quickStateFolder } from "./state_folder.ts";

interface ShipWords extends ServiceWords {
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly once?: boolean;
  readonly metadata?: readonly string[];
}

const example = `agent ship --from 'file:/var/log/*.log' --from kernel: --to relp://loghost:2514
agent ship --config /etc/agent/agent.yaml`;

/** Ships until it is told to stop, or with `--once` until all is delivered. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand("ship", "Reads sources, applies rules, delivers to sinks, for ever.", example)
    .option("--from <spec>", "a source; may be given several times", collectValues)
    .option("--to <url>", "a sink; may be given several times", collectValues)
    .option("--metadata <key=value>", "goes with every record; may be given several times", collectValues)
    .option("--once", "read to the end, and end when every sink has confirmed");
  const parsed = parseOptions<ShipWords>(addServiceOptions(command, "peer"), words, context);
  if (parsed === undefined) return 0;
  const { options } = parsed;
  const form = {
    quickWords: { "--from": options.from, "--to": options.to },
    quick: (tls: QuickTls) => quick(options, tls),
    finish: (config: AgentConfig) => withMetadata(config, options.metadata),
  };
  return await runServiceCommand("ship", options, form, options.once === true, context);
}

/** The words come before what the file says. */
function withMetadata(config: AgentConfig, words: readonly string[] = []): AgentConfig {
  const pairs = words.map((word): [string, string] => {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(word) ?? [];
    if (key === undefined) throw new UsageError(`--metadata "${word}" is not KEY=VALUE\nTry: --metadata shoot=bar`);
    return [key, value!];
  });
  return { ...config, metadata: { ...config.metadata, ...Object.fromEntries(pairs) } };
}

function quick(options: ShipWords, tls: QuickTls): AgentConfig {
  const { from = [], to = [] } = options;
  if (from.length === 0 || to.length === 0) {
    throw new UsageError(
      `${from.length === 0 ? "--from" : "--to"} is missing\n` +
        "Try: agent ship --from 'file:/var/log/*.log' --to relp://HOST, or --config FILE",
    );
  }
  const sources = Object.fromEntries(from.map((spec) => [spec, parseFrom(spec, tls)]));
  const sinks = Object.fromEntries(to.map((url) => [url, parseTo(url, tls)]));
  refuseIdleTls(options, [...Object.values(sources), ...Object.values(sinks)]);
  const state = options.state ?? quickStateFolder(["ship", ...from, "to", ...to]);
  return quickConfig({ sources, sinks, state, hostname: Deno.hostname() });
}
