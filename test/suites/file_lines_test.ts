/**
 * What the file source makes records of: halves, odd bytes, long lines, joined lines; with and without watching.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openFileSource } from "../../src/sources/file/file_source.ts";
import { append, filesCase, lines, Reader } from "../peers/file_reader.ts";

filesCase("17, 18: a line in two halves is one record, also across a restart", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, "whole\nfirst half");
  const first = new Reader(folder, base);
  await first.expect(["whole"]);
  append(path, ", second half\nagain ha");
  await first.expect(["whole", "first half, second half"]);
  const second = new Reader(folder, { ...base, from: await first.stop() });
  await second.expect([]);
  append(path, "lf\n");
  await second.expect(["again half"]);
  await second.stop();
});

filesCase("19: the last line without a newline of a deleted file comes as it is", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, "whole\nhalf");
  const reader = new Reader(folder, base);
  await reader.expect(["whole"]);
  Deno.removeSync(path);
  await reader.expect(["whole", "half"]);
  await reader.stop();
});

filesCase("20: keeps CR, NUL, BOM, invalid UTF-8 and empty lines as they are", async (folder, base) => {
  const odd = [
    [0x61, 0x0d],
    [0x0d],
    [0x62, 0x0d, 0x63],
    [0x64, 0x00, 0x65],
    [0x00, 0x66],
    [],
    [],
    [0xef, 0xbb, 0xbf, 0x67],
    [0xff, 0xfe, 0xc3],
    [0xed, 0xa0, 0x80],
  ];
  append(join(folder, "a.log"), new Uint8Array([0x78, 10, ...odd.flatMap((record) => [...record, 10])]));
  const seen: number[][] = [];
  const stop = new AbortController();
  const source = openFileSource({
    id: "files",
    include: [join(folder, "*.log")],
    start: "beginning",
    hostname: "host",
    once: true,
    ...base,
    report: () => {},
  });
  for await (const batch of source.read(undefined, { maxRecords: 3, maxBytes: 1_000 }, stop.signal)) {
    for (let i = 0; i < batch.count; i++) {
      seen.push([...batch.bytes.subarray(batch.bounds[2 * i], batch.bounds[2 * i + 1])]);
    }
  }
  assert.deepEqual(seen, [[0x78], ...odd]);
});

filesCase("20: strips one CR where asked to", async (folder, base) => {
  append(join(folder, "a.log"), "a\r\nb\nc\r\r\n\r\n");
  const reader = new Reader(folder, { ...base, stripCarriageReturn: true });
  await reader.expect(["a", "b", "c\r", ""]);
  await reader.stop();
});

for (const longLines of ["truncate", "split", "skip"] as const) {
  filesCase(`21: a line of 10 MB among normal ones: ${longLines}`, async (folder, base) => {
    const maxLineBytes = 99_999; // odd, so that every other cut would fall within a character
    const long = "ä".repeat(5_000_000);
    append(join(folder, "a.log"), `before\n${long}\nafter\n`);
    append(join(folder, "b.log"), `${"x".repeat(maxLineBytes)}\nexact\n`);
    const reader = new Reader(folder, { ...base, longLines, maxLineBytes });
    await reader.until(() => reader.records.includes("after") && reader.records.includes("exact"));
    const pieces = reader.records.filter((record) => record.startsWith("ä"));
    const dropped = reader.events.reduce((sum, event) => sum + (event.droppedBytes ?? 0), 0);
    assert.ok(
      pieces.every((piece) => !piece.includes("\ufffd") && new TextEncoder().encode(piece).length <= maxLineBytes),
    );
    assert.equal(reader.records.filter((record) => record === "x".repeat(maxLineBytes)).length, 1);
    if (longLines === "split") assert.equal(pieces.join(""), long);
    else assert.equal(pieces.length, longLines === "truncate" ? 1 : 0);
    assert.equal(dropped + new TextEncoder().encode(pieces.join("")).length, 10_000_000);
    assert.equal(reader.records.length, 4 + pieces.length);
    await reader.stop();
  });
}

filesCase("21: a cut line is not repeated after a restart in its middle", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, "before\n" + "x".repeat(5_000));
  const first = new Reader(folder, { ...base, longLines: "truncate", maxLineBytes: 1_024 });
  await first.expect(["before", "x".repeat(1_024)]);
  const from = await first.stop();
  append(path, "x".repeat(5_000) + "\nafter\n");
  const second = new Reader(folder, { ...base, longLines: "truncate", maxLineBytes: 1_024, from });
  await second.expect(["after"]);
  await second.stop();
});

filesCase("joins lines by what begins a record, and flushes the last one after its timeout", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, "2026 one\n  at a\n  at b\n2026 two\n2026 three\n  at c\n");
  const multiline = { startPattern: "^\\d{4} ", timeoutMs: 300 };
  const reader = new Reader(folder, { ...base, multiline });
  await reader.expect(["2026 one\n  at a\n  at b", "2026 two", "2026 three\n  at c"]);
  append(path, "2026 four\n");
  append(path, "  at d\nhalf");
  await reader.expect(["2026 one\n  at a\n  at b", "2026 two", "2026 three\n  at c", "2026 four\n  at d"]);
  await reader.stop();
});

filesCase("joins lines by what continues a record, within the bound of its size", async (folder, base) => {
  const stack = Array.from({ length: 200 }, (_, i) => `\tat frame ${i} ${"x".repeat(50)}`);
  append(join(folder, "a.log"), lines(["Error", ...stack, "done", ""]));
  const reader = new Reader(folder, {
    ...base,
    once: true,
    maxLineBytes: 2_048,
    multiline: { continuePattern: "^\\s+\\S", timeoutMs: 60_000 },
  });
  await reader.ended();
  assert.deepEqual(reader.records.join("\n").split("\n"), ["Error", ...stack, "done", ""]);
  assert.ok(reader.records.every((record) => record.length <= 2_048));
  assert.ok(reader.records.length < 12, "lines were joined");
});
