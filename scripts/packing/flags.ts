/** How both packings start the program: the same permissions and switches in one place. */

/**
 * Memory of the JavaScript engine, chosen by measurement (`test/bench/README.md`): a young generation of 1 MiB instead of
 * 16 takes 6 MiB off `ship` at full speed and 30 off one that watches 2,000 files; compiling on the main thread instead of
 * on threads of its own takes 2 more. Neither costs lines/s nor CPU: batches are bytes, and few of them.
 */
const engineFlags: readonly string[] = ["--max-semi-space-size=1", "--no-concurrent-recompilation"];

/**
 * Switches of `deno run` and of `deno compile` alike.
 *
 * All permissions, because that is the narrowest that works: Deno 2.9.5 opens `/dev/kmsg`, `/proc`, `/sys`, `/dev/fd` and
 * `/dev/shm` for nobody who lacks a single one (`Requires all access to "/dev/kmsg"`), and `--deny-ffi`, or giving FFI up at
 * run time, is such a lack. `ship` reads the kernel's log and the boot id there, `tap` the state of its own stdout, `dump`
 * most of what it gathers. FFI serves one call of the C library (`src/system/program_pages.ts`), and no code comes from
 * anywhere but the packed file.
 */
export const programFlags: readonly string[] = [
  "--allow-all",
  "--no-prompt",
  "--no-config",
  "--unstable-net",
  `--v8-flags=${engineFlags.join(",")}`,
];

/** Switches of `deno run` that keep a packed program from fetching code: what is in the file is all there is. */
export const offlineFlags: readonly string[] = ["--no-lock", "--no-remote", "--no-npm", "--cached-only"];
