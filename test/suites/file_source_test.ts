/**
 * The file source against real files: the black-box cases of beginning, resuming, fairness and what is found, with and
 * without watching. Rotation, truncation and lines have files of their own.
 * The verdict is always: nothing lost, nothing twice, order kept.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
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

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
