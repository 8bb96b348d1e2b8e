/** The configuration as a dump needs it: what is broken in it must not keep the dump from being made. */
import { dirname, resolve } from "node:path";
import type { AgentConfig } from "../config/config.ts";
import type { Lookups } from "../config/fill.ts";
import { parseConfig } from "../config/load.ts";
import { ConfigError, errorText } from "../pipeline/errors.ts";
import { readTextIfThere } from "../system/atomic_file.ts";

/** What is known of the configuration. */
export interface FoundConfig {
  /** Undefined: there is none. */
  readonly path?: string;
  readonly config?: AgentConfig;
  /** Why it cannot be used. */
  readonly problem?: string;
  /** Values that came from `${env:…}` and `${file:…}`: likely secrets, never to be seen in a dump. */
  readonly literals: readonly string[];
}

/** Reads `asked`, or the usual place where something is there. @throws what is wrong with a configuration that was asked for */
export function findConfig(asked: string | undefined): FoundConfig {
  const path = asked ?? usualPath;
  const literals: string[] = [];
  try {
    const source = readTextIfThere(path);
    if (source === undefined && asked === undefined) return { literals };
    return {
      path,
      config: parseConfig(source ?? missing(path), path, lookups(path, literals)),
      literals,
    };
  } catch (error) {
    if (asked !== undefined) throw error;
    return { path, problem: errorText(error), literals };
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

const usualPath = "/etc/agent/agent.yaml";
