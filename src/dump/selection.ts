/** Which collectors run: by profile, by `--only` and `--skip`, and with which deadlines. */
import { UsageError } from "../pipeline/errors.ts";
import { parseDurationMs } from "../formats/duration.ts";
import type { Collector, DumpProfile } from "./collector.ts";

/** What the user chose. Words are ids, groups or patterns with `*`. */
export interface Choice {
  readonly profile: DumpProfile;
  readonly only: readonly string[];
  readonly skip: readonly string[];
}

/** The collectors that run, in the table's order; `only` also gets what the profile leaves out. @throws {UsageError} for a word that names none */
export function chooseCollectors(collectors: readonly Collector[], choice: Choice): readonly Collector[] {
  for (const word of [...choice.only, ...choice.skip]) {
    if (collectors.some(({ id }) => matches(word, id))) continue;
    throw new UsageError(`"${word}" names no collector\nTry: agent dump --list`);
  }
  const chosen = collectors.filter(({ id, profiles }) => {
    const wanted = choice.only.length === 0
      ? profiles.includes(choice.profile)
      : choice.only.some((word) => matches(word, id));
    return wanted && !choice.skip.some((word) => matches(word, id));
  });
  if (chosen.length === 0) throw new UsageError("--only and --skip leave no collector\nTry: agent dump --list");
  // What is asked for by its whole name is no extra, and that there is nothing for it is worth knowing.
  return chosen.map((one) => choice.only.includes(one.id) ? { ...one, optional: false, isAsked: true } : one);
}

/** Deadlines by collector and by program. */
export interface Timeouts {
  of(id: string): number | undefined;
  readonly programs: ReadonlyMap<string, number>;
}

/**
 * Reads `--timeout` words: `10s` for all, `ID=10s` for a collector, group or pattern, `PROGRAM=10s` for a command.
 * @throws {UsageError}
 */
export function parseTimeouts(words: readonly string[], collectors: readonly Collector[]): Timeouts {
  const named: [string, number][] = [];
  const programs = new Map<string, number>();
  for (const word of words) {
    const [, name, text] = /^(?:([^=]+)=)?(.+)$/.exec(word) ?? [];
    const timeoutMs = duration(text ?? word);
    if (name === undefined) named.unshift(["*", timeoutMs]);
    else if (collectors.some(({ id }) => matches(name, id))) named.push([name, timeoutMs]);
    if (name !== undefined) programs.set(name, timeoutMs);
  }
  return { of: (id) => named.findLast(([word]) => word === "*" || matches(word, id))?.[1], programs };
}

/** `system`, `system/processes`, `processes` and `sys*` all name `system/processes`. */
function matches(word: string, id: string): boolean {
  const name = id.slice(id.indexOf("/") + 1);
  if (word === id || word === name || id.startsWith(`${word}/`)) return true;
  if (!word.includes("*")) return false;
  const source = word.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return new RegExp(`^${source}$`).test(id);
}

function duration(text: string): number {
  try {
    const ms = parseDurationMs(text);
    if (ms < 1) throw new Error(`"${text}" is no time at all`);
    return ms;
  } catch (error) {
    throw new UsageError(`--timeout: ${(error as Error).message}`, { cause: error });
  }
}
