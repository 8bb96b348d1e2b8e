/**
 * The file source and files that are truncated, by copytruncate or without a copy: the black-box cases, with and without
 * watching.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { append, filesCase, lines, numbered, pauseMs, Reader, renameIfThere } from "../peers/file_reader.ts";

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
