import { deepStrictEqual, match, notStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { type Batch, batchOfLines, type Origin, recordText } from "../pipeline/batch.ts";
import { compileRedactor, Redactor } from "./redact.ts";
import type { RedactSpec } from "./spec.ts";

const origin: Origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 0 };
const key = new Uint8Array(32).fill(7);

function texts(batch: Batch): string[] {
  return Array.from({ length: batch.count }, (_, i) => recordText(batch, i));
}

function redacted(spec: RedactSpec, line: string, secret: Uint8Array | null = key): string {
  const redactor = compileRedactor(spec, secret ?? undefined, ({ text }) => {
    throw new Error(text);
  })!;
  return texts(redactor.apply(batchOfLines([line], origin)))[0]!;
}

Deno.test("the preset secrets hides the value and nothing else", () => {
  const m = "[redacted]";
  for (
    const [line, want] of [
      ["login password=hunter2 ok", `login password=${m} ok`],
      ["(password=hun[t]er2) {pwd=a}}", `(password=${m}) {pwd=${m}}}`],
      ["DB_PASSWORD: hunter2", `DB_PASSWORD: ${m}`],
      ['{"password": "hun\\"ter2", "n": 1}', `{"password": "${m}", "n": 1}`],
      ['{"token": 12345}', `{"token": "${m}"}`],
      ['body="{\\"apiKey\\":\\"abc\\",\\"n\\":1}"', `body="{\\"apiKey\\":\\"${m}\\",\\"n\\":1}"`],
      ["tool --password hunter2 --verbose", `tool --password ${m} --verbose`],
      ["tool --auth-token=abc x", `tool --auth-token=${m} x`],
      ["aws_secret_access_key = wJalrXUtnFEMI/K7MDENG x", `aws_secret_access_key = ${m} x`],
      ["Authorization: Bearer abc.def", `Authorization: Bearer ${m}`],
      ['"authorization":"Basic dXNlcjpwYXNz"', `"authorization":"Basic ${m}"`],
      ["Set-Cookie: sid=abc; Path=/", `Set-Cookie: ${m}`],
      ["GET https://user:pa55@host/x", `GET https://user:${m}@host/x`],
      ["https://blob/x?sv=1&sig=abc%3D&se=2", `https://blob/x?sv=1&sig=${m}&se=2`],
      ["id AKIAIOSFODNN7EXAMPLE used", `id ${m} used`],
      [`push ghp_${"a".repeat(36)} done`, `push ${m} done`],
      ["jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig-_1 end", `jwt ${m} end`],
      [
        "-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY-----",
        `-----BEGIN RSA PRIVATE KEY-----${m}-----END RSA PRIVATE KEY-----`,
      ],
      ["-----BEGIN PRIVATE KEY-----\\nMIIE", `-----BEGIN PRIVATE KEY-----${m}`],
      ["data: LS0tLS1CRUdJTiBQUklWQVRF x", `data: ${m} x`],
      [`AGE-SECRET-KEY-1ABC x`, `${m} x`],
      [`K10${"0a".repeat(32)}::server:abc`, m],
    ] as const
  ) {
    strictEqual(redacted({ presets: ["secrets"] }, line), want);
    strictEqual(redacted({ presets: ["secrets"] }, want), want, "twice is once");
  }
});

Deno.test("the presets leave alone what is none", () => {
  for (
    const line of [
      "Failed password for root from somewhere",
      "max_tokens=100 tokenizer: x passwordless login",
      "secretName: foo",
      "a non-secret value",
      "basic auth is off",
      "http://host:8080/path@2x.png",
      "MD5 fingerprint 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff",
      "broadcast ff:ff:ff:ff:ff:ff zero 00:00:00:00:00:00",
      "at 12:34:56 on 2026-11-20T19:32:47.948037+00:00",
      "version 1.2.3.4.5 v1.2.3.4 mask 255.255.255.0 to 127.0.0.1, 0.0.0.0 and 999.1.1.1",
      "std::vec::Vec and ::1 and ::",
    ]
  ) strictEqual(redacted({ presets: ["secrets", "mac", "ip"] }, line), line);
});

Deno.test("the presets mac and ip give the same address the same pseudonym everywhere", () => {
  const spec: RedactSpec = { presets: ["mac", "ip"] };
  const line = redacted(spec, "from 10.1.2.3 (00:1A:2b:3c:4d:5e) to 10.1.2.3, not 10.1.2.4; again 00:1a:2B:3C:4D:5E");
  const parts = /^from (ip-\w{10}) \((mac-\w{10})\) to (ip-\w{10}), not (ip-\w{10}); again (mac-\w{10})$/.exec(line);
  ok(parts, line);
  strictEqual(parts[1], parts[3]);
  strictEqual(parts[2], parts[5]);
  notStrictEqual(parts[1], parts[4]);
  notStrictEqual(redacted(spec, "10.1.2.3", new Uint8Array(32)), parts[1], "another key, another pseudonym");
  strictEqual(redacted(spec, line), line, "twice is once");
  match(
    redacted(spec, "IN=br0 MAC=00:1a:2b:3c:4d:5e:00:1a:2b:3c:4d:5f:08:00 SRC=192.0.2.1"),
    /^IN=br0 MAC=mac-\w{10}:mac-\w{10}:08:00 SRC=ip-\w{10}$/,
  );
  match(
    redacted(spec, "fe80::1a2b:3c4d via 2001:db8:0:0:0:0:0:1 [2001:db8::1]:514 ::ffff:192.0.2.9 0011.2233.4455"),
    /^ip-\w{10} via ip-\w{10} \[ip-\w{10}\]:514 ::ffff:ip-\w{10} mac-\w{10}$/,
  );
  strictEqual(
    redacted({ presets: ["ip"] }, "x 10.1.2.3", null),
    "x [ip]",
    "without a key nothing can be told apart",
  );
});

Deno.test("patterns hide what they match, or their group, with a text of one's own", () => {
  const spec: RedactSpec = { patterns: ["IBAN[A-Z0-9]+", { regex: "customer=(\\S+)", replacement: "someone" }] };
  strictEqual(redacted(spec, "IBANDE89 customer=smith x"), "[redacted] customer=someone x");
});

Deno.test("apply() hides the union of what overlaps", () => {
  strictEqual(redacted({ patterns: ["abc", "bcde", "e"] }, "xabcdey"), "x[redacted]y");
  strictEqual(redacted({ patterns: ["abcd", "b"] }, "xabcdy"), "x[redacted]y");
  strictEqual(
    redacted({ patterns: [{ regex: "a", replacement: "1" }, { regex: "b", replacement: "2" }] }, "abba"),
    "1221",
  );
});

Deno.test("apply() hands on the very batch when nothing is found", () => {
  const redactor = compileRedactor({ presets: ["secrets"] }, key, () => {})!;
  const batch = batchOfLines(["a", "b"], origin);
  strictEqual(redactor.apply(batch), batch);
  strictEqual(redactor.counters.redacted, 0);
});

Deno.test("apply() keeps order, position and form of a batch, and releases it once", () => {
  const redactor = compileRedactor({ presets: ["secrets"] }, key, () => {})!;
  let released = 0;
  const batch = { ...batchOfLines(["a", "pwd=1", "b", "pwd=2", ""], origin, { file: 3 }), release: () => released++ };
  const result = redactor.apply(batch);
  deepStrictEqual(texts(result), ["a", "pwd=[redacted]", "b", "pwd=[redacted]", ""]);
  deepStrictEqual([result.packed, result.position, redactor.counters.redacted], [true, { file: 3 }, 2]);
  result.release();
  strictEqual(released, 1);
});

Deno.test("apply() fails closed: a record that cannot be redacted is dropped and counted", () => {
  const broken = {
    findAll: (bytes: Uint8Array, start: number, end: number): boolean => {
      if (new TextDecoder().decode(bytes.subarray(start, end)).includes("bad")) throw new Error("broken");
      return true;
    },
  };
  const always = { test: (): boolean => true };
  const redactor = new Redactor([{ pattern: broken, replace: () => new Uint8Array(0) }], always);
  deepStrictEqual(texts(redactor.apply(batchOfLines(["ok", "bad", "fine"], origin))), ["ok", "fine"]);
  deepStrictEqual(redactor.counters, { redacted: 0, failed: 1 });
});

Deno.test("compileRedactor() reports wrong patterns and refuses a short key", () => {
  const problems: string[] = [];
  compileRedactor({ patterns: ["(a", "b"] }, key, ({ path, text }) => problems.push(`${path.join(".")}: ${text}`));
  strictEqual(problems.length, 1);
  match(problems[0]!, /^redact\.patterns\.0: a "\(" is not closed/);
  throws(() => compileRedactor({ presets: ["ip"] }, new Uint8Array(3), () => {}), /less than 16 bytes/);
  strictEqual(compileRedactor(undefined, key, () => {}), undefined);
});
