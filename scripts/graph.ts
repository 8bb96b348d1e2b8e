/** The module graph of the whole of `src/`, also of files that no command reaches yet, and the breaches in it. */
import { fileURLToPath, pathToFileURL } from "node:url";
import { breachesOfGraph, breachesOfText, edgesOf, type ModuleGraph } from "./layers.ts";
import { filesBelow, runProgram, withTemporaryFolder } from "./program.ts";

/** All breaches of the layers in the project at `root` (a folder), sorted. @throws when the graph cannot be made */
export async function layerBreaches(root: string): Promise<readonly string[]> {
  const base = root.endsWith("/") ? root.slice(0, -1) : root;
  const files = ["main.ts", ...sourceFiles(base)];
  const inGraph = breachesOfGraph(edgesOf(await readGraph(base, files), `${pathToFileURL(base).href}/`));
  const inTexts = files.flatMap((path) => breachesOfText(path, Deno.readTextFileSync(`${base}/${path}`)));
  return [...inGraph, ...inTexts].sort();
}

/** Files of `src/` that are part of the product, relative to `root`: no tests. */
export function sourceFiles(root: string): readonly string[] {
  return filesBelow(`${root}/src`, (path) => path.endsWith(".ts") && !path.endsWith("_test.ts"))
    .map((path) => path.slice(root.length + 1));
}

/** `deno info` takes one file, so one is written for it that imports all. */
function readGraph(root: string, files: readonly string[]): Promise<ModuleGraph> {
  return withTemporaryFolder("agent-graph-", async (folder) => {
    const imports = files.map((path) => `import ${JSON.stringify(pathToFileURL(`${root}/${path}`).href)};\n`);
    Deno.writeTextFileSync(`${folder}/all.ts`, imports.join(""));
    const words = ["info", "--json", "--config", `${root}/deno.json`, `${folder}/all.ts`];
    const outcome = await runProgram(Deno.execPath(), words, { cwd: root });
    if (outcome.code !== 0) throw new Error(`Cannot read the module graph: deno info failed\n${outcome.output}`);
    return JSON.parse(outcome.stdout) as ModuleGraph;
  });
}

/** The project's folder. */
export const projectRoot: string = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
