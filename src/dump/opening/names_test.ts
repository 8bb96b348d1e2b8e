import { deepStrictEqual, notStrictEqual, strictEqual } from "node:assert/strict";
import { collisionKey, safePath, shownText } from "./names.ts";

Deno.test("shownText() escapes what moves a cursor, hides or turns text around, and nothing else", () => {
  strictEqual(shownText("ünï 日本 😀.log"), "ünï 日本 😀.log");
  strictEqual(shownText("a\x1b[31m\r\n\x9b\x7f"), "a\\x1b[31m\\x0d\\x0a\\x9b\\x7f");
  strictEqual(shownText("a\u202etxt\u200b\ufeff\u2028"), "a\\u{202e}txt\\u{200b}\\u{feff}\\u{2028}");
  strictEqual(shownText("\ud800x"), "\\u{d800}x");
});

Deno.test("safePath() keeps names below the folder and refuses the others", () => {
  deepStrictEqual(safePath("./b//c/./d"), { segments: ["b", "c", "d"] });
  deepStrictEqual(safePath("b/..c/d..."), { segments: ["b", "..c", "d..."] });
  for (const name of ["..", "../x", "b/../x", "b/..", "/x", "b/\0x", `b/${"x".repeat(256)}`, "d/".repeat(65) + "x"]) {
    notStrictEqual("refused" in safePath(name) && safePath(name), false, name);
  }
  deepStrictEqual(safePath(""), { segments: [] });
});

Deno.test("collisionKey() is the same for names that are one file on some disk", () => {
  strictEqual(collisionKey(["B", "\u00fc"]), collisionKey(["b", "u\u0308"]));
  notStrictEqual(collisionKey(["b", "c"]), collisionKey(["b", "d"]));
});
