/** The machine that a dump looks at: the real one, or a folder that looks like one (a mounted disk, a test's fake root). */

/** A machine, by the root of its file tree. */
export interface Machine {
  /** `/`, or the folder below which `/proc`, `/etc` … are looked for. */
  readonly root: string;
  /** Path of `path` (absolute, as on that machine) on this one: under `root`. */
  locate(path: string): string;
  /** Whether commands may be run: only where `root` is `/`. */
  readonly live: boolean;
  readonly hostname: string;
  /** Init system, as found. */
  readonly init: "systemd" | "openrc" | "s6" | "runit" | "procd" | "sysv" | "unknown";
  /** Absolute path of a program on the search path of root, undefined where it is missing. */
  which(program: string): string | undefined;
  /** What else it is. */
  readonly kinds: ReadonlySet<"k3s" | "kubernetes" | "container" | "router">;
  /** Effective user id; 0 is root. */
  readonly userId: number;
}
