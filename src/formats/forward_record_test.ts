import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { encode, ExtData } from "@msgpack/msgpack";
import { ByteWriter } from "./byte_writer.ts";
import { ForwardEntry, parseForwardMessage, readForwardEntry } from "./forward_protocol.ts";
import { ForwardRecordWriter } from "./forward_record.ts";
import { endOfValue, ValueScanner } from "./msgpack.ts";
import { writeJson } from "./msgpack_json.ts";

const scanner = (): ValueScanner => new ValueScanner({ maxBytes: 100_000, maxDepth: 16 });
const time = new ExtData(0, Uint8Array.of(0x60, 0, 0, 0, 0x07, 0x5b, 0xcd, 0x15)); // 123456789 ns

/** The records of a message, as text. */
function recordsOf(message: unknown, program?: string): string[] {
  const bytes = encode(message, { useBigInt64: true });
  const parsed = parseForwardMessage(bytes, 0, bytes.length, scanner())!;
  const defaults = { priority: 13, host: "peer", receivedAtMs: 1_000, ...(program === undefined ? {} : { program }) };
  const writer = new ForwardRecordWriter(parsed.tag, defaults, scanner());
  const entry = new ForwardEntry();
  const texts: string[] = [];
  for (let at = parsed.start; at < parsed.end;) {
    at = readForwardEntry(bytes, at, parsed.end, parsed.single, scanner(), entry);
    const out = new ByteWriter();
    writer.write(bytes, entry, out);
    texts.push(new TextDecoder().decode(out.written));
  }
  return texts;
}

function jsonOf(bytes: Uint8Array): string {
  const writer = new ByteWriter();
  strictEqual(writeJson(bytes, 0, writer), bytes.length);
  return new TextDecoder().decode(writer.written);
}

Deno.test("ForwardRecordWriter.write() makes a header of time, host and tag, and JSON or the only text", () => {
  deepStrictEqual(recordsOf(["app.web", time, { log: "hello\n", stream: "stderr" }]), [
    '<13>1 2021-01-14T08:25:36.123456Z peer app.web - - - {"log":"hello\\n","stream":"stderr"}',
  ]);
  deepStrictEqual(recordsOf(["app", [[0x60000000, { message: "only\n" }], [null, { log: "" }], [1.5, { log: 7 }]]]), [
    "<13>1 2021-01-14T08:25:36.000000Z peer app - - - only",
    "<13>1 1970-01-01T00:00:01.000Z peer app - - - ",
    '<13>1 1970-01-01T00:00:01.500000Z peer app - - - {"log":7}',
  ]);
  deepStrictEqual(recordsOf(["t", [[[time, { meta: 1 }], { host: "a b", n: [1] }]]]), [
    '<13>1 2021-01-14T08:25:36.123456Z a_b t - - - {"host":"a b","n":[1]}',
  ]);
});

Deno.test("ForwardRecordWriter.write() keeps a tag that is no program in the structured data", () => {
  const long = "kube." + "x".repeat(60);
  deepStrictEqual(recordsOf([long, 5, { a: 1 }]), [
    `<13>1 1970-01-01T00:00:05.000000Z peer ${long.slice(0, 48)} - - [forward@0 tag="${long}"] {"a":1}`,
  ]);
  deepStrictEqual(recordsOf(['a b"', 5, {}], "p"), [
    '<13>1 1970-01-01T00:00:05.000000Z peer p - - [forward@0 tag="a b\\""] {}',
  ]);
});

Deno.test("writeJson() keeps order, odd keys, 64 bits and what is no JSON", () => {
  const record = {
    z: 1,
    "10": -5,
    "2": 2n ** 64n - 1n,
    f: NaN,
    b: Uint8Array.of(0xff, 0x61),
    d: [null, true, 0.5, -129],
  };
  strictEqual(
    jsonOf(encode({ ...record, e: new ExtData(5, Uint8Array.of(1)) }, { useBigInt64: true })),
    '{"2":18446744073709551615,"10":-5,"z":1,"f":null,"b":"\ufffda","d":[null,true,0.5,-129],"e":"AQ=="}',
  );
  // {"z":1,"10":2,7:3,"__proto__":{}}, which no JavaScript object can be
  const raw = [0x84, 0xa1, 0x7a, 1, 0xa2, 0x31, 0x30, 2, 7, 3, 0xa9, ...new TextEncoder().encode("__proto__"), 0x80];
  strictEqual(jsonOf(Uint8Array.from(raw)), '{"z":1,"10":2,"7":3,"__proto__":{}}');
  throws(() => jsonOf(Uint8Array.of(0x81, 0x90, 1)), /a key is no text but of type array/);
});

Deno.test("writeJson() agrees with the library about random values", () => {
  let seed = 7;
  const next = (below: number): number => (seed = seed * 48_271 % 2_147_483_647) % below;
  const value = (depth: number): unknown => {
    const kind = next(depth > 3 ? 6 : 8);
    if (kind === 0) return null;
    if (kind === 1) return next(2) === 0;
    if (kind === 2) return next(2_000_000_000) * (next(2) === 0 ? 1 : -4);
    if (kind === 3) return next(1_000) / 64 + 0.5;
    if (kind < 6) return '"\\\n\u0001é€😀x'.repeat(next(40)).slice(next(5));
    if (kind === 6) return Array.from({ length: next(20) }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length: next(20) }, (_, i) => [`k${i}`, value(depth + 1)]));
  };
  for (let i = 0; i < 300; i++) {
    const made = value(0);
    const bytes = encode(made);
    strictEqual(endOfValue(bytes, 0, bytes.length, scanner()), bytes.length);
    // Halves of surrogate pairs, which `slice` leaves, are U+FFFD in both.
    deepStrictEqual(JSON.parse(jsonOf(bytes)), JSON.parse(JSON.stringify(made).replace(/\\ud[89a-f]../g, "\ufffd")));
  }
});
