/**
 * A look at the folder falls into the middle of a rotation. `logrotate` and the like rename file by file; who lists names
 * and then asks for each of them can miss one that was given another name in between. Here a file is out of sight for as
 * long as that look takes, and the folder tells by its time that it was changed just now.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { append, filesCase, lines, numbered, pauseMs, Reader } from "../peers/file_reader.ts";

/** A time in whole seconds stands for a file system with such times: what happened at it is not over for 2.5 s. */
function touch(folder: string): void {
  const now = Math.floor(Date.now() / 1_000);
  Deno.utimeSync(folder, now, now);
}

filesCase("finds a content that was missed by both looks of a rotation under way", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 10)));
  const first = new Reader(folder, base);
  await first.expect(numbered(0, 10));
  const from = await first.stop();
  for (const [name, begin] of [["away", 10], ["a.log.1", 20]] as const) {
    Deno.renameSync(path, join(folder, name === "a.log.1" ? name : "a.log.2"));
    append(path, lines(numbered(begin, begin + 10)));
    await pauseMs(20); // another modification time
  }
  const [hidden, shifted] = [join(folder, "hidden"), join(folder, "a.log.1")];
  Deno.renameSync(shifted, hidden); // what came first while nobody watched
  touch(folder);
  const second = new Reader(folder, { ...base, from });
  await pauseMs(50); // the first look is over when the reader is there
  Deno.renameSync(hidden, shifted);
  await second.expectSet(numbered(10, 30));
  await second.stop();
});

filesCase("finds an inode of its position that a rotation under way hid", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 10)));
  const first = new Reader(folder, base);
  await first.expect(numbered(0, 10));
  const from = await first.stop();
  append(path, lines(numbered(10, 20)));
  const hidden = join(folder, "hidden.other");
  const elsewhere = Deno.makeTempDirSync();
  try {
    Deno.renameSync(path, join(elsewhere, "a.log"));
    append(path, lines(numbered(20, 30)));
    touch(folder);
    const second = new Reader(folder, { ...base, from });
    await pauseMs(50); // the first look is over when the reader is there
    Deno.renameSync(join(elsewhere, "a.log"), hidden);
    Deno.renameSync(hidden, path + ".1");
    await second.expectSet(numbered(10, 30));
    assert.deepEqual(second.events.filter(({ kind }) => kind === "lost"), []);
    await second.stop();
  } finally {
    Deno.removeSync(elsewhere, { recursive: true });
  }
});

filesCase("finds the copy of a truncated file that a rotation under way hid", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 100)));
  const reader = new Reader(folder, base);
  await reader.expect(numbered(0, 100));
  append(path, lines(numbered(100, 200))); // never read from here: all of this happens between two looks
  const elsewhere = Deno.makeTempDirSync();
  try {
    Deno.copyFileSync(path, join(elsewhere, "a.log"));
    Deno.truncateSync(path);
    append(path, lines(numbered(200, 210)));
    touch(folder);
    await reader.event("truncated");
    assert.equal(reader.records.length, 100, "nothing of the present content before what is left of the former one");
    Deno.renameSync(join(elsewhere, "a.log"), path + ".1");
    await reader.expect(numbered(0, 210));
    await reader.stop();
  } finally {
    Deno.removeSync(elsewhere, { recursive: true });
  }
});

filesCase("saves where a copy stands before it gives out what came after the truncation", async (folder, base) => {
  const path = join(folder, "b.log");
  for (const name of ["a.log", "b.log"]) append(join(folder, name), lines(numbered(0, 100)));
  const first = new Reader(folder, base);
  await first.expectSet([...numbered(0, 100), ...numbered(0, 100)]);
  const from = await first.stop();
  append(join(folder, "a.log"), lines(["one"]));
  append(path, lines(numbered(100, 200)));
  // Both are to be read in this turn, and the consumer takes its time with what came from the first.
  const reader = new Reader(folder, { ...base, from, held: true });
  await reader.until(() => reader.holding);
  Deno.copyFileSync(path, path + ".1");
  Deno.truncateSync(path);
  append(path, lines(numbered(200, 300)));
  await reader.event("truncated");
  reader.letGo();
  await reader.expectSet(["one", ...numbered(100, 300)]);
  const positions = reader.positions.map((position) => JSON.stringify(position));
  const saved = positions.findIndex((position) => position.includes("b.log.1"));
  const later = positions.findIndex((position) => position.includes('"generation":1'));
  assert.ok(saved >= 0 && saved < later, `${saved} is not before ${later} in ${positions.join("\n")}`);
  await reader.stop();
});

filesCase("sees what a file is that was empty when it was found, before it is truncated", async (folder, base) => {
  const path = join(folder, "a.log");
  append(join(folder, "b.log"), lines(["one"]));
  const reader = new Reader(folder, { ...base, held: true });
  await reader.until(() => reader.holding);
  append(path, "");
  await pauseMs(200); // a look at the folder
  append(path, lines(numbered(0, 100)));
  await reader.until(() => reader.events.filter(({ kind }) => kind === "opened").length === 2);
  Deno.copyFileSync(path, path + ".1");
  Deno.truncateSync(path);
  append(path, lines(numbered(100, 200)));
  await pauseMs(200);
  reader.letGo();
  await reader.expectSet(["one", ...numbered(0, 200)]);
  await reader.stop();
});

filesCase("finds what was made and rotated away between two looks at a folder that was empty", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path + ".2", lines(["older than we are"]));
  await pauseMs(50);
  const reader = new Reader(folder, base);
  await pauseMs(50); // the first look finds nothing
  append(path, lines(numbered(0, 10)));
  Deno.renameSync(path, path + ".1");
  append(path, lines(numbered(10, 20)));
  await reader.expectSet(numbered(0, 20));
  await reader.stop();
});
