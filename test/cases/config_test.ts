/** What the contract says of a configuration as a whole: its example, defaults, values from elsewhere. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { loadConfig } from "../../src/config/load.ts";
import { parseFrom, parseTo } from "../../src/config/quick.ts";
import type { FileSinkConfig, RelpSinkConfig, SinkConfig, SourceConfig } from "../../src/config/config.ts";
import { parts, problems, read, sink } from "../peers/parsed_config.ts";

Deno.test("parseConfig() reads every part of the contract's example that is built, with units", () => {
  const config = read(`
state: /var/lib/agent
hostname: router1
metadata: {project: garden-foo, uid: "6"}
certificate:
  url: https://loghost.example.net:19613/sign
  subject: C=GB,OU=devices,CN=\${hostname}
sources:
  console:  {type: tap, socket: /run/agent/tap.sock}
  messages: {type: file, include: [/var/log/*.log], exclude: [/var/log/*.gz], severity: err, facility: daemon}
rules:
  - {programs: [kubelet], severity: warning}
  - {severity: critical, message: {regex: "x+", exclude: y}, limit: {records: 5, per: 1m}}
redact: {presets: [secrets, mac], patterns: []}
sinks:
  loghost:
    type: relp
    target: loghost.example.net
    port: 2514
    tls: {enabled: true, authMode: name}
    timeout: 90s
    rebindInterval: 0
spool: {maxSize: 64MiB, whenFull: block}
status: {listen: "127.0.0.1:7514"}
`);
  strictEqual(config.certificate?.subject, "C=GB,OU=devices,CN=router1");
  deepStrictEqual((config.sinks.loghost as RelpSinkConfig).tls, {
    authMode: "name",
    permittedPeer: ["loghost.example.net"],
    minVersion: "TLSv1.2",
    cert: "/var/lib/agent/cert/cert",
    key: "/var/lib/agent/cert/key",
    ca: "/var/lib/agent/cert/ca",
  });
  strictEqual((config.sinks.loghost as RelpSinkConfig).timeoutMs, 90_000);
  strictEqual((config.sources.messages as { priority: number }).priority, 3 * 8 + 3);
  deepStrictEqual(config.rules[1]?.limit, { records: 5, perMs: 60_000 });
  strictEqual(config.spool.maxBytes, 64 * 1024 * 1024);
  deepStrictEqual(config.status, {
    listen: { host: "127.0.0.1", port: 7514 },
    hosts: [],
    dump: { enabled: true, keepMs: 3_600_000 },
  });
});

Deno.test("parseConfig() and the quick form give the same", () => {
  const config = read(`
hostname: h
sources:
  a: {type: file, include: [/x/*.log]}
  b: {type: kernel}
  c: {type: stdin}
  d: {type: tap}
  e: {type: syslog, listen: "udp://127.0.0.1:514"}
  a2: {type: kubernetesAudit, include: [/x]}
sinks:
  f: {type: relp, target: loghost}
  g: {type: file, dir: /logs}
  g2: {type: file, dir: /logs, path: "{host}-%Y.log"}
  h: {type: stdout}
`);
  const specs = ["file:/x/*.log", "kernel:", "stdin:", "tap:", "syslog:udp://127.0.0.1:514", "kubernetes-audit:/x"];
  deepStrictEqual(Object.values(config.sources) as SourceConfig[], specs.map((spec) => parseFrom(spec)));
  deepStrictEqual(
    Object.values(config.sinks) as SinkConfig[],
    ["relp://loghost", "file:/logs", "file:/logs/{host}-%Y.log", "stdout:"].map((url) => parseTo(url)),
  );
});

Deno.test("parseConfig() gives the defaults of the contract", () => {
  const { sinks, spool, state } = read(
    "sources: {k: {type: kernel}}\nsinks: {r: {type: relp, target: h}, f: {type: file, dir: d}}",
  );
  const { windowSize, timeoutMs, connectionTimeoutMs, rebindMessages, aside, backoff } = sinks
    .r as RelpSinkConfig;
  deepStrictEqual(
    { windowSize, timeoutMs, connectionTimeoutMs, rebindMessages, resumeRetryCount: aside.resumeRetryCount, backoff },
    {
      windowSize: 1_024,
      timeoutMs: 90_000,
      connectionTimeoutMs: 10_000,
      rebindMessages: 0,
      resumeRetryCount: -1,
      backoff: { firstMs: 1_000, maxMs: 30_000 },
    },
  );
  const { maxFileBytes, maxAgeMs } = sinks.f as FileSinkConfig;
  deepStrictEqual([maxFileBytes, maxAgeMs], [100 * 1024 * 1024, 86_400_000]);
  deepStrictEqual([state, spool], ["/var/lib/agent", { maxBytes: 64 * 1024 * 1024, whenFull: "block" }]);
});

Deno.test("parseConfig() fills in names, environment and files, once", () => {
  const config = read(`hostname: \${hostname}.example.net
metadata: {a: "\${env:SECRET}", b: "$$\{env:SECRET}", c: "5$", d: "\${file:secret}", e: "\${hostname}"}
sources: {k: {type: kernel}}
sinks:
  r:
    type: relp
    target: "\${hostname}"
    port: \${env:PORT}
    reportSuspension: \${env:FLAG}
`);
  deepStrictEqual(config.metadata, {
    a: "hunter2 !",
    b: "${env:SECRET}",
    c: "5$",
    d: "hunter2 !",
    e: "system.example.net",
  });
  const { port, host, reportSuspension } = config.sinks.r as RelpSinkConfig;
  deepStrictEqual([port, host, reportSuspension], [20514, "system.example.net", true]);
});

Deno.test("parseConfig() takes JSON, tabs included", () => {
  const data = { sources: { k: { type: "kernel" } }, sinks: { o: { type: "stdout" } } };
  strictEqual(read(JSON.stringify(data, null, "\t")).sources.k?.type, "kernel");
});

Deno.test("parseConfig() takes the port of TLS where TLS is on and none is given", () => {
  const port = (keys: string): number => (read(sink(keys)).sinks.r as RelpSinkConfig).port;
  deepStrictEqual([port(""), port("    tls: {}\n"), port("    tls: {enabled: false}\n")], [2514, 2515, 2514]);
});

Deno.test("parseConfig() takes rebind intervals, templates, limits of tries, and several targets with their ports", () => {
  const keys = "    rebindInterval: 90s\n    template: gardener\n    resumeRetryCount: 3\n    refusedRetryCount: 0\n" +
    "    deadLetters: 1MiB\n";
  const relp = read(sink(keys)).sinks.r as RelpSinkConfig;
  deepStrictEqual([relp.rebindMessages, relp.rebindMs, relp.template], [0, 90_000, "gardener"]);
  deepStrictEqual(relp.aside, { resumeRetryCount: 3, refusedRetryCount: 0, maxBytes: 2 ** 20 });
  const targets = (text: string): string =>
    `sources: {k: {type: kernel}}\nsinks: {r: {type: relp, target: ${text}, tls: {enabled: true}}}`;
  const several = read(targets("[a, 'b:99', '[::1]:7']")).sinks.r as RelpSinkConfig;
  deepStrictEqual([several.host, several.port], ["a", 2_515]);
  deepStrictEqual(several.fallbacks, [{ host: "b", port: 99 }, { host: "::1", port: 7 }]);
  deepStrictEqual(several.tls?.permittedPeer, [], "each server is asked for its own name");
  deepStrictEqual((read(targets("a")).sinks.r as RelpSinkConfig).tls?.permittedPeer, ["a"]);
  ok(problems(targets("[]"))[0]?.includes("sinks.r.target"));
  ok(problems(targets("['a b']"))[0]?.includes("sinks.r.target"));
  ok(problems("sources: {k: {type: kernel}}\nsinks: {s: {type: stream, target: [a]}}")[0]?.includes("port: missing"));
});

Deno.test("loadConfig() reads a file, and values beside it", () => {
  using folder = temporaryFolder();
  Deno.writeTextFileSync(`${folder.path}/name`, "from-file\n");
  Deno.writeTextFileSync(`${folder.path}/a.yaml`, `${parts}hostname: "\${file:name}"\n`);
  strictEqual(loadConfig(`${folder.path}/a.yaml`).hostname, "from-file");
});

function temporaryFolder(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
