import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { parseRange } from "./download.ts";

Deno.test("parseRange() reads one range, from the front and from the end", () => {
  deepStrictEqual(parseRange("bytes=0-0", 10), { start: 0, end: 1 });
  deepStrictEqual(parseRange("bytes=2-", 10), { start: 2, end: 10 });
  deepStrictEqual(parseRange("bytes=2-99", 10), { start: 2, end: 10 });
  deepStrictEqual(parseRange("bytes=-3", 10), { start: 7, end: 10 });
  deepStrictEqual(parseRange("bytes=-30", 10), { start: 0, end: 10 });
});

Deno.test("parseRange() passes over what it cannot read, and refuses what is not there", () => {
  for (
    const text of [
      undefined,
      "bytes=-",
      "bytes=5-2",
      "bytes=0-1,3-4",
      "lines=0-1",
      "bytes=a-b",
      "bytes=" + "9".repeat(30),
    ]
  ) {
    strictEqual(parseRange(text, 10), undefined, text);
  }
  strictEqual(parseRange("bytes=10-", 10), "unsatisfiable");
  strictEqual(parseRange("bytes=-0", 10), "unsatisfiable");
  strictEqual(parseRange("bytes=0-", 0), "unsatisfiable");
});
