/** `agent check --from-rsyslog`: what it prints is a configuration that the agent takes, and that does what rsyslog's did. */
import { deepStrictEqual, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { agentCommand } from "../peers/agent.ts";
import { runProgram } from "../peers/process.ts";
import { startRelpServer } from "../peers/rsyslog.ts";
import { needs } from "../peers/skip.ts";

async function translated(config: string, expectCode = 0): Promise<{ stdout: string; stderr: string }> {
  const { command, args } = agentCommand(["check", "--from-rsyslog", config]);
  return await runProgram(command, args, { expectCode });
}

Deno.test({
  name: "a forwarding configuration that rsyslog accepts ships the same records when the agent runs its translation",
  ...needs("rsyslogd"),
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "from_rsyslog" });
    try {
      await using server = await startRelpServer({ direct: true });
      const input = join(folder, "app.log");
      const lines = ["begin 1", "noise 2", "cost 3 $", "done 4"];
      Deno.writeTextFileSync(input, lines.map((line) => line + "\n").join(""));
      Deno.mkdirSync(join(folder, "conf.d"));
      Deno.writeTextFileSync(
        join(folder, "rsyslog.conf"),
        `global(workDirectory="${folder}")\nmodule(load="imfile")\nmodule(load="omrelp")\n$IncludeConfig ${folder}/conf.d/*.conf\n`,
      );
      Deno.writeTextFileSync(
        join(folder, "conf.d", "50-out.conf"),
        `input(type="imfile" file="${input}" tag="app:" severity="info" facility="local1")
if re_match($msg, "^(begin|noise|cost)") == 1 and re_match($msg, "noise|[\\$]x") == 0 then {
  action(type="omrelp" target="127.0.0.1" port="${server.port}" action.resumeRetryCount="-1")
}\n`,
      );
      const config = join(folder, "rsyslog.conf");
      await runProgram("rsyslogd", ["-N1", "-f", config]);
      const { stdout, stderr } = await translated(config);
      ok(!stderr.includes("correction"), stderr);
      Deno.writeTextFileSync(join(folder, "agent.yaml"), stdout + `state: ${folder}/state\n`);
      const { command, args } = agentCommand(["ship", "--once", "--config", join(folder, "agent.yaml")]);
      await runProgram(command, args);
      await server.waitForLines(2);
      const messages = Deno.readTextFileSync(server.output).trim().split("\n").map((line) =>
        line.replace(/^.*app:? /, "")
      );
      deepStrictEqual(messages, ["begin 1", "cost 3 $"]);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

Deno.test("a configuration that forwards nothing is refused with what was looked for", async () => {
  const path = Deno.makeTempFileSync({ suffix: ".conf" });
  try {
    Deno.writeTextFileSync(path, "*.*;auth,authpriv.none  -/var/log/syslog\n*.emerg :omusrmsg:*\n");
    const { stdout, stderr } = await translated(path, 1);
    deepStrictEqual(stdout, "");
    match(stderr, /2 actions that write on this machine/);
    match(stderr, /nothing in it forwards messages/);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("the configuration that Gardener renders for a node is translated whole, with the names of its cluster", async () => {
  const path = fileURLToPath(new URL("../data/gardener/60-audit.conf", import.meta.url));
  const { stdout, stderr } = await translated(path);
  for (
    const wanted of [
      "metadata:\n  project: foo\n  shoot: bar\n  uid: 6f9d\n",
      "listen: unix:/run/systemd/journal/syslog",
      "template: gardener",
      "resumeRetryCount: 10",
      "  - programs:\n      - kubelet\n    message:\n      regex: foo\\d+\n      exclude: bar\n",
      "permittedPeer:\n        - rsyslog-server\n",
    ]
  ) ok(stdout.includes(wanted), `${wanted}\n${stdout}`);
  deepStrictEqual(stderr.trim().split("\n").length, 2, stderr); // omprog and impstats: said, not passed over
});
