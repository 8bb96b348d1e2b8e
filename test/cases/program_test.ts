/** The runner of scripts and tests: it must end, whatever the program and its children do. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { filesBelow, inParallel, runProgram } from "../../scripts/program.ts";
import { waitFor } from "../peers/process.ts";
import { findProgram, onlyIf } from "../peers/skip.ts";

/** Waits until a process does not run: a killed one ends when its turn comes, and stays until its new parent asks. */
async function untilGone(pid: number): Promise<void> {
  ok(pid > 0, "its id was printed");
  await waitFor(async () => {
    const { output } = await runProgram("ps", ["-o", "stat=", "-p", `${pid}`]);
    return output.trim() === "" || output.startsWith("Z");
  }, `the end of process ${pid}`);
}

Deno.test("runProgram() gives code, both outputs in one, and stdout alone", async () => {
  const outcome = await runProgram("sh", ["-c", "echo answer; echo remark >&2; exit 7"]);
  // A reader that is slow finds both at once: in which order the pipes are asked is then open.
  deepEqual([outcome.code, outcome.output.split("\n").sort(), outcome.stdout], [
    7,
    ["", "answer", "remark"],
    "answer\n",
  ]);
  deepEqual([outcome.timedOut, outcome.leftovers], [false, false]);
});

Deno.test("runProgram() ends a program and its grandchildren at the deadline", async () => {
  const outcome = await runProgram("sh", ["-c", "sleep 600 & echo $!; wait"], { deadlineMs: 2_000 });
  equal(outcome.timedOut, true);
  await untilGone(Number(outcome.stdout));
});

Deno.test("runProgram() ends what a program leaves behind, and says so", async () => {
  const outcome = await runProgram("sh", ["-c", "sleep 600 & echo $!"]);
  deepEqual([outcome.code, outcome.leftovers, outcome.timedOut], [0, true, false]);
  await untilGone(Number(outcome.stdout));
});

Deno.test({
  name: "runProgram() does not wait for a pipe that somebody in another group holds",
  ...onlyIf(findProgram("setsid") !== undefined, '"setsid" is not installed'),
  fn: async () => {
    const left = 'while [ "$(ps -o pgid= -p $!)" -eq $$ ]; do :; done'; // our group, which is ended
    const outcome = await runProgram("sh", ["-c", `setsid sleep 600 & ${left}; echo $!`]);
    equal(outcome.leftovers, true);
    Deno.kill(Number(outcome.stdout), "SIGKILL");
  },
});

Deno.test("inParallel() keeps the order of results and the width", async () => {
  let [running, most] = [0, 0];
  const results = await inParallel([30, 1, 20, 2], 2, async (ms) => {
    most = Math.max(most, ++running);
    await new Promise((done) => setTimeout(done, ms));
    running--;
    return ms;
  });
  deepEqual([results, most], [[30, 1, 20, 2], 2]);
});

Deno.test("filesBelow() finds nothing where there is no folder", () => {
  deepEqual(filesBelow("/nonexistent/folder", () => true), []);
});
