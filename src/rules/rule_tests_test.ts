import { deepStrictEqual } from "node:assert/strict";
import { compileRules } from "./rule_set.ts";
import { runRuleTests } from "./rule_tests.ts";

const ruleSet = compileRules({
  rules: [
    { name: "warnings", programs: ["kubelet"], severity: "warning" },
    { programs: ["su"], route: ["vault"], limit: { records: 1, perMs: 1_000 } },
  ],
  redact: { presets: ["secrets"] },
  metadata: { site: "a" },
});

Deno.test("runRuleTests() finds nothing where every expectation holds", () => {
  deepStrictEqual(
    runRuleTests(ruleSet, [
      { record: "<28>Nov 20 19:32:47 h kubelet: x", expect: "ship", rule: "warnings" },
      { record: "x", program: "kubelet", severity: "err", expect: "ship" },
      { record: "x", program: "kubelet", expect: "drop", rule: "none" },
      { record: "x", program: "su", expect: "drop", rule: "rules[1]" },
      { record: "x", program: "su", sink: "vault", expect: "ship" },
      { record: "x", program: "su", sink: "vault", expect: "ship" },
      {
        record: "password=x two\nlines",
        program: "kubelet",
        severity: 0,
        expect: "ship",
        output: "site=a password=[redacted] two\nlines",
      },
    ]),
    [],
  );
});

Deno.test("runRuleTests() says what was expected and what came", () => {
  deepStrictEqual(
    runRuleTests(ruleSet, [
      { name: "first", record: "<28>Nov 20 19:32:47 h kubelet: x", expect: "drop", rule: "rules[1]" },
      { record: "x", program: "kubelet", expect: "ship" },
      { record: "x", program: "kubelet", severity: 1, expect: "ship", output: "x" },
      { record: "x", severity: "loud", expect: "ship" },
    ]).map(({ test, text }) => `${test}: ${text}`),
    [
      "first: expected drop, got ship (warnings decides)",
      "first: expected that rules[1] decides, but warnings decides",
      "tests[1]: expected ship, got drop (no rule matches)",
      'tests[2]: expected output "x", got "site=a x"',
      'tests[3]: "loud" is no severity; write 0 to 7 or one of emergency, alert, critical, error, warning, notice, info, debug',
    ],
  );
});
