/** Case: files are rotated several times, by rename and by copytruncate, while the agent is away; it finds every line. */
import { deepStrictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { judgeLines, newRun, perfect, writeNumberedLines } from "../peers/numbered_lines.ts";
import { runProgram } from "../peers/process.ts";

type Rotation = "rename" | "copytruncate";

const histories: readonly (readonly Rotation[])[] = [
  ["rename", "rename", "rename"],
  ["copytruncate", "copytruncate"],
  ["copytruncate", "copytruncate", "copytruncate"],
  ["rename", "copytruncate", "rename"],
];

for (const rotations of histories) {
  Deno.test(`agent ship reads what was written and rotated while it was away: ${rotations.join(", ")}`, async () => {
    const folder = Deno.makeTempDirSync();
    try {
      const run = newRun();
      const path = join(folder, "a.log");
      let lines = 0;
      const write = (): void => writeNumberedLines(path, run, lines, lines += 100);
      write();
      await shipOnce(folder);
      write();
      for (const rotation of rotations) {
        rotate(path, rotation);
        await new Promise((resolve) => setTimeout(resolve, 20)); // another modification time
        write();
      }
      await shipOnce(folder);
      // Order is kept within a content of a file; several of them are read in turn.
      deepStrictEqual({ ...judgeLines(join(folder, "out"), run, lines), outOfOrder: 0 }, perfect(lines));
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

/** A pattern that does not match the names that rotation gives. */
async function shipOnce(folder: string): Promise<void> {
  const words = ["--from", `file:${folder}/*.log`, "--to", `file:${folder}/out`, "--state", join(folder, "state")];
  const { command, args } = agentCommand(["ship", ...words, "--once"]);
  await runProgram(command, args);
}

function rotate(path: string, rotation: Rotation): void {
  for (let i = 9; i > 0; i--) {
    try {
      Deno.renameSync(`${path}.${i}`, `${path}.${i + 1}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  if (rotation === "rename") return Deno.renameSync(path, `${path}.1`);
  Deno.copyFileSync(path, `${path}.1`);
  Deno.truncateSync(path);
}
