import { ok, strictEqual, throws } from "node:assert/strict";
import { encode } from "@msgpack/msgpack";
import { parseForwardMessage } from "./forward_protocol.ts";
import { endOfValue, ValueScanner } from "./msgpack.ts";

const limits = { maxBytes: 1_000, maxDepth: 8 };

Deno.test("ValueScanner.advance() finds the end of a value that comes byte by byte", () => {
  const values = [null, 7, -1, 300, 70_000, 1.5, "x".repeat(40), new Uint8Array(300), [1, [2, { a: [] }]], { k: "v" }];
  const bytes = encode(values);
  for (const piece of [1, 2, 7]) {
    const scanner = new ValueScanner(limits);
    let come = 0;
    while (!scanner.advance(bytes, 0, come)) {
      ok(come < bytes.length, "whole at the last byte");
      come = Math.min(bytes.length, come + piece);
    }
    strictEqual(come, bytes.length);
    strictEqual(scanner.length, bytes.length);
  }
});

Deno.test("ValueScanner.advance() refuses what announces too much at its head, and what is too deep", () => {
  const scan = (...bytes: number[]): boolean =>
    new ValueScanner(limits).advance(Uint8Array.from(bytes), 0, bytes.length);
  throws(() => scan(0xdb, 0xff, 0xff, 0xff, 0xff), /longer than 1000 bytes/);
  throws(() => scan(0xc6, 0x00, 0x01, 0x00, 0x00), /longer/);
  throws(() => scan(0xdd, 0x7f, 0xff, 0xff, 0xff), /longer/);
  throws(() => scan(0xdf, 0xff, 0xff, 0xff, 0xff), /longer/);
  throws(() => scan(0x91, 0xc1), /0xc1 begins no value/);
  throws(() => scan(...Array.from({ length: 10 }, () => 0x91)), /nested too deeply/);
  ok(scan(...Array.from({ length: 8 }, () => 0x91), 0xc0));
  ok(!scan(0xdd, 0x00), "the head itself is not whole");
});

Deno.test("endOfValue() demands a whole value", () => {
  const bytes = encode(["abc", { d: 5 }]);
  strictEqual(endOfValue(bytes, 0, bytes.length, new ValueScanner(limits)), bytes.length);
  throws(() => endOfValue(bytes, 0, bytes.length - 1, new ValueScanner(limits)), /ends before its end/);
});

Deno.test("parseForwardMessage() tells the modes apart and refuses what is none", () => {
  const parse = (value: unknown) => {
    const bytes = encode(value);
    return parseForwardMessage(bytes, 0, bytes.length, new ValueScanner(limits));
  };
  strictEqual(parse(null), undefined);
  strictEqual(parse(["t", 1, {}, { chunk: "c" }])?.chunk, "c");
  strictEqual(parse(["t", [], { chunk: "c" }])?.count, 0);
  strictEqual(parse(["t", new Uint8Array(1), { compressed: "gzip", size: 3 }])?.compressed, true);
  strictEqual(parse(["t", "", { compressed: "text" }])?.compressed, false);
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [5, /is no array but of type int/],
    [[], /has 0 elements/],
    [["t"], /has 1 elements/],
    [["t", 1], /of type int, and there is no third/],
    [[5, 1, {}], /the tag is no text but of type int/],
    [["t".repeat(2_000), 1, {}], /longer than/],
    [["t", [], {}, {}], /one too many/],
    [["t", 1, {}, 5], /an option is no map/],
    [["t", [], { chunk: 5 }], /chunk is no text/],
    [["t", [], { compressed: "zstd" }], /"compressed" is "zstd"/],
    [["t", new Uint8Array(3), { fluent_signal: 1 }], /metrics or traces/],
  ];
  for (const [value, text] of wrong) throws(() => parse(value), text, JSON.stringify(value).slice(0, 60));
});
