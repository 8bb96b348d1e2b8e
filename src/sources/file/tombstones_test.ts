import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Position, PositionValue } from "../../pipeline/checkpoint.ts";
import { Tombstones } from "./tombstones.ts";

/** Tombstones and the position that they make. */
class Kept {
  readonly stones: Tombstones;
  readonly position: Record<string, PositionValue>;

  constructor(from: Position = {}, nowMs = 0) {
    this.position = { ...from };
    this.stones = new Tombstones(from, nowMs, (path) => path.endsWith(".log"), (key, value) => {
      if (value === null) delete this.position[key];
      else this.position[key] = value;
    });
  }
}

Deno.test("Tombstones keep the youngest content of a path, over a start, too", () => {
  const kept = new Kept();
  kept.stones.set("/a.log", 20, 0);
  kept.stones.set("/a.log", 10, 1);
  strictEqual(kept.stones.writtenMs("/a.log"), 20);
  deepStrictEqual(kept.position, { "gone:/a.log": { writtenMs: 20 } });
  strictEqual(new Kept(kept.position).stones.writtenMs("/a.log"), 20);
});

Deno.test("Tombstones keep the newest paths of a hundred thousand, and so does the position", () => {
  const kept = new Kept();
  for (let i = 0; i < 100_000; i++) kept.stones.set(`/pods/${i}.log`, i, i);
  const paths = [...kept.stones.paths];
  strictEqual(paths.at(-1), "/pods/99999.log");
  strictEqual(paths.length, 200);
  deepStrictEqual(Object.keys(kept.position), paths.map((path) => `gone:${path}`));
});

Deno.test("Tombstones are forgotten when the source has run for so long, counted from its start", () => {
  const kept = new Kept({ "gone:/old.log": { writtenMs: 5 }, "1:2": null }, 1_000);
  kept.stones.set("/new.log", 6, 1_500);
  kept.stones.expire(1_000);
  deepStrictEqual([...kept.stones.paths], ["/old.log", "/new.log"]);
  kept.stones.expire(1_001);
  deepStrictEqual([...kept.stones.paths], ["/new.log"]);
  deepStrictEqual(kept.position, { "1:2": null, "gone:/new.log": { writtenMs: 6 } });
});

Deno.test("Tombstones are for paths that the patterns find, and for no others when those change", () => {
  const kept = new Kept({ "gone:/a.txt": { writtenMs: 1 }, "gone:/a.log": { writtenMs: 1 } });
  kept.stones.set("/b.txt", 2, 0);
  deepStrictEqual([...kept.stones.paths], ["/a.log"]);
  deepStrictEqual(kept.position, { "gone:/a.log": { writtenMs: 1 } });
});

Deno.test("Tombstones pass over what is damaged, and forget it", () => {
  const broken = [null, true, 7, "x", [], {}, { writtenMs: "x" }, { writtenMs: -1 }, { writtenMs: 0.5 }];
  const from = Object.fromEntries(broken.map((value, i) => [`gone:/${i}.log`, value as PositionValue]));
  const kept = new Kept({ ...from, "gone:/good.log": { writtenMs: 1 } });
  deepStrictEqual([...kept.stones.paths], ["/good.log"]);
  deepStrictEqual(kept.position, { "gone:/good.log": { writtenMs: 1 } });
});
