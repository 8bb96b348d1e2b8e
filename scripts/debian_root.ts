/**
 * What a small machine is made of, for the tests that boot one: Debian's kernel for clouds, busybox, libc and an init system, of
 * any architecture, unpacked and never installed. apt gets a state of its own, so that this machine's is left alone.
 */
import { join } from "node:path";
import { cacheFolder } from "./aside.ts";
import { say } from "./program.ts";
import { $, lastWords } from "./shell.ts";

/** Architectures by Debian's name. */
export type DebianArchitecture = "amd64" | "arm64";

/** What starts everything else on it. */
export type DebianInit = "s6" | "systemd";

/** Folder with the unpacked packages, as if it were `/`; undefined when it is not there. */
export function debianRoot(architecture: DebianArchitecture, init: DebianInit = "s6"): string | undefined {
  const folder = folderOf(architecture, init);
  try {
    return Deno.statSync(join(folder, complete)).isFile ? folder : undefined;
  } catch {
    return undefined;
  }
}

/** Downloads and unpacks, some 30 MB, unless it is there. Says what it could not get; never throws. */
export async function unpackDebianRoot(architecture: DebianArchitecture, init: DebianInit = "s6"): Promise<void> {
  if (debianRoot(architecture, init) !== undefined) return;
  const folder = folderOf(architecture, init);
  const work = `${folder}.${Deno.pid}`;
  try {
    say(`unpacking a machine of ${architecture} with ${init}`);
    await fill(work, architecture, [...packages, init]);
    Deno.renameSync(work, folder);
  } catch (error) {
    if (debianRoot(architecture, init) === undefined) say(`no machine of ${architecture}: ${lastWords(error)}`);
    removeFolder(work);
  }
}

async function fill(work: string, architecture: DebianArchitecture, packages: readonly string[]): Promise<void> {
  const apt = join(work, "apt");
  for (const name of ["lists/partial", "cache/archives/partial", "state"]) {
    Deno.mkdirSync(join(apt, name), { recursive: true });
  }
  Deno.writeTextFileSync(join(apt, "status"), "");
  const options = [
    ["APT::Architecture", architecture],
    ["APT::Architectures", architecture],
    ["APT::Sandbox::User", "root"],
    ["Acquire::Languages", "none"],
    ["Dir::State", join(apt, "state")],
    ["Dir::State::lists", join(apt, "lists")],
    ["Dir::State::status", join(apt, "status")],
    ["Dir::Cache", join(apt, "cache")],
  ].flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  await $`apt-get ${options} update`;
  const kernel = await $`apt-cache ${options} depends ${`linux-image-cloud-${architecture}`}`.text();
  const image = /Depends: (linux-image-\S+)/.exec(kernel)?.[1];
  if (image === undefined) throw new Error("there is no package of its kernel");
  const plan = await $`apt-get ${options} install --simulate --no-install-recommends ${packages}`.text();
  const needed = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!.split(":")[0]!);
  await $`apt-get ${options} download ${[image, ...needed]}`.cwd(apt);
  for (const { name } of [...Deno.readDirSync(apt)].filter(({ name }) => name.endsWith(".deb"))) {
    await $`dpkg-deb -x ${join(apt, name)} ${work}`;
  }
  removeFolder(apt);
  Deno.writeTextFileSync(join(work, complete), "");
}

function folderOf(architecture: DebianArchitecture, init: DebianInit): string {
  return join(cacheFolder(), init === "s6" ? `machine-${architecture}` : `machine-${architecture}-${init}`);
}

function removeFolder(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

const packages = ["busybox-static", "libc6", "libgcc-s1"];
/** Its presence says that all is there. */
const complete = ".complete";
