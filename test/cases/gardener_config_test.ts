import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { ConfigError } from "../../src/pipeline/errors.ts";
import type { AgentConfig, RelpSinkConfig } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/load.ts";
import { readAuditd } from "../../src/config/gardener/read.ts";

const head = "apiVersion: rsyslog-relp.extensions.gardener.cloud/v1alpha1\nkind: RsyslogRelpConfig\n";
const minimal = `${head}target: some.rsyslog-rlep.server\nport: 10250\nloggingRules:\n- severity: 7\n`;

function read(source: string, env: Readonly<Record<string, string>> = {}): AgentConfig {
  return parseConfig(source, "doc.yaml", { hostname: () => "node1", env: (name) => env[name], file: () => "" });
}

function problems(source: string): readonly string[] {
  try {
    read(source);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

function sinkOf(config: AgentConfig): RelpSinkConfig {
  return config.sinks["rsyslog-relp"] as RelpSinkConfig;
}

Deno.test("readGardener() makes a configuration of the smallest document", () => {
  const config = read(minimal);
  deepStrictEqual(config.sources.journal?.type, "syslog");
  deepStrictEqual(config.rules.map(({ severity }) => severity), [7]);
  const { host, port, template, tls, aside } = sinkOf(config);
  deepStrictEqual([host, port, template, tls], ["some.rsyslog-rlep.server", 10250, "gardener", undefined]);
  strictEqual(aside.resumeRetryCount, -1);
  strictEqual(config.auditRules, undefined);
});

Deno.test("readGardener() reads a Shoot as manuals print it, and names the cluster after it", () => {
  const shoot = [
    "kind: Shoot",
    "metadata:",
    "  name: bar",
    "  namespace: garden-foo",
    "...",
    "spec:",
    "  extensions:",
    "  - type: other",
    "  - type: shoot-rsyslog-relp",
    "    providerConfig:",
    ...minimal.trimEnd().split("\n").map((line) => `      ${line}`),
    "      tls:",
    "        enabled: true",
    "        secretReferenceName: rsyslog-relp-tls",
    "...",
    "",
  ].join("\n");
  const config = read(shoot, { AGENT_REFERENCES: "/run/references" });
  deepStrictEqual(config.metadata, { project: "foo", shoot: "bar" });
  deepStrictEqual(sinkOf(config).tls, {
    authMode: "name",
    permittedPeer: ["some.rsyslog-rlep.server"],
    minVersion: "TLSv1.2",
    ca: "/run/references/rsyslog-relp-tls/ca",
    cert: "/run/references/rsyslog-relp-tls/crt",
    key: "/run/references/rsyslog-relp-tls/key",
  });
  match(
    problems(shoot.replace("port: 10250", "port: 70000"))[0]!,
    /^doc\.yaml:14: .*providerConfig\.port: 70000 is not/,
  );
});

Deno.test("readGardener() closes the holes of the extension's validation", () => {
  const wrong = (from: string, to: string): string => problems(minimal.replace(from, to)).join("\n");
  match(
    wrong("severity: 7", "severity: 8"),
    /^doc\.yaml:6: loggingRules\[0\]\.severity: 8 is not allowed; allowed: 0 to 7$/,
  );
  match(wrong("port: 10250", "port: 0"), /^doc\.yaml:4: port: 0 is not allowed; allowed: 1 to 65535$/);
  match(wrong("- severity: 7", "- programNames: ['a/b']"), /programNames\[0\]: is not a program name/);
  match(wrong("- severity: 7", "- programNames: []"), /programNames: is empty/);
  match(wrong("- severity: 7", "- {}"), /asks for nothing/);
  match(wrong("- severity: 7", "- messageContent: {}"), /asks for nothing/);
  match(wrong("- severity: 7", "- messageContent: {regex: '('}"), /loggingRules\[0\]\.messageContent\.regex: /);
  match(wrong("v1alpha1", "v2"), /apiVersion: "rsyslog/);
  match(wrong("port: 10250", "port: 10250\ntimeout: 0"), /timeout: 0 is not allowed/);
  match(wrong("port: 10250", "port: 10250\ntls: {enabled: true}"), /secretReferenceName: missing/);
  match(wrong("port: 10250", "port: 10250\nports: 1"), /ports: unknown key; did you mean "port"/);
  match(wrong("port: 10250", "port: 10250\nagent: {stat: /x}"), /^doc\.yaml:5: stat: unknown key/);
});

Deno.test("readGardener() takes fingerprints with colons and without, and refuses what never matches", () => {
  const hex = "5CC6".repeat(10);
  const tls = (peers: string, mode = ""): string =>
    `${minimal}tls: {enabled: true, secretReferenceName: s, permittedPeer: [${peers}]${mode}}\n`;
  for (const peer of [`SHA1:${hex}`, `SHA1:${hex.match(/../g)!.join(":")}`]) {
    const read1 = sinkOf(read(tls(`"${peer}"`))).tls!;
    deepStrictEqual([read1.authMode, read1.permittedPeer], ["fingerprint", [peer]]);
  }
  match(problems(tls('"SHA1:5CC6"'))[0] ?? "", /permittedPeer\[0\]/);
  match(problems(tls(`"SHA1:${hex}"`, ", authMode: name"))[0] ?? "", /never matches with authMode name/);
  match(problems(tls('"a.example"', ", authMode: certvalid"))[0] ?? "", /authMode: "certvalid" is not allowed/);
});

Deno.test("readGardener() keeps audit rules only where they are asked for, and finds them in the same file", () => {
  strictEqual(read(`${minimal}auditConfig: {enabled: false}\n`).auditRules, undefined);
  deepStrictEqual(read(`${minimal}auditConfig: {enabled: true}\n`).auditRules?.path, undefined);
  ok(read(`${minimal}auditConfig: {enabled: true}\n`).auditRules);
  const referring = `${minimal}auditConfig: {enabled: true, configMapReferenceName: rules}\n`;
  strictEqual(read(referring).auditRules?.path, "/etc/agent/references/rules/auditd");
  const map = "---\nkind: ConfigMap\nmetadata: {name: rules}\ndata:\n  auditd: |\n" +
    "    apiVersion: rsyslog-relp.extensions.gardener.cloud/v1alpha1\n    kind: Auditd\n    auditRules: |\n      -D\n";
  strictEqual(read(referring + map).auditRules?.rules, "-D\n");
  match(
    problems(referring + map.replace("auditRules", "auditRule")).join("\n"),
    /^doc\.yaml:1\d: data\.auditd: auditRule/,
  );
  match(problems(minimal + "---\n" + minimal)[0]!, /a second configuration/);
});

Deno.test("readGardener() lets the keys of the agent say what the extension leaves to the node", () => {
  const config = read(
    `${minimal}agent:\n  state: /tmp/s\n  metadata: {shoot: bar, uid: "\${env:UID}"}\n  sources: {units: {type: journal}}\n`,
    { UID: "42" },
  );
  deepStrictEqual([config.state, config.metadata, Object.keys(config.sources)], [
    "/tmp/s",
    { shoot: "bar", uid: "42" },
    [
      "units",
    ],
  ]);
});

Deno.test("readGardener() matches a message without the space that rsyslog's begins with", () => {
  const config = read(minimal.replace("severity: 7", 'messageContent: {regex: "^ type=", exclude: "^ *x"}'));
  deepStrictEqual(config.rules[0]?.message, { regex: "^type=", exclude: "^ *x" });
});

Deno.test("readAuditd() gives the rules of a document, and says what is wrong with another", () => {
  const version = "apiVersion: rsyslog-relp.extensions.gardener.cloud/v1alpha1\n";
  strictEqual(readAuditd(`${version}kind: Auditd\nauditRules: -D\n`), "-D");
  throws(() => readAuditd(`${version}kind: Auditd\n`), /auditRules/);
  throws(() => readAuditd(`${version}kind: Auditd\nauditRules: a: b\n`), /line 3/);
});
