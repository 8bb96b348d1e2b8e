/** The packed agent, for tests in places where neither Deno nor this checkout can be reached. */
import { join } from "node:path";
import { projectRoot } from "../../scripts/graph.ts";
import { filesBelow } from "../../scripts/program.ts";
import { ownTarget } from "../../targets/mod.ts";
import { runProgram } from "./process.ts";

/** Path of the file: `AGENT_BIN`, or `dist/` where that is newer than the source, or one that is built now (some 10 s). */
export async function packedAgent(folder: string): Promise<string> {
  const named = Deno.env.get("AGENT_BIN");
  if (named !== undefined && named !== "") return Deno.realPathSync(named);
  const name = `agent-${ownTarget()!.name}`;
  const there = join(projectRoot, "dist", name);
  if (isNewerThanSource(there)) return there;
  const words = ["run", "-A", "--quiet", join(projectRoot, "scripts/build.ts"), "--output", folder];
  await runProgram(Deno.execPath(), [...words, "--packing", "self-extracting"], { cwd: projectRoot });
  return join(folder, name);
}

function isNewerThanSource(path: string): boolean {
  const timeOf = (one: string): number => Deno.statSync(one).mtime?.getTime() ?? 0;
  try {
    const builtMs = timeOf(path);
    const sources = filesBelow(join(projectRoot, "src"), (one) => one.endsWith(".ts"));
    return sources.every((one) => timeOf(one) < builtMs);
  } catch {
    return false;
  }
}
