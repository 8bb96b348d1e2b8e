/**
 * The packed agent where memory is scarce: its first start, the second, and shipping, in a control group of 96 MiB, the page
 * cache included, with a whole core and with a tenth of one.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { projectRoot } from "../../scripts/graph.ts";
import { filesBelow, runProgram } from "../../scripts/program.ts";
import { ownTarget } from "../../targets/mod.ts";
import { hasControlGroups, openControlGroup } from "../peers/cgroup.ts";
import { judgeLines, newRun, perfect, textBelow, writeNumberedLines } from "../peers/numbered_lines.ts";
import { RunningProgram } from "../peers/process.ts";
import { onlyIf } from "../peers/skip.ts";

const target = ownTarget();
const runnable = onlyIf(
  target !== undefined && hasControlGroups(),
  "no control groups with memory and cpu, or not root",
);

for (const cpuPercent of [100, 10]) {
  Deno.test({
    name: `the packed agent starts and ships in 96 MiB with ${cpuPercent} % of a core`,
    ...runnable,
    fn: async () => {
      const folder = Deno.makeTempDirSync({ prefix: "agent-small-" });
      const group = openControlGroup({ memoryBytes: 96 * 1024 ** 2, cpuPercent });
      try {
        const small = {
          enter: group.enter,
          packed: await packOnce(folder),
          env: { AGENT_CACHE: join(folder, "cache") },
        };
        for (let start = 1; start <= 2; start++) match(await agent(small, ["version"]), /^agent \d/);
        equal(filesBelow(join(folder, "cache"), (path) => path.endsWith("/deno")).length, 1, "it was unpacked here");
        await shipWaiting(small, folder);
        await shipAll(small, folder);
      } finally {
        group[Symbol.dispose]();
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

interface Small {
  readonly enter: readonly string[];
  readonly packed: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The packed file under a name of its own for what it unpacks, so that no copy from elsewhere on this machine is used. */
async function packOnce(folder: string): Promise<string> {
  const built = await runProgram(Deno.execPath(), [
    ...["run", "-A", "--quiet", "scripts/build.ts", "--packing", "self-extracting", "--output", folder],
  ], { cwd: projectRoot });
  equal(built.code, 0, built.output);
  const path = join(folder, `agent-${target!.name}`);
  const bytes = Deno.readFileSync(path);
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, 4096));
  const found = /^name=agent-.*-([0-9a-f]{16})$/m.exec(head);
  ok(found !== null, "the header names its copy");
  const at = found.index + found[0].length - found[1]!.length;
  bytes.set(new TextEncoder().encode(crypto.randomUUID().replaceAll("-", "").slice(0, 16)), at);
  Deno.writeFileSync(path, bytes);
  return path;
}

async function agent({ enter, packed, env }: Small, words: readonly string[]): Promise<string> {
  const [command, ...args] = [...enter, packed, ...words];
  const { code, output } = await runProgram(command!, args, { env, deadlineMs: 600_000 });
  equal(code, 0, `agent ${words.join(" ")}: ${output}`);
  return output;
}

/** It runs, reads a configuration file, and delivers what comes later. */
async function shipWaiting({ enter, packed, env }: Small, folder: string): Promise<void> {
  const [input, output, config] = [join(folder, "waiting.log"), join(folder, "waiting"), join(folder, "agent.yaml")];
  Deno.writeTextFileSync(input, "first\n");
  Deno.writeTextFileSync(
    config,
    `state: ${folder}/state\nsources: {in: {type: file, include: [${input}]}}\nsinks: {out: {type: file, dir: ${output}}}\n`,
  );
  const [command, ...args] = [...enter, packed, "ship", "--config", config];
  await using ship = RunningProgram.start(command!, args, { env, name: "ship" });
  await ship.waitUntil(() => linesBelow(output).includes("first"), "the first line", 120_000);
  Deno.writeTextFileSync(input, "later\n", { append: true });
  await ship.waitUntil(() => linesBelow(output).includes("later"), "the later line", 120_000);
}

/** Everything of a file arrives. */
async function shipAll(small: Small, folder: string): Promise<void> {
  const [input, output, run, lines] = [join(folder, "all.log"), join(folder, "all"), newRun(), 50_000];
  writeNumberedLines(input, run, 0, lines);
  await agent(small, [
    "ship",
    "--from",
    `file:${input}`,
    "--to",
    `file:${output}`,
    "--state",
    join(folder, "s"),
    "--once",
  ]);
  deepEqual(judgeLines(output, run, lines), perfect(lines));
}

function linesBelow(folder: string): readonly string[] {
  return textBelow(folder).split("\n").slice(0, -1);
}
