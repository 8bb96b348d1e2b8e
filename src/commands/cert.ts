/** `agent cert`: gets a certificate for this machine and keeps it. The actions themselves are in cert_actions.ts. */
import type { Command } from "commander";
import { ClockError, RefusedError } from "../cert/errors.ts";
import { keyTypes } from "../cert/keys.ts";
import { UsageError } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import { type CertAction, certActions, type CertWords } from "./cert_actions.ts";
import type { CommandContext } from "./context.ts";
import { collectValues, newCommand, parseOptions } from "./options.ts";

/** Exit codes of this command besides the common ones. */
const exitCodes = { refused: 77, clockNotSet: 79 } as const;

const help = `agent cert enroll --url https://loghost.example.net:19613/sign --ca ca.crt \\
    --subject 'C=GB,ST=London,O=Telent,OU=devices,CN=\${hostname}' --challenge-file challenge
agent cert watch --config /etc/agent/agent.yaml --exec 'systemctl reload nginx'
agent cert status --json

Actions:
${Object.entries(certActions).map(([name, { summary }]) => `${name.padEnd(8)} ${summary}`).join("\n")}

Exit codes: 75 the signing end cannot be reached, or asks to wait; 77 it refuses; 79 the clock is not set.`;

/** Runs `enroll`, `renew`, `status`, `csr`, `install` or `watch`. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const name = words[0] ?? "";
  const action = Object.hasOwn(certActions, name) ? certActions[name] : undefined;
  if (action === undefined && name !== "" && !name.startsWith("-")) {
    throw new UsageError(`agent cert: unknown action "${name}"\nTry: one of ${Object.keys(certActions).join(", ")}`);
  }
  const command = certCommand(action === undefined ? "cert" : `cert ${name}`, action);
  const parsed = parseOptions<CertWords>(command, action === undefined ? words : words.slice(1), context);
  if (parsed === undefined) return 0;
  if (action === undefined) {
    throw new UsageError(`agent cert: what?\nTry: one of ${Object.keys(certActions).join(", ")}`);
  }
  try {
    return await action.run(parsed.options, parsed.args, context);
  } catch (error) {
    if (error instanceof RefusedError || error instanceof ClockError) {
      openLog("cert").error(error.message);
      return error instanceof RefusedError ? exitCodes.refused : exitCodes.clockNotSet;
    }
    throw error;
  }
}

function certCommand(name: string, action: CertAction | undefined): Command {
  const command = newCommand(name, action?.summary ?? "Gets a certificate for this machine and keeps it.", help)
    .option("--dir <dir>", "folder of key, cert and ca; default: that of the configuration, else /var/lib/agent/cert")
    .option("--config <file>", "take what is not said here from its key `certificate`");
  if (action === undefined) return command;
  if (action.needs.includes("names")) addNameOptions(command);
  if (action.needs.includes("peer")) addPeerOptions(command);
  return action.options?.(command) ?? command;
}

function addNameOptions(command: Command): void {
  command
    .option("--subject <name>", "for example O=Telent,OU=devices,CN=${hostname}; in this order")
    .option("--san <name>", "alternative name (DNS:, IP:, email:, URI:); several times; default: the CN", collectValues)
    .option("--hostname <name>", "what ${hostname} stands for; default: the system's")
    .option("--key-type <type>", `${keyTypes.join(", ")}; default: what the CA asks for, else ec-p256`)
    .option("--reuse-key", "keep the key when renewing")
    .option("--challenge-file <file>", "the secret: first line of a file, `-` for stdin")
    .option("--challenge-env <name>", "the secret: an environment variable");
}

function addPeerOptions(command: Command): void {
  command
    .option("--url <url>", "the signing end: https://host:19613/sign; for est https://host[/.well-known/est/label]")
    .option("--protocol <protocol>", "certifix (default) or est")
    .option("--ca <file>", "CA certificates that are trusted there, and no others; default: $CAFILE")
    .option("--user <name>", "name that goes with the secret (est); default: the CN")
    .option("--timeout <duration>", "for one exchange", "30s");
}
