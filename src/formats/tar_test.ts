import assert from "node:assert/strict";
import { encodeTarHeader, joinBytes, tarEndBytes, tarPaddingBytes } from "./tar.ts";

const modified = new Date("2026-11-20T20:30:00Z");

Deno.test("encodeTarHeader() writes the fields of ustar with a checksum", () => {
  const block = encodeTarHeader({ name: "a/b.txt", sizeBytes: 5, mode: 0o600, modified });
  const text = new TextDecoder().decode(block);
  assert.equal(block.length, 512);
  assert.equal(text.slice(0, 8), "a/b.txt\0");
  assert.equal(text.slice(100, 107), "0000600");
  assert.equal(text.slice(124, 135), "00000000005");
  assert.equal(text.slice(156, 157), "0");
  assert.equal(text.slice(257, 265), "ustar\x0000");
  const sum = block.reduce((all, byte, i) => all + (i >= 148 && i < 156 ? 32 : byte), 0);
  assert.equal(parseInt(text.slice(148, 154), 8), sum);
});

Deno.test("encodeTarHeader() puts long names, names with accents and huge sizes into a pax record", () => {
  const name = "n/" + "ü".repeat(96) + "/x";
  const bytes = encodeTarHeader({ name, sizeBytes: 9 * 2 ** 30, mode: 0o600, modified });
  const text = new TextDecoder().decode(bytes);
  assert.equal(bytes.length, 512 * 3);
  const record = `path=${name}\n`;
  assert.ok(text.includes(record) && text.includes("size=9663676416\n"));
  const length = new TextEncoder().encode(` ${record}`).length + 3;
  assert.ok(text.includes(`${length} ${record}`), "the length counts itself");
});

Deno.test("encodeTarHeader() counts the length of a record whose digits change it", () => {
  for (let n = 80; n < 120; n++) {
    const text = new TextDecoder().decode(
      encodeTarHeader({ name: "x".repeat(n) + "é", sizeBytes: 0, mode: 0o600, modified }),
    );
    const record = /(\d+) path=[^\n]*\n/.exec(text);
    assert.equal(new TextEncoder().encode(record![0]).length, Number(record![1]));
  }
});

Deno.test("tarPaddingBytes() fills a block", () => {
  assert.deepEqual([0, 1, 511, 512, 513].map(tarPaddingBytes), [0, 511, 1, 0, 511]);
  assert.equal(tarEndBytes, 1024);
  assert.deepEqual([...joinBytes([new Uint8Array([1]), new Uint8Array([2, 3])])], [1, 2, 3]);
});
