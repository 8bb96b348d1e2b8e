import { deepStrictEqual, doesNotThrow, ok, strictEqual, throws } from "node:assert/strict";
import { type Batch, batchOfLines, type Origin, packedBytes, recordText } from "../pipeline/batch.ts";
import { checkRules, compileRules, ruleFor } from "./rule_set.ts";
import type { RuleSpec, RulesSpec } from "./spec.ts";

const plain: Origin = {
  source: "messages",
  host: "router1",
  program: "kubelet",
  priority: 30,
  form: "plain",
  readAtMs: 0,
};
const syslog: Origin = { ...plain, form: "syslog" };

function texts(batch: Batch): string[] {
  return Array.from({ length: batch.count }, (_, i) => recordText(batch, i));
}

/** What is left of `lines` towards a sink. */
function shipped(spec: RulesSpec, lines: readonly string[], origin: Origin = syslog, sink = "loghost"): string[] {
  return texts(compileRules(spec).apply(batchOfLines(lines, origin), sink));
}

const header = "Nov 20 19:32:47 router1";

Deno.test("apply() follows Gardener's rules: programs, severity at most N, regex and exclude, the first match ships", () => {
  const rules: RuleSpec[] = [
    { programs: ["kubelet", "audisp-syslog"], severity: 4 },
    { programs: ["audisp-syslog"], severity: 6, message: { regex: 'key="?priv', exclude: "success=no" } },
    { severity: "critical" },
  ];
  const ship = [
    `<28>${header} kubelet[12]: warning`,
    `<24>${header} kubelet: emergency`,
    `<86>${header} audisp-syslog: key="privilege" success=yes`,
    `<26>${header} anything: critical`,
  ];
  const drop = [
    `<30>${header} kubelet[12]: info`,
    `<86>${header} audisp-syslog: key="privilege" success=no`,
    `<86>${header} audisp-syslog: key="other"`,
    `<27>${header} kube: error`,
    `<27>${header} kubelets: error`,
  ];
  deepStrictEqual(shipped({ rules }, [...drop, ...ship, ...drop]), ship);
});

Deno.test("apply() hands on the very batch when nothing is taken from it", () => {
  for (
    const rules of [[], [{ severity: 7 }], [{ programs: ["kubelet"] }], [{ programs: ["x"], action: "drop" as const }]]
  ) {
    for (const origin of [plain, syslog]) {
      const batch = batchOfLines([`<30>${header} kubelet: a`, `<30>${header} kubelet: b`], origin);
      strictEqual(compileRules({ rules }).apply(batch, "s"), batch, JSON.stringify(rules));
    }
  }
});

Deno.test("apply() shares the bytes of what it filters and says truly whether it is packed", () => {
  const ruleSet = compileRules({ rules: [{ message: { regex: "keep" } }] });
  let released = 0;
  const select = (lines: string[]): Batch =>
    ruleSet.apply({ ...batchOfLines(lines, plain, { file: 7 }), release: () => released++ }, "s");
  const tail = select(["no", "keep 1", "keep 2"]);
  deepStrictEqual(new TextDecoder().decode(packedBytes(tail)), "keep 1\nkeep 2\n");
  const torn = select(["keep 1", "no", "keep 2"]);
  strictEqual(torn.packed, false);
  deepStrictEqual(texts(torn), ["keep 1", "keep 2"]);
  const none = select(["no"]);
  deepStrictEqual([none.count, none.position], [0, { file: 7 }]);
  none.release();
  tail.release();
  strictEqual(released, 2);
});

Deno.test("apply() takes program, severity, facility and host of plain records from their origin", () => {
  const passes = (rule: RuleSpec): boolean => shipped({ rules: [rule] }, ["text"], plain).length === 1;
  for (
    const rule of [
      { programs: ["kubelet"] },
      { severity: "info" },
      { facilities: ["daemon"] },
      { hosts: ["ROUTER*"] },
      { sources: ["messages"] },
    ]
  ) ok(passes(rule), JSON.stringify(rule));
  for (
    const rule of [{ programs: ["kube"] }, { severity: 5 }, { facilities: ["kern", 4] }, { hosts: ["router"] }, {
      sources: ["x"],
    }]
  ) ok(!passes(rule), JSON.stringify(rule));
});

Deno.test("apply() takes program, severity, facility and host of syslog records from their header", () => {
  const line = "<86>1 2026-11-20T19:32:47Z gw.example.net postfix/smtpd 1 - - text";
  const passes = (rule: RuleSpec): boolean => shipped({ rules: [rule] }, [line]).length === 1;
  for (
    const rule of [
      { programs: ["postfix"] },
      { programs: ["postfix/smtpd"] },
      { severity: 6 },
      { facilities: [10] },
      { facilities: ["authpriv"] },
      { hosts: ["*.example.net"] },
      { hosts: ["a", "gw.*"] },
    ]
  ) ok(passes(rule), JSON.stringify(rule));
  for (
    const rule of [{ programs: ["kubelet", "post", "postfix/smtp"] }, { severity: 5 }, { facilities: ["daemon"] }, {
      hosts: ["router1", "gwxexample.net"],
    }]
  ) ok(!passes(rule), JSON.stringify(rule));
  strictEqual(
    shipped({ rules: [{ programs: ["kubelet"], hosts: ["router1"], severity: 6 }] }, ["<30>no header to speak of"])
      .length,
    1,
    "the origin fills in",
  );
});

Deno.test("apply() compares fields of JSON messages", () => {
  const record = JSON.stringify({
    verb: "delete",
    user: { groups: ["system:masters", "dev"] },
    code: 403,
    ann: { "k8s.io/decision": "forbid" },
    nothing: null,
  });
  const passes = (fields: RuleSpec["fields"], line = record): boolean =>
    shipped({ rules: [{ fields: fields! }] }, [line], plain).length === 1;
  for (
    const fields of [
      { verb: "delete" },
      { verb: ["get", "delete"], code: 403 },
      { "user.groups": "dev" },
      { "user.groups.0": "system:masters" },
      { "ann.k8s\\.io/decision": { regex: "^for" } },
      { code: { atLeast: 400, atMost: 499 } },
      { "user.name": { exists: false } },
      { verb: { not: ["get", "list"] } },
      { nothing: null },
    ] as const
  ) ok(passes(fields), JSON.stringify(fields));
  for (
    const fields of [
      { verb: "get" },
      { "user.groups.1": "system:masters" },
      { "ann.k8s.io/decision": "forbid" },
      { code: { atLeast: 404 } },
      { code: "403" },
      { verb: { not: "delete" } },
      { missing: null },
      { constructor: { exists: true } },
      { verb: { exists: false } },
    ] as const
  ) ok(!passes(fields), JSON.stringify(fields));
  for (const line of ["text", "{broken", "[1]", ""]) ok(!passes({ verb: { exists: false } }, line), line);
  ok(shipped({ rules: [{ fields: { a: 1 } }] }, [`<13>${header} app: {"a": 1}`]).length === 1);
});

Deno.test("apply() drops, and ships what no rule matched where no rule ships", () => {
  const drop: RuleSpec = { message: { regex: "noise" }, action: "drop" };
  deepStrictEqual(shipped({ rules: [drop] }, ["noise", "b"], plain), ["b"]);
  deepStrictEqual(shipped({ rules: [drop, { message: { regex: "^a" } }] }, ["a noise", "a", "b"], plain), ["a"]);
  deepStrictEqual(shipped({ rules: [drop, {}] }, ["noise", "b"], plain), ["b"]);
});

Deno.test("apply() routes: a record goes to the sinks of the first rule that matches, and to no other", () => {
  const spec = { rules: [{ message: { regex: "audit" }, route: ["vault"] }, {}] };
  deepStrictEqual(shipped(spec, ["audit", "b"], plain, "vault"), ["audit", "b"]);
  deepStrictEqual(shipped(spec, ["audit", "b"], plain, "loghost"), ["b"]);
});

Deno.test("counters() account for every record", () => {
  const ruleSet = compileRules({
    rules: [
      { message: { regex: "x" }, action: "drop" },
      { message: { regex: "r" }, route: ["other"] },
      { message: { regex: "a" }, limit: { records: 2, perMs: 1_000 } },
    ],
  });
  ruleSet.apply(batchOfLines(["x", "r", "a", "a", "a", "none"], plain), "s");
  deepStrictEqual(ruleSet.counters("s"), { shipped: 2, dropped: 1, unmatched: 1, routed: 1, limited: 1, failed: 0 });
  strictEqual(ruleSet.counters("other").shipped, 0);
});

Deno.test("apply() limits, and announces what it suppressed once the interval is over", () => {
  const spec: RulesSpec = { rules: [{ name: "flood", limit: { records: 2, perMs: 1_000, by: "program" } }] };
  const ruleSet = compileRules(spec);
  const at = (readAtMs: number, lines: string[], origin = plain): string[] =>
    texts(ruleSet.apply(batchOfLines(lines, { ...origin, readAtMs }), "s"));
  deepStrictEqual(at(0, ["1", "2", "3", "4"]), ["1", "2"]);
  deepStrictEqual(at(0, ["other"], { ...plain, program: "su" }), ["other"]);
  deepStrictEqual(at(999, ["5"]), []);
  const notice = 'agent: gap of 3 records of program "kubelet": suppressed by the limit of flood (2 per 1s)';
  deepStrictEqual(at(1_000, ["later"], { ...plain, program: "su" }), [notice, "later"]);
  deepStrictEqual(at(1_001, ["6", "7", "8"]), ["6", "7"]);
  deepStrictEqual(
    at(500, ["9"]),
    [notice.replace("3 records", "1 records"), "9"],
    "a clock that goes back begins a new interval",
  );
  at(500, ["10", "11"]);
  const [line, ...rest] = at(1_600, [`<30>${header} kubelet: x`], syslog);
  ok(/^<44>1970-01-01T00:00:01.600000\+00:00 router1 agent: gap of 1 records/.test(line!), line);
  deepStrictEqual(rest, [`<30>${header} kubelet: x`]);
  at(1_700, ["12", "13"]);
  deepStrictEqual(ruleSet.takeNotices("s", 1_700), []);
  strictEqual(ruleSet.takeNotices("s", Infinity).length, 1);
  strictEqual(ruleSet.takeNotices("s", Infinity).length, 0, "each notice is given once");
});

Deno.test("apply() limits with bounded memory: from the thousandth key on they share one count", () => {
  const ruleSet = compileRules({ rules: [{ limit: { records: 1, perMs: 1_000, by: "program" } }] });
  const lines = Array.from({ length: 3_000 }, (_, i) => `<30>${header} p${i}: x`);
  strictEqual(ruleSet.apply(batchOfLines(lines, syslog), "s").count, 1_001);
});

Deno.test("apply() adds metadata where the form of a record has a place for it", () => {
  const spec: RulesSpec = {
    metadata: { project: "foo", note: 'a "b"' },
    rules: [{ message: { regex: "special" }, enrich: { extra: "1" } }, {}],
  };
  deepStrictEqual(
    shipped(spec, [
      `<30>${header} app[1]: text`,
      "<30>1 - h app - - - text",
      '<30>1 - h app - - [a b="c"] text',
      '<30>1 - h app - - [metadata@0 project="bar"] text',
      "<30>1 - h app - - [ text",
      "<30>1 - h app",
      `<30>${header} app: {"a":1}`,
      `<30>${header} app: { }`,
      "<30>no header",
      "<30>special",
    ]),
    [
      `<30>${header} app[1]: project=foo note="a \\"b\\"" text`,
      '<30>1 - h app - - [metadata@0 project="foo" note="a \\"b\\""] text',
      '<30>1 - h app - - [a b="c"][metadata@0 project="foo" note="a \\"b\\""] text',
      '<30>1 - h app - - [metadata@0 project="bar"] text',
      '<30>1 - h app - - [metadata@0 project="foo" note="a \\"b\\""] [ text',
      "<30>1 - h app",
      `<30>${header} app: {"project":"foo","note":"a \\"b\\"","a":1}`,
      `<30>${header} app: {"project":"foo","note":"a \\"b\\"" }`,
      '<30>project=foo note="a \\"b\\"" no header',
      '<30>project=foo note="a \\"b\\"" extra=1 special',
    ],
  );
  const batch = compileRules(spec).apply(batchOfLines(["a", "b"], plain), "s");
  strictEqual(
    new TextDecoder().decode(packedBytes(batch)),
    'project=foo note="a \\"b\\"" a\nproject=foo note="a \\"b\\"" b\n',
  );
});

Deno.test("checkRules() finds every mistake and says where", () => {
  const problems = checkRules({
    rules: [
      { severity: "loud", message: { regex: "(a" } },
      {
        facilities: ["x"],
        route: ["nowhere"],
        sources: ["messages"],
        fields: { a: {} },
        limit: { records: 0, perMs: 1 },
      },
    ],
    redact: { patterns: ["ok", "(?=x)"] },
  }, { sinks: ["loghost"], sources: ["messages"] });
  deepStrictEqual(problems.map(({ path }) => path.join(".")), [
    "rules.0.severity",
    "rules.0.message.regex",
    "rules.1.route",
    "rules.1.limit",
    "rules.1.facilities",
    "rules.1.fields.a",
    "redact.patterns.1",
  ]);
  throws(() => compileRules({ rules: [{ severity: 9 }] }), /Cannot use rule "rules.0.severity": "9" is no severity/);
});

Deno.test("ruleFor() has nothing to run where nothing is asked, and does not redact twice", () => {
  strictEqual(ruleFor(compileRules({}), "s", false), undefined);
  const ruleSet = compileRules({ redact: { patterns: [{ regex: "a", replacement: "aa" }] } });
  const batch = batchOfLines(["a"], plain);
  deepStrictEqual(texts(ruleFor(ruleSet, "s", false)!(batch)), ["aa"]);
  deepStrictEqual(texts(ruleFor(ruleSet, "s", true)!(ruleSet.redact(batch))), ["aa"]);
});

Deno.test("apply() never throws, whatever the bytes are", () => {
  const ruleSet = compileRules({
    rules: [{ programs: ["a"], message: { regex: "x" } }, { fields: { "a.b": 1 } }, { hosts: ["h"] }, {
      message: { regex: "1.*=" },
    }],
    redact: { presets: ["secrets", "mac", "ip"] },
    metadata: { a: "b" },
  });
  let seed = 5;
  const random = (n: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % n;
  doesNotThrow(() => {
    for (let round = 0; round < 2_000; round++) {
      const alphabet = '<13>1 - []{}:"\\=a.b 192.168.1.1 password Nov 20';
      const lines = Array.from(
        { length: random(5) },
        () => Array.from({ length: random(60) }, () => alphabet[random(alphabet.length)]).join(""),
      );
      const batch = ruleSet.apply(batchOfLines(lines, random(2) === 0 ? plain : syslog), "s");
      for (let i = 0; i < batch.count; i++) recordText(batch, i);
    }
  });
  const { shipped, dropped, unmatched, failed } = ruleSet.counters("s");
  ok(shipped > 500 && unmatched > 500, `${shipped} shipped, ${unmatched} unmatched`);
  deepStrictEqual([failed, dropped], [0, 0]);
});

Deno.test("apply() adds no metadata for a sink that writes it in places of its own", () => {
  const ruleSet = compileRules({ metadata: { project: "foo" }, rules: [{ enrich: { a: "b" } }] }, {
    unenriched: ["gardener"],
  });
  deepStrictEqual(texts(ruleSet.apply(batchOfLines(["text"], plain), "gardener")), ["text"]);
  deepStrictEqual(texts(ruleSet.apply(batchOfLines(["text"], plain), "other")), ["project=foo a=b text"]);
});
