/** The spool on a real disk: order, positions, limits and damage. What a power cut leaves is in cases/spool_crash_*. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Batch, batchOfLines, type Origin, recordText } from "../../src/pipeline/batch.ts";
import { openSpool, type Spool, type SpoolOptions } from "../../src/spool/spool.ts";
import { spoolSink } from "../../src/spool/sink.ts";

const origin: Origin = { source: "tap", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 5 };
const limits = { maxRecords: 1_000, maxBytes: 1 << 20 };
const never = new AbortController().signal;

/** Opens with small limits unless told otherwise. */
function open(folder: string, options: Partial<SpoolOptions> = {}): Promise<Spool> {
  return openSpool({
    folder,
    maxBytes: 1 << 20,
    segmentBytes: 4_096,
    whenFull: "block",
    readers: ["a"],
    host: "h",
    fsyncMs: 1,
    ...options,
  });
}

/** Records `from` to before `end`, 100 bytes each. */
function numbered(from: number, end: number): Batch {
  const lines = Array.from({ length: end - from }, (_, i) => `${from + i} `.padEnd(100, "x"));
  return batchOfLines(lines, origin);
}

/** Reads to the end of a spool that is finished; commits everything when `commit`. */
async function readAll(spool: Spool, id = "a", commit = true): Promise<{ numbers: number[]; notices: string[] }> {
  spool.finish();
  const [numbers, notices]: [number[], string[]] = [[], []];
  for await (const batch of spool.reader(id).read(await spool.get(id), limits, never)) {
    for (let i = 0; i < batch.count; i++) {
      const text = recordText(batch, i);
      if (batch.origin.source === "agent") notices.push(text);
      else numbers.push(checked(text));
    }
    if (commit) spool.commit(id, batch.position);
    batch.release();
  }
  return { numbers, notices };
}

function checked(text: string): number {
  const number = parseInt(text);
  assert.equal(text, `${number} `.padEnd(100, "x"));
  return number;
}

function range(from: number, end: number): number[] {
  return Array.from({ length: end - from }, (_, i) => from + i);
}

async function waitUntil(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(condition());
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "spool-" });
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function segmentsIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".seg")).sort();
}

/** Forty records in ten frames, over several segments, in a closed spool. */
async function fill(folder: string, options: Partial<SpoolOptions> = {}): Promise<void> {
  await using spool = await open(folder, options);
  for (let i = 0; i < 10; i++) await spool.append(numbered(i * 4, i * 4 + 4));
}

Deno.test("Spool gives back what it took, in order, with origin and position, in portions of the limits", () =>
  inFolder(async (folder) => {
    await using spool = await open(folder);
    const lines = ["one", "", "two\nlines", "ünï", "\u0000"];
    await Promise.all([
      spool.append(batchOfLines(lines, { ...origin, form: "syslog", peer: "device1" })),
      spool.append(batchOfLines(["six"], origin)),
    ]);
    spool.finish();
    const seen: [string[], unknown, Origin][] = [];
    for await (const batch of spool.reader("a").read(undefined, { maxRecords: 3, maxBytes: 8 }, never)) {
      assert.equal(batch.packed, true);
      seen.push([range(0, batch.count).map((i) => recordText(batch, i)), batch.position, batch.origin]);
      batch.release();
    }
    assert.deepEqual(seen.map(([texts]) => texts), [["one", ""], ["two\nlines"], ["ünï", "\u0000"], ["six"]]);
    assert.deepEqual(seen.map(([, position]) => position), [2, 3, 5, 6].map((spool) => ({ spool })));
    assert.deepEqual(seen[0]![2], { ...origin, form: "syslog", peer: "device1" });
    assert.deepEqual(seen[3]![2], origin);
  }));

Deno.test("Spool goes on after a restart where each reader committed, and removes what all have passed", () =>
  inFolder(async (folder) => {
    const readers = ["a", "b/c"];
    await fill(folder, { readers });
    assert.ok(segmentsIn(folder).length > 1);
    {
      await using spool = await open(folder, { readers });
      await readAll(spool, "a");
      spool.commit("b/c", { spool: 17 });
    }
    assert.ok(segmentsIn(folder).length > 0);
    {
      await using spool = await open(folder, { readers });
      assert.deepEqual((await readAll(spool, "a")).numbers, []);
      assert.deepEqual((await readAll(spool, "b/c")).numbers, range(17, 40));
    }
    assert.deepEqual(segmentsIn(folder), []);
    await using spool = await open(folder, { readers });
    await spool.append(numbered(40, 41));
    assert.deepEqual(await readAll(spool, "a"), { numbers: [40], notices: [] });
    assert.equal(spool.stats().lastSeq, 41);
  }));

Deno.test("Spool readers get records as they come, and end when they are told to", () =>
  inFolder(async (folder) => {
    await using spool = await open(folder);
    const stop = new AbortController();
    const numbers: number[] = [];
    const reading = (async () => {
      for await (const batch of spool.reader("a").read(undefined, limits, stop.signal)) {
        for (let i = 0; i < batch.count; i++) numbers.push(checked(recordText(batch, i)));
        batch.release();
        if (numbers.length === 60) stop.abort();
      }
    })();
    for (let i = 0; i < 60; i += 2) await spool.append(numbered(i, i + 2), { urgent: i % 4 === 0 });
    await reading;
    assert.deepEqual(numbers, range(0, 60));
  }));

Deno.test("Spool with block lets appends wait for room and loses nothing", () =>
  inFolder(async (folder) => {
    await using spool = await open(folder, { maxBytes: 16_384 });
    let confirmed = 0;
    const appending = (async () => {
      for (let i = 0; i < 2_000; i += 10) {
        const outcome = await spool.append(numbered(i, i + 10));
        confirmed += outcome.written;
      }
      spool.finish();
    })();
    while (!spool.stats().blocked) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(confirmed > 0 && confirmed < 164, String(confirmed));
    const numbers: number[] = [];
    for await (const batch of spool.reader("a").read(undefined, limits, never)) {
      assert.ok(spool.stats().bytes <= 16_384);
      for (let i = 0; i < batch.count; i++) numbers.push(checked(recordText(batch, i)));
      spool.commit("a", batch.position);
      batch.release();
    }
    await appending;
    assert.equal(confirmed, 2_000);
    assert.deepEqual(numbers, range(0, 2_000));
  }));

Deno.test("Spool with block lets go of an append whose signal aborts, and of all when it is closed", () =>
  inFolder(async (folder) => {
    const spool = await open(folder, { maxBytes: 8_192 });
    const stop = new AbortController();
    const results: Promise<string>[] = [];
    for (let i = 0; i < 20; i++) {
      const append = spool.append(numbered(i * 10, i * 10 + 10), i === 12 ? { signal: stop.signal } : {});
      results.push(append.then(() => "written", (error) => (error as Error).message));
    }
    stop.abort();
    assert.equal(await results[12], "appending to the spool was cancelled");
    await spool[Symbol.asyncDispose]();
    const texts = await Promise.all(results);
    const written = texts.filter((text) => text === "written").length;
    assert.ok(written > 0 && written < 12, String(written));
    assert.deepEqual(texts.filter((_, i) => i >= written && i !== 12), Array(19 - written).fill("the spool is closed"));
    await using again = await open(folder, { maxBytes: 8_192 });
    assert.deepEqual((await readAll(again)).numbers, range(0, written * 10));
  }));

Deno.test("Spool with dropOldest drops whole segments, counts exactly, and tells each reader of its own gap", () =>
  inFolder(async (folder) => {
    const options = { maxBytes: 16_384, whenFull: "dropOldest", readers: ["slow", "fast", "half"] } as const;
    await using spool = await open(folder, options);
    await spool.append(numbered(0, 20));
    spool.commit("half", { spool: 10 });
    const fast = spool.reader("fast").read(undefined, limits, never)[Symbol.asyncIterator]();
    let [fastRead, dropped] = [0, 0];
    const readFast = async (until: number): Promise<void> => {
      while (fastRead < until) {
        const { value: batch } = await fast.next() as IteratorYieldResult<Batch>;
        fastRead += batch.count;
        spool.commit("fast", batch.position);
        batch.release();
      }
    };
    await readFast(20);
    for (let i = 20; i < 1_000; i += 10) {
      const outcome = await spool.append(numbered(i, i + 10));
      assert.deepEqual([outcome.written, outcome.refused], [10, 0]);
      dropped += outcome.droppedOldest;
      await readFast(i + 10);
    }
    const before = spool.stats();
    assert.ok(before.bytes <= 16_384);
    const slow = await readAll(spool, "slow");
    const half = await readAll(spool, "half");
    assert.equal(dropped, before.dropped.oldest);
    assert.deepEqual(slow.numbers, range(dropped, 1_000));
    assert.deepEqual(slow.notices, [
      `gap: ${dropped} records dropped by the spool, which was full; numbers 1 to ${dropped}`,
    ]);
    assert.deepEqual(half.numbers, slow.numbers);
    assert.deepEqual(half.notices.length, 1);
    const { readers } = spool.stats();
    assert.deepEqual(readers.slow, { committed: 1_000, held: 0, dropped, damaged: 0 });
    assert.deepEqual(readers.fast, { committed: 1_000, held: 0, dropped: 0, damaged: 0 });
    assert.equal(1_000, slow.numbers.length + readers.slow!.dropped);
  }));

Deno.test("Spool with dropNewest refuses what finds no room, counts it, and tells of it once there is room", () =>
  inFolder(async (folder) => {
    const options = { maxBytes: 8_192, whenFull: "dropNewest" } as const;
    let [written, refused] = [0, 0];
    {
      await using spool = await open(folder, options);
      for (let i = 0; i < 200; i += 10) {
        const outcome = await spool.append(numbered(i, i + 10));
        written += outcome.written;
        refused += outcome.refused;
      }
      assert.ok(written >= 50 && refused > 0);
      assert.equal(written + refused, 200);
      assert.equal(spool.stats().dropped.newest, refused);
    }
    const told: string[] = [];
    { // the count survives a restart; the notice comes as soon as there is room for it
      await using spool = await open(folder, options);
      const { numbers, notices } = await readAll(spool);
      assert.deepEqual(numbers, range(0, written));
      told.push(...notices);
    }
    await using spool = await open(folder, options);
    await spool.append(numbered(500, 510));
    const { numbers, notices } = await readAll(spool);
    assert.deepEqual(numbers, range(500, 510));
    assert.deepEqual([...told, ...notices], [`gap: ${refused} records not taken by the spool, which was full`]);
  }));

Deno.test("Spool writes no notice that nobody would read any more: the next start tells", () =>
  inFolder(async (folder) => {
    const options = { maxBytes: 8_192, whenFull: "dropNewest" } as const;
    let refused = 0;
    {
      await using spool = await open(folder, options);
      for (let i = 0; i < 200; i += 10) refused += (await spool.append(numbered(i, i + 10))).refused;
      spool.finish();
      await readAll(spool, "a", false);
      spool.commit("a", { spool: spool.stats().lastSeq }); // the reader has ended; now there is room
      await waitUntil(() => spool.stats().segments < 2);
      assert.equal(spool.stats().readers.a!.held, 0);
    }
    await using spool = await open(folder, options);
    const { notices } = await readAll(spool);
    assert.deepEqual(notices, [`gap: ${refused} records not taken by the spool, which was full`]);
  }));

Deno.test("Spool drops a record longer than half of it, alone, and tells of it", () =>
  inFolder(async (folder) => {
    await using spool = await open(folder, { maxBytes: 16_384 });
    const outcome = await spool.append(batchOfLines(["1 ".padEnd(100, "x"), "y".repeat(9_000)], origin));
    assert.deepEqual([outcome.written, outcome.tooLong], [1, 1]);
    await spool.append(numbered(2, 3));
    assert.deepEqual(await readAll(spool), {
      numbers: [1, 2],
      notices: ["gap: 1 record not taken by the spool, longer than half of it"],
    });
  }));

Deno.test("Spool starts from its last segment cut at every byte; whole frames are delivered, nothing wrong is", () =>
  inFolder(async (folder) => {
    await using spool = await open(join(folder, "made"));
    for (let i = 0; i < 6; i++) await spool.append(numbered(i * 2, i * 2 + 2));
    const name = segmentsIn(join(folder, "made"))[0]!;
    const whole = Deno.readFileSync(join(folder, "made", name));
    const frame = (whole.length - 36) / 6;
    for (let length = 0; length <= whole.length; length += length % 7 + 1) {
      const copy = join(folder, String(length));
      Deno.mkdirSync(copy);
      Deno.writeFileSync(join(copy, name), whole.subarray(0, length));
      const frames = Math.max(0, Math.floor((length - 36) / frame));
      await using again = await open(copy);
      await again.append(numbered(90, 91));
      const { numbers, notices } = await readAll(again);
      assert.deepEqual(numbers, [...range(0, frames * 2), 90], `${length} bytes`);
      const rest = length - 36 - frames * frame;
      const told = rest >= 28
        ? [
          `gap: 2 records cut off by a crash while they were written, most likely before anybody was told that they are safe; numbers ${
            frames * 2 + 1
          } to ${frames * 2 + 2}`,
        ]
        : [];
      assert.deepEqual(notices, told, `${length} bytes`);
    }
  }));

Deno.test("Spool passes over flipped bits, zeros and a missing segment; counts, tells and sets aside", () =>
  inFolder(async (folder) => {
    await fill(folder);
    const names = segmentsIn(folder);
    assert.equal(names.length, 2);
    const first = Deno.readFileSync(join(folder, names[0]!));
    const frame = 4 * 105 + 28 + 10 + 2 * 4 + "taphp".length;
    first[36 + frame + 200]! ^= 4; // body of the second frame: records 4..7
    first.fill(0, 36 + 4 * frame + 5, 36 + 5 * frame + 1); // fifth frame, and the start of the sixth: records 16..23
    Deno.writeFileSync(join(folder, names[0]!), first);
    {
      await using spool = await open(folder, { readers: ["a", "b"] });
      const expected = [...range(0, 4), ...range(8, 16), ...range(24, 40)];
      for (const id of ["a", "b"]) {
        const { numbers, notices } = await readAll(spool, id, false);
        assert.deepEqual(numbers, expected);
        assert.deepEqual(notices, [
          "gap: 4 records damaged or missing on disk; numbers 5 to 8",
          "gap: 8 records damaged or missing on disk; numbers 17 to 24",
        ]);
      }
      assert.deepEqual(spool.stats().damaged, { bytes: 3 * frame, spans: 2, records: 12 });
      const bad = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".bad"));
      assert.equal(bad.length, 2);
    }
    Deno.removeSync(join(folder, names[0]!));
    await using spool = await open(folder);
    const { numbers, notices } = await readAll(spool);
    const firstLeft = Number(names[1]!.slice(0, 20)) - 1;
    assert.deepEqual(numbers, range(firstLeft, 40));
    assert.equal(notices.length, 1);
    assert.ok(notices[0]!.startsWith(`gap: ${firstLeft} records`), notices[0]);
  }));

Deno.test("Spool starts whatever is in the cursor; at worst records are repeated", () =>
  inFolder(async (folder) => {
    await fill(folder);
    {
      await using spool = await open(folder);
      spool.commit("a", { spool: 10 });
    }
    const cursor = join(folder, "cursor.a");
    const whole = Deno.readFileSync(cursor);
    const images: [string, Uint8Array, readonly number[]][] = [
      ["as it was", whole, [10]],
      ["empty", new Uint8Array(), [0]],
      ["zeros", new Uint8Array(1_536), [0]],
      ["garbage", crypto.getRandomValues(new Uint8Array(3_000)), [0]],
    ];
    for (const slot of [0, 512, 1_024]) {
      const one = whole.slice();
      one.fill(0xff, slot, slot + 512);
      images.push([`slot at ${slot} lost`, one, [0, 10]]);
    }
    for (const [what, image, allowed] of images) {
      Deno.writeFileSync(cursor, image);
      await using spool = await open(folder);
      const { numbers } = await readAll(spool, "a", false);
      assert.ok(allowed.includes(numbers[0]!), `${what}: begins at ${numbers[0]}`);
      assert.deepEqual(numbers, range(numbers[0]!, 40), what);
    }
  }));

Deno.test("Spool ignores what does not belong to it, and leaves segments of a later version alone", () =>
  inFolder(async (folder) => {
    await fill(folder);
    const later = `${"7".padStart(20, "0")}-0123456789abcdef.seg`;
    const header = Deno.readFileSync(join(folder, segmentsIn(folder)[0]!));
    header[5] = 9; // the version; its checksum follows
    const { crc32 } = await import("node:zlib");
    new DataView(header.buffer).setUint32(32, crc32(header.subarray(0, 32)));
    Deno.writeFileSync(join(folder, later), header);
    Deno.writeTextFileSync(join(folder, "cursor.%zz"), "x");
    Deno.writeTextFileSync(join(folder, "notes.txt"), "x");
    Deno.mkdirSync(join(folder, "folder.seg"));
    await using spool = await open(folder);
    assert.deepEqual(await readAll(spool), { numbers: range(0, 40), notices: [] });
    assert.ok(segmentsIn(folder).includes(later));
  }));

Deno.test("Spool refuses positions and readers that are not its own", () =>
  inFolder(async (folder) => {
    await using spool = await open(folder);
    assert.throws(() => spool.commit("a", { spool: 1 }), /is no position of it/);
    assert.throws(() => spool.commit("a", {}), /is no position of it/);
    assert.throws(() => spool.reader("b"), /no such reader/);
    await assert.rejects(open(join(folder, "x"), { readers: [] }), /nobody reads it/);
  }));

Deno.test("spoolSink() refuses what comes behind a failure until it is reset", () =>
  inFolder(async (folder) => {
    await using spool = await open(folder);
    const sink = spoolSink(spool, { id: "spool" });
    assert.deepEqual(await sink.send(numbered(0, 5), never), []);
    await assert.rejects(sink.send(numbered(5, 6), AbortSignal.abort()), /cancelled/);
    await assert.rejects(sink.send(numbered(5, 6), never), /cancelled/);
    sink.reset();
    await sink.send(numbered(5, 6), never);
    assert.deepEqual((await readAll(spool)).numbers, range(0, 6));
  }));
