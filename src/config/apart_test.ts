import { deepStrictEqual } from "node:assert/strict";
import type { AgentConfig } from "./config.ts";
import { decodeResolved, encodeResolved } from "./apart.ts";

Deno.test("decodeResolved() is the inverse of encodeResolved()", () => {
  const config = {
    state: "/x",
    sources: { a: { multiline: { startPattern: '^\\d+ "x"', timeoutMs: 5 } } },
    rules: [],
  };
  deepStrictEqual(decodeResolved(encodeResolved({ config: config as unknown as AgentConfig })), { config });
  deepStrictEqual(decodeResolved(encodeResolved({ problems: ["a:1: b"] })), { problems: ["a:1: b"] });
});
