import assert from "node:assert/strict";
import { type Batch, batchOfLines, type Origin, packedBytes, recordText } from "../pipeline/batch.ts";
import { bodyBytes, encodeOrigin, readBody, recordsThatFit, writeBody } from "./frame_body.ts";
import {
  encodeSegmentHeader,
  frameHeaderBytes,
  parseSegmentName,
  readFrameHeader,
  readSegmentVersion,
  segmentHeaderBytes,
  type SegmentKey,
  segmentName,
  segmentSalt,
  writeFrameHeader,
} from "./segment.ts";
import { decodeSlot, encodeSlot } from "./slot_file.ts";
import { BufferPool, SegmentWalk } from "./walk.ts";

const key: SegmentKey = { firstSeq: 41_234, instance: "9f3c22aa01b7e6d4" };
const origin: Origin = {
  source: "tap",
  host: "host1",
  program: "getty",
  priority: 30,
  form: "plain",
  readAtMs: 1_700_000_000_123.25,
};

/** One frame of the image under test. */
interface Made {
  readonly at: number;
  readonly end: number;
  readonly seq: number;
  readonly body: Uint8Array;
}

Deno.test("segmentName() and parseSegmentName() are inverse, and other names are refused", () => {
  assert.equal(segmentName(key), "00000000000000041234-9f3c22aa01b7e6d4.seg");
  assert.deepEqual(parseSegmentName(segmentName(key)), key);
  for (
    const name of ["x.seg", "00000000000000000000-9f3c22aa01b7e6d4.seg", "99999999999999999999-9f3c22aa01b7e6d4.seg"]
  ) {
    assert.equal(parseSegmentName(name), undefined, name);
  }
});

Deno.test("encodeSegmentHeader() writes the documented bytes", () => {
  const bytes = encodeSegmentHeader({ firstSeq: 1, instance: "00000000000000ff" }, 2);
  assert.equal(
    bytes.subarray(0, 32).toHex(),
    "4c534547" + "0001" + "0000" + "0000000000000001" + "0000000000000002" + "00000000000000ff",
  );
  assert.equal(readSegmentVersion(bytes), 1);
  bytes[9]! ^= 1;
  assert.equal(readSegmentVersion(bytes), undefined);
});

Deno.test("encodeSlot() and decodeSlot() are inverse, and any flipped bit is seen", () => {
  const slot = { generation: 7, instance: key.instance, value: 2 ** 52 + 1 };
  const bytes = encodeSlot(slot);
  assert.deepEqual(decodeSlot(bytes), slot);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(decodeSlot(flipped), undefined);
  }
  assert.equal(decodeSlot(new Uint8Array(32)), undefined);
});

Deno.test("readBody() gives back what writeBody() took, packed or not", () => {
  const packed = batchOfLines(["one", "", "three\nwith LF", "ünï"], origin);
  const spread: Batch = {
    ...packed,
    packed: false,
    bytes: new TextEncoder().encode("..one....three"),
    bounds: new Uint32Array([2, 5, 6, 6, 9, 14]),
    count: 3,
    origin: { ...origin, form: "syslog", peer: "device1", host: "" },
  };
  for (const batch of [packed, spread]) {
    const encoded = encodeOrigin(batch.origin);
    const bytes = new Uint8Array(bodyBytes(encoded, batch, 0, batch.count));
    assert.equal(writeBody(bytes, 0, encoded, batch, 0, batch.count), bytes.length);
    const body = readBody(bytes, batch.count)!;
    assert.deepEqual(body.origin, batch.origin);
    const again: Batch = { ...batch, bytes, bounds: body.bounds, packed: true };
    for (let i = 0; i < batch.count; i++) assert.equal(recordText(again, i), recordText(batch, i));
    const lines = Array.from({ length: batch.count }, (_, i) => recordText(batch, i) + "\n").join("");
    assert.equal(new TextDecoder().decode(packedBytes(again)), lines);
  }
});

Deno.test("readBody() refuses bodies that contradict themselves", () => {
  const batch = batchOfLines(["one", "two"], origin);
  const encoded = encodeOrigin(origin);
  const bytes = new Uint8Array(bodyBytes(encoded, batch, 0, 2));
  writeBody(bytes, 0, encoded, batch, 0, 2);
  assert.equal(readBody(bytes, 1), undefined);
  assert.equal(readBody(bytes, 3), undefined);
  assert.equal(readBody(bytes, 2 ** 32 - 1), undefined);
  for (let length = 0; length < bytes.length; length++) assert.equal(readBody(bytes.subarray(0, length), 2), undefined);
});

Deno.test("recordsThatFit() counts what a body of so many bytes takes, and takes a longer one alone", () => {
  const batch = batchOfLines(["aaaa", "bbbb", "cccc"], origin);
  const encoded = encodeOrigin(origin);
  assert.equal(recordsThatFit(encoded, batch, 0, encoded.length + 18), 2);
  assert.equal(recordsThatFit(encoded, batch, 0, encoded.length + 17), 1);
  assert.equal(recordsThatFit(encoded, batch, 1, 0), 1);
  assert.equal(bodyBytes(encoded, batch, 0, 2), encoded.length + 18);
});

Deno.test("readFrameHeader() accepts a frame at its own place in its own segment only", () => {
  const { image, made } = makeImage();
  const frame = made[3]!;
  const salt = segmentSalt(key);
  assert.equal(readFrameHeader(image, frame.at, salt, frame.at)?.seq, frame.seq);
  assert.equal(readFrameHeader(image, frame.at, salt, frame.at + 512), undefined);
  assert.equal(readFrameHeader(image, frame.at, segmentSalt({ ...key, firstSeq: 1 }), frame.at), undefined);
  assert.equal(
    readFrameHeader(image, frame.at, segmentSalt({ ...key, instance: "9f3c22aa01b7e6d5" }), frame.at),
    undefined,
  );
});

Deno.test("SegmentWalk finds every frame of an intact segment, and goes on when it has grown", () => {
  const { image, made } = makeImage();
  const walk = new SegmentWalk(key, reader(image), new BufferPool());
  let size = made[5]!.end;
  const seqs: number[] = [];
  for (let round = 0; round < 2; round++, size = image.length) {
    for (let found = walk.next(size); found !== undefined; found = walk.next(size)) {
      assert.equal(found.kind, "frame");
      if (found.kind === "frame") seqs.push(found.header.seq);
    }
    assert.equal(walk.at, size);
  }
  assert.deepEqual(seqs, made.map(({ seq }) => seq));
});

Deno.test("SegmentWalk delivers no wrong byte and misses no frame that is whole, in 30,000 damaged segments", () => {
  const { image, made } = makeImage();
  const random = randomNumbers(20_260_101);
  let cases = 0;
  const check = (damaged: Uint8Array, from: number, end: number, expectOthers = true): void => {
    cases++;
    const found = walkAll(damaged);
    const missed = new Set(expectOthers ? made.filter((frame) => frame.end <= from || frame.at >= end) : []);
    for (const { seq, body } of found) {
      const original = made.find((frame) => frame.seq === seq);
      assert.ok(original !== undefined && equal(body, original.body), `case ${cases}: wrong frame ${seq}`);
      missed.delete(original);
    }
    assert.deepEqual([...missed].map(({ seq }) => seq), [], `case ${cases}: damage ${from}..${end}`);
  };
  for (let at = 0; at < image.length; at++) {
    const flipped = image.slice();
    flipped[at]! ^= 1 << (at % 8);
    check(flipped, at, at + 1);
    check(image.subarray(0, at), at, image.length); // truncated
  }
  for (let i = 0; i < 20_000; i++) {
    const from = Math.floor(random() * image.length);
    const length = 1 + Math.floor(random() * 1_500);
    const end = Math.min(image.length, from + length);
    const damaged = image.slice();
    if (i % 4 === 0) damaged.fill(0, from, end); // a page that never came to disk
    else if (i % 4 === 1) { for (let at = from; at < end; at++) damaged[at] = Math.floor(random() * 256); }
    else if (i % 4 === 2) damaged.copyWithin(from, Math.floor(random() * image.length), image.length); // a stale page
    else {
      const cut = new Uint8Array(image.length - (end - from)); // bytes that are gone
      cut.set(image.subarray(0, from));
      cut.set(image.subarray(end), from);
      check(cut, from, image.length);
      continue;
    }
    check(damaged, from, i % 4 === 2 ? image.length : end);
  }
  assert.ok(cases >= 30_000, `${cases} cases`);
});

/** Frames of all sizes; records hold what looks like frames, and one real frame of this very segment. */
function makeImage(): { readonly image: Uint8Array; readonly made: readonly Made[] } {
  const random = randomNumbers(7);
  const parts: Uint8Array[] = [encodeSegmentHeader(key, 0)];
  const made: Made[] = [];
  let [at, seq] = [segmentHeaderBytes, key.firstSeq];
  for (let i = 0; i < 30; i++) {
    const lines = Array.from(
      { length: 1 + (i * 7) % 5 },
      (_, n) => `LSEG LS\x00\x01 ${"LS".repeat((i * n) % 40)} ${random()}`,
    );
    const batch = i === 20 ? batchOfBytes(parts[4]!) : batchOfLines(lines, origin);
    const encoded = encodeOrigin(origin);
    const body = bodyBytes(encoded, batch, 0, batch.count);
    const frame = new Uint8Array(frameHeaderBytes + body);
    writeBody(frame, frameHeaderBytes, encoded, batch, 0, batch.count);
    writeFrameHeader(frame, 0, { type: "data", bodyBytes: body, seq, count: batch.count }, segmentSalt(key), at);
    made.push({ at, end: at + frame.length, seq, body: frame.subarray(frameHeaderBytes) });
    parts.push(frame);
    at += frame.length;
    seq += batch.count;
  }
  const image = new Uint8Array(at);
  let to = 0;
  for (const part of parts) {
    image.set(part, to);
    to += part.length;
  }
  return { image, made };
}

function batchOfBytes(record: Uint8Array): Batch {
  const bytes = new Uint8Array(record.length + 1);
  bytes.set(record);
  bytes[record.length] = 10;
  return { ...batchOfLines([""], origin), bytes, bounds: new Uint32Array([0, record.length]) };
}

function walkAll(image: Uint8Array): { readonly seq: number; readonly body: Uint8Array }[] {
  const walk = new SegmentWalk(key, reader(image), pool);
  const frames = [];
  for (let found = walk.next(image.length); found !== undefined; found = walk.next(image.length)) {
    if (found.kind === "frame") frames.push({ seq: found.header.seq, body: found.body.slice() });
  }
  walk.close();
  return frames;
}

function reader(image: Uint8Array): (into: Uint8Array, offset: number) => number {
  return (into, offset) => {
    const part = image.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Numbers in 0..1 that are the same in every run (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const pool = new BufferPool();
