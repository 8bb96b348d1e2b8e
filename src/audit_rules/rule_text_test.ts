import { match, strictEqual } from "node:assert/strict";
import { defaultRules } from "./default_rules.ts";
import { complaintOfRules } from "./rule_text.ts";

Deno.test("complaintOfRules() takes the rules of Gardener, comments, and what auditctl reads from files", () => {
  for (const [name, text] of Object.entries(defaultRules)) strictEqual(complaintOfRules(name, text), undefined);
  strictEqual(
    complaintOfRules("a", "# x\n\n  -w /etc/passwd -p wa -k identity\n-e 2\n--loginuid-immutable\n-D\n"),
    undefined,
  );
});

Deno.test("complaintOfRules() refuses what is no rule, half a file, and options for people", () => {
  match(complaintOfRules("a", "-D\nhello\n")!, /^"a" line 2 is not a rule of auditctl$/);
  match(complaintOfRules("a", "-D")!, /half a file/);
  for (const line of ["-l", "-s", "-R /x", "-m text", "-v", "--help", "-"]) {
    match(complaintOfRules("a", `${line}\n`)!, /line 1/);
  }
  match(complaintOfRules("a", "-a \0\n")!, /is not text/);
  match(complaintOfRules("a", `-a ${"x".repeat(9_000)}\n`)!, /longer than 8192/);
});
