/** A file made by `deno compile`: the bundle inside Deno's own base runtime. */
import type { Target } from "../../targets/mod.ts";
import { runProgram } from "../program.ts";
import { entryName } from "./bundle.ts";
import { programFlags } from "./flags.ts";

/** The base runtime could not be downloaded, and none was named; the message's first line stands for itself. */
export class NoBaseRuntime extends Error {
  override readonly name = "NoBaseRuntime";

  constructor(reason: string) {
    super(
      `no base runtime for deno compile (${reason}; DENORT_BIN is unset)\n` +
        "Try: set DENORT_BIN to the denort executable of this Deno version and target",
    );
  }
}

/**
 * Compiles the bundle in `folder` for `target` to `output`. The base runtime is downloaded, or named by `DENORT_BIN`.
 * @throws {NoBaseRuntime} when `DENORT_BIN` is unset and the download failed; other failures as they are
 */
export async function compileProgram(target: Target, folder: string, output: string): Promise<void> {
  // Deno overwrites only what it made itself, and what was packed the other way is not: it goes first.
  await Deno.remove(output).catch(() => {});
  const words = ["compile", "--no-check", "--no-lock", ...programFlags, "--target", target.triple, "--output", output];
  const includes = [...Deno.readDirSync(folder)].filter((entry) => entry.name !== entryName).flatMap((entry) => [
    "--include",
    `${folder}/${entry.name}`,
  ]);
  const outcome = await runProgram(Deno.execPath(), [...words, ...includes, `${folder}/${entryName}`], {
    deadlineMs: compileDeadlineMs,
  });
  if (outcome.code === 0) return;
  const named = (Deno.env.get("DENORT_BIN") ?? "") !== "";
  if (!named && (outcome.timedOut || outcome.output.includes("Setting up base binary"))) {
    throw new NoBaseRuntime(outcome.timedOut ? "the download did not end" : lastCause(outcome.output));
  }
  throw new Error(`Cannot compile for "${target.triple}": deno compile failed\n${outcome.output}`);
}

/** The innermost reason that Deno gives, without the address it tried. */
function lastCause(output: string): string {
  const causes = output.split("\n").filter((line) => /^\s+\d+: /.test(line) && !line.includes("<unknown>"));
  return causes.at(-1)?.replace(/^\s+\d+: /, "") ?? "the download failed";
}

const compileDeadlineMs = 300_000;
