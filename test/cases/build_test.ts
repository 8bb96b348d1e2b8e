/** The build: the same files from wherever it runs, each with its list of what is inside. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { projectRoot } from "../../scripts/graph.ts";
import { filesBelow, type Outcome, runProgram } from "../../scripts/program.ts";
import { denoVersion, ownTarget, targets } from "../../targets/mod.ts";
import { onlyIf } from "../peers/skip.ts";

const target = ownTarget();
const buildable = onlyIf(target !== undefined, `no target for ${Deno.build.target}`);

/** A copy of what a build reads. */
function copyProject(to: string): string {
  for (const name of ["src", "scripts", "targets"]) {
    for (const path of filesBelow(join(projectRoot, name), () => true)) copy(path, path.replace(projectRoot, to));
  }
  for (const name of ["main.ts", "deno.json", "deno.lock"]) copy(join(projectRoot, name), join(to, name));
  return to;
}

function copy(from: string, to: string): void {
  Deno.mkdirSync(join(to, ".."), { recursive: true });
  Deno.copyFileSync(from, to);
}

function build(root: string, words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const all = ["run", "-A", "--quiet", "scripts/build.ts", "--output", join(root, "out"), ...words];
  return runProgram(Deno.execPath(), all, { cwd: root, env, deadlineMs: 400_000 });
}

Deno.test({
  name: "build makes the same files in folders of other names and depths",
  ...buildable,
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "build" });
    try {
      const first = copyProject(join(folder, "one"));
      const second = join(folder, "deeper", "and-deeper", "two");
      Deno.mkdirSync(join(second, ".."), { recursive: true });
      const { code } = await runProgram("cp", ["-r", first, second]);
      equal(code, 0);
      const sums: string[] = [];
      for (const root of [first, second]) {
        const built = await build(root, ["--target", target!.name, "--packing", "self-extracting"]);
        equal(built.code, 0, built.output);
        sums.push(Deno.readTextFileSync(join(root, "out/SHA256SUMS")));
      }
      equal(sums[0], sums[1]);
      checkSbom(JSON.parse(Deno.readTextFileSync(join(first, "out/agent.cdx.json"))) as Sbom, first);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

interface Sbom {
  readonly bomFormat: string;
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    readonly licenses: readonly unknown[];
    readonly hashes: readonly { readonly content: string }[];
  }[];
}

/** Its packages are those of deno.lock, with its sums; what only tests use is not inside. */
function checkSbom({ bomFormat, components }: Sbom, root: string): void {
  equal(bomFormat, "CycloneDX");
  const lock = JSON.parse(Deno.readTextFileSync(join(root, "deno.lock"))) as {
    readonly npm: Readonly<Record<string, { readonly integrity: string }>>;
  };
  const names = components.map(({ name }) => name);
  for (const name of ["commander", "yaml", "zod", "@logtape/logtape"]) ok(names.includes(name), name);
  ok(!names.includes("@peculiar/x509"), "an oracle of tests is not in the product");
  const runtimes = Object.values(targets).map(({ runtimePackage }) => runtimePackage);
  deepEqual(names.slice(0, runtimes.length).sort(), [...runtimes].sort());
  for (const { name, version, purl, licenses, hashes } of components.slice(runtimes.length)) {
    const { integrity } = lock.npm[`${name}@${version}`]!;
    equal(`sha512-${Uint8Array.fromHex(hashes[0]!.content).toBase64()}`, integrity, name);
    equal(licenses.length, 1, name);
    equal(purl, `pkg:npm/${name.replace("@", "%40")}@${version}`);
  }
}

Deno.test({
  name: "build takes the base runtime that is named for a target, and refuses one of another machine",
  ...buildable,
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "build" });
    try {
      const [other] = Object.values(targets).filter(({ name }) => name !== target!.name);
      const named = join(folder, `denort-${target!.triple}`);
      const compile = (of: string, env: Readonly<Record<string, string>>): Promise<Outcome> =>
        build(projectRoot, ["--target", of, "--packing", "compiled", "--output", join(folder, "out")], env);
      const refusals: readonly (readonly [of: string, key: string, value: string, reason: string])[] = [
        [other!.name, `DENORT_BIN_${other!.name}`, Deno.execPath(), "is not a program of that machine"],
        [target!.name, `DENORT_BIN_${target!.name}`, named, "is not there"],
        [target!.name, "DENORT_BIN", named, "is not there"],
        [target!.name, "DENORT_BIN", Deno.execPath(), "is deno, not its base runtime"],
        [target!.name, "DENORT_BIN", folder, `${named}" is not there`],
        [other!.name, "DENORT_BIN", folder, `denort-${other!.triple}" is not there`],
      ];
      for (const [of, key, value, reason] of refusals) {
        const { code, output } = await compile(of, { [key]: value });
        equal(code, 1, `${of} with ${key}=${value}`);
        ok(output.includes(reason), output);
      }
      // Deno takes any ELF file of this machine, reads it and writes behind it: what is no base runtime shows when it is started.
      Deno.copyFileSync("/bin/true", named);
      const { output } = await compile(target!.name, { DENORT_BIN: folder });
      match(output, /what the base runtime made of it is not the agent \(exit code 0\)/);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

Deno.test("the pinned Deno is the same one wherever it is named", () => {
  for (const name of ["README.md"]) {
    const versions = [...Deno.readTextFileSync(join(projectRoot, name)).matchAll(/deno@(\d[\d.]*\d)/g)];
    ok(versions.length > 0, name);
    for (const [, version] of versions) equal(version, denoVersion, name);
  }
});
