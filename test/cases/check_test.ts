/** `agent check` as a person runs it: findings, exit codes, and nothing left behind. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { checkClock } from "../../src/commands/check/machine.ts";
import { agentCommand } from "../peers/agent.ts";
import { Pki, serverName } from "../peers/pki.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

interface Finding {
  readonly severity: string;
  readonly subject: string;
  readonly text: string;
  readonly advice?: string;
}

async function check(config: string, expectCode: number): Promise<readonly Finding[]> {
  const { command, args } = agentCommand(["check", "--json", "--config", config]);
  const { stdout } = await runProgram(command, args, { expectCode });
  return (JSON.parse(stdout) as { findings: readonly Finding[] }).findings;
}

/** The only finding about `subject` of this severity. */
function only(findings: readonly Finding[], severity: string, subject: string): string {
  const found = findings.filter((one) => one.severity === severity && one.subject === subject);
  strictEqual(found.length, 1, `${severity} ${subject} in ${JSON.stringify(findings, null, 1)}`);
  if (severity !== "ok") ok((found[0]!.advice ?? "") !== "", "a finding says what to do");
  return found[0]!.text;
}

class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "check" });

  write(name: string, text: string): string {
    const path = join(this.path, name);
    Deno.writeTextFileSync(path, text);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

Deno.test({
  name: "agent check finds everything well with a collector over TLS, and leaves nothing behind",
  ...needs("openssl"),
  fn: async () => {
    using folder = new Folder();
    using pki = await Pki.make();
    const { command, args } = agentCommand([
      ...["collect", "--listen", "relps://127.0.0.1:0", "--to", join(folder.path, "logs")],
      ...[
        "--state",
        join(folder.path, "collector"),
        "--ca",
        pki.ca,
        "--cert",
        pki.server.cert,
        "--key",
        pki.server.key,
      ],
    ]);
    await using collector = RunningProgram.start(command, args);
    const [, port] = await collector.waitForOutput(/listening on 127\.0\.0\.1:(\d+)/);
    folder.write("a.log", "line\n");
    const config = folder.write(
      "agent.yaml",
      `state: ${folder.path}/state
sources: {files: {type: file, include: ["${folder.path}/*.log"]}}
sinks:
  loghost:
    type: relp
    target: localhost
    port: ${port}
    tls: {ca: ${pki.ca}, cert: ${pki.client.cert}, key: ${pki.client.key}, permittedPeer: [${serverName}]}
`,
    );
    const findings = await check(config, 0);
    deepStrictEqual(findings.filter(({ severity }) => severity === "error"), []);
    ok(only(findings, "ok", "sinks.loghost").includes("answers RELP over TLS"));
    ok(only(findings, "ok", "sinks.loghost.target").includes("127.0.0.1"));
    ok(only(findings, "ok", "sinks.loghost.tls.cert").includes("key matches"));
    ok(only(findings, "ok", "sources.files").includes("1 files can be read"));
    deepStrictEqual(
      [...Deno.readDirSync(folder.path)].map(({ name }) => name).filter((name) => name !== "collector").sort(),
      [
        "a.log",
        "agent.yaml",
        "logs",
      ],
    );
  },
});

Deno.test("agent check says what is wrong with names, ports, folders and patterns, and exits 1", async () => {
  using folder = new Folder();
  const file = folder.write("file", "");
  using held = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const heldPort = (held.addr as Deno.NetAddr).port;
  const config = folder.write(
    "agent.yaml",
    `state: ${file}/state
sources:
  none: {type: file, include: ["${folder.path}/none/*.log"]}
  held: {type: relp, listen: "127.0.0.1:${heldPort}"}
  open: {type: webhook, listen: "0.0.0.0:${freePort()}"}
sinks:
  nobody: {type: relp, target: 127.0.0.1, port: ${freePort()}}
  nameless: {type: relp, target: no-such-host.invalid, connectionTimeout: 5s}
  mute: {type: relp, target: 127.0.0.1, port: ${heldPort}, connectionTimeout: 300ms}
  files: {type: file, dir: ${file}/logs}
`,
  );
  const findings = await check(config, 1);
  ok(
    only(findings, "error", "state").includes("no file can be made") ||
      only(findings, "error", "state").includes("folder"),
  );
  ok(only(findings, "warning", "sources.none.include").includes("matches no file"));
  ok(only(findings, "warning", "sources.held").includes("is in use"));
  ok(only(findings, "error", "sources.open").includes("anybody could push"));
  ok(only(findings, "error", "sinks.nobody").includes("connection refused"));
  ok(only(findings, "error", "sinks.nameless.target").includes("has no address"));
  only(findings, "error", "sinks.mute");
  only(findings, "error", "sinks.files.dir");
});

Deno.test({
  name: "agent check judges certificates and keys before they are used",
  ...needs("openssl"),
  fn: async () => {
    using folder = new Folder();
    using pki = await Pki.make();
    const expired = await pki.issue("old", {
      commonName: "x",
      notBefore: "20200101000000Z",
      notAfter: "20210101000000Z",
    });
    const soon = new Date(Date.now() + 86_400_000).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
    const ending = await pki.issue("ending", { commonName: "x", notBefore: "20260801000000Z", notAfter: soon });
    const chained = await pki.issue("chained", { commonName: "x", intermediate: true });
    Deno.chmodSync(ending.key, 0o644);
    const tangled = folder.write(
      "tangled.crt",
      Deno.readTextFileSync(pki.client.cert) + Deno.readTextFileSync(pki.strangerCa),
    );
    const sinks = Object.entries({
      expired,
      ending,
      chained,
      mismatched: { cert: pki.client.cert, key: pki.server.key },
      tangled: { cert: tangled, key: pki.client.key },
    }).map(([name, { cert, key }]) =>
      `  ${name}: {type: relp, target: 127.0.0.1, port: ${freePort()}, tls: {cert: ${cert}, key: ${key}}}\n`
    );
    const config = folder.write(
      "agent.yaml",
      `state: ${folder.path}\nsources: {i: {type: stdin}}\nsinks:\n${sinks.join("")}`,
    );
    const findings = await check(config, 1);
    ok(only(findings, "error", "sinks.expired.tls").includes("expired on 2021-01-01"));
    ok(only(findings, "warning", "sinks.ending.tls.cert").includes("valid for"));
    ok(only(findings, "warning", "sinks.ending.tls.key").includes("can be read by others"));
    only(findings, "ok", "sinks.chained.tls.cert");
    ok(only(findings, "error", "sinks.mismatched.tls").includes("not the key of the certificate"));
    deepStrictEqual(findings.filter(({ subject }) => subject === "sinks.mismatched"), [], "one cause is one finding");
    ok(only(findings, "error", "sinks.tangled.tls.cert").includes("certificate 2"));
  },
});

Deno.test("agent check exits 2 for a configuration that cannot be read, with all lines", async () => {
  using folder = new Folder();
  const config = folder.write("agent.yaml", "sources: {a: {type: fil}}\nsinks: {o: {type: stdout, dri: x}}\n");
  const { command, args } = agentCommand(["check", "--config", config]);
  const { stderr } = await runProgram(command, args, { expectCode: 2 });
  deepStrictEqual(stderr.trimEnd().split("\n").map((line) => line.slice(config.length).split(": ").slice(0, 2)), [
    [":1", "sources.a.type"],
    [":2", "sinks.o.dri"],
  ]);
  strictEqual((await check(config, 2)).length, 2);
});

Deno.test("agent check --tests runs the tests of the rules alone", async () => {
  using folder = new Folder();
  const text = "sources: {i: {type: stdin}}\nsinks: {o: {type: stdout}}\nrules: [{severity: error}]\ntests:\n";
  const run = async (tests: string, expectCode: number): Promise<string> => {
    const { command, args } = agentCommand(["check", "--tests", "--config", folder.write("agent.yaml", text + tests)]);
    return (await runProgram(command, args, { expectCode })).stdout;
  };
  strictEqual(
    await run('  - {record: "<11>a: b", expect: ship}\n', 0),
    "ok      tests: 1 hold\n0 errors, 0 warnings\n",
  );
  ok((await run('  - {record: "<14>a: b", expect: ship}\n', 1)).includes("expected ship, got drop"));
});

Deno.test("agent check prints a schema for editors and a sample that it can read itself", async () => {
  using folder = new Folder();
  const print = async (option: string): Promise<string> => {
    const { command, args } = agentCommand(["check", option]);
    return (await runProgram(command, args)).stdout;
  };
  const schema = JSON.parse(await print("--schema")) as { $schema: string; properties: object };
  ok(schema.$schema.includes("json-schema.org") && "sinks" in schema.properties);
  const sample = (await print("--sample")).replace(
    /^ {4}target: loghost\.example\.net/m, // the one that is switched on
    `    target: 127.0.0.1\n    port: ${freePort()}`,
  );
  only(await check(folder.write("sample.yaml", sample), 1), "error", "sinks.loghost");
});

Deno.test("checkClock() finds a clock that is not set", () => {
  strictEqual(checkClock(0).severity, "error");
  strictEqual(checkClock(Date.parse("2026-12-01")).severity, "ok");
});
