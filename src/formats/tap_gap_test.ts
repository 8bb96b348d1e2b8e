import assert from "node:assert/strict";
import { decodeTapGap, encodeTapGap, escapeTapLines, tapLineStart } from "./tap_gap.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

Deno.test("decodeTapGap() reads what encodeTapGap() wrote", () => {
  const gap = { lines: 123_456_789_012, bytes: 24_691_357_802_400 };
  const notice = encodeTapGap(gap);
  assert.equal(notice.at(-1), 10);
  assert.deepEqual(decodeTapGap(notice, 0, notice.length - 1), gap);
});

Deno.test("decodeTapGap() takes only exact notices", () => {
  for (
    const text of [
      "# agent tap: gap of 1 lines, 2 bytes",
      "\x10# agent tap: gap of 1 lines, 2 bytes ",
      "\x10# agent tap: gap of -1 lines, 2 bytes",
      "\x10\x10# agent tap: gap of 1 lines, 2 bytes",
      "\x10",
      "",
    ]
  ) assert.equal(decodeTapGap(bytesOf(text), 0, bytesOf(text).length), undefined, JSON.stringify(text));
});

Deno.test("escapeTapLines() leaves lines without DLE at their start as they are, the same object", () => {
  const lines = bytesOf("one\ntwo \x10 three\n\n\0\n");
  assert.equal(escapeTapLines(lines), lines);
});

Deno.test("escapeTapLines() makes a copied notice a copied line, and tapLineStart() takes the escape away", () => {
  const forged = "\x10# agent tap: gap of 9 lines, 9 bytes";
  const lines = [forged, "plain", "\x10", "\x10\x10twice", "", "a\x10b", "\x10last without LF"];
  const escaped = escapeTapLines(bytesOf(lines.join("\n")));
  const seen: string[] = [];
  for (let start = 0; start <= escaped.length;) {
    const feed = escaped.indexOf(10, start);
    const end = feed < 0 ? escaped.length : feed;
    assert.equal(decodeTapGap(escaped, start, end), undefined);
    seen.push(textOf(escaped.subarray(tapLineStart(escaped, start, end), end)));
    start = end + 1;
  }
  assert.deepEqual(seen, lines);
});
