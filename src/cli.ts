/** The table of commands; arguments in, exit code out. Each command is loaded only when it is asked for. */
import type { CommandContext, CommandModule } from "./commands/context.ts";
import { nearest } from "./config/nearest.ts";
import { ConfigError, errorText, TryLaterError, UsageError } from "./pipeline/errors.ts";

interface CommandEntry {
  readonly summary: string;
  load(): Promise<CommandModule>;
}

const commands: Readonly<Record<string, CommandEntry>> = {
  tap: { summary: "copy stdin to stdout, and to a shipper that listens", load: () => import("./commands/tap.ts") },
  ship: { summary: "read sources, apply rules, deliver to sinks", load: () => import("./commands/ship.ts") },
  collect: { summary: "receive logs and keep them in files", load: () => import("./commands/collect.ts") },
  check: { summary: "check configuration, certificates, paths and peers", load: () => import("./commands/check.ts") },
  spool: { summary: "check, export or drop what waits on disk", load: () => import("./commands/spool.ts") },
  cert: { summary: "get a certificate for this machine, and keep it", load: () => import("./commands/cert.ts") },
  sign: { summary: "sign certificates for devices", load: () => import("./commands/sign.ts") },
  open: { summary: "decrypt, check, list and extract a dump", load: () => import("./commands/open.ts") },
  status: { summary: "ask a running agent whether logs leave", load: () => import("./commands/status.ts") },
  serve: { summary: "serve page, metrics and dumps of this machine", load: () => import("./commands/serve.ts") },
  audit: { summary: "keep the audit rules of this node, or put them back", load: () => import("./commands/audit.ts") },
  service: { summary: "make the init system run the agent", load: () => import("./commands/init_service.ts") },
  dump: { summary: "gather the evidence of this machine into one file", load: () => import("./commands/dump.ts") },
  "self-update": {
    summary: "replace this program by a newer, signed one",
    load: () => import("./commands/self_update.ts"),
  },
  version: { summary: "print the version", load: () => import("./commands/version.ts") },
};

/** Runs the command that `words` name and returns its exit code; everything thrown becomes text on stderr. */
export async function runCommandLine(words: readonly string[], context: CommandContext): Promise<number> {
  try {
    return await dispatch(words, context);
  } catch (error) {
    complain(error);
    if (error instanceof UsageError || error instanceof ConfigError) return 2;
    return error instanceof TryLaterError ? 75 : 1;
  }
}

async function dispatch(words: readonly string[], context: CommandContext): Promise<number> {
  const [name, ...rest] = words;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    context.print(helpText());
    return name === undefined ? 2 : 0;
  }
  const wanted = name === "--version" || name === "-V" ? "version" : name;
  if (!Object.hasOwn(commands, wanted)) throw new UsageError(unknownCommand(name));
  const command = await commands[wanted]!.load();
  return await command.run(rest, context);
}

function helpText(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => `  agent ${name.padEnd(11)} ${summary}`);
  return `agent: logs and evidence off a machine\n\n${rows.join("\n")}\n\nEach has its own help: agent ship --help\n`;
}

function unknownCommand(name: string): string {
  const near = nearest(name, Object.keys(commands));
  const hint = near === undefined ? `one of ${Object.keys(commands).join(", ")}` : `agent ${near}`;
  return `unknown command "${name}"\nTry: ${hint}`;
}

function complain(error: unknown): void {
  const text = error instanceof ConfigError ? error.problems.join("\n") : `agent: ${errorText(error)}`;
  Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));
}
