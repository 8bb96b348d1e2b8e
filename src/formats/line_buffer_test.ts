import { ok, strictEqual } from "node:assert/strict";
import { LineBuffer } from "./line_buffer.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (buffer: LineBuffer): string => new TextDecoder().decode(buffer.written);

Deno.test("LineBuffer.append() counts the bytes of header and record", () => {
  const buffer = new LineBuffer(64);
  ok(buffer.append("octetCounted", encode("<13>ä "), encode("..a\nb.."), 2, 5, true));
  ok(buffer.append("octetCounted", encode(""), encode("x"), 0, 1, true));
  strictEqual(text(buffer), "10 <13>ä a\nb1 x");
  strictEqual(buffer.records, 2);
});

Deno.test("LineBuffer.append() keeps a record on one line", () => {
  const buffer = new LineBuffer(64);
  buffer.append("newline", encode("h "), encode("a\nb\n"), 0, 4, true);
  buffer.append("newline", encode(""), encode("c"), 0, 1, false);
  strictEqual(text(buffer), "h a#012b#012\nc\n");
});

Deno.test("LineBuffer.append() refuses what has no room and grows for one long record", () => {
  const buffer = new LineBuffer(32);
  const long = encode("y".repeat(100));
  ok(buffer.append("newline", encode(""), encode("x"), 0, 1, false));
  ok(!buffer.append("newline", encode(""), long, 0, 100, false));
  strictEqual(text(buffer), "x\n");
  buffer.clear();
  ok(buffer.append("newline", encode(""), long, 0, 100, false));
  strictEqual(text(buffer), "y".repeat(100) + "\n");
});
