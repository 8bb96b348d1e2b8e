import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { ElasticsearchSinkConfig, PlainHttpSinkConfig } from "./config.ts";
import { parseDocument } from "./schema.ts";

const sources = { a: { type: "stdin" } };

function read(sink: Readonly<Record<string, unknown>>): unknown {
  const { data, error } = parseDocument({ sources, sinks: { s: { target: "h", ...sink } } });
  return error === undefined
    ? data!.sinks.s
    : error.issues.map(({ path, message }) => `${String(path.at(-1))}: ${message}`);
}

Deno.test("sinks over HTTP have ports by kind, never send refused records again, and say who they are one way", () => {
  const elastic = read({ type: "elasticsearch", authentication: "basic", user: "u", secretFile: "/s" });
  const { port, index, path, credentials, aside } = elastic as ElasticsearchSinkConfig;
  deepStrictEqual([port, index, path, aside.refusedRetryCount], [9_200, "logs-agent-default", "/_bulk", 0]);
  deepStrictEqual(credentials, { kind: "basic", secretFile: "/s", user: "u" });
  const plain = (more: object): PlainHttpSinkConfig => read({ type: "http", ...more }) as PlainHttpSinkConfig;
  deepStrictEqual([plain({}).port, plain({ tls: {} }).port, plain({ tls: {} }).tls?.permittedPeer], [80, 443, ["h"]]);
  strictEqual(plain({}).credentials, undefined);
});

Deno.test("sinks over HTTP refuse credentials that do not go together, and headers that are theirs", () => {
  const complaints = (more: object): unknown => read({ type: "http", ...more });
  deepStrictEqual(complaints({ authentication: "bearer" }), ["secretFile: missing; bearer has its secret in a file"]);
  deepStrictEqual(complaints({ authentication: "basic", secretFile: "/s" }), [
    "user: missing; a password goes with a user",
  ]);
  deepStrictEqual(complaints({ secretFile: "/s" }), ["authentication: missing; allowed: basic, bearer, apiKey"]);
  deepStrictEqual(complaints({ authentication: "bearer", secretFile: "/s", user: "u" }), [
    "user: is for basic, not for bearer",
  ]);
  for (const headers of [{ Authorization: "x" }, { "Content-Length": "1" }, { "a b": "c" }, { a: "b\r\nc: d" }]) {
    strictEqual((complaints({ headers }) as string[]).length, 1, JSON.stringify(headers));
  }
  deepStrictEqual(read({ type: "loki", compression: "zstd" }), [
    `compression: "zstd" is not taken there; allowed: gzip, none`,
  ]);
  strictEqual((complaints({ path: "in" }) as string[]).length, 1);
});
