/**
 * `deno run -A scripts/release.ts [--target x86_64|aarch64|all] [--packing …] [--output FOLDER] [--since REVISION]`
 *
 * Builds the targets and writes an archive of each: the program, a sample configuration, its JSON Schema, units for every init
 * system, README, changelog, licences, the list of what is inside. The archive of this machine is unpacked and tried. The same
 * commit gives the same archives.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import project from "../deno.json" with { type: "json" };
import { formatSize } from "../src/formats/duration.ts";
import { initSystems } from "../src/init/mod.ts";
import type { UnitFile } from "../src/init/unit.ts";
import { denoVersion, ownTarget, type Target, targets } from "../targets/mod.ts";
import { projectRoot } from "./graph.ts";
import { type PackedPackage, readPackedPackages } from "./packing/packages.ts";
import { sha256Hex } from "./packing/runtime.ts";
import { sbomName } from "./packing/sbom.ts";
import { endProgramsOnSignal, say, withTemporaryFolder } from "./program.ts";
import { $ } from "./shell.ts";
import { changelogOf } from "./changelog.ts";

/** A file of an archive. */
interface ArchiveFile {
  readonly name: string;
  readonly mode: number;
  readonly body: Uint8Array;
}

/** What is asked for. */
interface ReleaseOptions {
  /** Name of a target, or `all`. This machine's own is made in any case: it prints what goes into all archives. */
  readonly target: string;
  readonly packing: string;
  readonly output: string;
  /** The changelog begins behind this revision. */
  readonly since: string | undefined;
}

async function release({ output, packing, since, target: wanted }: ReleaseOptions): Promise<void> {
  Deno.mkdirSync(output, { recursive: true });
  await withTemporaryFolder("agent-release-", async (work) => {
    const own = ownTarget();
    if (own === undefined) throw new Error(`Cannot try the release on "${Deno.build.target}": it is not a target`);
    for (const name of new Set([own.name, wanted])) {
      say(
        await $`${Deno.execPath()} run -A --quiet scripts/build.ts --packing ${packing} --output ${work} --target ${name}`
          .text(),
      );
    }
    const common = [...await generatedFiles(join(work, `agent-${own.name}`)), ...await writtenFiles(work, since)];
    const names: string[] = [];
    const chosen = Object.values(targets).filter(({ name }) => ["all", name].includes(wanted) || name === own.name);
    for (const target of chosen) names.push(await writeArchive(target, work, common, output));
    Deno.copyFileSync(join(work, sbomName), join(output, sbomName));
    writeSums(output, [...names, sbomName]);
    await tryArchive(own, output);
  });
}

/** What the program itself prints: the sample, its schema, and the units that `agent service install` would write. */
async function generatedFiles(program: string): Promise<readonly ArchiveFile[]> {
  const files = [
    file("agent.sample.yaml", await wholeText($`${program} check --sample`)),
    file("agent.schema.json", await wholeText($`${program} check --schema`)),
  ];
  const place = ["--program", "/usr/local/bin/agent", "--config", "/etc/agent/agent.yaml"];
  for (const { name: init } of initSystems) {
    const unit: { readonly files: readonly UnitFile[] } =
      await $`${program} service print --json --init ${init} ${place} --root /var/empty`.json();
    for (const { path, content, mode } of unit.files) files.push(file(`init/${init}${path}`, content, mode));
  }
  return files;
}

async function writtenFiles(work: string, since: string | undefined): Promise<readonly ArchiveFile[]> {
  const log = await $`git log --format=%cs%x09%s ${since === undefined ? "HEAD" : `${since}..HEAD`}`.text();
  const texts = ["README.md", "LICENSE"].map((name) => file(name, Deno.readTextFileSync(join(projectRoot, name))));
  return [
    ...texts,
    file("TARGETS.md", Deno.readTextFileSync(join(projectRoot, "targets/README.md"))),
    file("CHANGELOG.md", changelogOf(project.version, log)),
    file("LICENCES.txt", licencesText(await readPackedPackages(projectRoot))),
    file(sbomName, Deno.readTextFileSync(join(work, sbomName))),
    file("init/README.md", Deno.readTextFileSync(join(projectRoot, "targets/init/README.md"))),
  ];
}

/** What has to go along with a copy of the program. */
function licencesText(packages: readonly PackedPackage[]): string {
  const runtime = `deno ${denoVersion}: MIT. Copyright 2018-2026 the Deno authors.\nhttps://github.com/denoland/deno\n`;
  const parts = packages.map(({ name, version, licence, licenceText }) =>
    `${name} ${version}: ${licence}\n\n${(licenceText ?? "(no licence file in the package)").trimEnd()}\n`
  );
  return [runtime, ...parts].join(`\n${"-".repeat(80)}\n\n`);
}

/** @returns the archive's name */
async function writeArchive(
  target: Target,
  work: string,
  common: readonly ArchiveFile[],
  output: string,
): Promise<string> {
  const folder = `agent-${project.version}-${target.name}`;
  const program = { name: "agent", mode: 0o755, body: Deno.readFileSync(join(work, `agent-${target.name}`)) };
  const files = [program, ...common].sort((a, b) => a.name < b.name ? -1 : 1);
  const tar = await packTar(files.map(({ name, mode, body }) => ({
    header: {
      ...{ name: `${folder}/${name}`, mode, size: body.length, mtime: new Date(0), uid: 0, gid: 0 },
      type: "file" as const,
    },
    body,
  })));
  const name = `${folder}.tar.gz`;
  const archive = gzipSync(tar, { level: 9 }); // see packing/self_extracting.ts for why 9
  const temporary = join(output, `.${name}.tmp`);
  Deno.writeFileSync(temporary, archive);
  Deno.renameSync(temporary, join(output, name));
  say(`${join(output, name)}: ${formatSize(archive.length)}, ${files.length} files`);
  return name;
}

function writeSums(folder: string, names: readonly string[]): void {
  const lines = [...names].sort().map((name) => `${sha256Hex(Deno.readFileSync(join(folder, name)))}  ${name}\n`);
  Deno.writeTextFileSync(join(folder, "SHA256SUMS"), lines.join(""));
}

/** As somebody does who has just fetched it: sums, unpack, version, the sample checked, a file shipped, a unit printed. */
async function tryArchive(target: Target, output: string): Promise<void> {
  await $`sha256sum --check --quiet SHA256SUMS`.cwd(output);
  await withTemporaryFolder("agent-try-", async (work) => {
    const folder = `agent-${project.version}-${target.name}`;
    await $`tar -xzf ${join(output, `${folder}.tar.gz`)} -C ${work}`;
    const agent = (words: string[]): Promise<string> =>
      wholeText($`./agent ${words}`.cwd(join(work, folder)).env({ AGENT_CACHE: join(work, "cache") }));
    const version = await agent(["version"]);
    if (version !== `agent ${project.version} (${target.triple})\n`) {
      throw new Error(`Cannot release "${folder}": its program says ${version}`);
    }
    Deno.writeTextFileSync(join(work, "in.log"), "one\ntwo\n");
    const words = ["ship", "--once", "--from", `file:${join(work, "in.log")}`, "--to", "stdout:"];
    const shipped = await agent([...words, "--state", join(work, "state"), "--log-level", "error"]);
    if (shipped !== "one\ntwo\n") throw new Error(`Cannot release "${folder}": it shipped ${JSON.stringify(shipped)}`);
    await agent(["check", "--schema"]);
    await agent(["dump", "--help"]);
    say(`tried ${folder}.tar.gz: ${version.trimEnd()}; ships`);
  });
}

/** All of stdout; `text()` of the shell leaves out the last line feed. */
async function wholeText(command: PromiseLike<{ readonly stdoutBytes: Uint8Array }>): Promise<string> {
  return new TextDecoder().decode((await command).stdoutBytes);
}

function file(name: string, text: string, mode = 0o644): ArchiveFile {
  return { name, mode, body: new TextEncoder().encode(text) };
}

if (import.meta.main) {
  endProgramsOnSignal();
  try {
    const { values } = parseArgs({
      args: Deno.args,
      options: {
        target: { type: "string", default: "all" },
        output: { type: "string", default: join(projectRoot, "dist/release") },
        packing: { type: "string", default: "auto" },
        since: { type: "string" },
      },
    });
    await release({ ...values, since: values.since });
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
