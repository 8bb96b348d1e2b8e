import assert from "node:assert/strict";
import { Block } from "./block.ts";
import { cutLines } from "./line_cutter.ts";
import { compileJoinRules, type Joined, joinLines } from "./multiline.ts";
import type { MultilineOptions } from "./options.ts";

function join(
  text: string,
  options: Partial<MultilineOptions>,
  { maxBytes = 1_000, flush = false } = {},
): Joined & { texts: string[] } {
  const bytes = new TextEncoder().encode(text);
  const block = new Block(bytes.length, 4);
  block.bytes.set(bytes);
  const { count } = cutLines(block, 0, bytes.length, 1_000);
  const joined = joinLines(block, count, compileJoinRules({ timeoutMs: 1, ...options }), maxBytes, flush);
  const texts = Array.from(
    { length: joined.count },
    (_, i) => new TextDecoder().decode(bytes.subarray(block.bounds[2 * i], block.bounds[2 * i + 1])),
  );
  return { ...joined, texts };
}

Deno.test("joinLines() begins a record where the start pattern matches and keeps the last one open", () => {
  const { texts, next, spans } = join("A1\n b\n c\nA2\nA3\n d\n", { startPattern: "^A" });
  assert.deepEqual(texts, ["A1\n b\n c", "A2"]);
  assert.deepEqual([next, spans], [12, true]);
});

Deno.test("joinLines() flushes the last record", () => {
  const { texts, next } = join("A1\n b\nA2\n c\n", { startPattern: "^A" }, { flush: true });
  assert.deepEqual(texts, ["A1\n b", "A2\n c"]);
  assert.equal(next, 12);
});

Deno.test("joinLines() adds lines that the continue pattern matches", () => {
  const { texts, spans } = join("e\n\tat a\n\tat b\nf\ng\n", { continuePattern: "^\\t" }, { flush: true });
  assert.deepEqual([texts, spans], [["e\n\tat a\n\tat b", "f", "g"], true]);
});

Deno.test("joinLines() says when nothing was joined", () => {
  assert.equal(join("A1\nA2\nA3\n", { startPattern: "^A" }).spans, false);
});

Deno.test("joinLines() ends a record before it is too long", () => {
  const { texts } = join("A\n1234\n5678\n9\n", { startPattern: "^A" }, { maxBytes: 7, flush: true });
  assert.deepEqual(texts, ["A\n1234", "5678\n9"]);
});

Deno.test("joinLines() keeps everything open while one record is all there is", () => {
  assert.deepEqual(join("A\n b\n", { startPattern: "^A" }).texts, []);
  assert.equal(join("A\n b\n", { startPattern: "^A" }).next, 0);
});
