/**
 * The file source against real files: the black-box cases for every kind of rotation, with and without watching.
 * The verdict is always: nothing lost, nothing twice, order kept.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { recordText } from "../../src/pipeline/batch.ts";
import { mergePosition, type Position } from "../../src/pipeline/checkpoint.ts";
import { openFileSource } from "../../src/sources/file/file_source.ts";
import { append, filesCase, lines, numbered, pauseMs, Reader } from "../peers/file_reader.ts";

filesCase("1: reads what is there from the beginning", async (folder, base) => {
  const wanted = numbered(0, 1_000);
  append(join(folder, "a.log"), lines(wanted));
  const reader = new Reader(folder, base);
  await reader.expect(wanted);
  await reader.stop();
});

filesCase(
  "2: start at the end gives what comes later, also after a restart before the first line",
  async (folder, base) => {
    append(join(folder, "a.log"), lines(numbered(0, 1_000)) + "half of a li");
    const first = new Reader(folder, { ...base, start: "end" });
    await first.until(() => first.position !== undefined);
    const from = await first.stop();
    assert.deepEqual(first.records, []);
    append(join(folder, "a.log"), "ne\n" + lines(numbered(1_000, 1_005)));
    append(join(folder, "b.log"), "new file\n");
    const second = new Reader(folder, { ...base, start: "end", from });
    await second.expectSet([...numbered(1_000, 1_005), "new file"]);
    await second.stop();
  },
);

filesCase("3: finds a new file and reads it from the beginning, also with start at the end", async (folder, base) => {
  const reader = new Reader(folder, { ...base, start: "end" });
  await reader.until(() => reader.position !== undefined);
  append(join(folder, "a.log"), lines(numbered(0, 3)));
  await reader.expect(numbered(0, 3));
  await reader.stop();
});

for (const inGlob of [true, false]) {
  filesCase(
    `${inGlob ? 4 : 5}: rename, late line, old name ${inGlob ? "in" : "outside"} the pattern`,
    async (folder, base) => {
      const path = join(folder, "a.log");
      const include = [join(folder, inGlob ? "a.log*" : "a.log")];
      append(path, lines(["one"]));
      const reader = new Reader(folder, { ...base, include });
      await reader.expect(["one"]);
      Deno.renameSync(path, path + ".1");
      append(path, lines(["new"]));
      await reader.until(() => reader.records.length === 2);
      append(path + ".1", lines(["late"]));
      await reader.expect(["one", "new", "late"]);
      await reader.stop();
    },
  );
}

filesCase("6: five renames in a second under a fast writer", async (folder, base) => {
  const path = join(folder, "a.log");
  const reader = new Reader(folder, base);
  let next = 0;
  for (let rotation = 0; rotation < 6; rotation++) {
    const file = Deno.openSync(path, { append: true, create: true });
    for (let burst = 0; burst < 40; burst++) {
      file.writeSync(new TextEncoder().encode(lines(numbered(next, next + 100))));
      next += 100;
      await pauseMs(4);
    }
    file.close();
    if (rotation === 5) break;
    for (let i = 5; i > 0; i--) renameIfThere(`${path}.${i}`, `${path}.${i + 1}`);
    Deno.renameSync(path, path + ".1");
  }
  await reader.expectSet(numbered(0, next));
  await reader.stop();
});

filesCase("7: copytruncate with the copy outside the pattern", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 100)));
  const reader = new Reader(folder, base);
  await reader.expect(numbered(0, 100));
  Deno.copyFileSync(path, path + ".1");
  Deno.truncateSync(path);
  append(path, "new\n");
  await reader.expect([...numbered(0, 100), "new"]);
  await reader.stop();
});

for (const count of [3, 500]) {
  filesCase(`8: copytruncate of ${count} lines with the copy in the pattern`, async (folder, base) => {
    const path = join(folder, "a.log");
    append(path, lines(numbered(0, count)));
    const reader = new Reader(folder, { ...base, include: [path + "*"] });
    await reader.expect(numbered(0, count));
    Deno.copyFileSync(path, path + ".1");
    if (count === 500) await pauseMs(150); // seen as a copy before the truncation
    Deno.truncateSync(path);
    append(path, "new\n");
    await reader.expect([...numbered(0, count), "new"]);
    await pauseMs(600);
    assert.equal(reader.records.length, count + 1, "the copy came after its time of waiting");
    await reader.stop();
  });
}

filesCase("8: what was unread when a file was truncated comes from the copy", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 30_000, 20)));
  const reader = new Reader(folder, { ...base, held: true });
  await pauseMs(100); // one block is read, the consumer takes none of it
  Deno.copyFileSync(path, path + ".1");
  Deno.truncateSync(path);
  append(path, "new\n");
  await pauseMs(300);
  reader.letGo();
  await reader.expectSet([...numbered(0, 30_000, 20), "new"]);
  await reader.stop();
});

filesCase("8: truncated three times while the consumer holds us up", async (folder, base) => {
  const path = join(folder, "a.log");
  const wanted = numbered(0, 30_000, 20);
  append(path, lines(wanted));
  const reader = new Reader(folder, { ...base, held: true });
  await pauseMs(900); // longer than the time after which we count as held up
  for (let round = 1; round <= 3; round++) {
    for (let j = 3; j > 0; j--) renameIfThere(`${path}.${j}`, `${path}.${j + 1}`);
    Deno.copyFileSync(path, path + ".1");
    Deno.truncateSync(path);
    const next = numbered(100_000 * round, 100_000 * round + 10);
    append(path, lines(next));
    wanted.push(...next);
    await pauseMs(300);
  }
  reader.letGo();
  await reader.expectSet(wanted);
  await reader.stop();
});

filesCase(
  "8: a copy in the pattern comes once, however late the original is truncated, or never",
  async (folder, base) => {
    const path = join(folder, "a.log");
    append(path, lines(numbered(0, 100)));
    const reader = new Reader(folder, { ...base, include: [join(folder, "a.log*")], tuning: { copyWaitMs: 50 } });
    await reader.expect(numbered(0, 100));
    Deno.copyFileSync(path, path + ".1");
    append(path, lines(numbered(100, 110)));
    await reader.expect(numbered(0, 110)); // waits for five times as long as a copy is waited for
    Deno.copyFileSync(path, path + ".2");
    await reader.expect(numbered(0, 110));
    Deno.truncateSync(path);
    append(path, lines(numbered(110, 120)));
    await reader.expect(numbered(0, 120));
    const from = await reader.stop();
    const second = new Reader(folder, { ...base, include: [join(folder, "a.log*")], tuning: { copyWaitMs: 50 }, from });
    append(path, lines(["later"]));
    await second.expect(["later"]);
    await second.stop();
  },
);

filesCase(
  "8: a file that is named like a rotation and differs in one byte is a file of its own",
  async (folder, base) => {
    const path = join(folder, "a.log");
    const content = lines(numbered(0, 200));
    append(path, content);
    const reader = new Reader(folder, { ...base, include: [join(folder, "a.log*")], tuning: { copyWaitMs: 50 } });
    await reader.expect(numbered(0, 200));
    const middle = content.indexOf("run", 1_100); // neither in the fingerprint nor before the end
    append(path + ".1", content.slice(0, middle) + "RUN" + content.slice(middle + 3));
    await reader.until(() => reader.records.length >= 400);
    assert.equal(reader.records.length, 400);
    await reader.stop();
  },
);

filesCase("8: what was unread when a file was truncated, and in no copy, is said and counted", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 100)) + "half of a line");
  const reader = new Reader(folder, { ...base, tuning: { departedMs: 200 } });
  await reader.expect(numbered(0, 100));
  Deno.truncateSync(path);
  append(path, "new\n");
  await reader.expect([...numbered(0, 100), "new"]);
  await reader.until(() => reader.events.some(({ kind }) => kind === "lost"));
  assert.deepEqual(reader.source.drops?.().get("lost"), { records: 0, bytes: "half of a line".length });
  await reader.stop();
});

filesCase("9: a hole of NULs is skipped and said", async (folder, base) => {
  const path = join(folder, "a.log");
  const file = Deno.openSync(path, { write: true, create: true }); // no append: goes on at its own offset
  const write = (text: string): number => file.writeSync(new TextEncoder().encode(text));
  write(lines(numbered(0, 100)));
  const reader = new Reader(folder, base);
  await reader.expect(numbered(0, 100));
  Deno.copyFileSync(path, path + ".1");
  Deno.truncateSync(path);
  write(lines(["after the hole"]));
  await reader.expect([...numbered(0, 100), "after the hole"]);
  file.close();
  const hole = await reader.event("hole");
  assert.equal(hole.droppedBytes, lines(numbered(0, 100)).length);
  assert.deepEqual(reader.source.drops?.().get("hole"), { records: 0, bytes: hole.droppedBytes });
  await reader.stop();
});

filesCase("9: a hole larger than a block, and one without an end yet", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, "first\n");
  Deno.truncateSync(path, 3_000_000);
  const reader = new Reader(folder, base);
  await reader.expect(["first"]);
  append(path, "behind\n");
  await reader.expect(["first", "behind"]);
  await reader.stop();
});

filesCase("10: truncated and grown past the old offset between two looks", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 200)));
  const reader = new Reader(folder, base);
  await reader.expect(numbered(0, 200));
  Deno.writeTextFileSync(path, lines(numbered(5_000, 5_900)));
  await reader.expect([...numbered(0, 200), ...numbered(5_000, 5_900)]);
  await reader.stop();
});

filesCase("11: copytruncate while stopped, new content longer than the old offset", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 200)));
  const first = new Reader(folder, base);
  await first.expect(numbered(0, 200));
  const from = await first.stop();
  append(path, lines(numbered(200, 210)));
  Deno.copyFileSync(path, path + ".1");
  Deno.truncateSync(path);
  append(path, lines(numbered(5_000, 5_900)));
  const second = new Reader(folder, { ...base, from });
  await second.expectSet([...numbered(200, 210), ...numbered(5_000, 5_900)]);
  await second.stop();
});

filesCase("11: two renames out of the pattern while stopped", async (folder, base) => {
  const path = join(folder, "a.log");
  append(join(folder, "a.log.3"), "older than us\n");
  Deno.utimeSync(join(folder, "a.log.3"), 1_000, 1_000);
  append(path, lines(numbered(0, 10)));
  const first = new Reader(folder, base);
  await first.expect(numbered(0, 10));
  const from = await first.stop();
  append(path, lines(numbered(10, 20)));
  Deno.renameSync(path, path + ".1");
  await pauseMs(20);
  append(path, lines(numbered(20, 30)));
  Deno.renameSync(path + ".1", path + ".2");
  Deno.renameSync(path, path + ".1");
  append(path, lines(numbered(30, 40)));
  const second = new Reader(folder, { ...base, from });
  await second.expectSet(numbered(10, 40));
  await second.stop();
});

filesCase("12: deleted and made again, with the same inode or not", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 50)));
  const first = new Reader(folder, base);
  await first.expect(numbered(0, 50));
  Deno.removeSync(path);
  append(path, lines(numbered(100, 110)));
  await first.expect([...numbered(0, 50), ...numbered(100, 110)]);
  const from = await first.stop();
  Deno.removeSync(path);
  append(path, lines(numbered(200, 300)));
  const second = new Reader(folder, { ...base, from });
  await second.expect(numbered(200, 300));
  await second.stop();
});

filesCase("13: deleted with unread data and a slow consumer", async (folder, base) => {
  const path = join(folder, "a.log");
  const wanted = numbered(0, 40_000, 20);
  append(path, lines(wanted));
  const reader = new Reader(folder, { ...base, held: true });
  await pauseMs(100);
  Deno.removeSync(path);
  await pauseMs(400); // longer than the grace
  reader.letGo();
  await reader.expect(wanted);
  await reader.event("removed");
  assert.deepEqual(Object.keys(reader.position ?? {}), [], "the position of a file that is gone is forgotten");
  await reader.stop();
});

filesCase("13: files made and rotated away while the consumer holds us up", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 10)));
  const reader = new Reader(folder, { ...base, held: true });
  await pauseMs(100);
  for (let i = 1; i <= 4; i++) {
    for (let j = 4; j > 0; j--) renameIfThere(`${path}.${j}`, `${path}.${j + 1}`);
    Deno.renameSync(path, path + ".1");
    append(path, lines(numbered(10 * i, 10 * i + 10)));
    await reader.until(() => reader.events.filter(({ kind }) => kind === "opened").length > i);
  }
  for (let j = 1; j <= 4; j++) Deno.removeSync(`${path}.${j}`);
  reader.letGo();
  await reader.expectSet(numbered(0, 50));
  await reader.stop();
});

filesCase("14: an archive in the pattern is not shipped", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 100)));
  const reader = new Reader(folder, { ...base, include: [path + "*"] });
  await reader.expect(numbered(0, 100));
  Deno.renameSync(path, path + ".1");
  append(path, "new\n");
  await pauseMs(100);
  Deno.writeFileSync(path + ".1.gz", gzipSync(Deno.readFileSync(path + ".1")));
  Deno.removeSync(path + ".1");
  await reader.expect([...numbered(0, 100), "new"]);
  assert.match((await reader.event("compressed")).text, /gzip archive/);
  await reader.stop();
});

filesCase("15: a chain of links leads to another target", async (folder, base) => {
  const pods = join(folder, "pods");
  const containers = join(folder, "containers");
  Deno.mkdirSync(pods);
  Deno.mkdirSync(containers);
  append(join(folder, "0.data"), "one\n");
  Deno.symlinkSync(join(folder, "0.data"), join(pods, "0"));
  Deno.symlinkSync(join(pods, "0"), join(containers, "app.log"));
  const reader = new Reader(containers, base);
  await reader.expect(["one"]);
  append(join(folder, "1.data"), "three\n");
  Deno.symlinkSync(join(folder, "1.data"), join(pods, "new"));
  append(join(folder, "0.data"), "two\n");
  Deno.renameSync(join(pods, "new"), join(pods, "0"));
  await reader.expectSet(["one", "two", "three"]);
  append(join(folder, "0.data"), "four\n");
  await reader.expectSet(["one", "two", "three", "four"]);
  await reader.stop();
});

filesCase("16: files with the same beginning are both shipped", async (folder, base) => {
  const banner = lines(numbered(0, 500));
  append(join(folder, "a.log"), banner + "a\n");
  append(join(folder, "b.log"), banner + "b\n");
  const reader = new Reader(folder, base);
  await reader.expectSet([...numbered(0, 500), "a", ...numbered(0, 500), "b"]);
  append(join(folder, "c.log"), banner + "c\n");
  append(join(folder, "d.log"), banner);
  await reader.expectSet([
    ...["a", "b", "c"].flatMap((name) => [...numbered(0, 500), name]),
    ...numbered(0, 500),
  ]);
  await reader.stop();
});

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

filesCase("22: two thousand files with few descriptors", async (folder, base) => {
  const reader = new Reader(folder, { ...base, tuning: { maxOpenFiles: 100 } });
  const wanted: string[] = [];
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 2_000; i++) {
      append(join(folder, `f${i}.log`), `${i} ${round}\n`);
      wanted.push(`${i} ${round}`);
    }
    await reader.until(() => reader.records.length === wanted.length);
    const open = [...Deno.readDirSync("/proc/self/fd")].length;
    assert.ok(open < 200, `${open} descriptors are open`);
  }
  await reader.expectSet(wanted);
  await reader.stop();
});

filesCase("23: quiet files are not held back by a busy one", async (folder, base) => {
  const wanted = numbered(0, 60_000, 20);
  append(join(folder, "a-busy.log"), lines(wanted));
  for (let i = 0; i < 50; i++) append(join(folder, `quiet${i}.log`), "quiet\n");
  const reader = new Reader(folder, base);
  await reader.until(() => reader.records.length === wanted.length + 50);
  const lastQuiet = reader.records.lastIndexOf("quiet");
  assert.ok(lastQuiet < 20_000, `a quiet line came after ${lastQuiet} others`);
  await reader.expectSet([...wanted, ...Array<string>(50).fill("quiet")]);
  await reader.stop();
});

filesCase(
  "23: a writer of single lines floods the watcher; other files are still found and read",
  async (folder, base) => {
    const reader = new Reader(folder, base);
    append(join(folder, "quiet.log"), "");
    const file = Deno.openSync(join(folder, "busy.log"), { append: true, create: true });
    const wanted: string[] = [];
    for (let round = 0; round < 150; round++) {
      for (const record of numbered(wanted.length, wanted.length + 40)) {
        file.writeSync(new TextEncoder().encode(record + "\n"));
        wanted.push(record);
      }
      await pauseMs(5);
    }
    append(join(folder, "quiet.log"), "quiet\n");
    append(join(folder, "new.log"), "new\n");
    file.close();
    await reader.expectSet([...wanted, "quiet", "new"]);
    await reader.stop();
  },
);

filesCase("26: the position does not move while the consumer takes nothing", async (folder, base) => {
  append(join(folder, "a.log"), lines(numbered(0, 5_000, 20)));
  const first = new Reader(folder, { ...base, held: true });
  await pauseMs(200);
  assert.equal(first.position, undefined);
  first.letGo();
  await first.expect(numbered(0, 5_000, 20));
  await first.stop();
});

filesCase("resumes at every batch boundary without loss or repetition", async (folder, base) => {
  const wanted = numbered(0, 2_000);
  append(join(folder, "a.log"), lines(wanted));
  let from: Position | undefined;
  const records: string[] = [];
  while (records.length < wanted.length) {
    const source = openFileSource({
      id: "files",
      include: [join(folder, "*.log")],
      start: "beginning",
      hostname: "host",
      ...base,
      report: () => {},
    });
    const { signal } = new AbortController();
    for await (const batch of source.read(from, { maxRecords: 150, maxBytes: 1_000 }, signal)) {
      assert.ok(batch.count <= 150);
      assert.ok(batch.count === 0 || batch.bounds[2 * batch.count - 1]! - batch.bounds[0]! <= 1_000);
      for (let i = 0; i < batch.count; i++) records.push(recordText(batch, i));
      from = mergePosition(from, JSON.parse(JSON.stringify(batch.position)));
      batch.release();
      break;
    }
  }
  assert.deepEqual(records, wanted);
});

filesCase("begins a file anew whose position is damaged, and goes on with the others", async (folder, base) => {
  for (const name of ["a", "b"]) append(join(folder, `${name}.log`), `${name}\n`);
  const first = new Reader(folder, base);
  await first.expectSet(["a", "b"]);
  const from = await first.stop();
  const { dev, ino } = Deno.statSync(join(folder, "a.log"));
  const damaged = { ...from, [`${dev}:${ino}`]: { path: 5 }, "nonsense": ["x"], "1:1": "" };
  const second = new Reader(folder, { ...base, from: damaged });
  await second.expect(["a"]);
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

filesCase("once ends at the end of all files and takes last lines without a newline", async (folder, base) => {
  append(join(folder, "a.log"), "a1\na2");
  append(join(folder, "b.log"), "b1\n");
  append(join(folder, "empty.log"), "");
  const reader = new Reader(folder, { ...base, once: true });
  await reader.ended();
  assert.deepEqual(reader.records.sort(), ["a1", "a2", "b1"]);
  const again = new Reader(folder, { ...base, once: true, from: reader.position });
  await again.ended();
  assert.deepEqual(again.records, []);
});

filesCase("leaves out what is excluded and follows ** and alternatives", async (folder, base) => {
  Deno.mkdirSync(join(folder, "x", "y"), { recursive: true });
  append(join(folder, "x", "y", "a.log"), "deep\n");
  append(join(folder, "b.txt"), "text\n");
  append(join(folder, "c.log"), "no\n");
  const reader = new Reader(folder, { ...base, include: [join(folder, "**/*.{log,txt}")], exclude: ["c.*"] });
  await reader.expectSet(["deep", "text"]);
  Deno.mkdirSync(join(folder, "z"));
  append(join(folder, "z", "new.log"), "later\n");
  await reader.expectSet(["deep", "text", "later"]);
  await reader.stop();
});

/** A regular file that even root may not open for reading. */
const writeOnly = "/proc/sys/net/ipv4/route/flush";

filesCase("says once that a file cannot be read, and goes on with the others", async (folder, base) => {
  if (!isThere(writeOnly)) return; // a kernel without it; nothing else is unreadable for root
  append(join(folder, "a.log"), "one\n");
  const reader = new Reader(folder, { ...base, include: [writeOnly, join(folder, "*.log")] });
  await reader.expect(["one"]);
  append(join(folder, "a.log"), "two\n");
  await pauseMs(1_200); // it is tried again meanwhile
  await reader.expect(["one", "two"]);
  const said = reader.events.filter(({ kind }) => kind === "unreadable");
  assert.equal(said.length, 1);
  assert.match(said[0]!.text, /^Cannot read file "\/proc\/sys.*\nTry: /s);
  await reader.stop();
});

Deno.test("openFileSource() refuses patterns and figures that cannot be", () => {
  const base = { id: "x", start: "beginning", hostname: "h", report: () => {} } as const;
  assert.throws(() => openFileSource({ ...base, include: ["/a[b"] }), /Cannot read pattern/);
  assert.throws(() => openFileSource({ ...base, include: ["/a"], maxLineBytes: 5 }), /maxLineBytes/);
  assert.throws(() => openFileSource({ ...base, include: ["/a"], multiline: { timeoutMs: 5 } }), /startPattern/);
});

function renameIfThere(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
