/** The Debian packages that tests run real peers from, each with its reason; installed where that is possible. */
import { unpackAside } from "./aside.ts";
import { unpackDebianRoot } from "./debian_root.ts";
import { buildVictoriaLogs } from "./go_peers.ts";
import { type Outcome, runProgram, say } from "./program.ts";

const packages: Readonly<Record<string, string>> = {
  "age": "opens our bundles as the support team does",
  "auditd": "auditctl and augenrules: the rules that agent audit keeps",
  "busybox-static": "the smallest shell and tools that the self-extracting file must start with",
  "bzip2": "packs logs as logrotate may",
  "chromium": "the browser that looks at the status page and uses it",
  "faketime": "a clock that jumps under a whole process",
  "iproute2": "ip and ss: networks that stall and fail",
  "libc6-arm64-cross": "libraries for the emulated aarch64",
  "libgcc-s1-arm64-cross": "one library more for it",
  "logrotate": "rotates files under the file source as machines do",
  "openssh-server": "a machine that is reached by ssh",
  "minisign": "signs what agent self-update must take and refuse",
  "nats-server": "a cluster of JetStream, as sink and as source",
  "openssl": "makes certificates, and plain TLS peers",
  "prometheus": "promtool and a real scrape: metrics, alerts and panels",
  "qemu-system-arm": "a router of aarch64, as a virtual machine",
  "qemu-system-x86": "a router of x86_64, as a virtual machine",
  "qemu-user-static": "runs the packed file of aarch64",
  "rsyslog": "the peer: syslog receivers and senders",
  "rsyslog-gnutls": "rsyslog's first TLS library",
  "rsyslog-openssl": "rsyslog's second TLS library",
  "rsyslog-relp": "imrelp and omrelp",
  "runit": "a supervisor that agent service writes for",
  "s6": "s6-log and s6-tlsclient, which the agent replaces",
  "socat": "a reader and writer of Unix sockets that is not ours",
  "strace": "shows which system call came first, for instance fsync before the answer",
  "systemd-journal-remote": "writes journal files that the journal source reads",
  "util-linux": "mount and unshare: full disks, own namespaces",
  "xz-utils": "packs logs as logrotate may",
  "zstd": "packs logs and journals",
};

/** Unpacked beside the system, because it would push something else out of it. */
export const asidePackages = {
  /** The second syslog server and client; Debian removes rsyslog for it. */
  syslogNg: "syslog-ng-core",
  /** An init system; Debian removes sysv-rc for it. */
  openrc: "openrc",
} as const;

/**
 * Installs what is missing, if this is root on a machine with apt; `apt-get update` runs once and only if something is missing.
 * Says what it could not get: the tests that need it are skipped, aloud. Never throws for a failed installation.
 */
export async function installPackages(): Promise<void> {
  await installMissing();
  for (const name of Object.values(asidePackages)) await unpackAside(name);
  for (const architecture of ["amd64", "arm64"] as const) await unpackDebianRoot(architecture);
  await unpackDebianRoot("amd64", "systemd");
  await buildVictoriaLogs();
}

async function installMissing(): Promise<void> {
  const missing = await missingPackages();
  if (missing.length === 0) return;
  if (Deno.uid() !== 0) return say(`not installed, and this is not root: ${missing.join(", ")}`);
  say(`installing ${missing.join(" ")}`);
  const updated = await apt(["update"]);
  if (updated?.code !== 0) say(`apt-get update failed: ${lastLine(updated)}`);
  if ((await apt([...installWords, ...missing]))?.code !== 0) {
    // One that cannot be had must not keep the others away.
    for (const name of missing) await apt([...installWords, name]);
  }
  for (const name of await missingPackages()) say(`could not install "${name}": ${packages[name]}`);
}

async function missingPackages(): Promise<readonly string[]> {
  const names = Object.keys(packages);
  const outcome = await runIfThere("dpkg-query", ["--show", "--showformat", "${Package} ${Status}\n", ...names]);
  if (outcome === undefined) return []; // no Debian: tests look for programs themselves
  const installed = new Set(
    outcome.output.split("\n").filter((line) => line.endsWith(" ok installed")).map((line) => line.split(" ")[0]),
  );
  return names.filter((name) => !installed.has(name));
}

/** Rsyslog and its like must not be started by their installation: the tests start their own, on ports of their own. */
async function apt(words: readonly string[]): Promise<Outcome | undefined> {
  return await runIfThere("apt-get", ["-o", "DPkg::Lock::Timeout=60", ...words], {
    DEBIAN_FRONTEND: "noninteractive",
    RUNLEVEL: "1",
  });
}

async function runIfThere(
  command: string,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome | undefined> {
  try {
    return await runProgram(command, words, { env, deadlineMs: 300_000 });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function lastLine(outcome: Outcome | undefined): string {
  return outcome?.output.trimEnd().split("\n").at(-1) ?? "apt-get is not here";
}

const installWords = ["install", "--yes", "--no-install-recommends", "--no-remove", "--quiet"];
