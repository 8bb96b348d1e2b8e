/** Configurations as the tests read them: names, environment and files are made up. */
import type { AgentConfig } from "../../src/config/config.ts";
import type { Lookups } from "../../src/config/fill.ts";
import { parseConfig } from "../../src/config/load.ts";
import { ConfigError } from "../../src/pipeline/errors.ts";

/** Host `system`, three names of the environment, one file. */
export const lookups: Lookups = {
  hostname: () => "system",
  env: (name) => ({ PORT: "20514", SECRET: "hunter2 !", FLAG: "true" })[name],
  file: (path) => {
    if (path === "secret") return "hunter2 !";
    throw new Error("No such file");
  },
};

/** The configuration that `text` is. @throws ConfigError */
export const read = (text: string): AgentConfig => parseConfig(text, "a.yaml", lookups);

/** What is wrong with `text`; empty where it is a configuration. */
export const problems = (text: string): readonly string[] => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

/** The least that a configuration has. */
export const parts: string = `sources: {k: {type: kernel}}\nsinks: {o: {type: stdout}}\n`;

/** A configuration with one RELP sink `r` that has these keys. */
export const sink = (keys: string): string =>
  `sources: {k: {type: kernel}}\nsinks:\n  r:\n    type: relp\n    target: h\n${keys}`;
