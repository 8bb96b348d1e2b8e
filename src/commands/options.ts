/** The command line's dialect (`npm:commander`): help with examples, suggestions, usage errors as exceptions. */
import { Command, CommanderError } from "commander";
import { UsageError } from "../pipeline/errors.ts";
import { configureLog, type LogLevel, logLevels } from "../system/log.ts";
import type { CommandContext } from "./context.ts";

/** A command named `name`, with the log options that all share and `example` at the end of its help. */
export function newCommand(name: string, summary: string, example: string): Command {
  return new Command(`agent ${name}`)
    .description(summary)
    .exitOverride()
    .showSuggestionAfterError()
    .allowExcessArguments(false)
    .option("--log-level <level>", `how much to say on stderr: ${logLevels.join(", ")}`, "info")
    .option("--log-format <format>", "text or json", "text")
    .addHelpText("after", `\nExample:\n${example.split("\n").map((line) => "  " + line).join("\n")}`);
}

/**
 * Reads the words of a command and starts the log. Undefined means that the help was asked for and printed.
 * @throws {UsageError} with commander's message and suggestion
 */
export function parseOptions<T>(
  command: Command,
  words: readonly string[],
  context: CommandContext,
): { options: T; args: readonly string[] } | undefined {
  command.configureOutput({ writeOut: (text) => context.print(text), writeErr: () => {} });
  try {
    command.parse([...words], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw new UsageError(`${error.message.replace(/^error: /, "")}\nTry: ${command.name()} --help`);
  }
  const options = command.opts();
  configureLog({
    level: oneOf("--log-level", options.logLevel, logLevels),
    format: oneOf("--log-format", options.logFormat, ["text", "json"]),
  });
  return { options: options as T, args: command.args };
}

/** `value` when it is among `allowed`. @throws {UsageError} naming the option and what is allowed */
export function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((name) => name === value);
  if (found === undefined) throw new UsageError(`${option}: "${value}" is not allowed; allowed: ${allowed.join(", ")}`);
  return found;
}

/** Collects the values of an option that may be given several times. */
export function collectValues(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

export type { LogLevel };
