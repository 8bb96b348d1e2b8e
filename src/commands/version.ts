/** `agent version`: what this is, and how it was packed. */
import project from "../../deno.json" with { type: "json" };
import type { CommandContext } from "./context.ts";
import { newCommand, parseOptions } from "./options.ts";

/** Prints the version; `--json` adds runtime, target and packing. */
export function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand("version", "Prints the version.", "agent version --json").option("--json", "as JSON");
  const parsed = parseOptions<{ json?: boolean }>(command, words, context);
  if (parsed === undefined) return Promise.resolve(0);
  const facts = {
    name: "agent",
    version: project.version,
    target: Deno.build.target,
    runtime: `deno ${Deno.version.deno}`,
    packing: packing(),
  };
  context.print(parsed.options.json ? JSON.stringify(facts) + "\n" : `agent ${facts.version} (${facts.target})\n`);
  return Promise.resolve(0);
}

/** How the program came here: `compiled`, `self-extracting` (its header sets AGENT_PACKING) or `source`. */
function packing(): string {
  if (Deno.build.standalone) return "compiled";
  return Deno.env.get("AGENT_PACKING") ?? "source";
}
