import { deepStrictEqual, ok } from "node:assert/strict";
import { parse } from "yaml";
import type { AgentConfig } from "../../src/config/config.ts";
import { formatConfiguration } from "../../src/engine/feed_configuration.ts";

/** A configuration with more than this version has: a secret must not show because its key is new. */
function shown(keys: Record<string, unknown>): { readonly text: string; readonly data: Record<string, unknown> } {
  const text = formatConfiguration({ state: "/s", hostname: "h", ...keys } as unknown as AgentConfig);
  return { text, data: parse(text) as Record<string, unknown> };
}

Deno.test("formatConfiguration() writes YAML that says what was given", () => {
  const keys = {
    list: ["a", "on", "10", "", "a: b", "- x"],
    maps: [{ one: 1, two: [true, null] }, { "key with: colon": "line\nline" }],
    empty: { a: [], b: {} },
    path: "/etc/agent/token",
  };
  deepStrictEqual(shown(keys).data, { state: "/s", hostname: "h", ...keys });
});

Deno.test("formatConfiguration() takes out every secret and leaves paths", () => {
  const secret = "hunter2x";
  const { text, data } = shown({
    sinks: {
      out: {
        url: `https://user:${secret}@host:9200/path?sig=${secret}#${secret}`,
        password: secret,
        apiKey: secret,
        clientSecret: secret,
        tokens: [secret, secret],
        headers: { "x-scope": secret },
        command: `send --password ${secret} --to host`,
        env: [`DB_PASSWORD=${secret}`],
        tls: { key: "/etc/agent/key.pem", cert: "/etc/agent/cert.pem", ca: `-----BEGIN PRIVATE KEY-----\n${secret}` },
      },
    },
    dump: { words: [secret], patterns: ["a+"] },
    certificate: { challengeFile: "/etc/agent/challenge" },
    webhook: { tokenFile: "/etc/agent/tokens" },
    tests: [{ record: secret, expect: "drop" }],
  });
  ok(!text.includes(secret), text);
  ok(text.includes("/path?"));
  deepStrictEqual((data.webhook as { tokenFile: string }).tokenFile, "/etc/agent/tokens");
  deepStrictEqual((data.certificate as { challengeFile: string }).challengeFile, "/etc/agent/challenge");
  ok(text.includes("/etc/agent/key.pem"));
});
