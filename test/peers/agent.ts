/** How tests start the agent: from the source, or as the packed program that the environment names in `AGENT_BIN`. */
import { dirname } from "node:path";
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
  const packages = { DENO_DIR: packageFolder(), NPM_CONFIG_REGISTRY: Deno.env.get("NPM_CONFIG_REGISTRY") };
  const exported = Object.entries(packages).map(([name, value]) =>
    value === undefined ? "" : `export ${name}=${quoted(value)}\n`
  );
  return `#!/bin/sh\n${exported.join("")}exec ${[command, ...args].map(quoted).join(" ")} "$@" ${last}\n`;
}

/** Folders that a machine needs of this one to run {@linkcode agentScript} from the source: packages, and the runtime. */
export function agentFolders(): readonly string[] {
  return [packageFolder(), dirname(Deno.execPath())];
}

function packageFolder(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/root"}/.cache`;
  return Deno.env.get("DENO_DIR") ?? `${cache}/deno`;
}
