/** A disk that is full, slow to say so, or broken: nothing confirmed is lost, and the spool goes on when it can. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Batch, batchOfLines, recordText } from "../../src/pipeline/batch.ts";
import { FolderFiles, type SpoolFile, type SpoolFiles } from "../../src/spool/files.ts";
import { openSpool, type Spool, type SpoolOptions } from "../../src/spool/spool.ts";
import { runProgram, waitFor } from "../peers/process.ts";
import { type Condition, needs, onlyIf } from "../peers/skip.ts";

const origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 5 } as const;

/** The real file system, which fails on demand: `fail` is asked before every operation and throws, or does not. */
class FailingFiles implements SpoolFiles {
  /** Undefined: all goes well. For writes the number of bytes that still come to disk. */
  fail: ((what: "write" | "sync" | "create", name: string) => void) | undefined;
  /** What every fsync waits for. */
  gate: Promise<void> = Promise.resolve();
  readonly folder: string;
  readonly #real: FolderFiles;

  constructor(folder: string) {
    this.folder = folder;
    this.#real = new FolderFiles(folder);
  }

  makeFolder(): void {
    this.#real.makeFolder();
  }

  list(): readonly string[] {
    return this.#real.list();
  }

  create(name: string): SpoolFile {
    this.fail?.("create", name);
    return this.#wrap(name, this.#real.create(name));
  }

  open(name: string): SpoolFile {
    return this.#real.open(name);
  }

  openToWrite(name: string): SpoolFile {
    return this.#wrap(name, this.#real.openToWrite(name));
  }

  remove(name: string): void {
    this.#real.remove(name);
  }

  syncFolder(): Promise<void> {
    return this.#real.syncFolder();
  }

  space(): { readonly freeBytes: number; readonly totalBytes: number } {
    return { freeBytes: Infinity, totalBytes: Infinity }; // so that the writes themselves meet the end of the disk
  }

  #wrap(name: string, file: SpoolFile): SpoolFile {
    return {
      get sizeBytes(): number {
        return file.sizeBytes;
      },
      readAt: (into, offset) => file.readAt(into, offset),
      writeAt: (bytes, offset) => {
        try {
          this.fail?.("write", name);
        } catch (error) {
          file.writeAt(bytes.subarray(0, bytes.length / 2), offset); // half of it, as a full disk does
          throw error;
        }
        file.writeAt(bytes, offset);
      },
      truncate: (size) => file.truncate(size),
      sync: async () => {
        await this.gate;
        await file.sync();
        this.fail?.("sync", name);
      },
      close: () => file.close(),
    };
  }
}

function diskError(code: string): Error {
  return Object.assign(new Error(`${code} (as the test wants it)`), { code });
}

function numbered(from: number, end: number): Batch {
  return batchOfLines(Array.from({ length: end - from }, (_, i) => `${from + i} `.padEnd(100, "x")), origin);
}

async function readAll(spool: Spool): Promise<(number | string)[]> {
  const found: (number | string)[] = [];
  const limits = { maxRecords: 100, maxBytes: 1 << 20 };
  for await (const batch of spool.reader("a").read(await spool.get("a"), limits, new AbortController().signal)) {
    for (let i = 0; i < batch.count; i++) {
      const text = recordText(batch, i);
      found.push(batch.origin.source === "agent" ? text : parseInt(text));
    }
    spool.commit("a", batch.position);
    batch.release();
  }
  return found;
}

function range(from: number, end: number): number[] {
  return Array.from({ length: end - from }, (_, i) => from + i);
}

async function inFolder(
  options: Partial<SpoolOptions>,
  test: (spool: Spool, files: FailingFiles) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "spool-faults-" });
  try {
    const files = new FailingFiles(folder);
    const sizes = { maxBytes: 1 << 20, segmentBytes: 4_096, fsyncMs: 0 };
    await using spool = await openSpool({ folder, ...sizes, whenFull: "block", readers: ["a"], fs: files, ...options });
    await test(spool, files);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("Spool with block waits while the disk is full, cuts half-written frames off, and goes on by itself", () =>
  inFolder({}, async (spool, files) => {
    await spool.append(numbered(0, 10));
    files.fail = (what) => {
      if (what !== "sync") throw diskError("ENOSPC");
    };
    const waiting = [spool.append(numbered(10, 20)), spool.append(numbered(20, 30))];
    assert.equal(spool.stats().blocked, true);
    files.fail = undefined;
    await Promise.all(waiting);
    assert.equal(spool.stats().blocked, false);
    spool.finish();
    assert.deepEqual(await readAll(spool), range(0, 30));
    assert.deepEqual(spool.stats().damaged, { bytes: 0, spans: 0, records: 0 });
  }));

Deno.test("Spool with dropNewest counts what a full disk refuses and tells of it", () =>
  inFolder({ whenFull: "dropNewest" }, async (spool, files) => {
    await spool.append(numbered(0, 10));
    files.fail = (what, name) => {
      if (what !== "sync" && name.endsWith(".seg")) throw diskError("ENOSPC");
    };
    assert.deepEqual(await spool.append(numbered(10, 20)), { written: 0, refused: 10, tooLong: 0, droppedOldest: 0 });
    files.fail = undefined;
    await spool.append(numbered(20, 30));
    spool.finish();
    const told = "gap: 10 records not taken by the spool, which was full";
    assert.deepEqual(await readAll(spool), [...range(0, 10), told, ...range(20, 30)]);
  }));

Deno.test("Spool refuses all that is open when an fsync fails, and takes it again later", () =>
  inFolder({}, async (spool, files) => {
    await spool.append(numbered(0, 10));
    files.fail = (what, name) => {
      if (what === "sync" && name.endsWith(".seg")) throw diskError("EIO");
    };
    const results = await Promise.allSettled([spool.append(numbered(10, 20)), spool.append(numbered(20, 30))]);
    assert.deepEqual(results.map(({ status }) => status), ["rejected", "rejected"]);
    assert.match((results[0] as PromiseRejectedResult).reason.message, /Cannot write spool .*EIO/);
    files.fail = undefined;
    await spool.append(numbered(10, 20));
    await spool.append(numbered(20, 30));
    spool.finish();
    const found = await readAll(spool) as number[];
    assert.deepEqual([...new Set(found)].sort((a, b) => a - b), range(0, 30));
    assert.deepEqual(found.slice(-20), range(10, 30));
  }));

Deno.test("Spool refuses appends while the disk is broken, and goes on in a new segment", () =>
  inFolder({}, async (spool, files) => {
    await spool.append(numbered(0, 10));
    files.fail = (what) => {
      if (what === "write") throw diskError("EIO");
    };
    await assert.rejects(spool.append(numbered(10, 20)), /EIO/);
    files.fail = undefined;
    await spool.append(numbered(10, 20));
    assert.equal(spool.stats().segments, 2);
    spool.finish();
    assert.deepEqual(await readAll(spool), range(0, 20));
  }));

Deno.test("Spool replaces what a failed creation of a segment has left under its name", () =>
  inFolder({}, async (spool, files) => {
    files.fail = (what, name) => {
      if (what === "create") {
        new FolderFiles(files.folder).create(name).close();
        throw diskError("EMFILE");
      }
    };
    await assert.rejects(spool.append(numbered(0, 10)), /EMFILE/);
    files.fail = undefined;
    await spool.append(numbered(0, 10));
    spool.finish();
    assert.deepEqual(await readAll(spool), range(0, 10));
  }));

Deno.test("Spool confirms what was read, committed and removed before its fsync", () =>
  inFolder({ fsyncMs: 60_000 }, async (spool, files) => {
    const gate = Promise.withResolvers<void>();
    const appends = range(0, 10).map((i) => spool.append(numbered(i * 20, i * 20 + 20), { urgent: i === 9 }));
    assert.ok(spool.stats().segments > 3);
    files.gate = gate.promise;
    await Promise.resolve(); // the fsync of the first segment waits at the gate from here on
    files.gate = Promise.resolve();
    const reading = readAll(spool);
    await waitFor(() => spool.stats().segments === 1, "all segments but the last removed");
    gate.resolve();
    assert.deepEqual((await Promise.all(appends)).map(({ written }) => written), Array(10).fill(20));
    spool.finish();
    assert.deepEqual(await reading, range(0, 200));
  }));

Deno.test("Spool goes on reading and removing when positions cannot be written", () =>
  inFolder({ maxBytes: 16_384 }, async (spool, files) => {
    files.fail = (what, name) => {
      if (what === "write" && !name.endsWith(".seg")) throw diskError("ENOSPC");
    };
    const appending = (async () => {
      for (let i = 0; i < 1_000; i += 10) await spool.append(numbered(i, i + 10));
      spool.finish();
    })();
    assert.deepEqual(await readAll(spool), range(0, 1_000));
    await appending;
  }));

Deno.test({
  name: "Spool on a tmpfs of 1 MiB blocks when it is full and loses nothing",
  ...await canMount(),
  fn: () =>
    onSmallDisk(async (disk) => {
      for (const fs of [new FailingFiles(join(disk, "a")), new FolderFiles(join(disk, "a"))]) {
        const options = { folder: join(disk, "a"), maxBytes: 1 << 30, segmentBytes: 100_000, readers: ["a"] };
        await using spool = await openSpool({ ...options, whenFull: "block", fs });
        const appending = (async () => {
          for (let i = 0; i < 30_000; i += 100) await spool.append(numbered(i, i + 100));
          spool.finish();
        })();
        appending.catch(() => {}); // awaited below; a failure before that must show itself
        await waitFor(() => spool.stats().blocked, "the disk full");
        assert.ok(spool.stats().readers.a!.held < 12_000);
        assert.deepEqual(await readAll(spool), range(0, 30_000));
        await appending;
        assert.equal(spool.stats().damaged.bytes, 0);
      }
    }),
});

/** Runs `test` on a file system of 1 MiB. @throws where it cannot be mounted */
async function onSmallDisk(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "spool-tmpfs-" });
  try {
    await runProgram("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]);
    try {
      await test(folder);
    } finally {
      await runProgram("umount", [folder]);
    }
  } finally {
    Deno.removeSync(folder);
  }
}

/** Tries, as a container may forbid it even to root; nothing stays mounted. */
async function canMount(): Promise<Condition> {
  const able = needs("root", "mount", "umount");
  if (able.ignore) return able;
  const done = await onSmallDisk(() => Promise.resolve()).then(() => true, () => false);
  return onlyIf(done, "a tmpfs cannot be mounted");
}
