import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { UsageError } from "../pipeline/errors.ts";
import { parseFrom, parseListen, parseTo, quickConfig } from "./quick.ts";
import { refuseIdleTls, withEnvironment } from "./quick_tls.ts";
import type {
  FileSinkConfig,
  ForwardSourceConfig,
  LinesSourceConfig,
  NatsSinkConfig,
  RelpSinkConfig,
  RelpSourceConfig,
  SyslogSourceConfig,
} from "./config.ts";

const complains = (run: () => unknown, pattern: RegExp): void =>
  throws(run, (error) => error instanceof UsageError && pattern.test(error.message));

Deno.test("parseTo() takes default ports, brackets and TLS by scheme", () => {
  const plain = parseTo("relp://loghost.example.net") as RelpSinkConfig;
  deepStrictEqual([plain.host, plain.port, plain.tls, plain.windowSize], [
    "loghost.example.net",
    2514,
    undefined,
    1024,
  ]);
  const secured = parseTo("relps://[2001:db8::1]", { ca: "ca.crt" }) as RelpSinkConfig;
  deepStrictEqual([secured.host, secured.port], ["2001:db8::1", 2515]);
  deepStrictEqual(secured.tls, { authMode: "name", permittedPeer: ["2001:db8::1"], ca: "ca.crt" });
  strictEqual((parseTo("relp://127.0.0.1:20514/") as RelpSinkConfig).port, 20514);
});

Deno.test("parseTo() recognises fingerprints and refuses a mixture", () => {
  const sha1 = "SHA1:" + "AB".repeat(20);
  strictEqual((parseTo("relps://h", { permittedPeer: [sha1] }) as RelpSinkConfig).tls?.authMode, "fingerprint");
  complains(() => parseTo("relps://h", { permittedPeer: [sha1, "a.example.net"] }), /cannot be mixed/);
  complains(
    () => parseTo("relps://h", { permittedPeer: ["SHA1:ABCDEF012345678901234567"] }),
    /24 hex digits; SHA1 has 40/,
  );
  complains(() => parseTo("relps://h", { permittedPeer: ["a*b.example.net"] }), /beginning or the end of a label/);
  complains(() => parseTo("relps://h", { permittedPeer: [""] }), /host is missing/);
});

Deno.test("parseTo() refuses what cannot be reached, with what is allowed", () => {
  complains(() => parseTo("relp://"), /write host:port/);
  complains(() => parseTo("relp:loghost"), /behind "\/\/"/);
  complains(() => parseTo("relp://h:99999"), /allowed: 1 to 65535/);
  complains(() => parseTo("relp://h:0"), /allowed: 1 to 65535/);
  complains(() => parseTo("relp://2001:db8::1"), /write \[2001:db8::1\]/);
  complains(() => parseTo("relp://256.1.1.1"), /not an IPv4 address/);
  complains(() => parseTo("relp://user@h"), /not a host name/);
  complains(() => parseTo("relps://h", { cert: "c" }), /--cert is given without --key/);
  complains(() => parseTo("relpp://h"), /Try: relp:/);
  complains(() => parseTo("file:"), /write file:DIR/);
});

Deno.test("parseListen() reads the forward protocol, with its port and with TLS", () => {
  const { type, listen, tls } = parseListen("forward://0.0.0.0") as ForwardSourceConfig;
  deepStrictEqual([type, listen, tls], ["forward", { host: "0.0.0.0", port: 24_224 }, undefined]);
  const secured = parseListen("forward+tls://h:1", { ca: "c", cert: "d", key: "e" }) as ForwardSourceConfig;
  deepStrictEqual([secured.listen, secured.tls?.cert], [{ host: "h", port: 1 }, "d"]);
  complains(() => parseListen("forward+tls://h"), /TLS needs a certificate of its own/);
});

Deno.test("parseTo() reads a stream of NATS, with TLS where TLS options are given", () => {
  const { type, servers, stream, tls } = parseTo("nats://h/S") as NatsSinkConfig;
  deepStrictEqual([type, servers, stream, tls], ["nats", [{ host: "h", port: 4222 }], "S", undefined]);
  strictEqual((parseTo("nats://h:1/S", { ca: "c" }) as NatsSinkConfig).tls?.ca, "c");
  complains(() => parseTo("nats://h:4222"), /the stream is missing/);
  complains(() => parseTo("nats://h:4222/a.b"), /is no name for NATS/);
});

Deno.test("parseTo() makes slices of a folder with a template behind it", () => {
  const slices = (url: string): unknown => {
    const { folder, slices } = parseTo(url) as FileSinkConfig;
    return [folder, slices?.path];
  };
  deepStrictEqual(slices("file:/archive/{objectRef.namespace|none}/audit-%Y%m%d%H.log.gz"), [
    "/archive",
    "{objectRef.namespace|none}/audit-%Y%m%d%H.log.gz",
  ]);
  deepStrictEqual(slices("file:{host}.log"), [".", "{host}.log"]);
  deepStrictEqual(slices("file:/logs/a-%Y/{host}.log"), ["/logs", "a-%Y/{host}.log"]);
  deepStrictEqual(slices("file:/logs"), ["/logs", undefined]);
  complains(() => parseTo("file:/x/{a"), /has no "}"/);
  complains(() => parseTo("file:/x/%q.log"), /%Y %m %d %H %M/);
});

Deno.test("parseFrom() reads every form of the quick list", () => {
  deepStrictEqual((parseFrom("kubernetes-audit:/x.log") as { include: unknown }).include, ["/x.log"]);
  const { type, ...file } = parseFrom("file:/var/log/*.log") as never as Record<string, unknown>;
  deepStrictEqual([type, file.include, file.start, file.priority], ["file", ["/var/log/*.log"], "beginning", 13]);
  deepStrictEqual(parseFrom("kernel:"), { type: "kernel", fields: false, removePstore: false });
  strictEqual(parseFrom("journal:").type, "journal");
  deepStrictEqual((parseFrom("audit:") as { include: unknown }).include, ["/var/log/audit/audit.log"]);
  strictEqual((parseFrom("tap:") as { socket: string }).socket, "/run/agent/tap.sock");
  const listen = (spec: string): unknown => (parseFrom(spec) as SyslogSourceConfig).listen;
  deepStrictEqual(listen("syslog:udp://127.0.0.1:514"), { transport: "udp", host: "127.0.0.1", port: 514 });
  deepStrictEqual(listen("syslog:tcp://[::1]"), { transport: "tcp", host: "::1", port: 514 });
  deepStrictEqual(listen("syslog:unix:/dev/log"), { transport: "unix", path: "/dev/log" });
});

Deno.test("parseTo() reads the forms of peers that never answer", () => {
  const summary = (url: string): unknown[] => {
    const { type, transport, port, framing, tls } = parseTo(url) as never as Record<string, unknown>;
    return [type, transport, port, framing, tls !== undefined];
  };
  deepStrictEqual(summary("tls://h"), ["stream", "tls", 19_612, undefined, true]);
  deepStrictEqual(summary("tcp://h:7"), ["stream", "tcp", 7, undefined, false]);
  deepStrictEqual(summary("syslog+tls://h"), ["syslog", "tls", 6_514, "octetCounted", true]);
  deepStrictEqual(summary("syslog+tcp://h"), ["syslog", "tcp", 514, "newline", false]);
  deepStrictEqual(summary("syslog+udp://[::1]:5140"), ["syslog", "udp", 5_140, "newline", false]);
  strictEqual((parseTo("exec:cat > /dev/null") as { command: string }).command, "cat > /dev/null");
  complains(() => parseTo("exec:"), /write exec:COMMAND/);
  complains(() => parseTo("tcp://h"), /port/);
});

Deno.test("parseFrom() guesses what was meant", () => {
  complains(() => parseFrom("/var/log/a.log"), /Try: file:\/var\/log\/a.log/);
  complains(() => parseFrom("stdn:"), /Try: stdin:/);
  complains(() => parseFrom("kernel"), /Try: kernel:/);
  complains(() => parseFrom("tap:relative"), /begins with "\/"/);
  complains(() => parseFrom("tap:/" + "x".repeat(200)), /107 at the most/);
  complains(() => parseFrom("syslog:http://h"), /allowed: udp:/);
  complains(() => parseFrom("stdin:x"), /nothing may follow/);
});

Deno.test("parseListen() demands a certificate for TLS and takes port 0", () => {
  strictEqual((parseListen("relp://0.0.0.0:0") as RelpSourceConfig).listen.port, 0);
  complains(() => parseListen("relps://0.0.0.0:2515", { ca: "ca" }), /--cert FILE --key FILE/);
  const { tls } = parseListen("relps://[::]", { ca: "a", cert: "c", key: "k" }) as RelpSourceConfig;
  deepStrictEqual(tls, { authMode: "name", permittedPeer: [], ca: "a", cert: "c", key: "k" });
});

Deno.test("parseListen() reads every stream that can be listened on, with the port of its kind", () => {
  const files = { ca: "a", cert: "c", key: "k" };
  const summary = (url: string): unknown[] => {
    const { type, listen, tls } = parseListen(url, files) as LinesSourceConfig | SyslogSourceConfig;
    return [type, listen, tls?.cert];
  };
  const host = "0.0.0.0";
  deepStrictEqual(summary("tls://0.0.0.0"), ["tls", { host, port: 19_612 }, "c"]);
  deepStrictEqual(summary("tcp://0.0.0.0:7"), ["tcp", { host, port: 7 }, undefined]);
  deepStrictEqual(summary("syslog+tls://0.0.0.0"), ["syslog", { transport: "tls", host, port: 6_514 }, "c"]);
  deepStrictEqual(summary("syslog:tls://0.0.0.0"), ["syslog", { transport: "tls", host, port: 6_514 }, "c"]);
  deepStrictEqual(summary("syslog+tcp://0.0.0.0"), ["syslog", { transport: "tcp", host, port: 514 }, undefined]);
  deepStrictEqual(summary("syslog+udp://0.0.0.0"), ["syslog", { transport: "udp", host, port: 514 }, undefined]);
  complains(() => parseListen("tcp://0.0.0.0", files), /port/);
  for (const url of ["tls://0.0.0.0", "syslog+tls://0.0.0.0"]) complains(() => parseListen(url), /--cert FILE --key/);
  const { cert, key } = files;
  complains(() => parseListen("tls://h", { cert, key, permittedPeer: ["a.lab"] }), /without --ca nobody/);
});

Deno.test("parseFrom() takes the files of TLS, and leaves the permitted peers to the sinks", () => {
  const tls = { ca: "a", cert: "c", key: "k", permittedPeer: ["loghost.lab"] };
  deepStrictEqual((parseFrom("syslog:tls://127.0.0.1", tls) as SyslogSourceConfig).tls, {
    authMode: "name",
    permittedPeer: [],
    ca: "a",
    cert: "c",
    key: "k",
  });
});

Deno.test("withEnvironment() fills gaps and never mixes a pair", () => {
  const env = (name: string): string => `env-${name}`;
  deepStrictEqual(withEnvironment({}, env), { ca: "env-CAFILE", cert: "env-CERTFILE", key: "env-KEYFILE" });
  deepStrictEqual(withEnvironment({ cert: "c" }, env), { ca: "env-CAFILE", cert: "c" });
  deepStrictEqual(withEnvironment({}, () => ""), {});
});

Deno.test("refuseIdleTls() refuses TLS options beside plain addresses", () => {
  complains(() => refuseIdleTls({ ca: "x" }, [parseTo("relp://h")]), /--ca: no address here uses TLS/);
  refuseIdleTls({ ca: "x" }, [parseTo("relp://h"), parseTo("relps://h", { ca: "x" })]);
  refuseIdleTls({}, [parseTo("relp://h")]);
});

Deno.test("quickConfig() gives a whole configuration", () => {
  const config = quickConfig({ sources: { "kernel:": parseFrom("kernel:") }, sinks: {}, hostname: "router1" });
  deepStrictEqual([config.state, config.rules, config.spool], ["/var/lib/agent", [], {
    maxBytes: 67_108_864,
    whenFull: "block",
  }]);
});

Deno.test("parseTo() reads web services: ports, paths, indexes, and no secrets", () => {
  const summary = (url: string): unknown[] => {
    const { type, host, port, path, index, tls } = parseTo(url) as never as Record<string, unknown>;
    return [type, host, port, path, index, tls !== undefined];
  };
  const stream = "logs-agent-default";
  deepStrictEqual(summary("elasticsearch+https://h"), ["elasticsearch", "h", 9_200, "/_bulk", stream, true]);
  deepStrictEqual(summary("elasticsearch+http://h:1/devices/"), ["elasticsearch", "h", 1, "/_bulk", "devices", false]);
  deepStrictEqual(
    summary("elasticsearch+http://[::1]:9428/insert/elasticsearch/devices"),
    ["elasticsearch", "::1", 9_428, "/insert/elasticsearch/_bulk", "devices", false],
  );
  deepStrictEqual(summary("loki+https://h/"), ["loki", "h", 3_100, "/loki/api/v1/push", undefined, true]);
  deepStrictEqual(summary("otlp+http://h"), ["otlp", "h", 4_318, "/v1/logs", undefined, false]);
  deepStrictEqual(summary("victorialogs+http://h"), ["victorialogs", "h", 9_428, "/insert/jsonline", undefined, false]);
  deepStrictEqual(summary("https://h/in?x=1"), ["http", "h", 443, "/in?x=1", undefined, true]);
  complains(() => parseTo("elasticsearch+https://h/Devices"), /lower case/);
  complains(() => parseTo("loki+https://u:p@h/"), /write a configuration file/);
  complains(() => parseTo("http://h/a b"), /not a path/);
  complains(() => parseTo("otlp+https:h"), /behind "\/\/"/);
});
