/** The machines that the agent is built for. One folder each; this is the table. */
import { target as aarch64 } from "./aarch64/target.ts";
import { target as amd64 } from "./x86_64/target.ts";

/** A machine that `deno task build` makes a file for. */
export interface Target {
  /** Name as `uname -m` prints it, and the end of the file's name. */
  readonly name: string;
  /** Value of `deno compile --target`, also `Deno.build.target` of the result. */
  readonly triple: string;
  /** `e_machine` of its programs (elf(5)): a base runtime of another machine is refused. */
  readonly elfMachine: number;
  /** Path of glibc's program loader, which the runtime asks for; with no file there it cannot be started. */
  readonly loader: string;
  /** Package of the npm registry that holds the `deno` executable for it. */
  readonly runtimePackage: string;
  /** SHA-256 of that executable in the pinned version: what is packed is what was looked at. */
  readonly runtimeSha256: string;
  /** The packed file at the most, in bytes; the build fails above it. */
  readonly packedBudgetBytes: number;
  /** The same for the file of `deno compile`, which is not compressed. */
  readonly compiledBudgetBytes: number;
  /** How the result runs on another machine, for its tests. */
  readonly emulator: Emulator;
}

/** An emulator of a processor, for programs (qemu-user). */
export interface Emulator {
  /** Linked statically: the kernel opens it once, and every namespace has it. */
  readonly program: string;
  /** Folder with the libraries of that machine below `lib`, from Debian's `libc6-ARCH-cross`. */
  readonly libraries: string;
  /** First bytes of its programs and which bits of them count, as binfmt_misc wants them. */
  readonly magic: string;
  readonly mask: string;
}

/** The version of Deno that everything is built and run with. */
export const denoVersion = "2.9.5";

/** All targets, by name. */
export const targets: Readonly<Record<string, Target>> = { "x86_64": amd64, aarch64 };

/** The target of the machine that this runs on, or undefined where it is none of them. */
export function ownTarget(): Target | undefined {
  return Object.values(targets).find((target) => target.triple === Deno.build.target);
}
