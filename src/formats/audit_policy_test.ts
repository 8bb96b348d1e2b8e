import { deepStrictEqual, throws } from "node:assert/strict";
import { concernsOfPolicy } from "./audit_policy.ts";

const concerns = (...rules: readonly unknown[]): readonly string[] =>
  concernsOfPolicy({ apiVersion: "audit.k8s.io/v1", kind: "Policy", rules }).map(({ rule, text }) => `${rule} ${text}`);
const core = (level: string, resources: readonly string[], more: object = {}): object => ({
  level,
  resources: [{ group: "", resources, ...more }],
});

Deno.test("concernsOfPolicy() finds the rule that logs secrets, and none behind one that takes them away", () => {
  const secrets = "logs the values of Secrets (level Request)";
  const [tokens, accounts] = [
    "logs the tokens of TokenReviews (level RequestResponse)",
    "logs new tokens of service accounts (level RequestResponse)",
  ];
  deepStrictEqual(concerns({ level: "Metadata" }), []);
  deepStrictEqual(concerns(core("Request", [])), [`1 ${secrets}`]);
  deepStrictEqual(concerns(core("Request", ["*"])), [`1 ${secrets}`]);
  deepStrictEqual(concerns(core("Metadata", ["secrets"]), core("Request", [])), []);
  deepStrictEqual(
    concerns(
      { level: "None", resources: [{ group: "", resources: ["secrets"], resourceNames: ["x"] }] },
      core("Request", ["secrets"]),
    ),
    [`2 ${secrets}`],
  );
  deepStrictEqual(concerns({ ...core("Metadata", ["secrets"]), namespaces: ["a"] }, core("Request", ["secrets"])), [
    `2 ${secrets}`,
  ]);
  deepStrictEqual(concerns({ level: "RequestResponse", nonResourceURLs: ["/api*"] }), []);
  deepStrictEqual(concerns(core("Metadata", ["secrets", "pods"]), { level: "RequestResponse" }), [
    `2 ${tokens}`,
    `2 ${accounts}`,
  ]);
  deepStrictEqual(concerns(core("RequestResponse", ["*/token"])), [`1 ${accounts}`]);
  deepStrictEqual(concerns(core("RequestResponse", ["serviceaccounts", "pods/*"])), []);
});

Deno.test("concernsOfPolicy() says what is no policy", () => {
  throws(() => concernsOfPolicy("x"), /no audit policy/);
  throws(() => concernsOfPolicy({ kind: "Policy", apiVersion: "v1", rules: [] }), /no audit policy/);
  throws(() => concerns(), /no rules/);
  throws(() => concerns({ level: "metadata" }), /rule 1 has no level/);
});
