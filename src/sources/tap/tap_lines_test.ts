import assert from "node:assert/strict";
import { encodeTapGap, escapeTapLines } from "../../formats/tap_gap.ts";
import { TapLines } from "./tap_lines.ts";

/** What `TapLines` makes of the bytes in chunks of `size`: each line as text, each gap as an object. */
function seenOf(bytes: Uint8Array, size: number): { seen: unknown[]; isUnpacked: boolean } {
  const lines = new TapLines(64);
  const seen: unknown[] = [];
  let isUnpacked = false;
  const take = (items: ReturnType<TapLines["push"]>): void => {
    for (const item of items) {
      if (item.kind === "gap") {
        seen.push(item.gap);
        continue;
      }
      const { bytes, bounds, count } = item.run;
      isUnpacked ||= !item.packed;
      for (let i = 0; i < count; i++) {
        seen.push(new TextDecoder().decode(bytes.subarray(bounds[2 * i], bounds[2 * i + 1])));
        // Packed says that the next record begins right behind this one's LF.
        if (item.packed && i + 1 < count) assert.equal(bounds[2 * i + 2], bounds[2 * i + 1]! + 1);
      }
    }
  };
  for (let at = 0; at < bytes.length; at += size) take(lines.push(bytes.slice(at, at + size)));
  take(lines.flush());
  return { seen, isUnpacked };
}

Deno.test("TapLines.push() gives lines, gaps in their place and escaped lines as they were, in chunks of any size", () => {
  const copied = ["plain", "\x10# agent tap: gap of 5 lines, 5 bytes", "", "\x10\x10two", "nul \0 and \x10 within"];
  const gap = { lines: 7, bytes: 700 };
  const text = escapeTapLines(new TextEncoder().encode(copied.map((line) => line + "\n").join("")));
  const notice = encodeTapGap(gap);
  const all = new Uint8Array(2 * text.length + notice.length + 4);
  all.set(text);
  all.set(notice, text.length);
  all.set(text, text.length + notice.length);
  all.set(new TextEncoder().encode("torn"), all.length - 4);
  for (const size of [1, 2, 3, 7, 40, all.length]) {
    assert.deepEqual(seenOf(all, size).seen, [...copied, gap, ...copied, "torn"], `chunks of ${size}`);
  }
  assert.equal(seenOf(all, all.length).isUnpacked, true);
});

Deno.test("TapLines.push() splits lines at the limit", () => {
  for (const size of [10, 1_000]) {
    const { seen } = seenOf(new TextEncoder().encode("a\n" + "x".repeat(150) + "\n" + "y".repeat(64) + "\n"), size);
    assert.deepEqual(seen, ["a", "x".repeat(64), "x".repeat(64), "x".repeat(22), "y".repeat(64)], `chunks of ${size}`);
  }
});
