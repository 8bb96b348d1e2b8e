import assert from "node:assert/strict";
import { Block } from "./block.ts";
import { cutBeforeCharacter, cutLines, maxRecordsPerCut, nulRun, stripCarriageReturns } from "./line_cutter.ts";

function blockOf(text: string): { block: Block; end: number } {
  const bytes = new TextEncoder().encode(text);
  const block = new Block(bytes.length + 20, 2);
  block.bytes.set(bytes);
  block.bytes.fill(10, bytes.length); // what an earlier use left behind must not be seen
  return { block, end: bytes.length };
}

function textsOf(block: Block, count: number): string[] {
  return Array.from(
    { length: count },
    (_, i) => new TextDecoder().decode(block.bytes.subarray(block.bounds[2 * i], block.bounds[2 * i + 1])),
  );
}

Deno.test("cutLines() gives the complete lines and says where the next one begins", () => {
  const { block, end } = blockOf("one\n\nthree\nhalf");
  const cut = cutLines(block, 0, end, 100);
  assert.deepEqual(textsOf(block, cut.count), ["one", "", "three"]);
  assert.deepEqual([cut.next, cut.stop], [11, "end"]);
});

Deno.test("cutLines() stops before a line that is too long, complete or not, and takes one of exactly the bound", () => {
  for (const tail of ["123456\n", "123456"]) {
    const { block, end } = blockOf(`12345\n${tail}`);
    const cut = cutLines(block, 0, end, 5);
    assert.deepEqual(textsOf(block, cut.count), ["12345"]);
    assert.deepEqual([cut.next, cut.stop], [6, "long"]);
  }
});

Deno.test("cutLines() stops before NUL at the beginning of a line only", () => {
  const { block, end } = blockOf("a\0b\n\0c\n");
  const cut = cutLines(block, 0, end, 100);
  assert.deepEqual([cut.count, cut.next, cut.stop], [1, 4, "nul"]);
  assert.equal(nulRun(new Uint8Array([1, 0, 0, 2]), 1, 4), 2);
});

Deno.test("cutLines() bounds the number of records", () => {
  const { block, end } = blockOf("\n".repeat(maxRecordsPerCut + 5));
  const cut = cutLines(block, 0, end, 100);
  assert.deepEqual([cut.count, cut.next, cut.stop], [maxRecordsPerCut, maxRecordsPerCut, "full"]);
});

Deno.test("stripCarriageReturns() takes one CR before the LF and nothing else", () => {
  const { block, end } = blockOf("a\r\nb\rc\n\r\r\n\r\n");
  const { count } = cutLines(block, 0, end, 100);
  assert.ok(stripCarriageReturns(block, count));
  assert.deepEqual(textsOf(block, count), ["a", "b\rc", "\r", ""]);
});

Deno.test("cutBeforeCharacter() never halves a character, and gives way where there is none", () => {
  const text = new TextEncoder().encode("aä€😀b");
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((max) => cutBeforeCharacter(text, 0, max)), [
    1,
    1,
    3,
    3,
    3,
    6,
    6,
    6,
    6,
  ]);
  assert.equal(cutBeforeCharacter(new Uint8Array(20).fill(0x80), 0, 10), 10);
});
