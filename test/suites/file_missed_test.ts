/**
 * What a kill at any moment may leave undone: of contents that a rotation put away, none may be forgotten because a later
 * one of the same path was saved first. A folder whose time is in whole seconds stands for a rotation under way: its names
 * do not rest for 2.5 s, and so long the reader is in doubt.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { mergePosition, type Position } from "../../src/pipeline/checkpoint.ts";
import { fileKey } from "../../src/sources/file/identity.ts";
import { append, filesCase, lines, numbered, pauseMs, Reader, type ReaderOptions } from "../peers/file_reader.ts";

function touch(folder: string): void {
  const now = Math.floor(Date.now() / 1_000);
  Deno.utimeSync(folder, now, now);
}

/** Moves `path` and its former contents on by one name. */
function shift(path: string, count: number): void {
  for (let i = count; i > 0; i--) Deno.renameSync(`${path}.${i}`, `${path}.${i + 1}`);
}

async function readFirst(folder: string, base: ReaderOptions, path: string): Promise<Position | undefined> {
  append(path, lines(numbered(0, 10)));
  const first = new Reader(folder, base);
  await first.expect(numbered(0, 10));
  return await first.stop();
}

filesCase("saves what it found before anything later of the same path", async (folder, base) => {
  const path = join(folder, "a.log");
  const from = await readFirst(folder, base, path);
  Deno.renameSync(path, `${path}.1`);
  append(path, lines(numbered(10, 20)));
  touch(folder);
  const second = new Reader(folder, { ...base, from });
  await pauseMs(300); // it has found the file, and nothing is decided about it
  shift(path, 1);
  Deno.renameSync(path, `${path}.1`);
  append(path, lines(numbered(20, 30)));
  const present = fileKey(Deno.statSync(path));
  await second.expectSet(numbered(10, 30));
  await second.stop();
  // The kill: after the first position that holds something of the present content.
  const killed = second.positions.findIndex((position) => isDecided(position[present]));
  const position = second.positions.slice(0, killed + 1).reduce(mergePosition, from!);
  const third = new Reader(folder, { ...base, from: position });
  const given = second.counts.slice(0, killed + 1).reduce((sum, count) => sum + count, 0);
  await third.expectSet(second.records.slice(given));
  await third.stop();
});

filesCase("gives nothing of a truncated file before what it missed of it is saved", async (folder, base) => {
  const path = join(folder, "a.log");
  const from = await readFirst(folder, base, path);
  append(path, lines(["rest"])); // for which the first copy is found at once
  for (const begin of [10, 20]) { // the content in between was begun and truncated while nobody watched
    if (begin === 20) shift(path, 1);
    Deno.copyFileSync(path, `${path}.1`);
    Deno.truncateSync(path);
    await pauseMs(20); // another modification time
    append(path, lines(numbered(begin, begin + 10)));
  }
  const missed = fileKey(Deno.statSync(`${path}.1`));
  const present = fileKey(Deno.statSync(path));
  touch(folder);
  const second = new Reader(folder, { ...base, from });
  await second.expectSet(["rest", ...numbered(10, 30)]);
  await second.stop();
  const keys = second.positions.map((position) => [isDecided(position[present]), position[missed] !== undefined]);
  const [first, saved] = [0, 1].map((i) => keys.findIndex((each) => each[i]));
  assert.ok(
    saved! >= 0 && saved! <= first!,
    `the missed content is saved in batch ${saved}, the present one in ${first}`,
  );
});

filesCase("finds what was missed when the content that was read last is compressed by then", async (folder, base) => {
  const path = join(folder, "a.log");
  await Deno.writeTextFile(`${path}.3`, lines(["older than we are"]));
  await pauseMs(50); // another modification time
  const from = await readFirst(folder, base, path);
  Deno.removeSync(path); // to a.log.2.gz, which is nothing to read
  await pauseMs(20);
  append(`${path}.1`, lines(numbered(10, 20)));
  append(path, lines(numbered(20, 30)));
  const second = new Reader(folder, { ...base, from });
  await second.expectSet(numbered(10, 30));
  await second.stop();
});

/** Reads what is at `path`, and sees it removed, so that nothing is left of it; resolves to where that ended. */
async function readAndRemoved(folder: string, base: ReaderOptions, path: string): Promise<Position | undefined> {
  append(path, lines(numbered(0, 10)));
  const first = new Reader(folder, base);
  await first.until(() => first.records.length >= 10);
  Deno.removeSync(path);
  await first.event("removed");
  await pauseMs(50); // another modification time
  return await first.stop();
}

for (const present of [false, true]) {
  const where = present ? "another is there" : "the path is empty again";
  filesCase(`finds what came to a path whose files were all read and removed, when ${where}`, async (folder, base) => {
    const path = join(folder, "a.log");
    append(`${path}.5`, lines(["older than we are"]));
    await pauseMs(50); // another modification time
    const from = await readAndRemoved(folder, base, path);
    append(path, lines(numbered(10, 20)));
    Deno.renameSync(path, `${path}.1`);
    if (present) append(path, lines(numbered(20, 30)));
    const second = new Reader(folder, { ...base, from });
    await second.expectSet(numbered(10, present ? 30 : 20));
    await second.stop();
    const third = new Reader(folder, { ...base, from: second.position });
    await third.expect([]);
    await third.stop();
  });
}

filesCase("finds what came and was put away between two looks at a path where nothing is", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 10)));
  const reader = new Reader(folder, base);
  await reader.expect(numbered(0, 10));
  Deno.removeSync(path);
  await reader.event("removed");
  for (const at of [10, 20]) {
    await pauseMs(200); // it was seen that nothing is there
    append(path, lines(numbered(at, at + 10)));
    Deno.renameSync(path, `${path}.${at}`);
    await reader.expect(numbered(0, at + 10));
  }
  await reader.stop();
});

filesCase("leaves a copy as old as what was read and removed where it is", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 10)));
  const first = new Reader(folder, base);
  await first.expect(numbered(0, 10));
  Deno.removeSync(path);
  await first.event("removed");
  const from = await first.stop();
  const { writtenMs } = from![`gone:${path}`] as { writtenMs: number };
  append(`${path}.1`, lines(numbered(0, 10)));
  Deno.utimeSync(`${path}.1`, new Date(writtenMs), new Date(writtenMs));
  const second = new Reader(folder, { ...base, from });
  append(join(folder, "b.log"), lines(["other"]));
  await second.expect(["other"]);
  await second.stop();
});

filesCase("keeps nothing of a path whose folder is gone with it", async (folder, base) => {
  const pod = join(folder, "pod");
  Deno.mkdirSync(pod);
  append(join(pod, "0.log"), lines(numbered(0, 10)));
  const reader = new Reader(folder, { ...base, include: [join(folder, "*/*.log")] });
  await reader.expect(numbered(0, 10));
  Deno.removeSync(pod, { recursive: true });
  await reader.event("removed");
  await pauseMs(50);
  assert.deepEqual(await reader.stop(), {});
});

filesCase("starts with damaged notes of paths whose files are gone", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 10)));
  const broken = [null, 7, "x", [], {}, { writtenMs: "x" }, { writtenMs: -1 }, { writtenMs: 1.5 }, {
    writtenMs: 1e300,
  }];
  const from = Object.fromEntries(broken.map((value, i) => [`gone:${i === 0 ? path : `${path}${i}.log`}`, value]));
  const reader = new Reader(folder, { ...base, from });
  await reader.expect(numbered(0, 10));
  await reader.stop();
});

/** Whether a value of a position is about a content, not only about an inode that was found. */
function isDecided(value: Position[string] | undefined): boolean {
  return value !== undefined && !JSON.stringify(value).includes('"length":0');
}
