/** A virtual machine in which Debian's systemd is the first program, with the agent on its disk and no service of it yet. */
import { join } from "node:path";
import { debianRoot } from "../../scripts/debian_root.ts";
import { runProgram } from "../peers/process.ts";
import { VirtualMachine, vmKinds } from "../peers/vm.ts";
import { makeInitramfs } from "./initramfs.ts";
import { unpackAhead } from "./unpacked.ts";

/** What is put on its disk. */
export interface SystemdMachineOptions {
  /** The packed agent. */
  readonly agent: string;
  /** Text of `/etc/agent/agent.yaml`. */
  readonly config: string;
}

/** Makes disk and initramfs in `folder` and starts the machine. */
export async function startSystemdMachine(folder: string, options: SystemdMachineOptions): Promise<VirtualMachine> {
  const root = debianRoot("amd64")!;
  const kernel = [...Deno.readDirSync(join(root, "boot"))].find(({ name }) => name.startsWith("vmlinuz-"))!;
  const initramfs = join(folder, "initramfs");
  Deno.writeFileSync(initramfs, makeInitramfs(root, { init: { text: own("systemd/init.sh"), mode: 0o755 } }));
  return await VirtualMachine.start({
    kind: vmKinds.amd64,
    kernel: join(root, "boot", kernel.name),
    initramfs,
    disk: await makeDisk(folder, options),
    memoryMiB: 512,
    kernelWords: ["panic=5", "systemd.unit=small.target", "systemd.show_status=0"],
  });
}

/** An ext4 of 640 MiB: Debian's packages, the agent as its first start leaves it, and the test's own files. */
async function makeDisk(folder: string, { agent, config }: SystemdMachineOptions): Promise<string> {
  const [content, image] = [join(folder, "root"), join(folder, "disk")];
  await runProgram("cp", ["-a", debianRoot("amd64", "systemd")!, content]);
  for (const name of ["boot", "lib/modules"]) Deno.removeSync(join(content, name), { recursive: true });
  for (const name of folders) Deno.mkdirSync(join(content, name), { recursive: true });
  await runProgram("chroot", [content, "/bin/busybox", "--install", "-s", "/usr/local/bin"]);
  for (const name of ["sh", "kill"]) Deno.symlinkSync("busybox", join(content, "bin", name));
  Deno.copyFileSync(agent, join(content, "usr/local/bin/agent"));
  await unpackAhead(agent, join(content, "var/cache/agent"));
  const files: Readonly<Record<string, string>> = {
    "etc/agent/agent.yaml": config,
    "etc/console": own("router/console_run.sh"),
    "etc/systemd/system/console.service": own("systemd/console.service"),
    "etc/systemd/system/small.target": own("systemd/small.target"),
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\nsystemd-journal:x:101:\n",
    "etc/hosts": "127.0.0.1 localhost\n10.0.2.2 loghost\n",
    "etc/hostname": "server1\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "var/log/app.log": "",
  };
  for (const [path, text] of Object.entries(files)) Deno.writeTextFileSync(join(content, path), text);
  for (const path of ["etc/console", "usr/local/bin/agent"]) Deno.chmodSync(join(content, path), 0o755);
  await runProgram("mkfs.ext4", ["-q", "-d", content, "-E", "root_owner=0:0", image, "640m"]);
  Deno.removeSync(content, { recursive: true });
  return image;
}

function own(path: string): string {
  return Deno.readTextFileSync(new URL(path, import.meta.url));
}

const folders = [
  ...["proc", "sys", "dev", "run", "tmp", "root", "home", "usr/local/bin", "var/log/journal", "var/lib", "var/tmp"],
  ...["etc/agent", "etc/systemd/system"],
];
