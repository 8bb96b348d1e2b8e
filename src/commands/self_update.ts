/** `agent self-update`: replaces the program by a newer one that is signed. Off unless a key is given. */
import { resolve } from "node:path";
import project from "../../deno.json" with { type: "json" };
import { failure, UsageError } from "../pipeline/errors.ts";
import { openLog } from "../system/log.ts";
import { type MinisignKey, parsePublicKey } from "../update/minisign.ts";
import { rollBackProgram } from "../update/swap.ts";
import { updateProgram } from "../update/update.ts";
import type { CommandContext } from "./context.ts";
import { newCommand, parseOptions } from "./options.ts";
import { ownProgram } from "./own_program.ts";

interface UpdateWords {
  readonly from?: string;
  readonly publicKey?: string;
  readonly config?: string;
  readonly program?: string;
  readonly ca?: string;
  readonly exec?: string;
  readonly allowDowngrade?: boolean;
  readonly rollBack?: boolean;
}

const example =
  `agent self-update --from https://example.net/agent-x86_64 --public-key agent.pub --exec 'systemctl restart agent'
agent self-update --roll-back --exec 'systemctl restart agent'`;

/** Updates, or goes back. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand("self-update", "Replaces this program by a newer one that is signed.", example)
    .option("--from <file-or-url>", "the new program; its signature (minisign) is beside it: NAME.minisig")
    .option("--public-key <key>", "public key of minisign, or the file of one; default: update.publicKey of --config")
    .option("--config <file>", "configuration that the new program must take, and that names the key")
    .option("--program <file>", "the program that is replaced; default: this one")
    .option("--ca <file>", "CA certificates that are trusted for https; default: the system's")
    .option("--exec <command>", "shell command after the change; when it fails the change is taken back")
    .option("--allow-downgrade", "take an older version, too")
    .option("--roll-back", "go back to the program before this one");
  const parsed = parseOptions<UpdateWords>(command, words, context);
  if (parsed === undefined) return 0;
  const { options } = parsed;
  const program = Deno.realPathSync(resolve(options.program ?? ownProgram()));
  if (options.rollBack === true) return rollBack(program);
  if (options.from === undefined) throw new UsageError("--from is missing\nTry: agent self-update --help");
  const { changed, version } = await updateProgram({
    program,
    version: project.version,
    from: options.from,
    key: await readKey(options),
    allowDowngrade: options.allowDowngrade === true,
    ...(options.config === undefined ? {} : { config: resolve(options.config) }),
    ...(options.exec === undefined ? {} : { exec: options.exec }),
    ...(options.ca === undefined ? {} : { ca: readText(options.ca) }),
  }, context.signal);
  log.info(changed ? `${program} is now version ${version}` : `version ${version} is the one that is installed`);
  return 0;
}

function rollBack(program: string): number {
  rollBackProgram(program);
  log.info(`${program} is the one before again`);
  return 0;
}

/** Without a key there are no updates: that is how they are off. */
async function readKey({ publicKey, config }: UpdateWords): Promise<MinisignKey> {
  const given = publicKey ?? (config === undefined ? undefined : await configuredKey(config));
  if (given === undefined) {
    throw new UsageError(
      "no public key is given, so nothing can be trusted\nTry: --public-key FILE, or update.publicKey in --config FILE",
    );
  }
  const text = /^[A-Za-z0-9+/]{56}$/.test(given) ? given : readText(given);
  try {
    return parsePublicKey(text);
  } catch (error) {
    throw new UsageError(`--public-key: ${(error as Error).message}`);
  }
}

async function configuredKey(path: string): Promise<string | undefined> {
  const { loadConfig } = await import("../config/load.ts");
  return loadConfig(path).update?.publicKey;
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw failure("read", `"${path}"`, error);
  }
}

const log = openLog("update");
