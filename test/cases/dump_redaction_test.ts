import { deepStrictEqual, notStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gunzipSync, gzipSync } from "node:zlib";
import { parseAllDocuments } from "yaml";
import { ConfigError, UsageError } from "../../src/pipeline/errors.ts";
import type { Machine } from "../../src/dump/machine.ts";
import type { Redactor } from "../../src/dump/redaction.ts";
import { noIdentities, readIdentities } from "../../src/dump/redaction/identities.ts";
import { maxLineBytes } from "../../src/dump/redaction/lines.ts";
import { openRedactor, type RedactorOptions } from "../../src/dump/redaction/redactor.ts";
import { type Corpus, plantSecrets } from "../peers/planted_secrets.ts";

const key = new Uint8Array(32).fill(7);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

async function* chunks(bytes: Uint8Array, cuts: readonly number[] = []): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    if (cut > from) yield await Promise.resolve(bytes.subarray(from, cut));
    from = Math.max(from, cut);
  }
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts);
}

async function safe(
  redactor: Redactor,
  bytes: Uint8Array | string,
  about: { path: string; kind: "log" | "text" | "json" | "yaml" | "binary" } = { path: "logs/x.log", kind: "log" },
  cuts: readonly number[] = [],
): Promise<string> {
  const given = typeof bytes === "string" ? encode(bytes) : bytes;
  return Buffer.from(await collect(redactor.redact(chunks(given, cuts), about).content)).toString();
}

function redactorFor(corpus: Corpus, more: Partial<RedactorOptions> = {}): Redactor {
  return openRedactor({
    mode: "full",
    pseudonymKey: key,
    identities: corpus.identities,
    extraWords: ["acmecorp"],
    ...more,
  });
}

/** Which of the planted things stand in a text, also encoded. */
function found(corpus: Corpus, text: string): string[] {
  const lower = text.toLowerCase();
  const forms = (value: string): string[] => [
    value,
    Buffer.from(value).toString("base64").replace(/=+$/, "").slice(0, -1),
    encodeURIComponent(value),
    JSON.stringify(value).slice(1, -1),
  ];
  return [
    ...corpus.secrets.filter(({ value }) => forms(value).some((form) => text.includes(form))).map(({ kind }) => kind),
    ...corpus.names.filter((name) => lower.includes(name.toLowerCase())),
  ];
}

Deno.test("redact() lets none of 159 secrets and 20 names through, in any of the texts", async () => {
  for (const seed of [1, 2, 3]) {
    const corpus = plantSecrets(seed);
    ok(corpus.secrets.length >= 60 && new Set(corpus.secrets.map(({ kind }) => kind)).size >= 25);
    const before = corpus.files.map(({ text }) => text).join("\n");
    for (const { kind, value } of corpus.secrets) {
      const isEncoded = kind.endsWith("PRIVATE KEY") || kind === "jwt-base64" || before.includes(value);
      ok(isEncoded || before.includes(JSON.stringify(value).slice(1, -1)), `${kind} is planted`);
    }
    const redactor = redactorFor(corpus);
    for (const file of corpus.files) {
      const text = await safe(redactor, file.text, file);
      deepStrictEqual(found(corpus, text), [], file.path);
      deepStrictEqual(await redactor.leaks(chunks(encode(text))), [], file.path);
    }
  }
});

Deno.test("redact() leaves JSON and YAML readable, and what is no secret as it was", async () => {
  const corpus = plantSecrets(4);
  const redactor = redactorFor(corpus);
  for (const file of corpus.files) {
    const text = await safe(redactor, file.text, file);
    if (file.path.endsWith(".json")) JSON.parse(text);
    if (/\.jsonl$|docker\.log$/.test(file.path)) text.trim().split("\n").forEach((line) => JSON.parse(line));
    if (file.path.endsWith(".yaml")) {
      for (const document of parseAllDocuments(text)) deepStrictEqual(document.errors, []);
    }
    if (file.path.endsWith("packages.txt")) strictEqual(text, file.text);
    if (file.path.endsWith("pretty.json")) ok(text.includes('"mode": "fast"') && text.includes('"name": "db"'));
    if (file.path.endsWith("secrets-list.yaml")) {
      ok(text.includes("mode: fast and loud") && text.includes("  tls.key: "));
    }
    if (file.path.endsWith("keys.log")) {
      ok(text.includes("a line that is no key: the service has started") && text.includes("\nthe end\n"));
    }
  }
});

Deno.test("redact() gives the same, however the text is cut into chunks", async () => {
  const corpus = plantSecrets(5);
  let state = 12_345;
  const random = (below: number): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) % below;
  for (const file of corpus.files) {
    const bytes = encode(file.text);
    const whole = await safe(redactorFor(corpus), bytes, file);
    for (let round = 0; round < 6; round++) {
      const count = round === 0 ? bytes.length : 1 + random(20);
      const cuts = Array.from({ length: count }, (_, i) => round === 0 ? i : random(bytes.length)).sort((a, b) =>
        a - b
      );
      strictEqual(await safe(redactorFor(corpus), bytes, file, cuts), whole, `${file.path}, ${count} cuts`);
    }
  }
});

Deno.test("redact() finds secrets at every place of a line of 20 MB, in bounded pieces and chunks of any size", async () => {
  const secret = "hunter2Horse77staple";
  const places = [0, maxLineBytes - 10, maxLineBytes + 100_000, maxLineBytes + 256 * 1024 - 12, 3 * maxLineBytes + 5];
  for (const filler of ["x", "word and ", '{"a":1},']) {
    const bytes = encode(filler.repeat(Math.ceil(20 * 1024 * 1024 / filler.length)));
    for (const place of places) bytes.set(encode(` password="${secret}" `), place);
    // The first window ends between this name and its value.
    bytes.set(encode(` password = "${secret}" `), maxLineBytes + 48 * 1024 - 11);
    bytes.set(encode(` password="${secret}"`), bytes.length - 40);
    const about = { path: "logs/x.log", kind: "log" } as const;
    const whole = await safe(openRedactor({ mode: "full" }), bytes, about);
    strictEqual(whole.includes(secret), false);
    ok(whole.split("[redacted]").length >= 6, filler);
    const cuts = Array.from({ length: 300 }, (_, i) => i * 70_001);
    strictEqual(await safe(openRedactor({ mode: "full" }), bytes, about, cuts) === whole, true, "same in chunks");
  }
});

Deno.test("redact() drops a value that is larger than its memory, and a key that never ends", async () => {
  const redactor = openRedactor({ mode: "full" });
  const value = `{"a":1,"password":"${"S3cr".repeat(1_000_000)}","after":2}\n`;
  const text = await safe(redactor, value);
  ok(!text.includes("S3cr") && text.endsWith('","after":2}\n'), text.slice(-60));
  const data = `{"kind":"List","items":[{"data":{"big":"${
    "QUJD".repeat(3_000_000)
  }","b":"QUJD"},"kind":"Secret"}],"z":"end"}`;
  for (const cuts of [[], [1_000, 5_000_000], [4_194_304, 4_194_305, 4_194_400]]) {
    const json = await safe(openRedactor({ mode: "full" }), data, { path: "a.json", kind: "json" }, cuts);
    deepStrictEqual(JSON.parse(json), {
      kind: "List",
      items: [{ data: { big: "[redacted]", b: "[redacted]" }, kind: "Secret" }],
      z: "end",
    });
  }
});

Deno.test("redact() ends soon on whatever was made to make it slow", async () => {
  const redactor = openRedactor({
    mode: "full",
    identities: { ...noIdentities, hosts: ["aaaa.aaaa.example.net"], domains: ["a.aa"] },
  });
  for (
    const unit of [
      "a",
      ":",
      "//",
      "eyJ",
      "://a:",
      "-----BEGIN ",
      "password=",
      "1.",
      "a@",
      "-",
      "MIIE",
      '"',
      "{",
      "ey.",
      '=\\"',
      "token ",
      "a.aa.",
    ]
  ) {
    const size = 1024 * 1024;
    const text = unit.repeat(Math.ceil(size / unit.length));
    const done = await safe(redactor, text).catch((error) => (error as Error).name);
    strictEqual(typeof done, "string");
  }
});

Deno.test("redact() unpacks gzip, makes it safe and packs it again; what cannot be unpacked is refused", async () => {
  const corpus = plantSecrets(6);
  const redactor = redactorFor(corpus);
  const file = corpus.files[0]!;
  const packed = gzipSync(encode(file.text));
  const about = { path: "logs/app.log.1.gz", kind: "log" } as const;
  const out = await collect(redactor.redact(chunks(packed, [1, 2, 50]), about).content);
  deepStrictEqual(found(corpus, gunzipSync(out).toString()), []);
  deepStrictEqual(await redactor.leaks(chunks(out)), []);
  await rejects(collect(redactor.redact(chunks(packed.subarray(0, packed.length - 20)), about).content));
  for (
    const [what, head] of [
      ["PKCS#12", [0x30, 0x82, 5, 5, 2, 1, 3]],
      ["Java", [0xfe, 0xed, 0xfe, 0xed]],
      ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
      ["binary", [1, 2, 3, 4, 5, 6]],
    ] as const
  ) {
    await rejects(safe(redactor, Uint8Array.from([...head, 65, 65]), { path: "x", kind: "binary" }), new RegExp(what));
  }
});

Deno.test("redactText() and redact() give a name one pseudonym, in file names, errors and contents", async () => {
  const corpus = plantSecrets(1);
  const redactor = redactorFor(corpus, { keepsMapping: true });
  const name = redactor.redactText("logs/web-01.plant.example.net/app.log");
  const pseudonym = /logs\/(host-\w{10})\./.exec(name)![1]!;
  ok(redactor.redactText('Cannot read "/home/petra/web-01": denied').includes(pseudonym));
  ok((await safe(redactor, "Nov 20 web-01 up\n")).includes(`Nov 20 ${pseudonym} up`));
  strictEqual(redactor.redactText(name), name, "twice is once");
  const [user] = redactor.redactText("petra").split(" ");
  ok(redactor.redactText("petra@plant.example.net").startsWith(`${user}@host-`));
  strictEqual(new Map(redactor.mapping()).get(pseudonym), "web-01");
  const address = redactor.redactText("from 10.1.2.3 to 10.1.2.3").split(" ")[1]!;
  strictEqual(new Map(redactor.mapping()).get(address), "10.1.2.3");
  deepStrictEqual([...redactorFor(corpus).mapping()], []);
  strictEqual(redactorFor(corpus).redactText("web-01"), pseudonym, "same key");
  notStrictEqual(redactorFor(corpus, { pseudonymKey: new Uint8Array(32) }).redactText("web-01"), pseudonym);
});

Deno.test("redact() keeps networks together, private addresses private and the machine's loopback", () => {
  const redactor = openRedactor({ mode: "full", pseudonymKey: key });
  const [a, b, c] = ["10.20.30.40", "10.20.30.99", "203.0.113.5"].map((address) =>
    redactor.redactText(`ip ${address}`).slice(3)
  );
  strictEqual(a!.split(".").slice(0, 3).join("."), b!.split(".").slice(0, 3).join("."));
  ok(a !== "10.20.30.40" && a!.startsWith("10.") && a !== b && !c!.startsWith("203.0.113.5"));
  strictEqual(redactor.redactText("dhcp-10-20-30-40"), `dhcp-${a!.replaceAll(".", "-")}`);
  ok(/^10\.\d+\.0\.0\/16$/.test(redactor.redactText("10.20.0.0/16")));
  ok(redactor.redactText("192.168.4.7").startsWith("192.168."));
  ok(redactor.redactText("fe80::1:2").startsWith("fe80::"));
  ok(redactor.redactText("::ffff:10.20.30.40").endsWith(a!));
  const strict = openRedactor({ mode: "full", pseudonymKey: key, ipMode: "token" });
  ok(/^ip-\w{10}$/.test(strict.redactText("10.20.30.40")));
});

Deno.test("leaks() finds what is known in every form and says where, never what", async () => {
  const secret = "Zx81kQ_77+abc/def";
  const redactor = openRedactor({
    mode: "full",
    pseudonymKey: key,
    literals: [secret],
    identities: { ...noIdentities, hosts: ["web-01-frankfurt"] },
  });
  const forms = [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(`"${secret}`).slice(3, -1),
    ...["", "a", "ab"].map((before) => Buffer.from(`${before}${secret}zz`).toString("base64")),
    "web-01-frankfurt",
    Buffer.from("x web-01-frankfurt y").toString("base64"),
  ];
  for (const form of forms) {
    const text = `${"harmless\n".repeat(40_000)}before ${form} after`;
    const leaks = await redactor.leaks(chunks(encode(text), [100, 360_010]));
    ok(leaks.length > 0 && leaks[0]!.offset >= 360_000 && leaks[0]!.offset <= 360_020, form);
    ok(!JSON.stringify(leaks).includes(secret));
    ok((await redactor.leaks(chunks(gzipSync(text)))).length > 0, "in gzip");
    deepStrictEqual(await redactor.leaks(chunks(encode(await safe(redactor, text)))), []);
  }
  // What was masked once is a leak elsewhere, and masked in what comes later.
  await safe(redactor, "password=Q9x8w7v6u5t4\n");
  strictEqual((await redactor.leaks(chunks(encode("tried Q9x8w7v6u5t4 twice")))).length, 1);
  strictEqual(await safe(redactor, "tried Q9x8w7v6u5t4 twice"), "tried [redacted] twice");
});

Deno.test("maskKnown() masks what was learned from structure after a text was read, and nothing else of it", async () => {
  const redactor = openRedactor({
    mode: "full",
    pseudonymKey: key,
    identities: { ...noIdentities, hosts: ["web-01-frankfurt"] },
  });
  const log = `${"ok 10.20.30.40 web-01-frankfurt\n".repeat(20_000)}tried hunter2pass, then ${btoa("hunter2pass!")}\n` +
    "tried zebra!crossing at db-01.example.com in production, aVeryLongOne" + "x1".repeat(40) + " end\n";
  const first = await safe(redactor, log, { path: "logs/app.log", kind: "log" });
  ok(first.includes("tried hunter2pass"), "nothing says yet that it is one");
  const data = { a: "hunter2pass", b: "zebra!crossing", c: "production", d: "db-01.example.com", e: "2026-11-20" };
  const long = `aVeryLongOne${"x1".repeat(40)}`;
  const secret = { kind: "Secret", data: { long: btoa(long) }, stringData: data };
  await safe(redactor, JSON.stringify(secret), { path: "kube/secret.json", kind: "json" });
  ok((await redactor.leaks(chunks(encode(first)))).length > 0);
  const masked = redactor.maskKnown(chunks(encode(first), [7, 300_000]));
  const text = Buffer.from(await collect(masked.content)).toString();
  const lines = text.split("\n");
  deepStrictEqual(lines.slice(0, 20_000), first.split("\n").slice(0, 20_000), "pseudonyms stay");
  ok(/^tried \[redacted\], then \[redacted\]\S{0,4}$/.test(lines[20_000]!), lines[20_000]);
  strictEqual(lines[20_001], "tried [redacted] at db-01.example.com in production, [redacted] end");
  deepStrictEqual(await redactor.leaks(chunks(encode(text))), []);
  strictEqual(masked.counts()[0]?.rule, "secret");
});

Deno.test("leaks() does not complain of domains that everybody has", async () => {
  const domains = ["home.lan", "svc.cluster.local", "customer.lan"];
  const redactor = openRedactor({ mode: "full", identities: { ...noIdentities, domains } });
  const text = redactor.redactText("search home.lan svc.cluster.local customer.lan\n");
  ok(/^search home\.lan svc\.cluster\.local host-\w+\.lan\n$/.test(text), text);
  deepStrictEqual(await redactor.leaks(chunks(encode(text))), []);
  strictEqual((await redactor.leaks(chunks(encode("customer.lan\n")))).length, 1);
});

Deno.test("openRedactor() refuses what it could not do later, and does only what it is asked", async () => {
  throws(() => openRedactor({ mode: "full", customPatterns: [{ regex: "(a" }, { regex: "b(?=c)" }] }), (error) => {
    return error instanceof ConfigError && error.problems.length === 2;
  });
  throws(() => openRedactor({ mode: "full", pseudonymKey: new Uint8Array(8) }), UsageError);
  const custom = openRedactor({
    mode: "secretsOnly",
    customPatterns: [{ name: "badge", regex: "badge ([0-9]+)", replacement: "#" }],
  });
  strictEqual(custom.redactText("badge 123 10.1.2.3 token=abc"), "badge # 10.1.2.3 token=[redacted]");
  const redacted = custom.redact(chunks(encode("badge 1, badge 2\n")), { path: "x", kind: "text" });
  strictEqual(Buffer.from(await collect(redacted.content)).toString(), "badge #, badge #\n");
  deepStrictEqual(redacted.counts(), [{ rule: "badge", times: 2 }]);
  strictEqual(openRedactor({ mode: "none" }).redactText("token=abc"), "token=abc");
});

Deno.test("readIdentities() reads names and addresses below a root, whatever is missing there", () => {
  const root = Deno.makeTempDirSync();
  try {
    const write = (path: string, text: string): void => {
      Deno.mkdirSync(`${root}${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
      Deno.writeTextFileSync(`${root}${path}`, text);
    };
    write("/etc/hostname", "Edge-9\n");
    write(
      "/etc/hosts",
      "127.0.0.1 localhost\n127.0.1.1 edge-9.plant.example.net edge-9\n10.0.0.5 nas # x\n0.0.0.0 ads.example.com\n",
    );
    write("/etc/resolv.conf", "search plant.example.net cluster.local\nnameserver 10.0.0.2\n");
    write(
      "/etc/passwd",
      "root:x:0:0:root:/root:/bin/sh\npetra:x:1000:1000:Petra Muster,,,:/home/petra:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    );
    write("/home/jonas/x", "");
    write("/sys/class/net/eth0/address", "52:54:00:AB:CD:EF\n");
    write(
      "/etc/rancher/k3s/k3s.yaml",
      "users:\n- name: klaus\n  user: {}\nserver: https://api.plant.example.net:6443\n",
    );
    write("/proc/17/cmdline", "kubelet\0--hostname-override=node-blue-7\0");
    Deno.mkdirSync(`${root}/etc/rancher/k3s/config.yaml`); // a folder where a file should be
    const machine = { root, locate: (path: string) => `${root}${path}`, hostname: "edge-9" } as unknown as Machine;
    const { hosts, domains, users, addresses, macs, problems } = readIdentities(machine);
    deepStrictEqual([...hosts].sort(), [
      "api.plant.example.net",
      "edge-9",
      "edge-9.plant.example.net",
      "nas",
      "node-blue-7",
    ]);
    deepStrictEqual([...domains], ["plant.example.net"]);
    deepStrictEqual([...users].sort(), ["Petra Muster", "jonas", "klaus", "petra"]);
    deepStrictEqual([...addresses].sort(), ["10.0.0.2", "10.0.0.5"]);
    deepStrictEqual([...macs], ["52:54:00:ab:cd:ef"]);
    deepStrictEqual(problems, []);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
