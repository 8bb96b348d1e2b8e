/** `agent dump` in a folder of its own, with programs that a test makes up. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "./agent.ts";
import { RunningProgram, runProgram, waitFor } from "./process.ts";

/** A folder to dump into, and programs to be found there. */
export interface Place {
  readonly folder: string;
  /** Starts `agent dump WORDS` in `folder`. */
  start(words: readonly string[], env?: Readonly<Record<string, string>>): RunningProgram;
  /** Runs it to its end, which must be one of these exit codes. */
  run(
    words: readonly string[],
    expectCode: number | readonly number[],
    env?: Readonly<Record<string, string>>,
  ): Promise<Ended>;
  /** The same with `agent open`. */
  open(words: readonly string[], expectCode?: number, env?: Readonly<Record<string, string>>): Promise<Ended>;
  /** An executable script; its path. */
  script(name: string, text: string): string;
  /** Names in `folder` that are no scripts. */
  names(): readonly string[];
}

/** What a program said. */
export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a test in a place of its own. */
export async function inPlace(test: (place: Place) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "dump-command-" });
  const scripts = Deno.makeTempDirSync({ prefix: "dump-scripts-" });
  const start: Place["start"] = (words, env = {}) => {
    const { command, args } = agentCommand(["dump", ...words]);
    return RunningProgram.start(command, args, { cwd: folder, env, name: `agent dump ${words.join(" ")}` });
  };
  try {
    await test({
      folder,
      start,
      run: async (words, expectCode, env) => {
        await using program = start(words, env);
        const { code } = await program.waitForExit(60_000);
        const expected = typeof expectCode === "number" ? [expectCode] : expectCode;
        assert.ok(expected.includes(code), `${code}: ${words.join(" ")}\n${program.stdout}${program.stderr}`);
        return { stdout: program.stdout, stderr: program.stderr };
      },
      open: async (words, expectCode = 0, env = {}) => {
        const { command, args } = agentCommand(["open", ...words]);
        return await runProgram(command, args, { cwd: folder, env, expectCode });
      },
      script: (name, text) => {
        const path = join(scripts, name);
        Deno.writeTextFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
        return path;
      },
      names: () => [...Deno.readDirSync(folder)].map(({ name }) => name).sort(),
    });
  } finally {
    Deno.removeSync(folder, { recursive: true });
    Deno.removeSync(scripts, { recursive: true });
  }
}

/** A script that writes its process ids to a file and hangs with a child on its pipe. */
export function hanging(place: Place, pids: string): string {
  return place.script("hang", `echo begun; sleep 1000 & echo $! >> ${pids}; echo $$ >> ${pids}; sleep 1000`);
}

/** Waits for the end of all processes whose numbers stand in a file, one per line. */
export async function assertAllEnd(pids: string): Promise<void> {
  const started = Deno.readTextFileSync(pids).trim().split("\n");
  assert.ok(started.length >= 2);
  await waitFor(() => !started.some(isAlive), "the end of all that was started");
}

/** Whether a process is there and no zombie. */
export function isAlive(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

/** Whether something is at a path. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
