import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { parse } from "yaml";
import { ConfigError } from "../../src/pipeline/errors.ts";
import type {
  AgentConfig,
  FileSinkConfig,
  FileSourceConfig,
  ForwardSourceConfig,
  KubernetesAuditSourceConfig,
  LinesSourceConfig,
  RelpSinkConfig,
  RelpSourceConfig,
  SinkConfig,
  SourceConfig,
  SyslogSourceConfig,
  WebhookSourceConfig,
} from "../../src/config/config.ts";
import type { Lookups } from "../../src/config/fill.ts";
import { loadConfig, parseConfig } from "../../src/config/load.ts";
import { parseFrom, parseTo } from "../../src/config/quick.ts";
import { sampleText } from "../../src/config/sample.ts";
import { jsonSchema } from "../../src/config/schema.ts";
import { sinkTypes, sourceTypes } from "../../src/config/types.ts";

const lookups: Lookups = {
  hostname: () => "system",
  env: (name) => ({ PORT: "20514", SECRET: "hunter2 !", FLAG: "true" })[name],
  file: (path) => {
    if (path === "secret") return "hunter2 !";
    throw new Error("No such file");
  },
};
const read = (text: string): AgentConfig => parseConfig(text, "a.yaml", lookups);
const problems = (text: string): readonly string[] => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};
const parts = `sources: {k: {type: kernel}}\nsinks: {o: {type: stdout}}\n`;
const sink = (keys: string): string =>
  `sources: {k: {type: kernel}}\nsinks:\n  r:\n    type: relp\n    target: h\n${keys}`;

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

Deno.test("parseConfig() reads the keys of the forward protocol, and says what is wrong with them", () => {
  const { sources } = read(`
sources:
  local: {type: forward, listen: "unix:/run/agent/forward.sock", maxMessage: 1MiB, idleTimeout: 0s, program: pods}
  all: {type: forward, listen: "[::]", sharedKeyFile: /k, tls: {ca: a, cert: c, key: k}, maxConnections: 5}
sinks: {o: {type: stdout}}
`);
  deepStrictEqual(sources.local, {
    type: "forward",
    listen: { path: "/run/agent/forward.sock" },
    maxMessageBytes: 1024 ** 2,
    maxConnections: 2_000,
    idleTimeoutMs: 0,
    priority: 13,
    program: "pods",
  });
  const { tls, listen, sharedKeyFile, maxConnections } = sources.all as ForwardSourceConfig;
  deepStrictEqual([listen, sharedKeyFile, maxConnections], [{ host: "::", port: 24_224 }, "/k", 5]);
  strictEqual(tls?.ca, "a");
  const [problem] = problems(`sources: {a: {type: forward, listen: "h:x"}}\nsinks: {o: {type: stdout}}`);
  match(problem!, /sources\.a\.listen/);
});

Deno.test("parseConfig() reads the keys of a webhook and of files, and says what is wrong with them", () => {
  const { sources } = read(`
sources:
  hook: {type: webhook, listen: "unix:/run/agent/hook.sock"}
  far: {type: webhook, listen: "[::]:8514", path: /logs, tokenFile: /t, maxBody: 2MiB, tls: {cert: c, key: k}}
  pods: {type: file, include: [/p/*.log], format: cri, stripCarriageReturn: true, watch: false, pollInterval: 200ms,
         multiline: {continuePattern: "^\\\\s"}}
sinks: {o: {type: stdout}}
`);
  const limits = { maxBodyBytes: 1024 ** 2, maxConnections: 256, priority: 13 };
  deepStrictEqual(sources.hook, { type: "webhook", listen: { path: "/run/agent/hook.sock" }, path: "/", ...limits });
  const { tls: _tls, ...far } = sources.far as WebhookSourceConfig;
  const listen = { host: "::", port: 8514 };
  deepStrictEqual(far, {
    type: "webhook",
    listen,
    path: "/logs",
    tokenFile: "/t",
    ...limits,
    maxBodyBytes: 2 * 1024 ** 2,
  });
  const { format, stripCarriageReturn, watch, pollMs, multiline } = sources.pods as FileSourceConfig;
  deepStrictEqual([format, stripCarriageReturn, watch, pollMs], ["cri", true, false, 200]);
  deepStrictEqual(multiline, { continuePattern: "^\\s", timeoutMs: 1_000 });
  const wrong = problems(`sources:
  a: {type: webhook, listen: "127.0.0.1", path: logs}
  b: {type: file, include: [/x], format: docker2, multiline: {startPattern: "(?=x)"}}
sinks: {o: {type: stdout}}
`);
  deepStrictEqual(wrong.map((line) => line.split(": ").slice(0, 2).join(": ")), [
    "a.yaml:2: sources.a.listen",
    "a.yaml:2: sources.a.path",
    "a.yaml:3: sources.b.format",
    "a.yaml:3: sources.b.multiline.startPattern",
  ]);
});

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

Deno.test("parseConfig() takes JSON, tabs included", () => {
  const data = { sources: { k: { type: "kernel" } }, sinks: { o: { type: "stdout" } } };
  strictEqual(read(JSON.stringify(data, null, "\t")).sources.k?.type, "kernel");
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

Deno.test("parseConfig() takes the port of TLS where TLS is on and none is given", () => {
  const port = (keys: string): number => (read(sink(keys)).sinks.r as RelpSinkConfig).port;
  deepStrictEqual([port(""), port("    tls: {}\n"), port("    tls: {enabled: false}\n")], [2514, 2515, 2514]);
});

Deno.test("parseConfig() finds rules that name parts that are not there", () => {
  const found = problems(parts + "rules:\n  - {severity: 3, route: [loghost]}\n  - {sources: [messages]}\n");
  deepStrictEqual(found.map((line) => line.split(": ").slice(0, 2)), [
    ["a.yaml:4", "rules[0].route"],
    ["a.yaml:5", "rules[1].sources"],
  ]);
});

Deno.test("parseConfig() takes TLS listeners for syslog and lines, and none that could check nobody", () => {
  const source = (keys: string): string => `sources: {s: {${keys}}}\nsinks: {o: {type: stdout}}\n`;
  const own = "cert: /c, key: /k";
  const { sources } = read(source(`type: syslog, listen: "tls://0.0.0.0", tls: {ca: /a, ${own}}`));
  const { listen, tls } = sources.s as SyslogSourceConfig;
  deepStrictEqual([listen, tls?.ca], [{ transport: "tls", host: "0.0.0.0", port: 6_514 }, "/a"]);
  const lines = read(source(`type: tls, listen: "0.0.0.0", tls: {${own}}`)).sources.s as LinesSourceConfig;
  deepStrictEqual([lines.listen.port, lines.tls?.cert, lines.maxConnections], [19_612, "/c", 2_000]);
  strictEqual((read(source(`type: tcp, listen: "0.0.0.0:7"`)).sources.s as LinesSourceConfig).tls, undefined);
  for (
    const [keys, complaint] of [
      [`type: syslog, listen: "tls://0.0.0.0"`, /sources\.s\.tls: missing/],
      [`type: syslog, listen: "tcp://0.0.0.0", tls: {${own}}`, /sources\.s\.listen: has no TLS; write tls:/],
      [`type: tls, listen: "0.0.0.0"`, /sources\.s\.tls: missing/],
      [`type: tcp, listen: "0.0.0.0:7", tls: {${own}}`, /sources\.s\.tls: /],
      [`type: tls, listen: "0.0.0.0", tls: {${own}, permittedPeer: [a.lab]}`, /tls\.ca: missing; without ca nobody/],
      [`type: tls, listen: "0.0.0.0", tls: {${own}, authMode: certvalid}`, /tls\.ca: missing; without ca nobody/],
    ] as const
  ) {
    match(problems(source(keys)).join("\n"), complaint);
  }
});

Deno.test("parseConfig() reads the keys of slices and of a Kubernetes audit log, and says what is wrong with them", () => {
  const { sources, sinks } = read(`
sources: {a: {type: kubernetesAudit, listen: "127.0.0.1:8515", tokenFile: /t, stages: [Panic], redactBodies: [secrets]}}
sinks: {f: {type: file, dir: /d, path: "{host|x}/%Y.log.gz", keepFor: 90d, keepSize: 1GiB, timeZone: local}}
`);
  const { webhook, include, stages } = sources.a as KubernetesAuditSourceConfig;
  const listen = { host: "127.0.0.1", port: 8_515 };
  const limits = { maxBodyBytes: 12 * 2 ** 20, maxConnections: 256 };
  deepStrictEqual([webhook, include, stages], [{ listen, path: "/", tokenFile: "/t", ...limits }, [], ["Panic"]]);
  const { localTime, keepForMs, keepBytes } = (sinks.f as FileSinkConfig).slices!;
  deepStrictEqual([localTime, keepForMs, keepBytes], [true, 90 * 86_400_000, 2 ** 30]);
  for (
    const [text, complaint] of [
      [`sources: {k: {type: kernel}}\nsinks: {f: {type: file, dir: /d, keepFor: 90d}}`, /keepFor: .*path is missing/],
      [`sources: {k: {type: kernel}}\nsinks: {f: {type: file, dir: /d, path: ../x}}`, /sinks\.f\.path: .*below dir/],
      [`sources: {a: {type: kubernetesAudit, tokenFile: /t}}\nsinks: {o: {type: stdout}}`, /tokenFile: is for listen/],
      [
        `sources: {a: {type: kubernetesAudit, stages: [panic]}}\nsinks: {o: {type: stdout}}`,
        /allowed: RequestReceived/,
      ],
    ] as const
  ) match(problems(text).join("\n"), complaint);
});

Deno.test("sampleText() is a configuration, as it is and with everything switched on", () => {
  strictEqual(read(sampleText()).sinks.loghost?.type, "relp");
  const everything = read(switchedOn());
  deepStrictEqual(
    Object.values(everything.sources).map(({ type }) => type).sort(),
    [...sourceTypes].sort(),
  );
  deepStrictEqual(Object.values(everything.sinks).map(({ type }) => type).sort(), [...sinkTypes].sort());
});

Deno.test("parseConfig() refuses a status server that anybody could read", () => {
  const wide = `status: {listen: "0.0.0.0:7514"`;
  match(problems(`${parts}${wide}}`).join("\n"), /status\.listen: 0\.0\.0\.0 can be reached by others/);
  deepStrictEqual(problems(`${parts}${wide}, tokenFile: /t}`), []);
  deepStrictEqual(problems(`${parts}${wide}, tls: {ca: /a, cert: /c, key: /k}}`), []);
  match(problems(`${parts}${wide}, tls: {cert: /c, key: /k}}`).join("\n"), /can be reached by others/);
  match(problems(`${parts}status: {tls: {}}`).join("\n"), /status\.tls\.cert: missing/);
});

Deno.test("sampleText() shows every key of the schema", () => {
  const shown = keysOf(parse(switchedOn()), "");
  const missing = [...schemaKeys(jsonSchema() as Schema, "")].filter((key) => !shown.has(key));
  deepStrictEqual(missing, []);
  ok(shown.size > 80);
});

Deno.test("sampleText() shows the defaults that hold", () => {
  const { hostname: _1, metadata: _2, certificate: _3, status: _4, rules: _5, redact: _6, tests: _7, ...defaults } =
    read(
      sampleText(),
    );
  const everything = read(switchedOn());
  deepStrictEqual([everything.state, everything.spool], [defaults.state, defaults.spool]);
  const { slices, ...file } = everything.sinks.file as FileSinkConfig;
  deepStrictEqual(file, parseTo("file:/var/log/agent"));
  const { keepForMs: _8, keepBytes: _9, ...shown } = slices!;
  deepStrictEqual(shown, (parseTo(`file:/var/log/agent/${shown.path}`) as FileSinkConfig).slices);
  deepStrictEqual(everything.sinks.stdout, parseTo("stdout:"));
});

Deno.test("jsonSchema() describes every key", () => {
  const silent = [...schemaKeys(jsonSchema() as Schema, "", (schema) => schema.description === undefined)];
  deepStrictEqual(silent, []);
});

function switchedOn(): string {
  return sampleText().replaceAll(/^(\s*)#(?=\S)/gm, "$1");
}

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: { readonly oneOf?: readonly Schema[] };
}

/** `sinks.relp.target`: parts by type, entries of lists by `[]`. */
function* schemaKeys(schema: Schema, path: string, only: (schema: Schema) => boolean = () => true): Generator<string> {
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    if (only(value)) yield `${path}.${key}`;
    yield* schemaKeys(value, `${path}.${key}`, only);
    yield* schemaKeys(value.items ?? {}, `${path}.${key}[]`, only);
    for (const option of value.additionalProperties?.oneOf ?? []) {
      const type = (option.properties!.type as { const?: string }).const;
      yield* schemaKeys(option, `${path}.${key}.${type}`, only);
    }
  }
}

function keysOf(value: unknown, path: string): Set<string> {
  if (Array.isArray(value)) return new Set(value.flatMap((entry) => [...keysOf(entry, `${path}[]`)]));
  if (typeof value !== "object" || value === null) return new Set();
  return new Set(
    Object.entries(value).flatMap(([key, inner]) => {
      const typed = typeof inner === "object" && inner !== null && "type" in inner ? String(inner.type) : key;
      return [`${path}.${typed}`, ...keysOf(inner, `${path}.${typed}`)];
    }),
  );
}

Deno.test("loadConfig() reads a file, and values beside it", () => {
  using folder = temporaryFolder();
  Deno.writeTextFileSync(`${folder.path}/name`, "from-file\n");
  Deno.writeTextFileSync(`${folder.path}/a.yaml`, `${parts}hostname: "\${file:name}"\n`);
  strictEqual(loadConfig(`${folder.path}/a.yaml`).hostname, "from-file");
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
