import assert from "node:assert/strict";
import { LineGate } from "./line_gate.ts";
import { TapQueue } from "./queue.ts";

/** A gate over a small block, the text that came out of the queue, and what was dropped. */
function openGate(capacityBytes: number): {
  queue: TapQueue;
  feed(text: string): void;
  gate: LineGate;
  takeAll(): string;
} {
  const queue = TapQueue.create(capacityBytes);
  const reader = new TapQueue(queue.memory);
  const block = new Uint8Array(64);
  const gate = new LineGate(queue, block);
  return {
    queue,
    gate,
    feed: (text) => {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length; at += block.length) {
        const piece = bytes.subarray(at, at + block.length);
        block.set(piece);
        gate.pass(piece.length);
      }
    },
    takeAll: () => {
      let text = "";
      for (let record = reader.take(); record !== undefined; record = reader.take()) {
        text += new TextDecoder().decode(record.bytes);
      }
      return text;
    },
  };
}

Deno.test("LineGate.pass() lets lines through however the blocks are cut, and keeps a torn one back", () => {
  const { feed, takeAll, gate, queue } = openGate(1024);
  for (const piece of ["on", "e\ntw", "o", "\n\n\nthree\nfo"]) feed(piece);
  assert.equal(takeAll(), "one\ntwo\n\n\nthree\n");
  feed("ur");
  gate.finish();
  assert.equal(takeAll(), "four");
  assert.deepEqual(queue.dropped, { lines: 0, bytes: 0 });
});

Deno.test("LineGate.pass() drops whole lines when the queue is full, and passed + dropped = fed", () => {
  const { feed, takeAll, queue, gate } = openGate(512);
  let fed = "";
  let taken = "";
  for (let i = 0; i < 4_000; i++) {
    const text = `line ${i} ${"x".repeat(i % 97)}\n`.slice(i % 3);
    fed += text;
    feed(text);
    if (i % 29 === 0) taken += takeAll();
  }
  gate.finish();
  taken += takeAll();
  const lines = taken.split("\n").slice(0, -1);
  const all = fed.split("\n").slice(0, -1);
  const { lines: droppedLines, bytes: droppedBytes } = queue.dropped;
  assert.ok(droppedLines > 100 && lines.length > 100, `${droppedLines} dropped, ${lines.length} taken`);
  assert.equal(lines.length + droppedLines, all.length);
  assert.equal(taken.length + droppedBytes, fed.length);
  let at = -1;
  for (const line of lines) assert.ok((at = all.indexOf(line, at + 1)) >= 0, `${line} is no line in order`);
});

Deno.test("LineGate.pass() drops a line longer than the queue as one line, and goes on after it", () => {
  const { feed, takeAll, queue } = openGate(512);
  feed("before\n" + "z".repeat(5_000) + "\nafter\n");
  assert.equal(takeAll(), "before\nafter\n");
  assert.deepEqual(queue.dropped, { lines: 1, bytes: 5_001 });
});

Deno.test("LineGate.pass() takes a line that just fits the queue", () => {
  const { feed, takeAll, queue } = openGate(512);
  const line = "z".repeat(queue.maxRecordBytes - 1) + "\n";
  feed(line);
  assert.equal(takeAll(), line);
  feed("z" + line);
  assert.equal(takeAll(), "");
  assert.deepEqual(queue.dropped, { lines: 1, bytes: line.length + 1 });
});
