/**
 * A router in a virtual machine: s6 keeps a program with its log behind `agent tap`, a plain log file, the kernel's log, and
 * `agent ship`, which takes all three to two collectors on the host with a certificate that it gets there.
 */
import { join } from "node:path";
import { type DebianArchitecture, debianRoot } from "../../scripts/debian_root.ts";
import { runProgram } from "../peers/process.ts";
import { VirtualMachine, vmKinds } from "../peers/vm.ts";
import { makeInitramfs, type OwnFile } from "./initramfs.ts";
import { unpackAhead } from "./unpacked.ts";

/** What the router must know of the host. */
export interface RouterOptions {
  readonly architecture: DebianArchitecture;
  /** The packed agent for it. */
  readonly agent: string;
  readonly memoryMiB: number;
  /** Whether the agent is on the disk as its first start leaves it. */
  readonly isUnpacked: boolean;
  /** Its programs log 20 lines each, and wait so long. */
  readonly pauseSeconds: number;
  /** First part of the names of numbered lines. */
  readonly run: string;
  /** Text of its `agent.yaml`. */
  readonly config: string;
  /** CA certificate, as text: `/etc/ca.crt`. */
  readonly ca: string;
  /** `/etc/challenge`. */
  readonly challenge: string;
}

/** Makes disk and initramfs in `folder` and starts the machine. */
export async function startRouter(folder: string, options: RouterOptions): Promise<VirtualMachine> {
  const root = debianRoot(options.architecture)!;
  const kernel = [...Deno.readDirSync(join(root, "boot"))].find(({ name }) => name.startsWith("vmlinuz-"))!;
  const initramfs = join(folder, "initramfs");
  Deno.writeFileSync(initramfs, makeInitramfs(root, ownFiles(options)));
  return await VirtualMachine.start({
    kind: vmKinds[options.architecture],
    kernel: join(root, "boot", kernel.name),
    initramfs,
    disk: await makeDisk(folder, options),
    memoryMiB: options.memoryMiB,
    kernelWords: ["panic=5"],
  });
}

/** An ext4 of 320 MiB: the agent, what it unpacks to, its state, the logs. */
async function makeDisk(folder: string, { agent, isUnpacked }: RouterOptions): Promise<string> {
  const [content, image] = [join(folder, "var"), join(folder, "disk")];
  for (const path of ["bin", "cache", "log", "lib"]) Deno.mkdirSync(join(content, path), { recursive: true });
  Deno.copyFileSync(agent, join(content, "bin/agent"));
  Deno.chmodSync(join(content, "bin/agent"), 0o755);
  if (isUnpacked) await unpackAhead(agent, join(content, "cache/agent"));
  Deno.writeTextFileSync(join(content, "boot"), "`\n"); // the letter before a, see router/init.sh
  await runProgram("mkfs.ext4", ["-q", "-d", content, "-E", "root_owner=0:0", image, "320m"]);
  Deno.removeSync(content, { recursive: true });
  return image;
}

function ownFiles(options: RouterOptions): Readonly<Record<string, OwnFile>> {
  const programs: Readonly<Record<string, string>> = {
    init: "init",
    "service/app/run": "app_run",
    "service/app/log/run": "app_log_run",
    "service/messages/run": "messages_run",
    "service/kernel/run": "kernel_run",
    "service/ship/run": "ship_run",
    "service/ship/log/run": "ship_log_run",
    "service/console/run": "console_run",
    "etc/lines": "lines",
  };
  const scripts = Object.entries(programs).map(([path, name]): [string, OwnFile] => {
    const text = Deno.readTextFileSync(new URL(`router/${name}.sh`, import.meta.url));
    return [path, { text, mode: 0o755 }];
  });
  return {
    ...Object.fromEntries(scripts),
    "etc/run": { text: options.run + "\n" },
    "etc/pause": { text: `${options.pauseSeconds}\n` },
    "etc/agent.yaml": { text: options.config },
    "etc/ca.crt": { text: options.ca },
    "etc/challenge": { text: options.challenge + "\n", mode: 0o600 },
    "etc/passwd": { text: "root:x:0:0:root:/root:/bin/sh\n" },
    "etc/group": { text: "root:x:0:\n" },
    "etc/hosts": { text: "127.0.0.1 localhost\n10.0.2.2 loghost\n" },
  };
}
