/** The machine that a dump looks at: the real one, or a folder that looks like one (a mounted disk, a test's fake root). */
import { posix } from "node:path";

/** A machine, by the root of its file tree. */
export interface Machine {
  /** `/`, or the folder below which `/proc`, `/etc` … are looked for. */
  readonly root: string;
  /**
   * Path of `path` (absolute, as on that machine) on this one: under `root`. Symbolic links are followed as that machine
   * would, so that no link of a foreign tree leads out of it; where a link cannot be followed, the path as it is.
   */
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

/** What may be told instead of being found; for tests and for callers that know better. */
export interface MachineOptions {
  /** Folders of programs, with `:` between them; default: `PATH` and the folders of daemons. */
  readonly searchPath?: string;
  /** Default: that of this process. */
  readonly userId?: number;
}

/** Looks at the tree below `root`. Never throws: what cannot be seen is not there. Runs nothing. */
export function readMachine(root = "/", options: MachineOptions = {}): Machine {
  const live = posix.normalize(root).replace(/(.)\/$/, "$1") === "/";
  const locate = (path: string): string => live ? path : locateBelow(root.replace(/\/+$/, ""), path);
  const has = (path: string): boolean => infoOf(locate(path)) !== undefined;
  const folders = searchFolders(live, options.searchPath);
  const which = (program: string): string | undefined =>
    program.includes("/")
      ? (isProgram(locate(program)) ? program : undefined)
      : folders.map((folder) => `${folder}/${program}`).find((path) => isProgram(locate(path)));
  return {
    root,
    locate,
    live,
    hostname: hostnameOf(live, locate),
    init: initOf(locate, has),
    which,
    kinds: kindsOf(locate, has, which),
    userId: options.userId ?? Deno.uid() ?? 0,
  };
}

type Kind = "k3s" | "kubernetes" | "container" | "router";

function kindsOf(
  locate: (path: string) => string,
  has: (path: string) => boolean,
  which: (program: string) => string | undefined,
): ReadonlySet<Kind> {
  const kinds = new Set<Kind>();
  const k3s = has("/etc/rancher/k3s") || has("/var/lib/rancher/k3s") || which("k3s") !== undefined;
  if (k3s) kinds.add("k3s").add("kubernetes");
  if (["/var/run/secrets/kubernetes.io", "/etc/kubernetes", "/var/lib/kubelet"].some(has)) kinds.add("kubernetes");
  const group = textOf(locate("/proc/1/cgroup"));
  const isBox = has("/.dockerenv") || has("/run/.containerenv") || has("/run/systemd/container");
  if (isBox || /docker|kubepods|containerd|lxc|libpod/.test(group)) kinds.add("container");
  const release = textOf(locate("/etc/os-release"));
  const routerName = /^(ID|NAME)=.*(openwrt|vyos|liminix|lede|turris|dd-wrt)/im.test(release);
  if (routerName || has("/etc/openwrt_release") || has("/config/config.boot") || has("/opt/vyatta")) {
    kinds.add("router");
  }
  return kinds;
}

function initOf(locate: (path: string) => string, has: (path: string) => boolean): Machine["init"] {
  if (has("/run/systemd/system")) return "systemd";
  const name = textOf(locate("/proc/1/comm")).trim();
  const byName: Readonly<Record<string, Machine["init"]>> = {
    systemd: "systemd",
    "openrc-init": "openrc",
    "s6-svscan": "s6",
    runit: "runit",
    "runit-init": "runit",
    procd: "procd",
  };
  const found = byName[name];
  if (found !== undefined) return found;
  if (has("/run/openrc")) return "openrc";
  if (has("/run/s6-rc") || has("/run/s6") || has("/etc/s6-rc")) return "s6";
  if (has("/sbin/procd")) return "procd";
  if (has("/run/runit") || has("/etc/runit/2")) return "runit";
  if (has("/etc/systemd/system") && name === "") return "systemd"; // a disk that is not running
  return has("/etc/inittab") || has("/etc/init.d/rcS") ? "sysv" : "unknown";
}

function hostnameOf(live: boolean, locate: (path: string) => string): string {
  const kept = [textOf(locate("/proc/sys/kernel/hostname")), textOf(locate("/etc/hostname"))];
  const name = kept.map((text) => text.trim()).find((text) => text !== "");
  if (name !== undefined) return name;
  try {
    return live ? Deno.hostname() : "";
  } catch {
    return ""; // a machine without a name can be looked at all the same
  }
}

function searchFolders(live: boolean, searchPath: string | undefined): readonly string[] {
  const own = searchPath ?? (live ? Deno.env.get("PATH") ?? "" : "");
  const daemons = searchPath === undefined ? standardFolders : [];
  return [...new Set([...own.split(":"), ...daemons].filter((folder) => folder.startsWith("/")))];
}

/** The path below `root` with all links followed as if root were `/`; at most 40 of them, like the kernel. */
function locateBelow(root: string, path: string): string {
  const plain = root + posix.normalize(`/${path}`);
  const parts = path.split("/");
  let at = "";
  for (let links = 0; parts.length > 0;) {
    const part = parts.shift()!;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      continue;
    }
    const target = linkTarget(`${root}${at}/${part}`);
    if (target === undefined) at += `/${part}`;
    else {
      if (++links > 40) return plain;
      parts.unshift(...target.split("/"));
      if (target.startsWith("/")) at = "";
    }
  }
  return at === "" ? `${root}/` : root + at;
}

function linkTarget(path: string): string | undefined {
  try {
    return Deno.lstatSync(path).isSymlink ? Deno.readLinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

function isProgram(path: string): boolean {
  const info = infoOf(path);
  return info !== undefined && info.isFile && ((info.mode ?? 0) & 0o111) !== 0;
}

function textOf(path: string): string {
  try {
    // A FIFO or a device in a hostile tree would hold us up for ever.
    return Deno.statSync(path).isFile ? Deno.readTextFileSync(path).slice(0, 65_536) : "";
  } catch {
    return "";
  }
}

const standardFolders: readonly string[] = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
  "/var/lib/rancher/k3s/data/current/bin",
  "/var/lib/rancher/rke2/bin",
  "/opt/vyatta/bin",
  "/run/current-system/sw/bin",
  "/command",
];
