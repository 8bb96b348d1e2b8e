/** What the packed files are made of, as a CycloneDX 1.6 document (ECMA-424): one for all targets. */
import { denoVersion, type Target } from "../../targets/mod.ts";
import type { PackedPackage } from "./packages.ts";

/** Name of the document beside the packed files. */
export const sbomName = "agent.cdx.json";

/** The document as text, with neither a time nor a random number in it: the same input gives the same bytes. */
export function encodeSbom(version: string, packages: readonly PackedPackage[], targets: readonly Target[]): string {
  const agent = `agent@${version}`;
  const runtimes = targets.map((target) => ({
    type: "platform",
    "bom-ref": `${target.runtimePackage}@${denoVersion}`,
    name: target.runtimePackage,
    version: denoVersion,
    description: `The deno executable for ${target.triple}; the hash is the executable's`,
    licenses: [licence("MIT")],
    purl: purl(target.runtimePackage, denoVersion),
    hashes: [{ alg: "SHA-256", content: target.runtimeSha256 }],
  }));
  const libraries = packages.map((one) => ({
    type: "library",
    "bom-ref": refOf(one),
    name: one.name,
    version: one.version,
    licenses: [licence(one.licence)],
    purl: purl(one.name, one.version),
    hashes: [{ alg: "SHA-512", content: hexOf(one.integrity) }],
  }));
  const document = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: { type: "application", "bom-ref": agent, name: "agent", version, licenses: [licence("Apache-2.0")] },
    },
    components: [...runtimes, ...libraries],
    dependencies: [
      { ref: agent, dependsOn: [...runtimes, ...libraries].map((one) => one["bom-ref"]) },
      ...packages.map((one) => ({ ref: refOf(one), dependsOn: [...one.dependencies].sort() })),
    ],
  };
  return JSON.stringify(document, null, 2) + "\n";
}

function refOf({ name, version }: PackedPackage): string {
  return `${name}@${version}`;
}

/** An identifier, or an expression of several. */
function licence(text: string): unknown {
  return /^[A-Za-z0-9.+-]+$/.test(text) ? { license: { id: text } } : { expression: text };
}

/** Package URL of an npm package: the `@` of a scope is written as `%40`. */
function purl(name: string, version: string): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function hexOf(integrity: string): string {
  const match = /^sha512-(.+)$/.exec(integrity);
  if (match === null) throw new Error(`Cannot write the list of packages: "${integrity}" is not a SHA-512`);
  return Uint8Array.fromBase64(match[1]!).toHex();
}
