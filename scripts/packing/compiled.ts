/** A file made by `deno compile`: the bundle inside Deno's own base runtime. */
import { join } from "node:path";
import type { Target } from "../../targets/mod.ts";
import { runProgram } from "../program.ts";
import { entryName } from "./bundle.ts";
import { programFlags } from "./flags.ts";
import { sha256Hex } from "./runtime.ts";

/** The base runtime could not be downloaded, and none was named; the message's first line stands for itself. */
export class NoBaseRuntime extends Error {
  override readonly name = "NoBaseRuntime";

  constructor(reason: string) {
    super(
      `no base runtime for deno compile (${reason}; DENORT_BIN is unset)\n` +
        `Try: ${advice}`,
    );
  }
}

/**
 * Compiles the bundle in `folder` for `target` to `output`. The base runtime is downloaded, or named by `DENORT_BIN_` and the
 * target's name, or, for this machine's own target, by Deno's `DENORT_BIN`. Either may name a folder, which has
 * `denort-<triple>` for each target. Deno packs whatever ELF file it is given: what can be started here is, once.
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
  if (outcome.code === 0) return await tryProgram(target, output);
  if (base === undefined && (outcome.timedOut || outcome.output.includes("Setting up base binary"))) {
    throw new NoBaseRuntime(outcome.timedOut ? "the download did not end" : lastCause(outcome.output));
  }
  throw new Error(`Cannot compile for "${target.triple}": deno compile failed\n${outcome.output}`);
}

/** Path of the base runtime that somebody named, if any. @throws when it is not there, or is not one for that machine */
export function baseRuntimeOf(target: Target): string | undefined {
  const path = namedPath(target);
  if (path === undefined) return undefined;
  const problem = problemOf(target, path);
  if (problem === undefined) return path;
  throw new Error(`Cannot compile for "${target.triple}": "${path}" ${problem}\nTry: ${advice}`);
}

function namedPath(target: Target): string | undefined {
  const own = Deno.env.get(`DENORT_BIN_${target.name}`);
  const shared = Deno.env.get("DENORT_BIN");
  const path = own || shared;
  if (path === undefined || path === "") return undefined;
  if (isFolder(path)) return join(path, `denort-${target.triple}`);
  return own || target.triple === Deno.build.target ? path : undefined;
}

/** What stands against it. Deno would pack it all the same. */
function problemOf(target: Target, path: string): string | undefined {
  try {
    if (machineOf(path) !== target.elfMachine) return "is not a program of that machine";
    const isDeno = sha256Hex(Deno.readFileSync(path)) === target.runtimeSha256;
    return isDeno ? "is deno, not its base runtime denort" : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "is not there";
    throw error;
  }
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // said when it is read
  }
}

/** Starts what was made, if it is of this machine's kind. @throws when that is not the agent; it is removed then */
async function tryProgram(target: Target, output: string): Promise<void> {
  if (target.triple !== Deno.build.target) return;
  const { code, output: said } = await runProgram(output, ["version"], { deadlineMs: 60_000 });
  if (code === 0 && said.startsWith("agent ")) return;
  Deno.removeSync(output);
  throw new Error(
    `Cannot compile for "${target.triple}": what the base runtime made of it is not the agent (exit code ${code})\n` +
      `${said.slice(0, 500)}\nTry: ${advice}`,
  );
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

const advice = "DENORT_BIN_x86_64 or DENORT_BIN_aarch64 with the denort executable of this Deno version and target, " +
  "or DENORT_BIN with a folder of denort-<triple>";
const compileDeadlineMs = 300_000;
