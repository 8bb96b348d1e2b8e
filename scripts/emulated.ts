/**
 * The black-box cases with the packed file of another machine, under qemu's emulation of its processor.
 *
 * The kernel is told to start such files with qemu (binfmt_misc, flag F), so that the self-extracting header starts its runtime
 * as it does everywhere; the libraries are Debian's of that machine. Everything else, rsyslog for instance, is this machine's.
 */
import { join } from "node:path";
import { type Target, targets } from "../targets/mod.ts";
import { runProgram, say } from "./program.ts";

/** A file of cases and which of them: all take too long, so each command has the ones that say most. */
export interface EmulatedCase {
  readonly file: string;
  /** `deno test --filter`. */
  readonly filter: string;
}

/** One start takes 2.5 s at least, so this is what ends within some minutes on two cores. */
export const emulatedCases: readonly EmulatedCase[] = [
  { file: "test/cases/tap_test.ts", filter: "/odd bytes|dies ends nothing|ends it with 143/" },
  { file: "test/cases/ship_delivery_test.ts", filter: "/once and in order, openssl|goes on after a restart/" },
  { file: "test/cases/collect_delivery_test.ts", filter: "/new session every 100/" },
  { file: "test/cases/cert_enroll_test.ts", filter: "/against agent sign/" },
  { file: "test/cases/check_test.ts", filter: "/finds everything well/" },
  { file: "test/cases/dump_command_test.ts", filter: "/encrypts to a recipient/" },
  { file: "test/cases/open_test.ts", filter: "/lists and extracts an age bundle|tells a wrong key/" },
  { file: "test/cases/status_command_test.ts", filter: "/verdict and tables/" },
];

/** A file of another machine that runs here. Dispose it to take back what the kernel was told. */
export class Emulation implements Disposable {
  /** For the tests and for all that they start. */
  readonly env: Readonly<Record<string, string>>;
  readonly #registration: Disposable;

  constructor(env: Readonly<Record<string, string>>, registration: Disposable) {
    this.env = env;
    this.#registration = registration;
  }

  [Symbol.dispose](): void {
    this.#registration[Symbol.dispose]();
  }
}

/** Why there is no emulation here, in a few words. */
export class NoEmulation implements Disposable {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }

  [Symbol.dispose](): void {}
}

/**
 * Builds the file of `target` into `folder` and makes it run here.
 * @throws when the build fails, or the file does not start although all is there
 */
export async function openEmulation(target: Target, folder: string, root: string): Promise<Emulation | NoEmulation> {
  const { emulator } = target;
  for (const path of [emulator.program, emulator.libraries]) {
    if (!exists(path)) return new NoEmulation(`"${path}" is not there`);
  }
  const registration = await register(target);
  if (registration instanceof NoEmulation) return registration;
  try {
    const env = {
      AGENT_BIN: await build(target, folder, root),
      AGENT_CACHE: join(folder, "cache"),
      AGENT_TEST_LINES: "2000",
      QEMU_LD_PREFIX: emulator.libraries,
      TEST_DEADLINE_FACTOR: "6",
    };
    await proveStart(target, env);
    return new Emulation(env, registration);
  } catch (error) {
    registration[Symbol.dispose]();
    throw error;
  }
}

async function build(target: Target, folder: string, root: string): Promise<string> {
  const words = ["run", "-A", "--quiet", "scripts/build.ts", "--target", target.name, "--packing", "self-extracting"];
  const { code, output } = await runProgram(Deno.execPath(), [...words, "--output", folder], { cwd: root });
  if (code !== 0) throw new Error(`Cannot build for "${target.name}": exit code ${code}\n${output}`);
  return join(folder, `agent-${target.name}`);
}

/** Starts it twice: the first start unpacks, the second is what the tests will see. */
async function proveStart(
  target: Target,
  env: Readonly<Record<string, string>> & { AGENT_BIN: string },
): Promise<void> {
  for (const start of ["first", "second"]) {
    const { code, output, durationMs } = await runProgram(env.AGENT_BIN, ["version"], { env, deadlineMs: 240_000 });
    if (code !== 0 || !output.includes(target.triple)) {
      throw new Error(`Cannot start "${env.AGENT_BIN}" under emulation: exit code ${code}\n${output}`);
    }
    say(`${output.trim()}, emulated: ${start} start in ${Math.round(durationMs)} ms`);
  }
}

/** Tells the kernel, unless it knows such files already. */
async function register(target: Target): Promise<Disposable | NoEmulation> {
  const { emulator } = target;
  const name = `agent-${target.name}`;
  if (isKnown(target.name)) return { [Symbol.dispose]: () => {} };
  if (!exists(join(binfmt, "register"))) {
    if (Deno.uid() !== 0) return new NoEmulation("binfmt_misc is not mounted, and this is not root");
    const { code } = await runProgram("mount", ["-t", "binfmt_misc", "binfmt_misc", binfmt]);
    if (code !== 0) return new NoEmulation("the kernel has no binfmt_misc");
  }
  if (isKnown(target.name)) return { [Symbol.dispose]: () => {} };
  try {
    const line = `:${name}:M::${emulator.magic}:${emulator.mask}:${emulator.program}:F`;
    Deno.writeTextFileSync(join(binfmt, "register"), line);
  } catch (error) {
    return new NoEmulation(`binfmt_misc does not take ${name}: ${(error as Error).message}`);
  }
  return { [Symbol.dispose]: () => Deno.writeTextFileSync(join(binfmt, name), "-1") };
}

/** By a registration of Debian's, or one of ours that is in use by another run. */
function isKnown(target: string): boolean {
  return [`qemu-${target}`, `agent-${target}`].some((name) => exists(join(binfmt, name)));
}

/** The target that is emulated here: of those that are not this machine's own. */
export function emulatedTargets(): readonly Target[] {
  return Object.values(targets).filter(({ triple }) => triple !== Deno.build.target);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

const binfmt = "/proc/sys/fs/binfmt_misc";
