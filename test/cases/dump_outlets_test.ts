/** A dump is made whatever becomes of its words, and nothing of it stays behind: neither files nor processes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { assertAllEnd, inPlace } from "../peers/dump_place.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { runProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

Deno.test({
  name: "agent dump is made when nobody reads its stdout, and when stdout is a full disk",
  ...needs("sh", "head", "tar"),
  fn: () =>
    inPlace(async (place) => {
      const { command, args } = agentCommand(["dump", "--only", "system/*"]);
      const line = [command, ...args].map((word) => `'${word}'`).join(" ");
      for (const [name, end] of [["closed", "| head -n 1; true"], ["full", ">/dev/full; test $? = 0"]] as const) {
        const words = ["-c", `${line} -o ${name}.tar.gz ${end}`];
        await runProgram("sh", words, { cwd: place.folder });
        await waitFor(() => place.names().includes(`${name}.tar.gz`), `the dump with stdout ${name}`);
        using dump = await OpenedDump.open(join(place.folder, `${name}.tar.gz`));
        dump.judge();
      }
    }),
});

Deno.test("agent dump removes what a killed one with any name has left in the folder of its output", () =>
  inPlace(async (place) => {
    const hang = place.script("hang", "sleep 1000");
    await using killed = place.start(["--only", "command/*", "--command", `hang=${hang}`, "-o", "evidence.tgz"]);
    await waitFor(() => place.names().some((name) => name.endsWith(".partial")), "the unfinished file");
    await killed.kill();
    assert.equal(place.names().length, 1);
    await place.run(["--only", "system/memory", "-o", "next.tgz"], 0);
    assert.deepEqual(place.names(), ["next.tgz"]);
  }));

Deno.test({
  name: "agent dump ends what a command has started in a session of its own",
  ...needs("setsid"),
  fn: () =>
    inPlace(async (place) => {
      const pids = join(place.folder, "pids");
      const hang = place.script("hang", `setsid sleep 1000 & echo $! >>${pids}; echo $$ >>${pids}; exec sleep 1000`);
      const words = ["--only", "command/*", "--command", `hang=${hang}`, "--timeout", "1s", "-o", "out.tar.gz"];
      await place.run(words, 3);
      await assertAllEnd(pids);
    }),
});
