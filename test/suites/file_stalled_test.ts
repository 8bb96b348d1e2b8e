/**
 * What becomes of a file between two looks, while the consumer holds the source up: several rotations at once, by copy and
 * truncation or by name. Everything between two `await`s is between two looks, however loaded the machine is: the source
 * runs in this thread. What is promised: a content that is in some file at the next look, a copy beside included, comes.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { append, filesCase, lines, numbered, pauseMs, Reader, type ReaderOptions } from "../peers/file_reader.ts";

/** Moves the former contents of `path` on by one name, and puts the present one away. */
function rotate(path: string, way: "rename" | "copytruncate"): void {
  for (let i = 9; i > 0; i--) {
    if (isThere(`${path}.${i}`)) Deno.renameSync(`${path}.${i}`, `${path}.${i + 1}`);
  }
  if (way === "rename") return Deno.renameSync(path, `${path}.1`);
  Deno.copyFileSync(path, `${path}.1`);
  Deno.truncateSync(path);
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** A reader that holds its first batch of `path`, whose content is `wanted`. */
async function stalled(path: string, wanted: readonly string[], options: ReaderOptions): Promise<Reader> {
  append(path, lines(wanted));
  const reader = new Reader(join(path, ".."), { ...options, held: true });
  await reader.until(() => reader.holding);
  return reader;
}

/** Patterns: the live file alone, or its copies, too. */
const patterns = [["outside the pattern", "a.log"], ["in the pattern", "a.log*"]] as const;

for (const [where, pattern] of patterns) {
  for (const [count, size] of [["many", 20_000], ["few", 3]] as const) {
    filesCase(
      `truncated three times between two looks, the copies ${where}, ${count} lines`,
      async (folder, base) => {
        const path = join(folder, "a.log");
        const wanted = numbered(0, size);
        const reader = await stalled(path, wanted, { ...base, include: [join(folder, pattern)] });
        for (const begin of [100_000, 200_000, 300_000]) {
          rotate(path, "copytruncate");
          const next = numbered(begin, begin + 10);
          append(path, lines(next));
          wanted.push(...next);
        }
        reader.letGo();
        await reader.expectSet(wanted);
        await reader.stop();
      },
    );
  }

  filesCase(`truncated and renamed in turn between two looks, the former contents ${where}`, async (folder, base) => {
    const path = join(folder, "a.log");
    const wanted = numbered(0, 20_000);
    const reader = await stalled(path, wanted, { ...base, include: [join(folder, pattern)] });
    for (const [i, way] of (["copytruncate", "rename", "copytruncate", "rename", "copytruncate"] as const).entries()) {
      rotate(path, way);
      const next = numbered(100_000 * (i + 1), 100_000 * (i + 1) + 10);
      append(path, lines(next));
      wanted.push(...next);
    }
    reader.letGo();
    await reader.expectSet(wanted);
    await reader.stop();
  });

  filesCase(
    `a content that was begun and truncated while the file was thought to be empty, the copy ${where}`,
    async (folder, base) => {
      const path = join(folder, "a.log");
      append(path, lines(numbered(0, 10)));
      const reader = new Reader(folder, { ...base, include: [join(folder, pattern)] });
      await reader.expect(numbered(0, 10));
      rotate(path, "copytruncate");
      await reader.event("truncated");
      await pauseMs(100); // it was looked at: there is nothing in it
      append(path, lines(numbered(10, 20)));
      rotate(path, "copytruncate");
      append(path, lines(numbered(20, 30)));
      await reader.expectSet(numbered(0, 30));
      await reader.stop();
    },
  );

  filesCase(`a content that begins while a copy of it is made by the side, the copy ${where}`, async (folder, base) => {
    const path = join(folder, "a.log");
    const reader = await stalled(path, numbered(0, 20_000), { ...base, include: [join(folder, pattern)] });
    rotate(path, "copytruncate");
    append(path, lines(numbered(20_000, 20_100)));
    Deno.renameSync(`${path}.1`, `${path}.2`);
    Deno.copyFileSync(path, `${path}.1`); // not truncated yet
    reader.letGo();
    await reader.until(() => reader.records.length >= 20_100);
    append(path, lines(numbered(20_100, 20_200)));
    await reader.expectSet(numbered(0, 20_200));
    Deno.truncateSync(path);
    append(path, lines(numbered(20_200, 20_210)));
    await reader.expectSet(numbered(0, 20_210));
    await reader.stop();
  });
}

filesCase("a copy that is shorter than what was read of its original, and seen late, is not read", async (folder) => {
  const path = join(folder, "a.log");
  const include = [join(folder, "a.log*")];
  append(path, lines(numbered(0, 1_000)));
  const reader = new Reader(folder, { include, watch: false, tuning: { sweepMs: 4_000 } });
  for (let at = 1_000; at <= 1_500; at += 50) {
    await reader.until(() => reader.records.length >= at);
    if (at === 1_400) Deno.copyFileSync(path, `${path}.1`); // the writer goes on
    if (at < 1_500) append(path, lines(numbered(at, at + 50)));
  }
  Deno.truncateSync(path);
  append(path, "new\n");
  await reader.event("copied"); // when the folder is looked at again
  await reader.expect([...numbered(0, 1_500), "new"]);
  await reader.stop();
});

filesCase("delivered copies stay delivered over many truncations", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 10)));
  const reader = new Reader(folder, { ...base, tuning: { departedMs: 50 } });
  let count = 10;
  for (let round = 0; round < 4; round++) {
    await reader.until(() => reader.records.length >= count);
    rotate(path, "copytruncate"); // all of it was read
    await pauseMs(120);
    append(path, lines(numbered(count, count + 10)));
    count += 10;
  }
  await reader.expect(numbered(0, count));
  await reader.stop();
});

filesCase("a copy that is written over by the next one is not read again", async (folder, base) => {
  const path = join(folder, "a.log");
  const wanted = numbered(0, 20_000);
  const reader = await stalled(path, wanted, base);
  for (const begin of [100_000, 200_000]) {
    Deno.copyFileSync(path, `${path}.1`); // the same inode each time
    Deno.truncateSync(path);
    append(path, lines(numbered(begin, begin + 10)));
    reader.letGo();
    wanted.push(...numbered(begin, begin + 10));
    await reader.expectSet(wanted);
  }
  Deno.copyFileSync(path, `${path}.1`);
  await pauseMs(200);
  Deno.truncateSync(path);
  append(path, lines(["last"]));
  await reader.expectSet([...wanted, "last"]);
  assert.deepEqual(reader.events.filter(({ kind }) => kind === "lost"), []);
  await reader.stop();
});

filesCase(
  "a copy over a file that was renamed away is gone on in where its original was read to",
  async (folder, base) => {
    const path = join(folder, "a.log");
    append(path, lines(numbered(0, 10)));
    const reader = new Reader(folder, base);
    await reader.expect(numbered(0, 10));
    Deno.renameSync(path, `${path}.1`);
    append(path, lines(numbered(10, 100)));
    await reader.expect(numbered(0, 100));
    append(path, lines(numbered(100, 110)));
    Deno.copyFileSync(path, `${path}.1`);
    Deno.truncateSync(path);
    append(path, lines(numbered(110, 120)));
    await reader.expectSet(numbered(0, 120));
    await reader.stop();
  },
);
