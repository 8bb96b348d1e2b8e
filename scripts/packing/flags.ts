/** How both packings start the program: the same permissions and switches in one place. */

/**
 * Switches of `deno run` and of `deno compile` alike.
 *
 * All permissions, because Deno 2.9.5 opens `/dev/kmsg`, `/proc`, `/sys`, `/dev/fd` and `/dev/shm` for nobody who lacks a
 * single one (`Requires all access to "/dev/kmsg"`), and `--deny-ffi` is such a lack. `agent tap` and `agent version` give
 * up what they do not need when they start: see `src/system/permissions.ts`.
 */
export const programFlags: readonly string[] = ["--allow-all", "--no-prompt", "--no-config", "--unstable-net"];

/** Switches of `deno run` that keep a packed program from fetching code: what is in the file is all there is. */
export const offlineFlags: readonly string[] = ["--no-lock", "--no-remote", "--no-npm", "--cached-only"];
