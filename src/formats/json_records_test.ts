import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { parseJsonRecords, parseNdjsonRecords, splitBody } from "./json_records.ts";
import type { LineRun } from "./lines.ts";

const encoder = new TextEncoder();
const records = ({ bytes, bounds, count }: LineRun): string[] =>
  Array.from({ length: count }, (_, i) => new TextDecoder().decode(bytes.subarray(bounds[2 * i], bounds[2 * i + 1])));
const json = (text: string): string[] => records(parseJsonRecords(encoder.encode(text)));
const ndjson = (text: string): string[] => records(parseNdjsonRecords(encoder.encode(text)));
const refused = (parse: () => unknown, words: RegExp): void =>
  throws(parse, { name: "MalformedError", message: words });

Deno.test("parseJsonRecords() drops white space alone and keeps every digit and escape", () => {
  deepStrictEqual(json(' {\n  "a" : 12345678901234567890.50e+400 ,\n "t": "x \\" { [ \\\\" , "l":[1, {"b":{}}] }\n'), [
    '{"a":12345678901234567890.50e+400,"t":"x \\" { [ \\\\","l":[1,{"b":{}}]}',
  ]);
  deepStrictEqual(json('[{"a":1}, {"a" : "ü\\n"} ,{}]'), ['{"a":1}', '{"a":"ü\\n"}', "{}"]);
  deepStrictEqual(json("[]"), []);
  deepStrictEqual(json('{"a":1}'), ['{"a":1}']);
});

Deno.test("parseJsonRecords() gives records back to back, each followed by one LF", () => {
  const { bytes, bounds } = parseJsonRecords(encoder.encode('[{"a":1},{"b":2}]'));
  strictEqual(new TextDecoder().decode(bytes), '{"a":1}\n{"b":2}\n');
  deepStrictEqual([...bounds], [0, 7, 8, 15]);
});

Deno.test("parseJsonRecords() says what is wrong", () => {
  refused(() => json('{"a":'), /the body is not JSON/);
  refused(() => json(""), /the body is not JSON/);
  refused(() => json("3"), /neither an object nor an array/);
  refused(() => json('[{}, "x"]'), /entry 1 of the array is no object/);
  refused(() => json('\ufeff{"a":1}'), /not JSON/);
  refused(() => parseJsonRecords(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])), /not UTF-8/);
});

Deno.test("parseNdjsonRecords() takes a line each and names the one that is wrong", () => {
  deepStrictEqual(ndjson('{"a": 1}\r\n\n  \n{"b":2}'), ['{"a": 1}', '{"b":2}']);
  refused(() => ndjson('{"a":1}\n{"b"'), /line 2 is not JSON/);
  refused(() => ndjson('{"a":1}\n[1]\n'), /line 2 is no object/);
});

Deno.test("splitBody() takes every line, also empty ones and a last one without LF", () => {
  deepStrictEqual(records(splitBody(encoder.encode("a\r\n\nb\rc\n\r\nd"))), ["a", "", "b\rc", "", "d"]);
  deepStrictEqual(records(splitBody(encoder.encode("a\n"))), ["a"]);
  deepStrictEqual(records(splitBody(new Uint8Array(0))), []);
});
