/**
 * What a start concludes within milliseconds of a rotation, after a kill at any batch. Inodes are used again: the copy that
 * holds a content which nobody saw has one that a position of another file is about. That is made by hand here, since not
 * every file system uses them again at once.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { mergePosition, type Position } from "../../src/pipeline/checkpoint.ts";
import { Discovery } from "../../src/sources/file/discovery.ts";
import { fileKey } from "../../src/sources/file/identity.ts";
import { Surroundings } from "../../src/sources/file/surroundings.ts";
import { append, filesCase, lines, numbered, pauseMs, Reader, type ReaderOptions } from "../peers/file_reader.ts";

/** What was in `path` is gone, and the inode is that of another file, of another name and content. */
function useAgain(path: string, as: string, content: readonly string[]): void {
  Deno.writeTextFileSync(path, lines(content)); // truncates it
  Deno.renameSync(path, as);
}

/** A copy of what is in `path`, with an inode that was used before, and the truncation. */
function copyTruncate(path: string, used: string): void {
  useAgain(used, `${path}.1`, Deno.readTextFileSync(path).split("\n").filter((line) => line !== ""));
  Deno.truncateSync(path);
}

/** Reads the first lines of `a.log` and of `b.log`, which is renamed then; resolves to where that ended. */
async function begun(folder: string, base: ReaderOptions): Promise<Position | undefined> {
  append(join(folder, "a.log"), lines(numbered(0, 10)));
  append(join(folder, "b.log"), lines(numbered(1_000, 1_010)));
  const reader = new Reader(folder, base);
  await reader.until(() => reader.records.length >= 20);
  Deno.renameSync(join(folder, "b.log"), join(folder, "b.log.1"));
  await pauseMs(150);
  return await reader.stop();
}

/** Waits for so many records; shorter than {@linkcode Reader.until}, since many cases in a row do. */
async function arrived(reader: Reader, count: number): Promise<void> {
  for (let i = 0; i < 200 && reader.records.length < count; i++) await pauseMs(10);
}

/** As if `beforeMs` had passed since `folder` changed, and from the question after the first `calls` on `afterMs`. */
function clockOf(folder: string, beforeMs: number, afterMs: number, calls: number): Disposable {
  const real = Date.now;
  const changedMs = Deno.statSync(folder).mtime!.getTime();
  let made = 0;
  Date.now = () => changedMs + (made++ < calls ? beforeMs : afterMs);
  return { [Symbol.dispose]: () => void (Date.now = real) };
}

for (let call = 0; call <= 12; call++) {
  filesCase(`names begin to rest within the first look, before question ${call} of it`, async (folder, base) => {
    const path = join(folder, "a.log");
    const from = await begun(folder, base);
    Deno.truncateSync(path);
    append(path, lines(numbered(10, 20))); // nobody saw it
    copyTruncate(path, join(folder, "b.log.1"));
    append(path, lines(numbered(20, 30)));
    const reader = (() => {
      using _clock = clockOf(folder, 19, 21, call);
      return new Reader(folder, { ...base, from }); // looks at once
    })();
    await arrived(reader, 20);
    await reader.stop();
    assert.deepEqual([...reader.records].sort(), numbered(10, 30));
  });
}

/** As if names in `folder` never rested until `rest()`; `then` is told, in a microtask, when somebody has asked after that. */
function restlessness(folder: string, then: () => void): { rest(): void } & Disposable {
  const real = Date.now;
  let resting = false;
  let told = false;
  Date.now = () => {
    if (resting && !told) {
      told = true;
      queueMicrotask(then);
    }
    return Deno.statSync(folder).mtime!.getTime() + (resting ? 21 : 19);
  };
  return { rest: () => void (resting = true), [Symbol.dispose]: () => void (Date.now = real) };
}

filesCase("a kill at any batch after a content was adopted with an inode used before", async (folder, base) => {
  const path = join(folder, "a.log");
  const aside = Deno.makeTempDirSync();
  try {
    const begunAt = await begun(folder, base);
    Deno.renameSync(join(folder, "b.log.1"), join(aside, "used"));
    const reader = new Reader(folder, { ...base, from: begunAt });
    await reader.event("lost"); // of b.log nothing is there
    await pauseMs(100);
    reader.hold();
    append(path, lines(numbered(10, 30_000)));
    await reader.until(() => reader.holding);
    await pauseMs(150); // held up for so long that it looks for truncations
    {
      using names = restlessness(folder, () => reader.letGo());
      Deno.copyFileSync(path, `${path}.2`);
      Deno.truncateSync(path);
      append(path, lines(numbered(30_000, 30_010))); // nobody saw it
      copyTruncate(path, join(aside, "used"));
      append(path, lines(numbered(30_010, 30_020)));
      await pauseMs(200);
      names.rest();
      await arrived(reader, 30_010);
    }
    await reader.stop();
    const wanted = numbered(30_000, 30_020);
    let from = begunAt;
    let at = 0;
    for (const [i, position] of reader.positions.entries()) {
      from = mergePosition(from, position);
      at += reader.counts[i]!;
      const come = new Set(reader.records.slice(0, at));
      if (!wanted.some((line) => come.has(line))) continue;
      const next = new Reader(folder, { ...base, from });
      const due = wanted.filter((line) => !come.has(line));
      await arrived(next, due.length);
      await next.stop();
      assert.deepEqual(due.filter((line) => !next.records.includes(line)), [], `after ${i + 1} batches`);
    }
  } finally {
    Deno.removeSync(aside, { recursive: true });
  }
});

/** Beside a file or as the file of a position: what a rotation hid from each look until all patience was over. */
for (
  const [what, known] of [["a content that was missed", false], ["the rest of what was being read", true]] as const
) {
  filesCase(`names that never rest: ${what} is found when it shows at last`, async (folder, base) => {
    const path = join(folder, "a.log");
    const aside = Deno.makeTempDirSync();
    try {
      append(path, lines(numbered(0, 10)));
      const first = new Reader(folder, base);
      await arrived(first, 10);
      const from = await first.stop();
      append(path, lines(numbered(10, 20)));
      Deno.renameSync(path, join(aside, "1"));
      if (!known) { // what was being read is there, and another content came after it
        Deno.renameSync(join(aside, "1"), `${path}.2`);
        append(join(aside, "1"), lines(numbered(20, 30)));
      }
      append(path, lines(numbered(30, 40)));
      using _names = restlessness(folder, () => {});
      const reader = new Reader(folder, { ...base, from });
      const [before, after] = known
        ? [numbered(30, 40), [...numbered(10, 20), ...numbered(30, 40)]]
        : [[...numbered(10, 20), ...numbered(30, 40)], numbered(10, 40)];
      await pauseMs(known ? 5_500 : 2_500);
      assert.deepEqual([...reader.records].sort(), before);
      Deno.renameSync(join(aside, "1"), `${path}.1`);
      await arrived(reader, after.length);
      await reader.stop();
      assert.deepEqual([...reader.records].sort(), after);
    } finally {
      Deno.removeSync(aside, { recursive: true });
    }
  });
}

filesCase("a file that was renamed while its folder was listed by inode is found when the names rest", (folder) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 3)));
  const key = fileKey(Deno.statSync(path));
  const surroundings = new Surroundings(new Discovery([path], []));
  const real = Date.now;
  try {
    Date.now = () => Deno.statSync(folder).mtime!.getTime() + 19;
    assert.equal(surroundings.locate(key, path, path), path);
    Deno.renameSync(path, `${path}.1`);
    Date.now = () => Deno.statSync(folder).mtime!.getTime() + 21;
    assert.equal(surroundings.locate(key, path, path), `${path}.1`);
  } finally {
    Date.now = real;
  }
  return Promise.resolve();
});

filesCase("a copy over what the path held before, made while nobody watched, is gone on in", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 10)));
  const first = new Reader(folder, base);
  await arrived(first, 10);
  Deno.renameSync(path, `${path}.1`);
  append(path, lines(numbered(10, 20)));
  await arrived(first, 20);
  const from = await first.stop();
  append(path, lines(numbered(20, 30)));
  Deno.copyFileSync(path, `${path}.1`);
  Deno.truncateSync(path);
  append(path, lines(numbered(30, 40)));
  const reader = new Reader(folder, { ...base, from });
  await reader.expectSet(numbered(20, 40));
  await reader.stop();
});
