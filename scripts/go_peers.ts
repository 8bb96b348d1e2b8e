/** Peers of the tests that Debian has not, built from Go's module proxy where a Go compiler is. They stay in the cache. */
import { join } from "node:path";
import { cacheFolder } from "./aside.ts";
import { say } from "./program.ts";
import { $, lastWords } from "./shell.ts";

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
    if (!await $.commandExists("go")) throw new Error("there is no Go compiler");
    const env = { GOTOOLCHAIN: "local" };
    const folder = moduleFolder(await $`go mod download -json ${victoriaLogsModule}`.env(env).text());
    const work = `${path}.${Deno.pid}`;
    await $`go build -C ${folder} -mod=readonly -o ${work} ./app/victoria-logs`.env(env);
    Deno.renameSync(work, path);
  } catch (error) {
    if (!isFile(path)) say(`could not build "victoria-logs": ${lastWords(error)}`);
  }
}

function moduleFolder(answer: string): string {
  const { Dir, Error: reason } = JSON.parse(answer.slice(answer.indexOf("{"))) as { Dir?: string; Error?: string };
  if (Dir === undefined) throw new Error(reason ?? "the module has no folder");
  return Dir;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
