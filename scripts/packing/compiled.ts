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
        "Try: set DENORT_BIN_x86_64 or DENORT_BIN_aarch64 to the denort executable of this Deno version and target",
    );
  }
}

/**
 * Compiles the bundle in `folder` for `target` to `output`. The base runtime is downloaded, or named by `DENORT_BIN_` and the
 * target's name, or, for this machine's own target, by Deno's `DENORT_BIN`.
 * @throws {NoBaseRuntime} when none is named and the download failed; other failures as they are
 */
export async function compileProgram(target: Target, folder: string, output: string): Promise<void> {
  // Deno overwrites only what it made itself, and what was packed the other way is not: it goes first.
  await Deno.remove(output).catch(() => {});
  const words = ["compile", "--no-check", "--no-lock", ...programFlags, "--target", target.triple, "--output", output];
  const includes = [...Deno.readDirSync(folder)].filter((entry) => entry.name !== entryName).flatMap((entry) => [
    "--include",
    `${folder}/${entry.name}`,
  ]);
  const base = baseRuntimeOf(target);
  const named = base === undefined ? [] : [`DENORT_BIN=${base}`];
  // Deno knows one name for all targets: whatever it is, it must not reach another target's file.
  const command = ["-u", "DENORT_BIN", ...named, Deno.execPath(), ...words, ...includes, `${folder}/${entryName}`];
  const outcome = await runProgram("env", command, { deadlineMs: compileDeadlineMs });
  if (outcome.code === 0) return;
  if (base === undefined && (outcome.timedOut || outcome.output.includes("Setting up base binary"))) {
    throw new NoBaseRuntime(outcome.timedOut ? "the download did not end" : lastCause(outcome.output));
  }
  throw new Error(`Cannot compile for "${target.triple}": deno compile failed\n${outcome.output}`);
}

/** Path of the base runtime that somebody named. @throws when it is another machine's: Deno would pack it all the same */
function baseRuntimeOf(target: Target): string | undefined {
  const own = target.triple === Deno.build.target ? Deno.env.get("DENORT_BIN") : undefined;
  const path = Deno.env.get(`DENORT_BIN_${target.name}`) || own;
  if (path === undefined || path === "") return undefined;
  if (machineOf(path) !== target.elfMachine) {
    throw new Error(
      `Cannot compile for "${target.triple}": "${path}" is not a program of that machine\n` +
        `Try: DENORT_BIN_${target.name}=FILE with the denort executable for it`,
    );
  }
  return path;
}

/** `e_machine` of an ELF file (elf(5)); undefined where it is none. */
function machineOf(path: string): number | undefined {
  using file = Deno.openSync(path);
  const header = new Uint8Array(20);
  if (file.readSync(header) !== header.length || new TextDecoder().decode(header.subarray(1, 4)) !== "ELF") return;
  return new DataView(header.buffer).getUint16(18, true);
}

/** The innermost reason that Deno gives, without the address it tried. */
function lastCause(output: string): string {
  const causes = output.split("\n").filter((line) => /^\s+\d+: /.test(line) && !line.includes("<unknown>"));
  return causes.at(-1)?.replace(/^\s+\d+: /, "") ?? "the download failed";
}

const compileDeadlineMs = 300_000;
