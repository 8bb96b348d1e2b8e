/**
 * Copies of what was delivered already, that the patterns find, at a start after a kill: nothing of them comes again, however
 * close the kill is to the rotation.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { append, filesCase, lines, numbered, pauseMs, Reader } from "../peers/file_reader.ts";

Deno.test("openFileSource() a copy is decided about when the position that it may be of was looked for", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const path = join(folder, "a.log");
    append(path, lines(numbered(0, 10)));
    const first = new Reader(folder);
    await first.until(() => first.records.length >= 10);
    const from = await first.stop();
    Deno.copyFileSync(path, `${path}.1`);
    Deno.removeSync(path);
    // At once: names do not rest yet, so that the first look may have missed what the position is of.
    const second = new Reader(folder, { from, include: [join(folder, "a.log*")] });
    await pauseMs(500);
    append(`${path}.1`, lines(numbered(10, 12)));
    await second.until(() => second.records.length >= 2);
    await second.stop();
    assert.deepEqual(second.records, numbered(10, 12));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("openFileSource() a copy of what was read is noted before what is in its original now", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const path = join(folder, "a.log");
    // Only the search beside the truncated file can see the copy: nobody looks at the folder in time.
    const options = { include: [join(folder, "a.log*")], watch: false, tuning: { sweepMs: 60_000 } };
    append(path, lines(numbered(0, 10)));
    const first = new Reader(folder, options);
    await first.until(() => first.records.length >= 10);
    Deno.copyFileSync(path, `${path}.1`);
    await pauseMs(100); // names rest
    Deno.truncateSync(path);
    append(path, lines(numbered(10, 20)));
    await first.until(() => first.records.length >= 20);
    const from = first.position; // a kill would leave it so
    await first.stop();
    assert.deepEqual(first.records, numbered(0, 20));
    const second = new Reader(folder, { ...options, from });
    append(path, lines(numbered(20, 22)));
    await second.until(() => second.records.length >= 2);
    await pauseMs(500);
    await second.stop();
    assert.deepEqual(second.records, numbered(20, 22));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

filesCase("a copy over an earlier content that was empty is not read again", async (folder, base) => {
  const path = join(folder, "a.log");
  append(path, lines(numbered(0, 1)));
  append(join(folder, "b.log"), "");
  const reader = new Reader(folder, base);
  await reader.expect(numbered(0, 1));
  const other = join(folder, "b.log");
  Deno.renameSync(other, `${other}.1`);
  append(other, lines(numbered(1, 11)));
  await reader.expect(numbered(0, 11));
  Deno.copyFileSync(other, `${other}.1`); // the same inode
  Deno.truncateSync(other);
  append(other, lines(numbered(11, 21)));
  await reader.expect(numbered(0, 21));
  await reader.stop();
});
