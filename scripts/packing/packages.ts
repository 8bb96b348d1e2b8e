/** The npm packages that are inside the program: those that `main.ts` reaches, with what they say of themselves. */
import { join } from "node:path";
import { runProgram } from "../program.ts";

/** A package in the packed file. */
export interface PackedPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX identifier or expression, as its package.json has it. */
  readonly licence: string;
  /** `sha512-BASE64` of its archive, from deno.lock. */
  readonly integrity: string;
  /** `name@version` of the packages that it asks for. */
  readonly dependencies: readonly string[];
  /** Text of its licence file; undefined where it has none. */
  readonly licenceText: string | undefined;
}

interface Graph {
  readonly modules: readonly { readonly npmPackage?: string }[];
  readonly npmPackages: Readonly<
    Record<string, {
      readonly name: string;
      readonly version: string;
      readonly dependencies: readonly string[];
      readonly localPath: string;
    }>
  >;
}

/**
 * Packages of the project at `root`, by name and version.
 * @throws when the graph cannot be read, or a package tells no licence: nobody may ship what nobody may copy
 */
export async function readPackedPackages(root: string): Promise<readonly PackedPackage[]> {
  const { code, stdout, output } = await runProgram(Deno.execPath(), ["info", "--json", "main.ts"], { cwd: root });
  if (code !== 0) throw new Error(`Cannot read the packages of "main.ts": deno info failed\n${output}`);
  const graph = JSON.parse(stdout) as Graph;
  const lock = JSON.parse(Deno.readTextFileSync(join(root, "deno.lock"))) as {
    readonly npm: Readonly<Record<string, { readonly integrity: string }>>;
  };
  return [...reached(graph)].sort().map((key) => {
    const { name, version, dependencies, localPath } = graph.npmPackages[key]!;
    const integrity = lock.npm[key]?.integrity;
    if (integrity === undefined) throw new Error(`Cannot tell the checksum of "${key}": deno.lock does not have it`);
    const licence = licenceOf(key, localPath);
    return { name, version, licence, integrity, dependencies, licenceText: licenceTextOf(localPath) };
  });
}

/** Modules name packages, and packages others; what only tests import is in neither. */
function reached({ modules, npmPackages }: Graph): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (key: string): void => {
    if (found.has(key) || npmPackages[key] === undefined) return;
    found.add(key);
    for (const one of npmPackages[key].dependencies) visit(one);
  };
  for (const { npmPackage } of modules) if (npmPackage !== undefined) visit(npmPackage);
  return found;
}

function licenceOf(key: string, folder: string): string {
  const { license } = JSON.parse(Deno.readTextFileSync(join(folder, "package.json"))) as { license?: unknown };
  if (typeof license === "string" && license !== "" && license !== "UNLICENSED") return license;
  throw new Error(`Cannot tell the licence of "${key}": its package.json has none\nTry: another package`);
}

function licenceTextOf(folder: string): string | undefined {
  const names = [...Deno.readDirSync(folder)].filter(({ name, isFile }) => isFile && /^licen[cs]e/i.test(name));
  const [first] = names.map(({ name }) => name).sort();
  return first === undefined ? undefined : Deno.readTextFileSync(join(folder, first));
}
