import assert from "node:assert/strict";
import { TapQueue } from "./queue.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

Deno.test("TapQueue.take() gives what push() took, in order, over many turns of the ring", () => {
  const writer = TapQueue.create(256);
  const reader = new TapQueue(writer.memory);
  let pushed = "";
  let taken = "";
  for (let i = 0; i < 5_000; i++) {
    const text = `${i}:${"y".repeat((i * 7) % 90)}\n`;
    while (!writer.push(bytesOf(text.slice(0, 3)), bytesOf(text.slice(3)))) taken += textOf(reader.take()!.bytes);
    pushed += text;
  }
  for (let record = reader.take(); record !== undefined; record = reader.take()) taken += textOf(record.bytes);
  assert.equal(taken, pushed);
  assert.equal(writer.usedBytes, 0);
});

Deno.test("TapQueue.push() refuses what has no room and changes nothing", () => {
  const queue = TapQueue.create(128);
  assert.equal(queue.push(new Uint8Array(queue.maxRecordBytes + 1)), false);
  assert.equal(queue.usedBytes, 0);
  assert.equal(queue.push(new Uint8Array(queue.maxRecordBytes)), true);
  assert.equal(queue.roomBytes, 0);
  assert.equal(queue.push(new Uint8Array(0)), false);
  assert.equal(queue.take()!.bytes.length, queue.maxRecordBytes);
});

Deno.test("TapQueue.take() never puts records from before and after a drop together", () => {
  const queue = TapQueue.create(1024);
  queue.push(bytesOf("a\n"));
  queue.push(bytesOf("b\n"));
  queue.countDropped(2, 20);
  queue.push(bytesOf("c\n"));
  assert.deepEqual(queue.take(), { bytes: bytesOf("a\nb\n"), droppedBefore: { lines: 0, bytes: 0 } });
  assert.deepEqual(queue.take(), { bytes: bytesOf("c\n"), droppedBefore: { lines: 2, bytes: 20 } });
  assert.equal(queue.take(), undefined);
});

Deno.test("TapQueue.fallAsleep() refuses while there is a record, a new drop or the end to tell", () => {
  const queue = TapQueue.create(256);
  assert.equal(queue.mustWake(), false);
  assert.equal(queue.fallAsleep(queue.dropped), true);
  assert.deepEqual([queue.mustWake(), queue.mustWake()], [true, false]);
  const known = queue.dropped;
  queue.countDropped(1, 1);
  assert.equal(queue.fallAsleep(known), false);
  queue.push(bytesOf("x\n"));
  assert.equal(queue.fallAsleep(queue.dropped), false);
  queue.take();
  queue.end();
  assert.equal(queue.fallAsleep(queue.dropped), false);
});
