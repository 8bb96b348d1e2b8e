import assert from "node:assert/strict";
import { cutLevel } from "./trim.ts";

Deno.test("cutLevel() cuts the large ones alike and leaves small ones whole", () => {
  assert.equal(cutLevel([10, 20, 30], 60), Infinity);
  assert.equal(cutLevel([10, 100, 100], 110), 50);
  assert.equal(cutLevel([100, 10, 50], 90), 40);
  assert.equal(cutLevel([100, 100], 0), 0);
  assert.equal(cutLevel([], 5), Infinity);
  const sizes = [7, 900, 33, 410, 410, 5];
  for (const budget of [1, 50, 400, 1_700]) {
    const level = cutLevel(sizes, budget);
    const kept = sizes.reduce((sum, size) => sum + Math.min(size, level), 0);
    assert.ok(Math.abs(kept - budget) < 1e-9, `${kept} of ${budget}`);
  }
});
