/** `agent ship`: wiring of sources, rules and sinks from a file or from `--from` and `--to`. */
import project from "../../deno.json" with { type: "json" };
import type { AgentConfig } from "../config/config.ts";
import { parseFrom, parseTo, quickConfig, type QuickTls, refuseIdleTls, withEnvironment } from "../config/quick.ts";
import { runService } from "../engine/service.ts";
import { UsageError } from "../pipeline/errors.ts";
import type { CommandContext } from "./context.ts";
import { collectValues, newCommand, parseOptions } from "./options.ts";
import { quickStateFolder } from "./state_folder.ts";

interface ShipOptions extends QuickTls {
  readonly config?: string;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly once?: boolean;
  readonly state?: string;
}

const example = `agent ship --from file:/var/log/*.log --from kernel: --to relp://loghost:2514
agent ship --config /etc/agent/agent.yaml`;

/** Ships until it is told to stop, or with `--once` until all is delivered. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand("ship", "Reads sources, applies rules, delivers to sinks, for ever.", example)
    .option("--config <file>", "configuration, YAML or JSON")
    .option("--from <spec>", "a source; may be given several times", collectValues)
    .option("--to <url>", "a sink; may be given several times", collectValues)
    .option("--once", "read to the end, and end when every sink has confirmed")
    .option("--state <dir>", "folder of positions and the lock")
    .option("--ca <file>", "CA certificates that sign the peer's (default: $CAFILE)")
    .option("--cert <file>", "own certificate (default: $CERTFILE)")
    .option("--key <file>", "its key (default: $KEYFILE)")
    .option("--permitted-peer <name>", "name or fingerprint of the peer; may be given several times", collectValues);
  const parsed = parseOptions<ShipOptions>(command, words, context);
  if (parsed === undefined) return 0;
  const { options } = parsed;
  const load = await loader(options);
  await runService({
    config: load(),
    ...(options.config === undefined ? {} : { reload: load }),
    onReload: (handler) => context.onSignal("SIGHUP", handler),
    version: project.version,
    once: options.once === true,
  }, context.signal);
  return 0;
}

async function loader(options: ShipOptions): Promise<() => AgentConfig> {
  const { config, from, to, state } = options;
  if (config === undefined) {
    const quick = quickShipConfig(options);
    return () => quick;
  }
  if (from !== undefined || to !== undefined) throw new UsageError("--config and --from, --to exclude each other");
  const { loadConfig } = await import("../config/load.ts");
  return () => ({ ...loadConfig(config), ...(state === undefined ? {} : { state }) });
}

function quickShipConfig(options: ShipOptions): AgentConfig {
  const { from = [], to = [] } = options;
  if (from.length === 0 || to.length === 0) {
    throw new UsageError(
      `${
        from.length === 0 ? "--from" : "--to"
      } is missing\nTry: agent ship --from file:/var/log/*.log --to relp://HOST, or --config FILE`,
    );
  }
  const tls = withEnvironment(options, (name) => Deno.env.get(name));
  const sources = Object.fromEntries(from.map((spec) => [spec, parseFrom(spec)]));
  const sinks = Object.fromEntries(to.map((url) => [url, parseTo(url, tls)]));
  refuseIdleTls(options, Object.values(sinks));
  const state = options.state ?? quickStateFolder(["ship", ...from, "to", ...to]);
  return quickConfig({ sources, sinks, state, hostname: Deno.hostname() });
}
