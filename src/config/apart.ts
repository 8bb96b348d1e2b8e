/**
 * Reads a configuration in a process of its own, which is the agent again (`agent check --resolved`): the YAML and
 * schema libraries take some 14 MiB that a shipper would otherwise keep for years. A thread was tried: what it takes
 * does not come back.
 */
import { ConfigError } from "../pipeline/errors.ts";
import type { AgentConfig } from "./config.ts";

/** What `agent check --resolved` prints. */
export type Resolved = { readonly config: AgentConfig } | { readonly problems: readonly string[] };

/** As `loadConfig`, apart; in this process where no other can be started. @throws {ConfigError} */
export async function loadConfigApart(path: string): Promise<AgentConfig> {
  const resolved = await resolveApart(path);
  if (resolved === undefined) return (await import("./load.ts")).loadConfig(path);
  if ("config" in resolved) return resolved.config;
  throw new ConfigError(resolved.problems);
}

/** The configuration, which is plain data, as text: one line of JSON. */
export function encodeResolved(resolved: Resolved): string {
  return JSON.stringify(resolved) + "\n";
}

/** The inverse of {@linkcode encodeResolved}. */
export function decodeResolved(text: string): Resolved {
  return JSON.parse(text) as Resolved;
}

async function resolveApart(path: string): Promise<Resolved | undefined> {
  try {
    const args = [...ownProgram(), "check", "--resolved", "--config", path];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, stdin: "null", stderr: "null" }).output();
    return decodeResolved(new TextDecoder().decode(stdout));
  } catch {
    return undefined; // no /proc, no room for a process, or a child that died: it is read here, and errors are told here
  }
}

/**
 * What this process was started with, up to the agent's own words: flags and program of the runtime, if any. Before them
 * belongs `Deno.execPath()`. @throws when `/proc` does not tell
 */
export function ownProgram(): readonly string[] {
  const words = Deno.readTextFileSync("/proc/self/cmdline").split("\0").slice(0, -1);
  const own = words.slice(words.length - Deno.args.length);
  if (own.join("\0") !== Deno.args.join("\0")) throw new Error("Cannot tell the agent's words from the runtime's");
  return words.slice(1, words.length - Deno.args.length);
}
