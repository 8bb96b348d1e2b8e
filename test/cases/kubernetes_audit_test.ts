/**
 * Kubernetes audit events: from the API server's log or its webhook to one compressed file per namespace and hour, while
 * the log is rotated and the agent is killed. `AGENT_AUDIT_EVENTS=1000000` runs the large one in full.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { request } from "node:https";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { auditEvent, type AuditPlan, writeAuditEvents } from "../peers/audit_events.ts";
import { judgeSlices, perfectSlices } from "../peers/audit_slices.ts";
import { sizeBelow } from "../peers/numbered_lines.ts";
import { Pki, serverName } from "../peers/pki.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

const startMs = Date.UTC(2026, 10, 20, 18);
const slicePath = "{objectRef.namespace|none}/audit-%Y%m%d%H.log.gz";

/** A folder with an agent in it, which keeps its state over `kill` and `start`. */
class Bench implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "kubeaudit" });
  readonly out = join(this.folder, "out");
  program: RunningProgram | undefined;

  start(source: object, sink: object = {}, words: readonly string[] = []): RunningProgram {
    const path = join(this.folder, "agent.yaml");
    const archive = { type: "file", dir: this.out, path: slicePath, resumeInterval: "50ms", ...sink };
    const sources = { apiserver: { type: "kubernetesAudit", ...source } };
    Deno.writeTextFileSync(path, JSON.stringify({ state: join(this.folder, "state"), sources, sinks: { archive } }));
    const { command, args } = agentCommand(["ship", "--config", path, ...words]);
    return this.program = RunningProgram.start(command, args, { name: "agent ship" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("agent ship writes audit events to their namespace's hour, once each, through rotations and ten kills", async () => {
  const events = Number(Deno.env.get("AGENT_AUDIT_EVENTS") ?? 100_000);
  const plan: AuditPlan = { events, hours: 5, startMs };
  await using bench = new Bench();
  const live = join(bench.folder, "audit.log");
  const source = { include: [live] };
  const sink = { flushInterval: "50ms" };
  bench.start(source, sink);
  for (let part = 0; part < 10; part++) {
    // The API server's logger renames its file and makes a new one.
    if (part % 3 === 2) Deno.renameSync(live, join(bench.folder, `audit-2026-11-20T19-0${part}-00.000.log`));
    using file = Deno.openSync(live, { append: true, create: true });
    const before = sizeBelow(bench.out);
    writeAuditEvents(file, part * events / 10, (part + 1) * events / 10, plan);
    await bench.program!.waitUntil(() => sizeBelow(bench.out) > before, `progress before kill ${part + 1}`, 60_000);
    await bench.program!.kill();
    bench.start(source, sink);
  }
  await bench.program!.kill();
  const last = bench.start(source, sink, ["--once"]);
  strictEqual((await last.waitForExit(300_000)).code, 0, last.stderr);
  deepStrictEqual(judgeSlices(bench.out, plan), perfectSlices(plan));
});

Deno.test({
  name: "agent ship takes the lists of the webhook backend over TLS, and leaves out what is posted again",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    const plan: AuditPlan = { events: 1_200, hours: 2, startMs };
    await using bench = new Bench();
    const port = freePort();
    const tls = { enabled: true, ca: pki.ca, cert: pki.server.cert, key: pki.server.key };
    const program = bench.start({ listen: `127.0.0.1:${port}`, path: "/audit", tls });
    await program.waitForOutput(/listening on .*\(TLS\)/);
    const post = (body: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const options = {
          host: "127.0.0.1",
          port,
          path: "/audit?timeout=30s",
          method: "POST",
          servername: serverName,
          ca: Deno.readTextFileSync(pki.ca),
          cert: Deno.readTextFileSync(pki.client.cert),
          key: Deno.readTextFileSync(pki.client.key),
          headers: { "content-type": "application/json" },
        };
        request(options, (answer) => answer.resume().on("end", () => resolve(answer.statusCode ?? 0)))
          .on("error", reject).end(body);
      });
    const list = (from: number): string => {
      const items = Array.from({ length: 400 }, (_, i) => auditEvent(from + i, plan));
      return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${items.join(",\n ")}]}\n`;
    };
    for (const from of [0, 400, 400, 800, 0]) strictEqual(await post(list(from)), 200);
    strictEqual(await post(`{"kind":"EventList","metadata":{},"items":null}`), 200);
    strictEqual(await post(`{"kind":"EventList","items":[`), 400);
    await waitFor(() => {
      try {
        return judgeSlices(bench.out, plan).lost === 0;
      } catch {
        return false; // there is no folder yet, or a member is being written
      }
    }, "all events");
    deepStrictEqual(judgeSlices(bench.out, plan), perfectSlices(plan));
    program.signal("SIGTERM");
    await program.waitForExit();
    match(program.stderr, /dropped for duplicate: 800 records/);
  },
});

Deno.test("agent check --sample kubernetes-audit prints a policy that check finds nothing in, and others it warns of", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const run = async (words: readonly string[], expectCode = 0): Promise<string> => {
      const { command, args } = agentCommand(words);
      return (await runProgram(command, args, { expectCode })).stdout;
    };
    const [policyFile, config] = [join(folder, "policy.yaml"), join(folder, "agent.yaml")];
    const sources = { apiserver: { type: "kubernetesAudit", include: [join(folder, "*.log")], policyFile } };
    Deno.writeTextFileSync(config, JSON.stringify({ state: folder, sources, sinks: { o: { type: "stdout" } } }));
    Deno.writeTextFileSync(policyFile, await run(["check", "--sample", "kubernetes-audit"]));
    match(await run(["check", "--config", config]), /ok +sources\.apiserver\.policyFile: .*keeps secrets out/);
    const rules = `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Request\n  resources: [{group: ""}]\n`;
    Deno.writeTextFileSync(policyFile, rules);
    match(
      await run(["check", "--config", config]),
      /warning sources\.apiserver\.policyFile: rule 1 .* values of Secrets/,
    );
    Deno.writeTextFileSync(policyFile, "kind: Pod\n");
    match(await run(["check", "--config", config], 1), /error +sources\.apiserver\.policyFile: .*no audit policy/);
    ok((await run(["check", "--sample"])).includes("#kubernetesAudit:"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
