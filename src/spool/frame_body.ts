/** The body of a frame: what is needed to build a batch again. Pure; the layout is drawn in segment.ts. */
import type { Batch, Origin } from "../pipeline/batch.ts";

/** What a body holds; `bounds` are (start, end) pairs in the body's own bytes, packed as in a batch. */
export interface FrameBody {
  readonly origin: Origin;
  readonly bounds: Uint32Array;
}

/** An origin ready to be written again and again. */
export function encodeOrigin(origin: Origin): Uint8Array {
  const texts = [origin.source, origin.host, origin.program, origin.peer].map((text) =>
    text === undefined ? undefined : encoder.encode(text.slice(0, maxTextUnits))
  );
  const bytes = new Uint8Array(10 + texts.reduce((sum, text) => sum + 2 + (text?.length ?? 0), 0));
  const view = new DataView(bytes.buffer);
  bytes[0] = origin.form === "syslog" ? 1 : 0;
  bytes[1] = origin.priority;
  view.setFloat64(2, origin.readAtMs);
  let at = 10;
  for (const text of texts) {
    view.setUint16(at, text?.length ?? absent);
    at += 2;
    if (text !== undefined) bytes.set(text, at);
    at += text?.length ?? 0;
  }
  return bytes;
}

/** Bytes of the body for records `first` to before `end` of a batch. */
export function bodyBytes(origin: Uint8Array, batch: Batch, first: number, end: number): number {
  let sum = origin.length + 5 * (end - first); // a length and an LF each
  for (let i = first; i < end; i++) sum += batch.bounds[2 * i + 1]! - batch.bounds[2 * i]!;
  return sum;
}

/** How many records from `first` on fit into a body of `maxBytes`; at least 1. */
export function recordsThatFit(origin: Uint8Array, batch: Batch, first: number, maxBytes: number): number {
  let sum = origin.length;
  for (let i = first; i < batch.count; i++) {
    sum += 5 + batch.bounds[2 * i + 1]! - batch.bounds[2 * i]!;
    if (sum > maxBytes) return Math.max(1, i - first);
  }
  return batch.count - first;
}

/** Writes the body for records `first` to before `end` at `at`; returns the offset behind it. */
export function writeBody(
  bytes: Uint8Array,
  at: number,
  origin: Uint8Array,
  batch: Batch,
  first: number,
  end: number,
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  bytes.set(origin, at);
  let to = at + origin.length;
  for (let i = first; i < end; i++, to += 4) view.setUint32(to, batch.bounds[2 * i + 1]! - batch.bounds[2 * i]!);
  if (batch.packed) {
    const lines = batch.bytes.subarray(batch.bounds[2 * first], batch.bounds[2 * end - 1]! + 1);
    bytes.set(lines, to);
    bytes[to + lines.length - 1] = lf;
    return to + lines.length;
  }
  for (let i = first; i < end; i++) {
    const record = batch.bytes.subarray(batch.bounds[2 * i], batch.bounds[2 * i + 1]);
    bytes.set(record, to);
    to += record.length;
    bytes[to++] = lf;
  }
  return to;
}

/** What a body of `count` records says; undefined when it contradicts itself. */
export function readBody(body: Uint8Array, count: number): FrameBody | undefined {
  if (body.length < 18 || count < 1 || count > body.length) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const texts: (string | undefined)[] = [];
  let at = 10;
  for (let i = 0; i < 4; i++) {
    if (at + 2 > body.length) return undefined;
    const length = view.getUint16(at);
    at += 2;
    texts.push(length === absent ? undefined : decoder.decode(body.subarray(at, at + length)));
    at += length === absent ? 0 : length;
  }
  const bounds = readBounds(view, at, count);
  if (bounds === undefined) return undefined;
  const [source = "", host = "", program = "", peer] = texts;
  const origin: Origin = {
    source,
    host,
    program,
    priority: body[1]!,
    form: body[0] === 1 ? "syslog" : "plain",
    readAtMs: view.getFloat64(2),
    ...(peer === undefined ? {} : { peer }),
  };
  return { origin, bounds };
}

function readBounds(view: DataView, lengthsAt: number, count: number): Uint32Array | undefined {
  let start = lengthsAt + 4 * count;
  if (start > view.byteLength) return undefined;
  const bounds = new Uint32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const end = start + view.getUint32(lengthsAt + 4 * i);
    bounds[2 * i] = start;
    bounds[2 * i + 1] = end;
    start = end + 1;
  }
  return start === view.byteLength ? bounds : undefined;
}

/** Names longer than this are cut: they are names, and a peer may have chosen them. */
const maxTextUnits = 1_024;
const absent = 0xffff;
const lf = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
