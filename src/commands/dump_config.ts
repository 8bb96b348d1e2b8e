/** The configuration as a dump needs it: what is broken in it must not keep the dump from being made. */
import { dirname, resolve } from "node:path";
import type { AgentConfig } from "../config/config.ts";
import type { Lookups } from "../config/fill.ts";
import { parseConfig } from "../config/load.ts";
import { readSecretFile } from "../dump/secret_input.ts";
import { ConfigError, errorText } from "../pipeline/errors.ts";
import { readTextIfThere } from "../system/atomic_file.ts";

/** What is known of the configuration. */
export interface FoundConfig {
  /** Undefined: there is none. */
  readonly path?: string;
  readonly config?: AgentConfig;
  /** Why it cannot be used. */
  readonly problem?: string;
  /** Values of `${env:…}` and `${file:…}`, and what the files of secrets hold: never to be seen in a dump. */
  readonly literals: readonly string[];
}

/** Reads `asked`, or the usual place where something is there. @throws what is wrong with a configuration that was asked for */
export function findConfig(asked: string | undefined): FoundConfig {
  const path = asked ?? usualPath;
  const literals: string[] = [];
  try {
    const source = readTextIfThere(path);
    if (source === undefined && asked === undefined) return { literals };
    const config = parseConfig(source ?? missing(path), path, lookups(path, literals));
    for (const file of secretFiles(config)) literals.push(...secretsIn(resolve(dirname(path), file)));
    return { path, config, literals };
  } catch (error) {
    if (asked !== undefined) throw error;
    return { path, problem: errorText(error), literals };
  }
}

/** Paths below keys such as `challengeFile`, at any depth. */
function secretFiles(config: unknown): readonly string[] {
  if (typeof config !== "object" || config === null) return [];
  return Object.entries(config).flatMap(([key, value]) =>
    typeof value === "string" ? (secretFile.test(key) ? [value] : []) : secretFiles(value)
  );
}

/** A secret is a line alone, or one of lines without blanks; what else such a file says is no secret. */
function secretsIn(path: string): readonly string[] {
  try {
    const lines = new TextDecoder("utf-8", { fatal: true }).decode(readSecretFile(path)).trim().split(/\r?\n/);
    return lines.filter((line) =>
      line.length >= 8 && !line.startsWith("-----") && (lines.length === 1 || !/\s/.test(line))
    );
  } catch {
    return []; // the one who uses it says what is wrong with it
  }
}

function missing(path: string): never {
  throw new ConfigError([`Cannot read configuration "${path}": there is no such file`]);
}

function lookups(path: string, literals: string[]): Lookups {
  const keep = <T extends string | undefined>(value: T): T => {
    if (value !== undefined && value.length >= 8) literals.push(value);
    return value;
  };
  return {
    hostname: () => Deno.hostname(),
    env: (name) => keep(Deno.env.get(name)),
    file: (name) => keep(Deno.readTextFileSync(resolve(dirname(path), name)).replace(/\r?\n$/, "")),
  };
}

const secretFile = /^(?:challenge|token|secret|sharedKey|password|creds|nkey)File$/;
const usualPath = "/etc/agent/agent.yaml";
