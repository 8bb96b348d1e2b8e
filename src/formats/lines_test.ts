import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type LineRun, LineSplitter } from "./lines.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const texts = ({ bytes, bounds, count }: LineRun) =>
  Array.from({ length: count }, (_, i) => new TextDecoder().decode(bytes.subarray(bounds[2 * i], bounds[2 * i + 1])));

function split(text: string, size: number, maxLineBytes: number): string[] {
  const splitter = new LineSplitter(maxLineBytes);
  const bytes = encode(text);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += size) lines.push(...texts(splitter.push(bytes.slice(at, at + size))));
  return [...lines, ...texts(splitter.flush())];
}

Deno.test("LineSplitter gives the same lines at every chunk size", () => {
  const text = "one\n\ntwo\r\n\0three\nüvier\nlast without end";
  for (let size = 1; size <= text.length + 2; size++) {
    deepStrictEqual(
      split(text, size, 100),
      ["one", "", "two\r", "\0three", "üvier", "last without end"],
      `chunks of ${size}`,
    );
  }
});

Deno.test("LineSplitter splits a line that is too long and loses none of it", () => {
  for (const size of [1, 3, 7, 50]) {
    const lines = split(`a\n${"x".repeat(25)}\nb\n`, size, 10);
    strictEqual(lines.join(""), `a${"x".repeat(25)}b`, `chunks of ${size}`);
    deepStrictEqual([lines[0], lines.at(-1)], ["a", "b"]);
  }
  deepStrictEqual(split("x".repeat(25), 25, 10), ["x".repeat(10), "x".repeat(10), "x".repeat(5)]);
});

Deno.test("LineSplitter keeps no more than the longest line", () => {
  const splitter = new LineSplitter(10);
  for (let i = 0; i < 100; i++) {
    splitter.push(encode("yyyyyyy"));
    strictEqual(splitter.restBytes <= 10, true);
  }
});
