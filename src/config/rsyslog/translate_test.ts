import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { translateSelector } from "./selector.ts";
import { parseStatements } from "./statements.ts";
import { translateRsyslog } from "./translate.ts";

type Document = Record<"sources" | "sinks", Record<string, Record<string, unknown>>> & {
  readonly rules?: readonly Record<string, unknown>[];
  readonly spool?: Record<string, unknown>;
};

function translate(
  text: string,
  files: Readonly<Record<string, string>> = {},
): { document: Document; notes: string[] } {
  const { document, notes } = translateRsyslog(
    { path: "r.conf", text },
    (pattern) => Object.entries(files).filter(([path]) => path === pattern).map(([path, text]) => ({ path, text })),
  );
  return { document: document as Document, notes: notes.map(({ where, text }) => `${where}: ${text}`) };
}

Deno.test("translateRsyslog() makes a RELP action with TLS a sink", () => {
  const { document, notes } = translate(`
    module(load="imuxsock" SysSock.Name="/run/systemd/journal/syslog")
    module(load="omrelp" tls.tlslib="openssl")
    action(type="omrelp" name="central" target="loghost.example.net" port="2514" tls="on" tls.authMode="name"
           tls.permittedPeer=["a.example.net", "b.example.net"] tls.caCert="/ca.crt" tls.myCert="/c.crt" tls.myPrivKey="/c.key"
           windowSize="512" rebindInterval="1000" timeout="30" action.resumeRetryCount="-1" action.resumeInterval="5"
           queue.type="linkedlist" queue.maxDiskSpace="1g")`);
  deepStrictEqual(notes, []);
  deepStrictEqual(document, {
    sources: { local: { type: "syslog", listen: "unix:/run/systemd/journal/syslog" } },
    sinks: {
      central: {
        type: "relp",
        target: "loghost.example.net",
        port: 2514,
        windowSize: 512,
        timeout: "30s",
        rebindInterval: 1000,
        tls: {
          enabled: true,
          authMode: "name",
          permittedPeer: ["a.example.net", "b.example.net"],
          ca: "/ca.crt",
          cert: "/c.crt",
          key: "/c.key",
        },
        resumeRetryCount: -1,
        resumeInterval: "5s",
      },
    },
    spool: { maxSize: "1024MiB" },
  });
});

Deno.test("translateRsyslog() reads the old forms", () => {
  const { document } = translate(`
    $ModLoad imudp
    $UDPServerRun 5514   # comment
    *.* @192.0.2.1
    *.* @@(o)[2001:db8::1]:6514;RSYSLOG_SyslogProtocol23Format
    *.* :omrelp:relay:2515`);
  deepStrictEqual(document.sources, { udp: { type: "syslog", listen: "udp://0.0.0.0:5514" } });
  deepStrictEqual(document.rules, undefined, "every sink gets everything");
  deepStrictEqual(
    Object.values(document.sinks).map(({ type, target, port, transport, format, framing }) => [
      ...[type, target, port, transport, format, framing],
    ]),
    [
      ["syslog", "192.0.2.1", 514, "udp", "rfc3164", undefined],
      ["syslog", "2001:db8::1", 6514, "tcp", "rfc5424", "octetCounted"],
      ["relp", "relay", 2515, undefined, undefined, undefined],
    ],
  );
});

Deno.test("translateRsyslog() makes filters rules, in their order", () => {
  const { document, notes } = translate(`
    ruleset(name="out") { action(type="omrelp" target="h" port="2514") }
    :msg, contains, "no.se" stop
    if $programname == ["kubelet","sshd"] and $syslogseverity <= 4 then { call out stop }
    if re_match($msg, "a+b$") == 1 and re_match($msg, "not \\"this\\"") == 0 then { call out stop }
    kern,local0.warning call out`);
  deepStrictEqual(document.rules, [
    { message: { regex: "no\\.se" }, action: "drop" },
    { programs: ["kubelet", "sshd"], severity: "warning" },
    { message: { regex: "a+b$", exclude: 'not "this"' } },
    { facilities: ["kern", "local0"], severity: "warning" },
  ]);
  deepStrictEqual(notes, ["all files: no input is named; the journal is read"]);
});

Deno.test("translateRsyslog() routes where sinks differ, and minds a stop", () => {
  const { document, notes } = translate(`
    module(load="imklog")
    auth.* @@secure
    & stop
    *.* @@all`);
  deepStrictEqual(document.rules, [{ facilities: ["auth"], route: ["secure"] }, { route: ["all"] }]);
  ok(notes.some((note) => note.includes("the first rule that matches decides")));
});

Deno.test("translateRsyslog() says what it leaves out, with file and line", () => {
  const { notes } = translate(
    `input(type="imklog")
     include(file="more")
     *.* @@h`,
    {
      more: `# one
        if $inputname == "imudp" then @@x
        action(type="omelasticsearch" server="s")
        action(type="omfwd" target="t" protocol="tcp" compression.mode="single")`,
    },
  );
  deepStrictEqual(notes.filter((note) => note.startsWith("more")), [
    'more:2: the condition "$inputname == "imudp"" is not translated: everything is taken',
    "more:3: this action has no counterpart and is left out",
    "more:4: omfwd: compression.mode has no counterpart and is left out",
  ]);
  match(notes[0]!, /^r\.conf:1: input imklog has no counterpart/);
});

Deno.test("translateRsyslog() gives nothing for a configuration that forwards nothing", () => {
  strictEqual(translateRsyslog({ path: "r", text: "*.* -/var/log/syslog\n" }, () => []).document, undefined);
});

Deno.test("translateSelector() overrides from left to right", () => {
  deepStrictEqual(translateSelector("*.info"), { anyOf: [{ severity: "info" }], notes: [] });
  deepStrictEqual(translateSelector("kern.*;kern.!err;mail.none").anyOf, [{ facilities: ["kern"] }]);
  strictEqual(translateSelector("kern.=info").notes.length, 1, "rules have no single severity, and that is said");
  deepStrictEqual(translateSelector("*.none").anyOf, []);
});

Deno.test("parseStatements() survives whatever it is given", () => {
  for (
    const text of ['action(type="x', "if $a then", "& stop", "}}}", "ruleset(name='a') { { {", "*.*", '"', "@@", "$"]
  ) {
    ok(Array.isArray(parseStatements(text)), text);
  }
});
