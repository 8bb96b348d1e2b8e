import assert from "node:assert/strict";
import { fingerprintOf, hash53 } from "../../formats/fingerprint.ts";
import { decodeMark, encodeMark, type FileMark, isContentOf, isCopyOf, packingOf, type Peek } from "./identity.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const peekOf = (content: Uint8Array): Peek => (offset, length) => content.subarray(offset, offset + length);

function markOf(text: string, offset = text.length): FileMark {
  return {
    path: "/var/log/a.log",
    offset,
    generation: 2,
    fingerprint: fingerprintOf(bytes(text.slice(0, offset))),
    marker: hash53(bytes(text.slice(Math.max(0, offset - 256), offset))),
    inLine: false,
  };
}

const long = Array.from({ length: 200 }, (_, i) => `line ${i}\n`).join("");

Deno.test("decodeMark() is the inverse of encodeMark(), through JSON", () => {
  for (const mark of [markOf("one\n"), { ...markOf(long), inLine: true, writtenMs: 1_700_000_000_000 }]) {
    assert.deepEqual(decodeMark(JSON.parse(JSON.stringify(encodeMark(mark)))), mark);
  }
});

Deno.test("decodeMark() gives nothing for anything else", () => {
  const good = encodeMark(markOf("one\n")) as Record<string, never>;
  const bad = [undefined, null, 5, "x", [], {}, { ...good, offset: -1 }, { ...good, offset: 1.5 }, {
    ...good,
    path: 1,
  }];
  for (const value of [...bad, { ...good, fingerprint: null }, { ...good, fingerprint: { length: 5_000, hash: 1 } }]) {
    assert.equal(decodeMark(value), undefined, JSON.stringify(value));
  }
});

Deno.test("isContentOf() holds for a file that grew, and not for one that was truncated or written anew", () => {
  const mark = markOf(long);
  assert.ok(isContentOf(mark, peekOf(bytes(long))));
  assert.ok(isContentOf(mark, peekOf(bytes(long + "more\n"))));
  assert.ok(!isContentOf(mark, peekOf(bytes(long.slice(0, -1)))));
  assert.ok(!isContentOf(mark, peekOf(bytes("X" + long.slice(1)))), "another beginning");
  assert.ok(!isContentOf(mark, peekOf(bytes(long.slice(0, -3) + "X9\nmore"))), "other bytes before the offset");
});

Deno.test("isCopyOf() holds for complete and growing copies only", () => {
  const original = bytes(long);
  const isCopy = (content: string): boolean =>
    isCopyOf(peekOf(bytes(content)), bytes(content).length, peekOf(original), original.length);
  assert.ok(isCopy(long));
  assert.ok(isCopy(long.slice(0, 1_500)));
  assert.ok(isCopy(long.slice(0, 10)));
  assert.ok(!isCopy(""));
  assert.ok(!isCopy(long + "longer"));
  assert.ok(!isCopy(long.slice(0, 1_400) + "something else"));
});

Deno.test("packingOf() knows archives by their first bytes", () => {
  assert.equal(packingOf(new Uint8Array([0x1f, 0x8b, 8, 0])), "gzip");
  assert.equal(packingOf(new Uint8Array([0x28, 0xb5, 0x2f, 0xfd])), "zstd");
  assert.equal(packingOf(new Uint8Array([0x1f])), undefined);
  assert.equal(packingOf(bytes("a line\n")), undefined);
});
