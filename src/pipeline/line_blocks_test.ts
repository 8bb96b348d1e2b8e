import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { LineSplitter } from "../formats/lines.ts";
import { type Batch, type Origin, recordText } from "./batch.ts";
import { LineBlocks } from "./line_blocks.ts";

const origin: Origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 0 };

/** Reads `text` in pieces of at most `pieceBytes`; `keep`: batches are not released. */
function read(blocks: LineBlocks, text: string, pieceBytes: number, use: (batch: Batch) => void): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) {
    const space = blocks.space();
    ok(space.length > 0);
    const length = Math.min(space.length, pieceBytes, bytes.length);
    space.set(bytes.subarray(0, length));
    bytes = bytes.subarray(length);
    blocks.take(length, 5, origin).forEach(use);
  }
  blocks.flush(5, origin).forEach(use);
}

function textsOf(batch: Batch): string[] {
  return Array.from({ length: batch.count }, (_, i) => recordText(batch, i));
}

Deno.test("LineBlocks.take() gives the lines of a stream, however it is cut, and overwrites none that is held", () => {
  const wanted = Array.from({ length: 500 }, (_, i) => `line ${i} ${"x".repeat(i % 37)}`);
  for (const pieceBytes of [1, 3, 17, 64, 100, 1_000]) {
    for (const blockBytes of [16, 64, 100, 4_096]) {
      const held: Batch[] = [];
      read(new LineBlocks(60, blockBytes), wanted.join("\n"), pieceBytes, (batch) => held.push(batch));
      deepStrictEqual(held.flatMap(textsOf), wanted, `pieces of ${pieceBytes}, blocks of ${blockBytes}`);
      const released: string[] = [];
      read(new LineBlocks(60, blockBytes), wanted.join("\n") + "\n", pieceBytes, (batch) => {
        released.push(...textsOf(batch));
        batch.release();
        batch.release(); // a second one gives nothing away
      });
      deepStrictEqual(released, wanted);
    }
  }
});

Deno.test("LineBlocks.take() cuts long lines at the limit", () => {
  const text = `a\n${"b".repeat(95)}\nc\n${"d".repeat(41)}`;
  const got: string[] = [];
  read(new LineBlocks(20, 16), text, 7, (batch) => got.push(...textsOf(batch)));
  strictEqual(got.join(""), text.replaceAll("\n", ""));
  ok(got.every((line) => line.length <= 20 + 16), String(got.map((line) => line.length)));
  const splitter = new LineSplitter(20);
  strictEqual(splitter.push(new TextEncoder().encode("x".repeat(30))).count, 1);
  strictEqual(new TextDecoder().decode(splitter.takeRest()), "x".repeat(10));
  strictEqual(splitter.restBytes, 0);
});

Deno.test("LineBlocks uses a block again when its batches are released, and no sooner", () => {
  const blocks = new LineBlocks(64, 64);
  const buffers = new Set<ArrayBufferLike>();
  const fill = (): readonly Batch[] => {
    const space = blocks.space();
    buffers.add(space.buffer);
    space.fill(120);
    for (let i = 9; i < space.length; i += 10) space[i] = 10;
    return blocks.take(space.length, 2, origin);
  };
  for (let i = 0; i < 100; i++) fill().forEach((batch) => batch.release());
  ok(buffers.size <= 2, `${buffers.size} blocks`);
  const held = Array.from({ length: 10 }, () => fill()).flat();
  ok(buffers.size >= 10, `${buffers.size} blocks`);
  ok(held.every((batch) => textsOf(batch).every((text) => /^x*$/.test(text))));
});
