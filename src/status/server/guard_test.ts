import { strictEqual } from "node:assert/strict";
import { complaintOfOrigin, complaintOfTarget, isFromBrowser, type RequestHead } from "./guard.ts";

const own = { scheme: "http", names: ["router1.example.net"] } as const;

function head(headers: Readonly<Record<string, string>>, method = "GET"): RequestHead {
  return { method, target: "/", header: (name) => headers[name] };
}
const status = (headers: Readonly<Record<string, string>>, method?: string): number | undefined =>
  complaintOfOrigin(head(headers, method), own)?.status;

Deno.test("complaintOfTarget() takes plain paths and nothing else", () => {
  for (const target of ["/", "/api/dump/1a-2b", "/page.css?x=1&y=%20", "/api/tail?source=a/../b", "/a..b"]) {
    strictEqual(complaintOfTarget(target), undefined, target);
  }
  const hostile = [
    "",
    "*",
    "x",
    "/../etc/passwd",
    "/a/..",
    "/./a",
    "/%2e%2e/a",
    "//evil.example/",
    "/a//b",
    "/a\\..\\b",
  ];
  for (const target of [...hostile, "http://evil.example/", "/a\0", "/a b", "/é", "/?\n", "/#"]) {
    strictEqual(complaintOfTarget(target)?.status, 400, target);
  }
  strictEqual(complaintOfTarget("/" + "a".repeat(3_000))?.status, 414);
});

Deno.test("complaintOfOrigin() knows its own names, and takes addresses", () => {
  for (
    const host of ["localhost", "localhost:7514", "127.0.0.1:7514", "[::1]:7514", "Router1.Example.net:80", "10.0.0.1"]
  ) {
    strictEqual(status({ host }), undefined, host);
  }
  for (
    const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "a b", "127.0.0.1:x", "@a"]
  ) {
    strictEqual(status({ host }), 421, host);
  }
  strictEqual(status({}), 421);
});

Deno.test("complaintOfOrigin() refuses what pages of other origins send", () => {
  const host = "127.0.0.1:7514";
  strictEqual(status({ host, origin: `http://${host}` }, "POST"), undefined);
  for (
    const origin of [
      "http://evil.example",
      "null",
      "https://127.0.0.1:7514",
      "http://127.0.0.1:80",
      "http://localhost:7514",
    ]
  ) {
    strictEqual(status({ host, origin }, "POST"), 403, origin);
    strictEqual(status({ host, origin }), 403, origin);
  }
  strictEqual(status({ host, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }), 403);
  strictEqual(status({ host, "sec-fetch-site": "same-site", "sec-fetch-mode": "navigate" }, "POST"), 403);
  strictEqual(status({ host, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }), undefined);
  strictEqual(status({ host, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors" }, "POST"), undefined);
});

Deno.test("isFromBrowser() sees what browsers add", () => {
  strictEqual(isFromBrowser(head({ host: "x" })), false);
  strictEqual(isFromBrowser(head({ origin: "null" })), true);
  strictEqual(isFromBrowser(head({ cookie: "a=b" })), true);
});
