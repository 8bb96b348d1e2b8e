/** The program as JavaScript: `main.ts` with its npm packages inside, one chunk per command so that each loads only its own. */
import { basename, join } from "node:path";
import { filesBelow, runProgram } from "../program.ts";
import { withLateImports, withStableNames } from "./names.ts";

/** Name of the chunk that starts the program. */
export const entryName = "main.js";

/**
 * Bundles `main.ts` of the project at `root` into the new folder `folder`.
 * @returns paths of the chunks, sorted
 * @throws when the bundler fails, or the result asks for a file that is not in it
 */
export async function bundleProgram(root: string, folder: string): Promise<readonly string[]> {
  const words = ["bundle", "--quiet", "--frozen", "--platform", "deno", "--code-splitting", "--minify", "--keep-names"];
  const outcome = await runProgram(Deno.execPath(), [...words, "--outdir", folder, "main.ts"], { cwd: root });
  if (outcome.code !== 0) throw new Error(`Cannot bundle "main.ts": deno bundle failed\n${outcome.output}`);
  const written = filesBelow(folder, (path) => path.endsWith(".js"));
  const chunks = withStableNames(new Map(written.map((path) => [basename(path), Deno.readTextFileSync(path)])));
  if (!chunks.has(entryName)) throw new Error(`Cannot bundle "main.ts": no chunk "${entryName}" came out`);
  for (const path of written) Deno.removeSync(path);
  for (const [name, text] of withLateImports(chunks)) {
    Deno.writeTextFileSync(join(folder, name), finishedChunk(name, text));
  }
  return [...chunks.keys()].sort().map((name) => join(folder, name));
}

/**
 * Packages in the old module format ask for `node:process` and the like with `require`, which a module does not have:
 * the bundler's own stand-in uses one that is in scope, and throws where there is none.
 */
function finishedChunk(name: string, text: string): string {
  assertClosed(name, text);
  return text.includes("Dynamic require of") ? requireForModules + text : text;
}

const requireForModules =
  'import { createRequire as agentCreateRequire } from "node:module";const require = agentCreateRequire(import.meta.url);\n';

/** A file found beside its module at run time, as a worker is, would be missing in the packed program. */
function assertClosed(name: string, text: string): void {
  const match = /new URL\(\s*(["'`])(\.[^"'`]*)\1\s*,\s*import\.meta\.url/.exec(text);
  if (match === null) return;
  throw new Error(
    `Cannot pack chunk "${name}": it looks for "${match[2]}" beside itself, which the bundle does not hold\n` +
      "Try: import it, or hand its text over as a string",
  );
}
