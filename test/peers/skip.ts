/**
 * Tests that cannot run here say so aloud. `scripts/test.ts` names the file of reasons in `AGENT_TEST_SKIPS` and prints
 * them at its end; without it they go to stderr at once.
 *
 * ```ts
 * Deno.test({ name: "…", ...needs("rsyslogd", "root"), fn: … });
 * ```
 */
import { delimiter, join } from "node:path";

/** The part of a test definition that decides whether it runs. */
export interface Condition {
  readonly ignore: boolean;
}

/** Ignores a test where a program is not in the PATH; the word `root` asks for user id 0. Says which one, aloud. */
export function needs(...programs: readonly string[]): Condition {
  const missing = programs.filter((program) =>
    program === "root" ? Deno.uid() !== 0 : findProgram(program) === undefined
  );
  if (missing.length === 0) return { ignore: false };
  return skipped(missing.map((name) => name === "root" ? "needs to be root" : `"${name}" is not installed`).join(", "));
}

/** Ignores a test unless `condition` holds; `reason` says what is missing here, in a few words. */
export function onlyIf(condition: boolean, reason: string): Condition {
  return condition ? { ignore: false } : skipped(reason);
}

/** Path of a program that can be executed, or undefined; also looks where Debian puts daemons. */
export function findProgram(name: string): string | undefined {
  if (name.includes("/")) return isExecutable(name) ? name : undefined;
  const folders = [...(Deno.env.get("PATH") ?? "").split(delimiter), "/usr/sbin", "/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    const info = Deno.statSync(path);
    return info.isFile && ((info.mode ?? 0) & 0o111) !== 0;
  } catch {
    return false; // absent, or not for us to see: either way it cannot be run
  }
}

function skipped(reason: string): Condition {
  const line = new TextEncoder().encode(`skipped: ${reason} (${callerOf(new Error().stack ?? "")})\n`);
  const path = Deno.env.get("AGENT_TEST_SKIPS");
  if (path === undefined) Deno.stderr.writeSync(line);
  else Deno.writeFileSync(path, line, { append: true, create: true });
  return { ignore: true };
}

/** `relp_test.ts:12` of the first line of a stack outside this file. */
function callerOf(stack: string): string {
  const line = stack.split("\n").slice(1).find((text) => !text.includes("/skip.ts:"));
  return /([^/]+\.ts:\d+):\d+\)?$/.exec(line ?? "")?.[1] ?? "unknown test";
}
