/**
 * Debian's OpenRC beside the system: this machine's file tree with the unpacked package on top, as a machine of its own (mounts,
 * process ids, a name) that OpenRC has booted. What is written to it is in memory. Of this machine it can change nothing but one folder: an
 * init system clears `/tmp` and sets kernel variables, so neither is within its reach.
 */
import { join } from "node:path";
import { projectRoot } from "../../scripts/graph.ts";
import { agentFolders } from "./agent.ts";
import { asideFolder } from "../../scripts/aside.ts";
import { asidePackages } from "../../scripts/packages.ts";
import { RunningProgram, runProgram } from "./process.ts";
import { type Condition, needs, onlyIf } from "./skip.ts";

/** Ignores a test where OpenRC cannot be had. */
export function needsOpenRc(): Condition {
  const programs = needs("root", "unshare", "nsenter", "mount");
  if (programs.ignore) return programs;
  if (asideFolder(asidePackages.openrc) === undefined) return onlyIf(false, '"openrc" is not unpacked');
  const words = ["--mount", "--pid", "--fork", "sh", "-c", "mount -t overlay o -o lowerdir=/usr:/etc /mnt"];
  const { success } = new Deno.Command("unshare", { args: words, stderr: "null" }).outputSync();
  return onlyIf(success, "no overlay can be mounted here");
}

/** A machine that OpenRC runs. Dispose it to end it with everything that runs in it. */
export class OpenRc implements AsyncDisposable {
  readonly #machine: RunningProgram;
  readonly #folder: string;
  /** Process 1 of the machine, by this machine's count. */
  readonly #init: number;

  private constructor(machine: RunningProgram, folder: string, init: number) {
    this.#machine = machine;
    this.#folder = folder;
    this.#init = init;
  }

  /** Boots it. @param shared a folder of this machine, where it is there, too */
  static async boot(shared: string): Promise<OpenRc> {
    const folder = Deno.makeTempDirSync({ prefix: "openrc", dir: shared });
    const values = [folder, asideFolder(asidePackages.openrc)!, shared, projectRoot, ...agentFolders()];
    const words = [
      "--mount",
      "--pid",
      "--uts",
      "--ipc",
      "--fork",
      "--kill-child",
      "sh",
      "-euc",
      bootText,
      "sh",
      ...values,
    ];
    const machine = RunningProgram.start("unshare", words, { name: "openrc" });
    try {
      await machine.waitForOutput(/@@booted/);
      const children = Deno.readTextFileSync(`/proc/${machine.pid}/task/${machine.pid}/children`);
      return new OpenRc(machine, folder, Number(children.trim().split(" ")[0]));
    } catch (error) {
      await machine.kill();
      Deno.removeSync(folder, { recursive: true });
      throw error;
    }
  }

  /** Runs a shell command inside. @returns its output, which goes by a file: what it starts keeps a pipe open */
  async run(command: string, expectCode = 0): Promise<string> {
    const output = join(this.#folder, "output");
    const words = ["--target", `${this.#init}`, "--mount", "--pid", "--root", "--wd", "sh", "-c"];
    await runProgram("nsenter", [...words, `exec >${output} 2>&1\n${command}`], { expectCode });
    return Deno.readTextFileSync(output);
  }

  /** Adds a file, executable. */
  async add(path: string, content: string): Promise<void> {
    const from = join(this.#folder, "added");
    Deno.writeTextFileSync(from, content);
    await this.run(`install -D -m 0755 ${from} ${path}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine.kill();
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/**
 * `$1` is an empty folder, `$2` the unpacked package, `$3` the shared folder, `$4` the project, `$5` and `$6` those of {@linkcode agentFolders}. The package's `/sbin` and `/lib`
 * are links into `/usr` here. The machine's mounts are seen by nobody else, and go when its last process does. Its process 1 is a
 * shell, which takes leave of the dead: supervise-daemon waits for ever while its supervisor is a zombie.
 */
const bootText = `
mount --make-rprivate /
mkdir "$1/machine"
mount -t tmpfs machine "$1/machine"
cd "$1/machine"
mkdir -p top/usr up work root
cp -a "$2/etc" "$2/usr" "$2/var" top/
for folder in bin sbin lib; do cp -a "$2/$folder" top/usr/; done
mount -t overlay machine -o lowerdir=top:/,upperdir=up,workdir=work root
for folder in tmp run; do mount -t tmpfs "$folder" "root/$folder"; done
mount -t tmpfs dev root/dev
for device in null zero random urandom; do : >"root/dev/$device"; mount --bind "/dev/$device" "root/dev/$device"; done
mkdir -p "root/$3" "root/$4"
mount --bind "$3" "root/$3"
mount --bind "$4" "root/$4"
mount -o remount,bind,ro "root/$4"
for folder in "$5" "$6"; do
  [ -d "$folder" ] || continue
  above="above/$(basename "$folder")"
  mkdir -p "root/$folder" "$above/up" "$above/work"
  mount -t overlay agent -o lowerdir="$folder",upperdir="$above/up",workdir="$above/work" "root/$folder"
done
mount -t proc proc root/proc
mount --bind root/proc/sys root/proc/sys
mount -o remount,bind,ro root/proc/sys
mount -t sysfs -o ro sys root/sys
exec chroot root sh -c 'openrc sysinit; openrc boot; openrc default; echo @@booted; while :; do sleep 9999; done'
`;
