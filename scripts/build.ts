/**
 * `deno task build [--target x86_64|aarch64|all] [--packing compiled|self-extracting|auto] [--output FOLDER]`
 *
 * Writes `dist/agent-<target>`, `dist/agent.cdx.json` (what is inside, with licences) and `dist/SHA256SUMS`. `auto` compiles, and where Deno's base runtime cannot be had it says so
 * and packs the same program as a self-extracting file.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import project from "../deno.json" with { type: "json" };
import { formatDuration, formatSize } from "../src/formats/duration.ts";
import { denoVersion, ownTarget, type Target, targets } from "../targets/mod.ts";
import { bundleProgram } from "./packing/bundle.ts";
import { baseRuntimeOf, compileProgram, NoBaseRuntime } from "./packing/compiled.ts";
import { readPackedPackages } from "./packing/packages.ts";
import { sha256Hex } from "./packing/runtime.ts";
import { encodeSbom, sbomName } from "./packing/sbom.ts";
import { type PackedSize, packSelfExtracting } from "./packing/self_extracting.ts";
import { endProgramsOnSignal, say, withTemporaryFolder } from "./program.ts";

type Packing = "compiled" | "self-extracting" | "auto";

const root = fileURLToPath(new URL("..", import.meta.url));

async function build(wanted: readonly Target[], packing: Packing, folder: string): Promise<void> {
  if (Deno.version.deno !== denoVersion) {
    throw new Error(
      `Cannot build with deno "${Deno.version.deno}": the project is pinned to ${denoVersion}\n` +
        `Try: npx -y deno@${denoVersion} task build`,
    );
  }
  if (packing !== "self-extracting") wanted.forEach(baseRuntimeOf); // what is wrong with one is said at once
  Deno.mkdirSync(folder, { recursive: true });
  await withTemporaryFolder("agent-bundle-", async (bundle) => {
    const chunks = await bundleProgram(root, bundle);
    for (const target of wanted) await buildFor(target, packing, bundle, chunks, join(folder, `agent-${target.name}`));
  });
  const packages = await readPackedPackages(root);
  Deno.writeTextFileSync(join(folder, sbomName), encodeSbom(project.version, packages, Object.values(targets)));
  writeSums(folder);
}

async function buildFor(
  target: Target,
  packing: Packing,
  bundle: string,
  chunks: readonly string[],
  output: string,
): Promise<void> {
  const beganMs = performance.now();
  const { size, packed } = await pack(target, packing, bundle, chunks, output);
  const budgetBytes = packed === "compiled" ? target.compiledBudgetBytes : target.packedBudgetBytes;
  const took = formatDuration(performance.now() - beganMs);
  say(
    `${output}: ${packed}, ${formatSize(size.fileBytes)} of ${formatSize(budgetBytes)} allowed, ${
      formatSize(size.unpackedBytes)
    } unpacked, ${took}`,
  );
  if (size.fileBytes > budgetBytes) {
    throw new Error(`Cannot keep "${output}": it is above its size budget\nTry: look at what the bundle gained`);
  }
}

async function pack(
  target: Target,
  packing: Packing,
  bundle: string,
  chunks: readonly string[],
  output: string,
): Promise<{ size: PackedSize; packed: string }> {
  if (packing !== "self-extracting") {
    try {
      await compileProgram(target, bundle, output);
      const fileBytes = Deno.statSync(output).size;
      return { size: { fileBytes, unpackedBytes: fileBytes }, packed: "compiled" };
    } catch (error) {
      if (!(error instanceof NoBaseRuntime) || packing === "compiled") throw error;
      say(`${error.message.split("\n")[0]}: packing self-extracting instead`);
    }
  }
  return { size: await packSelfExtracting(target, project.version, chunks, output), packed: "self-extracting" };
}

/** Sums of all built files in `folder`, in the format of sha256sum(1), so that `sha256sum -c` checks them. */
function writeSums(folder: string): void {
  const names = [...Deno.readDirSync(folder)].map((entry) => entry.name);
  const ours = [...Object.keys(targets).map((target) => `agent-${target}`), sbomName];
  const built = names.filter((name) => ours.includes(name)).sort();
  const lines = built.map((name) => `${sha256Hex(Deno.readFileSync(join(folder, name)))}  ${name}\n`);
  Deno.writeTextFileSync(join(folder, "SHA256SUMS"), lines.join(""));
}

function targetsNamed(name: string | undefined): readonly Target[] {
  if (name === "all") return Object.values(targets);
  const target = name === undefined ? ownTarget() : targets[name];
  if (target !== undefined) return [target];
  throw new Error(
    `Cannot build for "${name ?? Deno.build.target}": not a target\nTry: ${Object.keys(targets).join(", ")} or all`,
  );
}

function packingNamed(name: string): Packing {
  if (name === "compiled" || name === "self-extracting" || name === "auto") return name;
  throw new Error(`Cannot pack as "${name}": not a packing\nTry: compiled, self-extracting or auto`);
}

if (import.meta.main) {
  endProgramsOnSignal();
  try {
    const { values } = parseArgs({
      args: Deno.args,
      options: {
        target: { type: "string" },
        packing: { type: "string", default: "auto" },
        output: { type: "string", default: join(root, "dist") },
      },
    });
    await build(targetsNamed(values.target), packingNamed(values.packing), values.output);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
