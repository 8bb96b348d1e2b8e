import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { ByteWriter, isUtf8 } from "./byte_writer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

Deno.test("ByteWriter.jsonString() writes what JSON.parse reads back, for every character and at every length", () => {
  const out = new ByteWriter(1);
  const texts = [
    "",
    "plain",
    `"quoted" \\ back\\\\slash`,
    Array.from({ length: 0x300 }, (_, i) => String.fromCharCode(i)).join(""),
    "ünï\u2028\u2029 \u{1f600} \uffff",
    `after ü comes " and \\ and \n and \0`,
  ];
  for (const text of texts) {
    out.clear();
    out.jsonText(text);
    strictEqual(JSON.parse(decoder.decode(out.written)), text);
  }
  for (let length = 0; length < 600; length++) {
    const text = `${"x".repeat(length)}"${"ü".repeat(length % 7)}\t`;
    out.clear();
    out.jsonString(encoder.encode(`<<${text}>>`), 2, 2 + encoder.encode(text).length);
    strictEqual(JSON.parse(decoder.decode(out.written)), text);
  }
});

Deno.test("ByteWriter.jsonString() gives JSON whatever the bytes are", () => {
  const out = new ByteWriter();
  const bytes = new Uint8Array(64);
  for (let round = 0; round < 20_000; round++) {
    crypto.getRandomValues(bytes);
    if (round % 2 === 0) bytes[round % 64] = 0xc3;
    out.clear();
    out.jsonString(bytes);
    strictEqual(isUtf8(out.written), true);
    const lenient = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    strictEqual(JSON.parse(decoder.decode(out.written)), lenient);
  }
});

Deno.test("ByteWriter.varint() and fixed64() write as protocol buffers have it", () => {
  const out = new ByteWriter(1);
  const bytes = (value: number): number[] => (out.clear(), out.varint(value), [...out.written]);
  deepStrictEqual(bytes(0), [0]);
  deepStrictEqual(bytes(127), [127]);
  deepStrictEqual(bytes(128), [0x80, 1]);
  deepStrictEqual(bytes(300), [0xac, 2]);
  deepStrictEqual(bytes(2 ** 32), [0x80, 0x80, 0x80, 0x80, 0x10]);
  deepStrictEqual(bytes(Number.MAX_SAFE_INTEGER), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
  out.clear();
  out.fixed64(1_700_000_000_123_000_045n);
  strictEqual(new DataView(out.written.slice().buffer).getBigUint64(0, true), 1_700_000_000_123_000_045n);
});
