import { deepStrictEqual } from "node:assert/strict";
import { Retention } from "./retention.ts";
import type { KnownFile } from "./slice_journal.ts";

const files = new Map<string, KnownFile>([
  ["new", { bytes: 50, inode: 3, writtenMs: 9_000 }],
  ["old", { bytes: 100, inode: 1, writtenMs: 1_000 }],
  ["middle", { bytes: 70, inode: 2, writtenMs: 5_000 }],
  ["unmade", { bytes: 0, inode: 0, writtenMs: 0 }],
]);
const idle = (): boolean => false;

Deno.test("Retention lets the oldest go, by age and by size", () => {
  deepStrictEqual(new Retention({ keepForMs: 4_500 }).due(files, idle, 10_000, 0), ["old", "middle"]);
  deepStrictEqual(new Retention({ keepBytes: 120 }).due(files, idle, 10_000, 0), ["old"]);
  deepStrictEqual(new Retention({ keepBytes: 119 }).due(files, idle, 10_000, 0), ["old", "middle"]);
  deepStrictEqual(new Retention({}).due(files, idle, 1e12, 0), []);
});

Deno.test("Retention spares what is being written", () => {
  deepStrictEqual(new Retention({ keepBytes: 0 }).due(files, (path) => path === "old", 10_000, 0), ["middle", "new"]);
});

Deno.test("Retention lets nothing go after the clock jumped, nor where it stands before the files", () => {
  const retention = new Retention({ keepForMs: 4_500 });
  deepStrictEqual(retention.due(files, idle, 2_000, 0), []);
  deepStrictEqual(retention.due(files, idle, 365 * 86_400_000, 1_000), []);
  deepStrictEqual(retention.due(files, idle, 365 * 86_400_000 + 1_000, 2_000), ["old", "middle", "new"]);
});
