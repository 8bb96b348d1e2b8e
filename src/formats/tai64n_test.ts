import { ok, strictEqual } from "node:assert/strict";
import { encodeTai64n, parseTai64n, readTai64n } from "./tai64n.ts";

Deno.test("parseTai64n() reads labels of s6 by the table of leap seconds", () => {
  // As s6-tai64nlocal -g tells them.
  strictEqual(parseTai64n("@4000000037c219bf2ef02e94", "s6"), Date.UTC(1999, 7, 24, 4, 3, 43) + 787.4925);
  strictEqual(parseTai64n("@400000000000000a00000000", "s6"), 0);
});

Deno.test("parseTai64n() takes ten seconds off labels of daemontools, always", () => {
  strictEqual(parseTai64n("@400000000000000a00000000", "djb"), 0);
  const s6 = parseTai64n("@400000006b00c8fa27511407", "s6")!;
  strictEqual(parseTai64n("@400000006b00c8fa27511407", "djb")! - s6, 27_000);
});

Deno.test("parseTai64n() counts each leap second where it happened", () => {
  for (const [before, after] of [[Date.UTC(1972, 6) - 1_000, Date.UTC(1972, 6)], [1483228799000, 1483228800000]]) {
    const label = (ms: number): number => parseInt(encodeTai64n(ms, "s6").slice(9, 17), 16);
    strictEqual(label(after!) - label(before!), 2, "one second by the clock, two by TAI");
  }
});

Deno.test("encodeTai64n() is undone by parseTai64n()", () => {
  for (const kind of ["s6", "djb"] as const) {
    for (const timeMs of [-5_000, 0, 662_688_000_000, 1_483_228_800_000, 1_795_000_000_123.25, 7e12]) {
      const back = parseTai64n(encodeTai64n(timeMs, kind), kind)!;
      ok(Math.abs(back - timeMs) < 0.001, `${kind} ${timeMs} came back as ${back}`);
    }
  }
});

Deno.test("parseTai64n() refuses what is no label", () => {
  const bad = [
    "",
    "@",
    "400000006b00c8fa27511407x",
    "@400000006b00c8fa2751140",
    "@400000006b00c8fa275114070",
    "@400000006b00c8fa2751140G",
    "@400000006B00C8FA27511407",
    "@400000006b00c8fa3b9aca00", // a thousand million nanoseconds
    "@ffffffffffffffff00000000",
    "@000000000000000000000000",
    "@4000010000000000" + "00000000",
  ];
  for (const text of bad) strictEqual(parseTai64n(text, "s6"), undefined, text);
});

Deno.test("readTai64n() never looks behind the end", () => {
  const bytes = new TextEncoder().encode("x@400000006b00c8fa27511407 text");
  strictEqual(readTai64n(bytes, 1, bytes.length, "s6"), parseTai64n("@400000006b00c8fa27511407", "s6"));
  strictEqual(readTai64n(bytes, 1, 25, "s6"), undefined);
  strictEqual(readTai64n(bytes, 0, bytes.length, "s6"), undefined);
});
