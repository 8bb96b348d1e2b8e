/** Copies of rotated files, at the moments between a rotation's steps that no test could hit by waiting. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Departures, findOriginal, isSound, staysCopy } from "../../src/sources/file/copies.ts";
import { fileKey, markerAt } from "../../src/sources/file/identity.ts";
import { TailedFile } from "../../src/sources/file/tailed_file.ts";

/** A file that is followed up to its end, and its copy; `use` gets both open. */
function withCopy(use: (original: TailedFile, copy: TailedFile, path: string) => void): void {
  const folder = Deno.makeTempDirSync();
  const path = join(folder, "a.log");
  Deno.writeTextFileSync(path, "a line of a text that is not short\n".repeat(100));
  Deno.copyFileSync(path, path + ".1");
  const [original, copy] = [path, path + ".1"].map((each) =>
    new TailedFile(fileKey(Deno.statSync(each)), each, each, "a")
  ) as [TailedFile, TailedFile];
  try {
    original.open();
    copy.open();
    original.startAtEnd(Deno.statSync(path).size);
    original.state = "following";
    copy.state = "waiting";
    use(original, copy, path);
  } finally {
    original.close();
    copy.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Truncates the file when it is looked at for the time number `at`, just after. */
function truncateAfterLook(file: TailedFile, path: string, at: number): void {
  const look = file.look.bind(file);
  let looks = 0;
  file.look = (): Deno.FileInfo | undefined => {
    const info = look();
    if (++looks === at) Deno.truncateSync(path);
    return info;
  };
}

for (const at of [1, 2]) {
  Deno.test(`findOriginal() knows the original that is truncated behind its look number ${at}`, () =>
    withCopy((original, copy, path) => {
      truncateAfterLook(original, path, at);
      assert.equal(findOriginal(copy, copy.peek(0, 1_024), [original]), original);
      assert.equal(isSound(original), false);
    }));
}

Deno.test("staysCopy() lets a copy wait whose original is truncated while they are compared", () =>
  withCopy((original, copy, path) => {
    const peek = original.peek;
    let peeks = 0;
    Object.defineProperty(original, "peek", {
      value: (offset: number, length: number): Uint8Array => {
        if (++peeks === 2) Deno.truncateSync(path); // behind the first, which is that of isSound
        return peek(offset, length);
      },
    });
    assert.equal(staysCopy(copy, original, 3_500), true);
    assert.equal(isSound(original), false);
  }));

Deno.test("staysCopy() compares every byte, and looks at the name", () =>
  withCopy((original, copy, path) => {
    assert.equal(staysCopy(copy, original, 3_500), true);
    copy.path = path + ".backup-of-somebody";
    assert.equal(staysCopy(copy, original, 3_500), false);
    copy.path = path + ".1";
    copy.comparedBytes = 0;
    using file = Deno.openSync(path + ".1", { write: true });
    file.seekSync(2_000, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array([88]));
    assert.equal(staysCopy(copy, original, 3_500), false);
  }));

Deno.test("Departures.isDeliveredIn() knows a copy that ends before what was read, by the offsets that reading passed", () =>
  withCopy((original, copy, path) => {
    const waypoints = [1_000, 2_000, 3_000].map((offset) => ({ offset, marker: markerAt(offset, original.peek)! }));
    const departed = new Departures();
    departed.add({
      key: original.key,
      mark: original.mark,
      origin: path,
      unreadBytes: 0,
      untilMs: Infinity,
      waypoints,
    });
    assert.equal(departed.isDeliveredIn(copy), true, "of all that was read");
    Deno.truncateSync(path + ".1", 2_500);
    assert.equal(departed.isDeliveredIn(copy), true);
    Deno.truncateSync(path + ".1", 999);
    assert.equal(departed.isDeliveredIn(copy), false, "nothing proves it");
    Deno.copyFileSync(path, path + ".1");
    using file = Deno.openSync(path + ".1", { write: true });
    for (const [offset, delivered] of [[2_100, true], [1_900, false]] as const) {
      file.seekSync(offset, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array([88]));
      Deno.truncateSync(path + ".1", 2_500);
      assert.equal(departed.isDeliveredIn(copy), delivered, `a byte at ${offset} differs`);
    }
  }));
