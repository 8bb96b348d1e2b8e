/** What is said about a configuration that is none. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { ConfigError } from "../../src/pipeline/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { RelpSourceConfig } from "../../src/config/config.ts";
import { parts, problems, read, sink } from "../peers/parsed_config.ts";

Deno.test("parseConfig() tells all mistakes at once, by line and key, with what is allowed", () => {
  const found = problems(`stat: /x
sources:
  a: {type: file, include: /x.log, maxLine: 65536}
  b:
    type: kubernetesAudits
  c: {type: kernl}
sinks:
  r:
    type: relp
    target: loghost:2514
    port: 70000
    timeout: 90
    timeout: 90s
    windowsize: 5
rules:
  - {severity: 9, message: {regex: "("}}
`);
  deepStrictEqual(found.map((line) => line.split(": ").slice(0, 2).join(": ")), [
    "a.yaml:1: stat",
    "a.yaml:3: sources.a.include",
    "a.yaml:3: sources.a.maxLine",
    "a.yaml:5: sources.b.type",
    "a.yaml:6: sources.c.type",
    "a.yaml:10: sinks.r.target",
    "a.yaml:11: sinks.r.port",
    "a.yaml:13: sinks.r.timeout",
    "a.yaml:14: sinks.r.windowsize",
    "a.yaml:16: rules[0].severity",
    "a.yaml:16: rules[0].message.regex",
  ]);
  ok(found[0]!.includes('unknown key; did you mean "state"? allowed: state, hostname, metadata, '));
  ok(found[2]!.includes("65536 has no unit; allowed: a number with its unit (B, KiB, MiB, GiB), for example 65536MiB"));
  ok(found[3]!.includes('did you mean "kubernetesAudit"?'));
  ok(found[4]!.includes('did you mean "kernel"?'));
  ok(found[7]!.includes("this key is there twice"));
  ok(found[8]!.includes('did you mean "windowSize"?'));
});

Deno.test("parseConfig() says where something cannot be filled in, and never what was filled in", () => {
  deepStrictEqual(problems(`${parts}metadata:\n  a: x\n  b: "\${env:NOPE}"\n  c: "\${file:nope}"\n  d: "\${nope}"`), [
    'a.yaml:5: metadata.b: the environment has no "NOPE"; set it, or write a value',
    'a.yaml:6: metadata.c: the file "nope" cannot be used: No such file',
    'a.yaml:7: metadata.d: "${nope}" is unknown; allowed: ${hostname}, ${env:NAME}, ${file:PATH}, and $$ for a $ itself',
  ]);
  deepStrictEqual(problems(sink('    port: "${env:NOPE}"\n')), [
    'a.yaml:6: sinks.r.port: the environment has no "NOPE"; set it, or write a value',
  ]);
  for (const key of ["port", "timeout", "localAddress", "windowSize", "authMode", "rebindInterval", "template"]) {
    for (const place of ["${env:SECRET}", "${file:secret}"]) {
      const found = problems(sink(`    ${key}: "${place}"\n`));
      strictEqual(found.length, 1, key);
      ok(found[0]!.startsWith("a.yaml:6: ") && !found[0]!.includes("hunter2"), found[0]);
    }
  }
  const target = problems(sink("").replace("target: h", 'target: "${env:SECRET}"'));
  ok(target.length === 1 && !target[0]!.includes("hunter2"), target[0]);
});

Deno.test("parseConfig() reports syntax with its line and without repeating the text", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["a: b\n\tc: hunter2\n", /^a\.yaml:2: .*tab/],
    ["a: [hunter2, 2\nb: 3\n", /^a\.yaml:2: /],
    ["a: {b: ${hostname}}\n", /^a\.yaml:1: .*in quotes/],
    ["a: hunter2: b\n", /^a\.yaml:1: /],
    ["a: *hunter2\n", /^a\.yaml:1: .*aliases/],
    ["a: b\n---\nc: hunter2\n", /^a\.yaml:2: .*one/],
    ["", /^a\.yaml:1: is empty/],
    ["hunter2", /^a\.yaml:1: is text/],
    ["[".repeat(5_000), /^a\.yaml:1: is nested too deeply/],
    ["- ".repeat(5_000), /^a\.yaml:1: is nested too deeply/],
  ];
  for (const [text, pattern] of cases) {
    const found = problems(text);
    ok(found.length > 0 && pattern.test(found[0]!), `${JSON.stringify(text.slice(0, 30))}: ${found[0]}`);
    ok(!found.join("").includes("hunter2"), found.join("\n"));
  }
});

Deno.test("parseConfig() refuses an alias bomb", () => {
  const row = (name: string, of: string): string => `${name}: &${name} [${Array(9).fill(of).join(", ")}]\n`;
  const found = problems(row("a", "x") + row("b", "*a") + row("c", "*b") + row("d", "*c") + row("e", "*d"));
  ok(found[0]!.includes("grow without bound"), found[0]);
});

Deno.test("parseConfig() checks TLS keys against each other", () => {
  const tls = (keys: string): readonly string[] => problems(sink(`    tls: {${keys}}\n`));
  ok(tls("authMode: fingerprint")[0]?.includes("permits nobody without fingerprints"));
  ok(tls("permittedPeer: ['SHA1:" + "AA".repeat(20) + "']")[0]?.includes("authMode name allows a name"));
  ok(tls("cert: /x")[0]?.includes("sinks.r.tls.key: missing"));
  deepStrictEqual(tls("enabled: false, cert: /x"), []);
  const server = "sources: {r: {type: relp, listen: '0.0.0.0:2514', tls: {ca: /ca}}}\nsinks: {o: {type: stdout}}\n";
  ok(problems(server)[0]?.includes("sources.r.tls.cert: missing; a TLS server needs"));
  const withCertificate = read(server + "certificate: {url: 'https://h/sign', subject: CN=x}\n");
  strictEqual((withCertificate.sources.r as RelpSourceConfig).tls?.key, "/var/lib/agent/cert/key");
});

Deno.test("parseConfig() finds rules that name parts that are not there", () => {
  const found = problems(parts + "rules:\n  - {severity: 3, route: [loghost]}\n  - {sources: [messages]}\n");
  deepStrictEqual(found.map((line) => line.split(": ").slice(0, 2)), [
    ["a.yaml:4", "rules[0].route"],
    ["a.yaml:5", "rules[1].sources"],
  ]);
});

Deno.test("parseConfig() refuses a status server that anybody could read", () => {
  const wide = `status: {listen: "0.0.0.0:7514"`;
  match(problems(`${parts}${wide}}`).join("\n"), /status\.listen: 0\.0\.0\.0 can be reached by others/);
  deepStrictEqual(problems(`${parts}${wide}, tokenFile: /t}`), []);
  deepStrictEqual(problems(`${parts}${wide}, tls: {ca: /a, cert: /c, key: /k}}`), []);
  match(problems(`${parts}${wide}, tls: {cert: /c, key: /k}}`).join("\n"), /can be reached by others/);
  match(problems(`${parts}status: {tls: {}}`).join("\n"), /status\.tls\.cert: missing/);
});

Deno.test("loadConfig() names the file that cannot be read, and why", () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/a.yaml`;
  const complaint = (bytes: Uint8Array | undefined): string => {
    if (bytes !== undefined) Deno.writeFileSync(path, bytes);
    try {
      loadConfig(path);
    } catch (error) {
      if (error instanceof ConfigError) return error.problems.join("\n");
      throw error;
    }
    return "";
  };
  ok(complaint(undefined).startsWith(`Cannot read configuration "${path}": No such file`));
  ok(complaint(new Uint8Array([0x61, 0xff, 0xfe])).includes("is not text in UTF-8"));
  ok(complaint(new Uint8Array(2 * 1024 * 1024).fill(0x23)).includes("longer than 1048576 bytes"));
  ok(
    complaint(new TextEncoder().encode(`${parts}hostname: "\${file:endless}"\n`)).includes(
      `a.yaml:3: hostname: the file`,
    ),
  );
});

function temporaryFolder(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
