/** `agent service`: makes the init system that is there run the agent. */
import { join, resolve } from "node:path";
import { detectInitSystem, removeFiles, writeFiles } from "../init/install.ts";
import { initSystems } from "../init/mod.ts";
import { writableFolders } from "../init/writable.ts";
import { type InitSystem, plainWord, type ServiceSpec } from "../init/unit.ts";
import { errorText, UsageError } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import type { CommandContext } from "./context.ts";
import { newCommand, oneOf, parseOptions } from "./options.ts";
import { ownProgram } from "./own_program.ts";

interface InitWords {
  readonly init?: string;
  readonly command: string;
  readonly config: string;
  readonly name: string;
  readonly program?: string;
  readonly state?: string;
  readonly root: string;
  readonly start: boolean;
  readonly json?: boolean;
}

const actions: Readonly<
  Record<string, (init: InitSystem, spec: ServiceSpec, words: InitWords, context: CommandContext) => Promise<number>>
> = {
  install,
  uninstall,
  print,
};

const example = `agent service install --config /etc/agent/agent.yaml
agent service print --init procd
agent service uninstall`;

/** Runs `install`, `uninstall` or `print`. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const names = initSystems.map(({ name }) => name);
  const command = newCommand("service", "Makes the init system run the agent: install, uninstall, print.", example)
    .argument("<action>", "install, uninstall or print")
    .option("--init <name>", `init system: ${names.join(", ")}; default: the one that is there`)
    .option("--command <name>", "what to run: ship, collect or serve", "ship")
    .option("--config <file>", "its configuration", "/etc/agent/agent.yaml")
    .option("--name <name>", "name of the service", "agent")
    .option("--program <file>", "the agent's executable; default: this one")
    .option("--state <dir>", "its state folder; default: /var/lib/NAME")
    .option("--root <dir>", "file tree of the machine; any other than / is prepared, and nothing is started", "/")
    .option("--no-start", "only write, or remove, the files")
    .option("--json", "print the files as JSON");
  const parsed = parseOptions<InitWords>(command, words, context);
  if (parsed === undefined) return 0;
  const action = actions[parsed.args[0]!];
  if (action === undefined) {
    throw new UsageError(
      `agent service: unknown action "${parsed.args[0]}"\nTry: one of ${Object.keys(actions).join(", ")}`,
    );
  }
  const { options } = parsed;
  const wanted = options.init === undefined ? undefined : oneOf("--init", options.init, names);
  const init = wanted === undefined ? detectInitSystem(options.root) : initSystems.find(({ name }) => name === wanted)!;
  return await action(init, await specOf(options), options, context);
}

async function install(init: InitSystem, spec: ServiceSpec, words: InitWords): Promise<number> {
  for (const path of writeFiles(init, spec, words.root)) log.info(`wrote ${join(words.root, path)}`);
  if (isLive(words)) await runAll(init.start(spec), true);
  const hint = init.hint?.(spec);
  if (hint !== undefined) log.info(hint);
  return 0;
}

async function uninstall(init: InitSystem, spec: ServiceSpec, words: InitWords): Promise<number> {
  if (isLive(words)) await runAll(init.stop(spec), false);
  const removed = removeFiles(init, spec, words.root);
  for (const path of removed) log.info(`removed ${join(words.root, path)}`);
  if (removed.length === 0) log.info(`there is no service "${spec.name}" that agent has installed for ${init.name}`);
  if (isLive(words)) await runAll(init.forget?.(spec) ?? [], false);
  log.info(`its state stays: ${spec.state}`);
  return 0;
}

function print(init: InitSystem, spec: ServiceSpec, words: InitWords, context: CommandContext): Promise<number> {
  const files = init.files(spec);
  if (words.json === true) context.print(JSON.stringify({ init: init.name, files }) + "\n");
  else if (files.length === 1) context.print(files[0]!.content);
  else context.print(files.map(({ path, content }) => `==> ${path} <==\n${content}`).join("\n"));
  return Promise.resolve(0);
}

async function specOf({ command, config, name, program, state, root }: InitWords): Promise<ServiceSpec> {
  const spec: ServiceSpec = {
    name,
    command: oneOf("--command", command, ["ship", "collect", "serve"]),
    program: resolve(program ?? ownProgram()),
    args: [command, "--config", resolve(config), ...(state === undefined ? [] : ["--state", resolve(state)])],
    config: resolve(config),
    state: state === undefined ? `/var/lib/${name}` : resolve(state),
    writable: await writableOf(join(root, resolve(config))),
  };
  for (const word of [spec.name, spec.program, ...spec.args, ...spec.writable]) {
    if (!plainWord.test(word)) {
      throw new UsageError(`"${word}" cannot go into a unit as it is\nTry: a path without blanks and quotes`);
    }
  }
  return spec;
}

/** Folders that the configuration names; none, with a word about it, where there is no configuration yet. */
async function writableOf(path: string): Promise<readonly string[]> {
  try {
    Deno.statSync(path);
  } catch {
    log.warning(`there is no configuration "${path}" yet: folders that it will name are not in the unit`);
    return [];
  }
  const { loadConfig } = await import("../config/load.ts");
  const { sources, sinks } = loadConfig(path);
  return writableFolders(sources as never, sinks as never);
}

/** Commands are for the machine that this runs on. */
function isLive({ root, start }: InitWords): boolean {
  return start && resolve(root) === "/";
}

/** Runs the commands in order. @throws when one fails and `strict` */
async function runAll(commands: readonly (readonly string[])[], strict: boolean): Promise<void> {
  for (const [program, ...args] of commands) {
    const text = [program, ...args].join(" ");
    const reason = await runOne(program!, args);
    if (reason === undefined) log.info(`ran ${text}`);
    else if (strict) throw new Error(`Cannot run "${text}": ${reason}`);
    else log.warning(`Cannot run "${text}": ${reason}`);
  }
}

/** @returns why it failed */
async function runOne(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { success, code, stderr } = await new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (success) return undefined;
    return `it ended with ${code}: ${new TextDecoder().decode(stderr).trim().split("\n").at(-1)}`;
  } catch (error) {
    return errorText(error);
  }
}

const log = openLog("service");
