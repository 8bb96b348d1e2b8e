/** The `deno` executable that a self-extracting file carries: the one that runs this, a kept one, or the pinned one of npm. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { unpackTar } from "modern-tar";
import { denoVersion, type Target } from "../../targets/mod.ts";
import { runProgram, withTemporaryFolder } from "../program.ts";

/**
 * Bytes of the pinned runtime for `target`; whatever the way it came, its SHA-256 is the one that the target names.
 * @throws when npm cannot deliver it, or delivers something else
 */
export async function readRuntime(target: Target): Promise<Uint8Array> {
  const kept = join(cacheFolder(), `deno-${denoVersion}-${target.name}`);
  const here = target.triple === Deno.build.target ? [Deno.execPath()] : [];
  for (const path of [...here, kept]) {
    const bytes = readIfThere(path);
    if (bytes !== undefined && sha256Hex(bytes) === target.runtimeSha256) return bytes;
  }
  const bytes = await fetchFromNpm(target);
  keep(kept, bytes);
  return bytes;
}

/** SHA-256 of `bytes` as 64 hexadecimal digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function fetchFromNpm(target: Target): Promise<Uint8Array> {
  const what = `${target.runtimePackage}@${denoVersion}`;
  return withTemporaryFolder("agent-runtime-", async (folder) => {
    const outcome = await runProgram("npm", ["pack", "--silent", "--pack-destination", folder, what], {
      deadlineMs: fetchDeadlineMs,
    });
    const archive = [...Deno.readDirSync(folder)].find((entry) => entry.name.endsWith(".tgz"));
    if (outcome.code !== 0 || archive === undefined) {
      throw new Error(
        `Cannot fetch runtime "${what}": npm pack failed\n${outcome.output}Try: check npm's registry setting`,
      );
    }
    const entries = await unpackTar(gunzipSync(Deno.readFileSync(join(folder, archive.name))));
    const bytes = entries.find((entry) => entry.header.name === "package/deno")?.data;
    if (bytes !== undefined && sha256Hex(bytes) === target.runtimeSha256) return bytes;
    throw new Error(`Cannot use runtime "${what}": its SHA-256 is not the one in targets/${target.name}/target.ts`);
  });
}

/** Keeps the runtime for the next build. A cache that cannot be written to costs time only. */
function keep(path: string, bytes: Uint8Array): void {
  try {
    Deno.mkdirSync(cacheFolder(), { recursive: true });
    const temporary = Deno.makeTempFileSync({ dir: cacheFolder() });
    Deno.writeFileSync(temporary, bytes);
    Deno.renameSync(temporary, path);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}

function cacheFolder(): string {
  const base = Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "/tmp", ".cache");
  return join(base, "agent-build");
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
}

const fetchDeadlineMs = 300_000;
