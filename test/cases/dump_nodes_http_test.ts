/** `agent dump --nodes http://…` against status servers that ask for nothing, as they are on loopback by default. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { inPlace, type Place } from "../peers/dump_place.ts";
import { OpenedDump } from "../peers/opened_dump.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

Deno.test({
  name: "agent dump takes what a status server without tokens gives, and keeps sealed what another one encrypts",
  ...needs("tar"),
  fn: () =>
    inPlace(async (place) => {
      const down = freePort();
      const recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"; // of age's own documentation
      Deno.writeTextFileSync(
        join(place.folder, "sealed.yaml"),
        `dump: {recipients: [${recipient}]}\nstate: ${place.folder}/state\nsources: {m: {type: stdin}}\nsinks: {s: {type: stdout}}\n`,
      );
      Deno.writeTextFileSync(
        join(place.folder, "open.yaml"),
        `state: ${place.folder}/state\nsources: {m: {type: stdin}}\nsinks: {s: {type: stdout}}\n`,
      );
      await using open = await serve(place, "open.yaml");
      await using sealed = await serve(place, "sealed.yaml");
      const nodes = [open.port, sealed.port, down].map((port) => `http://127.0.0.1:${port}`).join(",");
      const { stderr } = await place.run(["--nodes", nodes, "--profile", "speed", "-o", "out.tar.gz"], 3);
      using dump = await OpenedDump.open(join(place.folder, "out.tar.gz"));
      dump.judge();
      const [whole, kept, refused] = dump.report.nodes;
      assert.ok(whole!.failure === undefined && whole!.collectors.length > 10, stderr);
      assert.deepEqual(kept!.collectors.flatMap(({ artifacts }) => artifacts.map(({ path }) => path)), [
        "bundle.tar.gz.age",
      ]);
      assert.match(refused!.failure!, /ECONNREFUSED/);
    }),
});

async function serve(place: Place, config: string): Promise<{ port: number } & AsyncDisposable> {
  const port = freePort();
  const { command, args } = agentCommand(["serve", "--config", config, "--listen", `127.0.0.1:${port}`]);
  const program = RunningProgram.start(command, args, { cwd: place.folder, name: `agent serve ${config}` });
  await waitFor(() => program.stderr.includes("listening"), "the status server");
  return { port, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}
