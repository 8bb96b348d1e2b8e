import { deepStrictEqual, notStrictEqual, strictEqual } from "node:assert/strict";
import { freeBytes, joinBytes } from "./bytes.ts";

Deno.test("joinBytes() puts parts in order into one new array", () => {
  const view = Uint8Array.of(9, 4, 5, 9).subarray(1, 3);
  deepStrictEqual([...joinBytes([Uint8Array.of(1, 2, 3), new Uint8Array(), view])], [1, 2, 3, 4, 5]);
  strictEqual(joinBytes([]).length, 0);
  const one = Uint8Array.of(1);
  notStrictEqual(joinBytes([one]), one, "what is kept must not be a view on what is read into again");
});

Deno.test("freeBytes() gives back a whole buffer, once, and no part of one", () => {
  const whole = new Uint8Array(8);
  freeBytes(whole.subarray(0, 4));
  strictEqual(whole.length, 8);
  freeBytes(whole);
  strictEqual(whole.length, 0);
  freeBytes(whole);
});
