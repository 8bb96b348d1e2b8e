/** How tests start the agent: from the source, or as the packed program that the environment names in `AGENT_BIN`. */
import { fileURLToPath } from "node:url";

const mainPath = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** The program and its arguments for `agent WORDS…`. With AGENT_BIN set, that binary is run instead of the source. */
export function agentCommand(words: readonly string[]): { command: string; args: string[] } {
  const binary = Deno.env.get("AGENT_BIN");
  if (binary !== undefined && binary !== "") return { command: binary, args: [...words] };
  return { command: Deno.execPath(), args: ["run", "-A", "--quiet", mainPath, ...words] };
}

/**
 * A shell script that is `agent "$@" LAST`, whatever environment it is started in: services, and what comes over
 * ssh, have nothing of ours, and the source needs to know where its packages are.
 */
export function agentScript(last = ""): string {
  const { command, args } = agentCommand([]);
  const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/root"}/.cache`;
  const packages = { DENO_DIR: `${cache}/deno`, NPM_CONFIG_REGISTRY: undefined };
  const exported = Object.entries(packages).flatMap(([name, usual]) => {
    const value = Deno.env.get(name) ?? usual;
    return value === undefined ? [] : [`export ${name}=${quoted(value)}\n`];
  });
  return `#!/bin/sh\n${exported.join("")}exec ${[command, ...args].map(quoted).join(" ")} "$@" ${last}\n`;
}
