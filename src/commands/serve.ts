/** `agent serve`: the status server alone, on a machine whose logs somebody else ships: page, metrics, dumps. */
import project from "../../deno.json" with { type: "json" };
import { parseStatusAddress } from "../config/address.ts";
import { loadConfigApart } from "../config/apart.ts";
import type { AgentConfig, StatusConfig } from "../config/config.ts";
import { defaultPorts, statusDefaults } from "../config/defaults.ts";
import { quickConfig } from "../config/quick.ts";
import { type QuickTls, withEnvironment } from "../config/quick_tls.ts";
import { EngineFeed } from "../engine/feed.ts";
import { UsageError } from "../pipeline/errors.ts";
import { complaintOfAccess } from "../status/server/access.ts";
import { openServiceManager } from "../system/notify.ts";
import type { CommandContext } from "./context.ts";
import { collectValues, newCommand, parseOptions } from "./options.ts";
import { quickStateFolder } from "./state_folder.ts";
import { openStatus } from "./status_server.ts";
import { usage } from "./words.ts";

interface ServeWords extends QuickTls {
  readonly config?: string;
  readonly listen?: string;
  readonly state?: string;
  readonly tokenFile?: string;
  readonly host?: readonly string[];
}

const example = `agent serve
agent serve --listen unix:/run/agent/status.sock
agent serve --listen 0.0.0.0:7514 --ca ca.crt --cert server.crt --key server.key   # client certificates are demanded
agent serve --config /etc/agent/agent.yaml`;

/** Serves until it is told to stop. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand("serve", "Serves page, metrics and dumps of this machine over HTTP.", example)
    .option("--config <file>", "configuration; its section status, unless other options say otherwise")
    .option("--listen <address>", `host:port or unix:PATH (default: 127.0.0.1:${defaultPorts.status})`)
    .option("--token-file <file>", "callers must show a token of this file; made if it is missing")
    .option("--host <name>", "a name that callers may use for this server; repeatable", collectValues)
    .option("--ca <file>", "callers must present a certificate that these CA certificates sign (default: $CAFILE)")
    .option("--cert <file>", "own certificate, for https (default: $CERTFILE)")
    .option("--key <file>", "its key (default: $KEYFILE)")
    .option("--permitted-peer <name>", "name or fingerprint of a caller; may be given several times", collectValues)
    .option("--state <dir>", "folder for dumps until they are fetched");
  const parsed = parseOptions<ServeWords>(command, words, context);
  if (parsed === undefined) return 0;
  const { options } = parsed;
  const config = await configOf(options);
  const feed = new EngineFeed({ command: "serve", version: project.version });
  feed.attach(config, { sources: [], sinks: [] });
  await using _server = await openStatus(config, feed, options.config, false);
  using manager = openServiceManager();
  manager.ready();
  await new Promise<void>((resolve) => {
    if (context.signal.aborted) resolve();
    context.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  manager.stopping();
  return 0;
}

async function configOf(words: ServeWords): Promise<AgentConfig> {
  const base = words.config === undefined
    ? quickConfig({ sources: {}, sinks: {}, state: quickStateFolder(["serve"]), hostname: Deno.hostname() })
    : await loadConfigApart(words.config);
  const status = statusOf(words, base.status);
  const complaint = complaintOfAccess(status);
  if (complaint !== undefined) throw new UsageError(`--listen: ${complaint}\nTry: --token-file FILE`);
  return { ...base, status, ...(words.state === undefined ? {} : { state: words.state }) };
}

function statusOf(words: ServeWords, base: StatusConfig | undefined): StatusConfig {
  const { ca, cert, key, permittedPeer = [] } = withEnvironment(words, (name) => Deno.env.get(name));
  if ((words.ca !== undefined || permittedPeer.length > 0) && cert === undefined) {
    throw new UsageError("client certificates are asked for over TLS alone\nTry: --cert FILE --key FILE");
  }
  const common = base ?? { hosts: [], dump: { enabled: true, keepMs: statusDefaults.keepDumpMs } };
  const listen = words.listen === undefined
    ? base?.listen ?? parseStatusAddress("127.0.0.1")
    : usage("--listen", () => parseStatusAddress(words.listen!));
  const authMode = permittedPeer.some((peer) => /^sha(1|256):/i.test(peer)) ? "fingerprint" : "name";
  const tls = { authMode, permittedPeer, minVersion: "TLSv1.2", ...(ca === undefined ? {} : { ca }) } as const;
  return {
    ...common,
    listen,
    hosts: [...common.hosts, ...words.host ?? []],
    ...(cert === undefined || key === undefined ? {} : { tls: { ...tls, cert, key } }),
    ...(words.tokenFile === undefined ? {} : { tokenFile: words.tokenFile }),
  };
}
