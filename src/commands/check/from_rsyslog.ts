/** `agent check --from-rsyslog FILE`: our configuration on stdout, and on stderr what could not be translated. */
import { dirname, join } from "node:path";
import { globSync } from "node:fs";
import { type SourceText, translateRsyslog } from "../../config/rsyslog/translate.ts";
import { formatYaml } from "../../config/rsyslog/yaml.ts";
import { ConfigError, failure } from "../../pipeline/errors.ts";
import { openLog } from "../../system/log.ts";
import type { CommandContext } from "../context.ts";

/**
 * Prints the translation of the file at `path`.
 * @returns 0, also when parts were left out: each is said; 1 when the agent would not take it
 * @throws when there is nothing in it that forwards
 */
export async function printTranslated(path: string, context: CommandContext): Promise<number> {
  const { document, notes } = translateRsyslog(readText(path), (pattern) => readMatching(pattern, dirname(path)));
  for (const { where, text } of notes) log.warning(`${where}: ${text}`);
  if (document === undefined) {
    throw new Error(
      `Cannot translate "${path}": nothing in it forwards messages (omrelp, omfwd, @host, @@host)\nTry: agent check --sample`,
    );
  }
  const yaml = formatYaml(document);
  const problems = await problemsOf(yaml);
  for (const problem of problems) log.error(`what is printed needs a correction: ${problem}`);
  context.print(
    `# Made from ${path}. Read it before it replaces anything; agent check --config FILE tests it.\n${yaml}`,
  );
  return problems.length > 0 ? 1 : 0;
}

/** What our own reader says of the translation: names and patterns that rsyslog takes and the agent does not. */
async function problemsOf(yaml: string): Promise<readonly string[]> {
  const { parseConfig } = await import("../../config/load.ts");
  try {
    parseConfig(yaml, "translation", { hostname: () => "host", env: () => undefined, file: () => "" });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

function readText(path: string): SourceText {
  try {
    return { path, text: Deno.readTextFileSync(path) };
  } catch (error) {
    throw failure("read", `"${path}"`, error);
  }
}

/** Files that a pattern names, in the order of their names as rsyslog reads them; absolute, or beside the file. */
function readMatching(pattern: string, folder: string): readonly SourceText[] {
  const absolute = pattern.startsWith("/") ? pattern : join(folder, pattern);
  return globSync(absolute).sort().map(readText);
}

const log = openLog("check");
