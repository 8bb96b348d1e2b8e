/**
 * The file source and files that are renamed, deleted, archived, linked or alike: the black-box cases, with and without
 * watching.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { append, filesCase, lines, numbered, pauseMs, Reader, renameIfThere } from "../peers/file_reader.ts";

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
  const left = Object.keys(reader.position ?? {});
  assert.deepEqual(left, [`gone:${path}`], "of a file that is gone, the path is remembered");
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
