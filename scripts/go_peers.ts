/** Peers of the tests that Debian has not, built from Go's module proxy where a Go compiler is. They stay in the cache. */
import { join } from "node:path";
import { cacheFolder } from "./aside.ts";
import { runProgram, say } from "./program.ts";

/**
 * The last release line of VictoriaMetrics' repository that holds VictoriaLogs: the proxy has no versions of
 * VictoriaLogs' own repository.
 */
const victoriaLogsModule = "github.com/VictoriaMetrics/VictoriaMetrics@v1.110.0";

/** Path of the program, whether it is there or not. */
export function victoriaLogsPath(): string {
  return join(cacheFolder(), "victoria-logs", victoriaLogsModule.split("@")[1]!, "victoria-logs");
}

/** Builds VictoriaLogs unless it is there: half a minute. Says what it could not get; never throws. */
export async function buildVictoriaLogs(): Promise<void> {
  const path = victoriaLogsPath();
  if (isFile(path)) return;
  try {
    say("building victoria-logs");
    const folder = moduleFolder(await go(["mod", "download", "-json", victoriaLogsModule]));
    const work = `${path}.${Deno.pid}`;
    await go(["build", "-C", folder, "-mod=readonly", "-o", work, "./app/victoria-logs"]);
    Deno.renameSync(work, path);
  } catch (error) {
    if (!isFile(path)) say(`could not build "victoria-logs": ${(error as Error).message}`);
  }
}

function moduleFolder(answer: string): string {
  const { Dir, Error: reason } = JSON.parse(answer.slice(answer.indexOf("{"))) as { Dir?: string; Error?: string };
  if (Dir === undefined) throw new Error(reason ?? "the module has no folder");
  return Dir;
}

async function go(words: readonly string[]): Promise<string> {
  let outcome;
  try {
    outcome = await runProgram("go", words, { deadlineMs: 240_000, env: { GOTOOLCHAIN: "local" } });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Error("there is no Go compiler");
    throw error;
  }
  if (outcome.code !== 0) {
    throw new Error(outcome.output.trimEnd().split("\n").at(-1) || `go ended with ${outcome.code}`);
  }
  return outcome.stdout;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
