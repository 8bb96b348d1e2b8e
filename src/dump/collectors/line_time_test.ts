import { strictEqual } from "node:assert/strict";
import { encodeTai64n } from "../../formats/tai64n.ts";
import { lineTimeMs } from "./line_time.ts";

const nowMs = Date.UTC(2026, 10, 20, 20, 0, 0);
const bootAtMs = nowMs - 1_000_000;
const at = (line: string, basis: { nowMs: number; bootAtMs?: number } = { nowMs, bootAtMs }): number | undefined =>
  lineTimeMs(new TextEncoder().encode(line), basis);
const expected = Date.UTC(2026, 10, 20, 19, 32, 47);

Deno.test("lineTimeMs() knows the forms of logs", () => {
  const lines = [
    "2026-11-20T19:32:47.000000+00:00 host app: text",
    "<13>1 2026-11-20T19:32:47Z host app - - - text",
    "<13>2026-11-20T20:32:47+01:00 host app: text",
    '{"__CURSOR":"x","__REALTIME_TIMESTAMP":"1795203167000000","MESSAGE":"m"}'.replace(
      "1795203167000000",
      String(expected * 1_000),
    ),
    `{"level":"info","ts":${expected / 1_000}.0,"msg":"m"}`,
    '{"log":"text\\n","stream":"stdout","time":"2026-11-20T19:32:47.000Z"}',
    "2026-11-20T19:32:47.000000000Z stdout F text",
    `type=SYSCALL msg=audit(${expected / 1_000}.000:42): arch=c000003e`,
    '10.0.0.1 - - [20/Nov/2026:19:32:47 +0000] "GET / HTTP/1.1" 200 2',
    'time="2026-11-20T19:32:47Z" level=info msg=x',
    "[2026-11-20 19:32:47 +00:00] text".replace(" +00:00", "Z"),
    `${expected / 1_000} seconds`,
  ];
  for (const line of lines) strictEqual(at(line), expected, line);
  strictEqual(Math.round(at(encodeTai64n(expected, "s6") + " text")!), expected);
});

Deno.test("lineTimeMs() takes times of the machine's own zone, with and without a year", () => {
  const local = new Date(2026, 10, 20, 12, 32, 47).getTime();
  strictEqual(at("Nov 20 12:32:47 host app[1]: text"), local);
  strictEqual(at("2026/11/20 12:32:47 [error] 7#7: text"), local);
  strictEqual(at("E1120 12:32:47.000000       1 main.go:1] text"), local);
});

Deno.test("lineTimeMs() counts the kernel's seconds from the boot, where there was one", () => {
  strictEqual(at("[  12.500000] usb 1-1: new device"), bootAtMs + 12_500);
  strictEqual(at("[  12.500000] usb 1-1: new device", { nowMs }), undefined);
});

Deno.test("lineTimeMs() gives nothing for lines without a time and for clocks that were not set", () => {
  for (
    const line of ["", "text", "\tat frame (file.js:1)", "1970-01-01T00:00:07Z host app: boot", "<13>", "{}", "@4000"]
  ) {
    strictEqual(at(line), undefined, line);
  }
});
