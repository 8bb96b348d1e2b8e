import { strictEqual } from "node:assert/strict";
import { findHost } from "./syslog_host.ts";

function hostOf(text: string): string | undefined {
  const bytes = new TextEncoder().encode(`..${text}..`);
  const span = { start: 0, end: 0 };
  const found = findHost(bytes, 2, bytes.length - 2, span);
  return found ? new TextDecoder().decode(bytes.subarray(span.start, span.end)) : undefined;
}

Deno.test("findHost() finds the host of all three headers", () => {
  strictEqual(hostOf("<134>2026-11-20T19:32:47.948037+00:00 router1 bench: hello"), "router1");
  strictEqual(hostOf("<165>1 2026-11-20T19:32:47Z box.example app 12 - - hello"), "box.example");
  strictEqual(hostOf("<13>Nov  5 17:32:18 10.0.0.99 su: hello"), "10.0.0.99");
  strictEqual(hostOf("<13>2026-11-20T19:32:47Z router1"), "router1");
});

Deno.test("findHost() finds none where there is none", () => {
  for (
    const text of [
      "",
      "hello world",
      "<13>",
      "<13",
      "<1344>2026 host",
      "<13>2026-11-20T19:32:47Z",
      "<13>2026-11-20T19:32:47Z  x",
      "<13>Nov  5",
      "<13>Nov 20 19:36:32 su: from /dev/log",
      "<13>Nov 20 19:36:32 su[12]: from /dev/log",
    ]
  ) {
    strictEqual(hostOf(text), undefined, JSON.stringify(text));
  }
});
