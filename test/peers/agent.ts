/** How tests start the agent: from the source, or as the packed program that the environment names in `AGENT_BIN`. */
import { fileURLToPath } from "node:url";

const mainPath = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** The program and its arguments for `agent WORDS…`. With AGENT_BIN set, that binary is run instead of the source. */
export function agentCommand(words: readonly string[]): { command: string; args: string[] } {
  const binary = Deno.env.get("AGENT_BIN");
  if (binary !== undefined && binary !== "") return { command: binary, args: [...words] };
  return { command: Deno.execPath(), args: ["run", "-A", "--quiet", mainPath, ...words] };
}
