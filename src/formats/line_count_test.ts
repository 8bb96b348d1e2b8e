import assert from "node:assert/strict";
import { countLineFeeds } from "./line_count.ts";

const plainCount = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => sum + (byte === 10 ? 1 : 0), 0);

Deno.test("countLineFeeds() agrees with a plain loop at every start and end", () => {
  const bytes = new Uint8Array(41).map((_, i) => [10, 11, 0, 0x8a, 9, 10, 10, 255][(i * 7) % 8]!);
  const words = new Int32Array(bytes.buffer, 0, bytes.length >> 2);
  for (let start = 0; start <= bytes.length; start++) {
    for (let end = start; end <= bytes.length; end++) {
      assert.equal(
        countLineFeeds(bytes, words, start, end),
        plainCount(bytes.subarray(start, end)),
        `${start}..${end}`,
      );
    }
  }
});

Deno.test("countLineFeeds() counts more than 255 words of nothing but line feeds, and every byte value", () => {
  const feeds = new Uint8Array(65_536).fill(10);
  assert.equal(countLineFeeds(feeds, new Int32Array(feeds.buffer), 1, 65_535), 65_534);
  const all = new Uint8Array(256).map((_, i) => i);
  assert.equal(countLineFeeds(all, new Int32Array(all.buffer), 0, 256), 1);
});
