import assert from "node:assert/strict";
import { fingerprintOf, hasFingerprint, hash53 } from "./fingerprint.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

Deno.test("hash53() tells contents, order and length apart and fits a JSON number", () => {
  const texts = ["", "a", "b", "ab", "ba", "aa", "a\0", "line 1\n", "line 2\n", "\0", "\0\0"];
  const hashes = texts.map((text) => hash53(bytes(text)));
  assert.equal(new Set(hashes).size, texts.length);
  assert.ok(hashes.every((hash) => Number.isSafeInteger(hash) && hash >= 0));
});

Deno.test("hash53() has no collision among 100,000 near lines", () => {
  const seen = new Set<number>();
  for (let i = 0; i < 100_000; i++) seen.add(hash53(bytes(`2026-01-01 host app[1]: request ${i} done\n`)));
  assert.equal(seen.size, 100_000);
});

Deno.test("hash53() of a range is that of the same bytes alone", () => {
  assert.equal(hash53(bytes("xxabcyy"), 2, 5), hash53(bytes("abc")));
});

Deno.test("hasFingerprint() holds while a file grows and ends when its beginning changes", () => {
  const young = fingerprintOf(bytes("first line\n"));
  assert.ok(hasFingerprint(bytes("first line\nsecond line\n"), young));
  assert.ok(!hasFingerprint(bytes("First line\nsecond line\n"), young));
  assert.ok(!hasFingerprint(bytes("first"), young));
  assert.equal(fingerprintOf(new Uint8Array(5_000)).length, 1_024);
});
