/** The `exec` sink with real commands that hold, die, stall and lie. */
import { ok, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { batchOfLines, type Origin } from "../../src/pipeline/batch.ts";
import type { Sink } from "../../src/pipeline/sink.ts";
import { openExecSink } from "../../src/sinks/exec.ts";
import { waitFor } from "../peers/process.ts";

const origin: Origin = { source: "t", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 0 };
const never = new AbortController().signal;

/** Prints the count after each line, as the contract says. */
const counting = (path: string): string =>
  `n=0; while IFS= read -r line; do echo "$line" >> ${path}; n=$((n+1)); echo $n; done`;

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `line ${from + i}`);
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "exec" });
  try {
    await run(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("openExecSink() gives every line to the command and its input an end", () =>
  inFolder(async (folder) => {
    const path = join(folder, "out");
    const said: string[] = [];
    {
      const command = `echo ready >&2; cat > ${path}; echo done >> ${path}`;
      await using sink = openExecSink({ id: "s", command, acknowledge: false, report: (line) => said.push(line) });
      await Promise.all([0, 1_000, 2_000].map((n) => sink.send(batchOfLines(numbered(n, n + 1_000), origin), never)));
    }
    strictEqual(Deno.readTextFileSync(path), numbered(0, 3_000).join("\n") + "\ndone\n");
    strictEqual(said.join(), "ready");
  }));

Deno.test("openExecSink() counts as delivered only what the command acknowledged, and starts a dead one again", () =>
  inFolder(async (folder) => {
    const path = join(folder, "out");
    // The first run holds three lines and dies; the next one takes what is left.
    const command = `if [ ! -e ${folder}/died ]; then touch ${folder}/died; ` +
      `for n in 1 2 3; do read -r line; echo "$line" >> ${path}; echo $n; done; exit 7; fi; ${counting(path)}`;
    await using sink = openExecSink({ id: "s", command, acknowledge: true });
    const first = sink.send(batchOfLines(numbered(0, 2), origin), never);
    const second = sink.send(batchOfLines(numbered(2, 6), origin), never);
    const failed = rejects(second, /exit code 7/);
    await first;
    await failed;
    await rejects(sink.send(batchOfLines(["early"], origin), never), /exit code 7/);
    sink.reset();
    await sink.send(batchOfLines(numbered(2, 6), origin), never);
    strictEqual(Deno.readTextFileSync(path), [...numbered(0, 3), ...numbered(2, 6)].join("\n") + "\n");
  }));

Deno.test("openExecSink() ends a command that says more than it was given, and one that takes nothing", async () => {
  await using liar: Sink = openExecSink({ id: "s", command: "read -r line; echo 5; sleep 60", acknowledge: true });
  await rejects(liar.send(batchOfLines(["a"], origin), never), /acknowledges "5" where 1 lines were given, 0 held/);
  await using stuck: Sink = openExecSink({ id: "s", command: "sleep 60", acknowledge: false, timeoutMs: 300 });
  await rejects(stuck.send(batchOfLines(["x".repeat(1_000_000)], origin), never), /it took nothing for 300 ms/);
});

Deno.test("openExecSink() ends what the command started, also what ignores SIGTERM", () =>
  inFolder(async (folder) => {
    const path = join(folder, "pid");
    const command = `trap '' TERM; sleep 300 & echo $! > ${path}; cat > /dev/null; wait`;
    {
      await using sink = openExecSink({ id: "s", command, acknowledge: false });
      await sink.send(batchOfLines(["a"], origin), never);
      await waitFor(() => /\n$/.test(readIfThere(path)), "the id of the grandchild"); // the command may begin later
      ok(isAlive(Number(Deno.readTextFileSync(path))));
    }
    await waitFor(() => !isAlive(Number(Deno.readTextFileSync(path))), "the end of the grandchild");
  }));

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}
