/** The agent as it is released, for a machine that has nothing else. */
import { join } from "node:path";
import { projectRoot } from "../../scripts/graph.ts";
import { runProgram } from "../peers/process.ts";

/** Builds it for `target` into `folder`. @returns its path */
export async function packedAgent(target: string, folder: string): Promise<string> {
  const words = ["run", "-A", "--quiet", "scripts/build.ts", "--target", target, "--packing", "self-extracting"];
  await runProgram(Deno.execPath(), [...words, "--output", folder], { cwd: projectRoot });
  return join(folder, `agent-${target}`);
}
