/** The keys of single types of sources and sinks. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import type {
  FileSinkConfig,
  FileSourceConfig,
  ForwardSourceConfig,
  KubernetesAuditSourceConfig,
  LinesSourceConfig,
  SyslogSourceConfig,
  WebhookSourceConfig,
} from "../../src/config/config.ts";
import { problems, read } from "../peers/parsed_config.ts";

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
