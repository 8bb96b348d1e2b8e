/** Positions on disk: whatever a crash leaves behind, a start succeeds and goes on from a position that was committed. */
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { join } from "node:path";
import type { Position } from "../../src/pipeline/checkpoint.ts";
import { CheckpointStore } from "../../src/system/checkpoint_store.ts";
import { lockFolder } from "../../src/system/lock.ts";
import { needs, onlyIf } from "../peers/skip.ts";
import { SmallDisk } from "../peers/small_disk.ts";

async function committed(folder: string, changes: readonly Position[]): Promise<void> {
  await using store = new CheckpointStore(folder);
  for (const change of changes) store.commit("a@b", change);
}

async function read(folder: string): Promise<Position | undefined> {
  await using store = new CheckpointStore(folder);
  return await store.get("a@b");
}

const steps = (count: number) => Array.from({ length: count }, (_, i): Position => ({ n: i + 1 }));

Deno.test("CheckpointStore keeps merged positions over a restart, and forgets keys set to null", async () => {
  const folder = Deno.makeTempDirSync();
  strictEqual(await read(folder), undefined);
  await committed(folder, [{ a: 1, b: { x: [1, "two", null] } }, { a: 2, c: 3 }]);
  await committed(folder, [{ c: null, d: true }]);
  deepStrictEqual(await read(folder), { a: 2, b: { x: [1, "two", null] }, d: true });
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("CheckpointStore starts from every torn end of its log, with a position that was committed", async () => {
  const folder = Deno.makeTempDirSync();
  await committed(folder, steps(20));
  const name = [...Deno.readDirSync(folder)].map(({ name }) => name).find((name) => name.endsWith(".log"))!;
  const whole = Deno.readFileSync(join(folder, name));
  let last = 0;
  for (let length = 0; length <= whole.length; length++) {
    Deno.writeFileSync(join(folder, name), whole.subarray(0, length));
    const position = await read(folder);
    const n = (position?.n as number | undefined) ?? 0;
    strictEqual(Number.isInteger(n) && n >= 0 && n <= 20 && n >= last - 1, true, `${length} bytes give ${n}`);
    last = Math.max(last, n);
  }
  strictEqual(last, 20);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("CheckpointStore never gives a position that was not committed, whichever byte is damaged", async () => {
  const folder = Deno.makeTempDirSync();
  await committed(folder, steps(5));
  await committed(folder, steps(9));
  const files = [...Deno.readDirSync(folder)].filter(({ name }) => name !== "lock").map(({ name }) =>
    join(folder, name)
  );
  for (const file of files) {
    const whole = Deno.readFileSync(file);
    for (let at = 0; at < whole.length; at += 3) {
      const damaged = whole.slice();
      damaged[at]! ^= 0x20;
      Deno.writeFileSync(file, damaged);
      const position = await read(folder);
      const n = position?.n ?? 0;
      strictEqual(
        typeof n === "number" && Number.isInteger(n) && n >= 0 && n <= 9,
        true,
        `${file} byte ${at}: ${JSON.stringify(position)}`,
      );
    }
    Deno.writeFileSync(file, whole);
  }
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("CheckpointStore starts with NUL files and goes on from the snapshot before", async () => {
  const folder = Deno.makeTempDirSync();
  await committed(folder, steps(5));
  await committed(folder, [{ n: 6 }]);
  Deno.writeFileSync(join(folder, "a%40b.json"), new Uint8Array(4_096));
  deepStrictEqual(await read(folder), { n: 6 });
  for (const { name } of Deno.readDirSync(folder)) Deno.writeFileSync(join(folder, name), new Uint8Array(64));
  strictEqual(await read(folder), undefined);
  await committed(folder, [{ n: 7 }]);
  deepStrictEqual(await read(folder), { n: 7 });
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("CheckpointStore compacts its log and keeps few files", async () => {
  const folder = Deno.makeTempDirSync();
  const filler = "x".repeat(1_000);
  await committed(folder, Array.from({ length: 1_200 }, (_, i): Position => ({ n: i, filler })));
  deepStrictEqual(await read(folder), { n: 1_199, filler });
  strictEqual([...Deno.readDirSync(folder)].length <= 4, true);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test({
  name: "CheckpointStore keeps no files open that a full disk did not let it write, and goes on when there is room",
  ...onlyIf(needs("root", "mount").ignore === false, "a tmpfs cannot be mounted"),
  fn: async () => {
    const folder = Deno.makeTempDirSync();
    {
      await using disk = await SmallDisk.mount(folder);
      disk.fill();
      await using store = new CheckpointStore(join(folder, "positions"));
      store.commit("a@b", { n: 0 });
      const open = [...Deno.readDirSync("/proc/self/fd")].length;
      for (let n = 1; n <= 100; n++) store.commit("a@b", { n });
      strictEqual([...Deno.readDirSync("/proc/self/fd")].length, open);
      disk.free();
      store.commit("a@b", { m: 1 });
      deepStrictEqual(await read(join(folder, "positions")), { n: 100, m: 1 });
    }
    Deno.removeSync(folder);
  },
});

Deno.test("lockFolder() lets one owner in and names it to the next", () => {
  const folder = Deno.makeTempDirSync();
  {
    using _lock = lockFolder(folder);
    throws(() => lockFolder(folder), new RegExp(`process ${Deno.pid}`));
  }
  lockFolder(folder)[Symbol.dispose]();
  Deno.removeSync(folder, { recursive: true });
});
