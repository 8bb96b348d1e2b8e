/** Case: what a rule redacts is never on our disk as it was: not in the spool, not in dead letters, not after a kill. */
import { ok } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { textBelow } from "../peers/numbered_lines.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram } from "../peers/process.ts";

Deno.test("agent ship writes nothing of a secret to its state, with its sink away and killed in between", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "redacted" });
  try {
    const socket = join(folder, "log");
    const state = join(folder, "state");
    const config = join(folder, "agent.yaml");
    const sink = { type: "relp", target: "127.0.0.1", port: freePort(), resumeRetryCount: 1 };
    const redact = { presets: ["secrets"], patterns: ["customer-\\d+"] };
    const sources = { network: { type: "syslog", listen: `unix-stream:${socket}` } };
    Deno.writeTextFileSync(config, JSON.stringify({ state, sources, redact, sinks: { loghost: sink } }));
    for (let round = 0; round < 2; round++) {
      const { command, args } = agentCommand(["ship", "--config", config]);
      await using program = RunningProgram.start(command, args, { name: "agent ship" });
      await program.waitForOutput(/running: from/);
      {
        using peer = await Deno.connect({ transport: "unix", path: socket });
        const text = `<13>Nov 20 12:00:00 host app: round ${round}: password=hunter2 of customer-4711\n`;
        await peer.write(new TextEncoder().encode(text));
      }
      await program.waitUntil(() => textBelow(state).includes(`round ${round}: `), "the record on disk");
      await program.kill();
    }
    const kept = textBelow(state);
    ok(kept.includes("round 0: ") && kept.includes("round 1: "));
    for (const secret of ["hunter2", "customer-4711"]) ok(!kept.includes(secret), `"${secret}" is in ${state}`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
