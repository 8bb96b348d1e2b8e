/** Dead letters on a real disk: bounded, whole lines only, one owner, nothing outside their folder. */
import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { join } from "node:path";
import { batchOfLines, type Origin } from "../../src/pipeline/batch.ts";
import {
  deadLetterFiles,
  deadLetterFolder,
  DeadLetters,
  readDeadLetters,
  sinksWithDeadLetters,
} from "../../src/spool/dead_letters.ts";
import { needs } from "../peers/skip.ts";
import { SmallDisk } from "../peers/small_disk.ts";

const origin: Origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 0 };

function withState(test: (state: string) => void): void {
  const state = Deno.makeTempDirSync();
  try {
    test(state);
  } finally {
    Deno.removeSync(state, { recursive: true });
  }
}

function open(state: string, sink = "k", maxBytes = 64 * 1024): DeadLetters {
  return new DeadLetters({ folder: deadLetterFolder(state, sink), maxBytes, sink });
}

function keep(letters: DeadLetters, ...lines: readonly string[]): void {
  letters.keep(batchOfLines(lines, origin), lines.map((_, index) => ({ index, reason: "500 no" })), "refused");
}

function messages(state: string, sink = "k"): readonly (string | undefined)[] {
  return [...readDeadLetters(deadLetterFolder(state, sink))].map((letter) =>
    letter === undefined ? undefined : new TextDecoder().decode(letter.message)
  );
}

Deno.test("DeadLetters makes nothing before there is something to keep, then a folder for the agent alone", () => {
  withState((state) => {
    using letters = open(state);
    deepStrictEqual([...Deno.readDirSync(state)], []);
    keep(letters, "one", "two");
    const folder = deadLetterFolder(state, "k");
    strictEqual(Deno.statSync(folder).mode! & 0o777, 0o700);
    strictEqual(Deno.statSync(join(folder, "00000001.jsonl")).mode! & 0o777, 0o600);
    deepStrictEqual(messages(state), ["one", "two"]);
    throws(() => keep(open(state), "three"), /held by another agent/);
  });
});

Deno.test("DeadLetters keeps bytes that are not UTF-8 as they were", () => {
  withState((state) => {
    using letters = open(state);
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const batch = { ...batchOfLines([""], origin), bytes, bounds: new Uint32Array([0, 256]), packed: false };
    letters.keep(batch, [{ index: 0, reason: "" }], "tries");
    const [letter] = [...readDeadLetters(deadLetterFolder(state, "k"))];
    deepStrictEqual([...letter!.message], [...bytes]);
  });
});

Deno.test("DeadLetters stays below its limit: the oldest go, the newest are there, and what went is counted", () => {
  withState((state) => {
    using letters = open(state);
    const line = (i: number): string => `${i} ${"x".repeat(500)}`;
    for (let i = 0; i < 400; i++) keep(letters, line(i));
    const folder = deadLetterFolder(state, "k");
    const total = deadLetterFiles(folder).reduce((sum, name) => sum + Deno.statSync(join(folder, name)).size, 0);
    ok(total <= 64 * 1024 && total > 48 * 1024, `${total} bytes`);
    const kept = messages(state);
    deepStrictEqual(kept, Array.from({ length: kept.length }, (_, i) => line(400 - kept.length + i)));
    ok(letters.removedBytes > 100_000);
  });
});

Deno.test("DeadLetters takes half a line off that a crash has left, goes on behind it, and passes over damage", () => {
  withState((state) => {
    {
      using letters = open(state);
      keep(letters, "one", "two");
    }
    const folder = deadLetterFolder(state, "k");
    Deno.writeTextFileSync(join(folder, "00000001.jsonl"), '{"damaged\n{"keptAt":"2026-', { append: true });
    {
      using letters = open(state);
      keep(letters, "three");
    }
    deepStrictEqual(messages(state), ["one", "two", undefined, "three"]);
    deepStrictEqual(deadLetterFiles(folder), ["00000001.jsonl", "00000002.jsonl"]);
    Deno.writeTextFileSync(join(folder, "00000002.jsonl"), "no line at all");
    using letters = open(state);
    keep(letters, "four");
    deepStrictEqual(messages(state), ["one", "two", undefined, "four"]);
  });
});

Deno.test({
  name: "DeadLetters holds none of a batch that the disk has no room for, and takes it when there is room",
  ...needs("root", "mount"),
  fn: async () => {
    const folder = Deno.makeTempDirSync();
    {
      await using disk = await SmallDisk.mount(join(folder, "disk"));
      using letters = open(disk.path);
      keep(letters, "one");
      disk.fill();
      const large = "x".repeat(6_000);
      throws(() => keep(letters, large, "two"), /Cannot keep dead letters .*(No space|os error 28)/);
      deepStrictEqual(messages(disk.path), ["one"], "no half line is left");
      disk.free();
      keep(letters, large, "two");
      deepStrictEqual(messages(disk.path), ["one", large, "two"]);
    }
    Deno.removeSync(folder, { recursive: true });
  },
});

Deno.test("deadLetterFolder() stays below the state folder, whatever a sink is called, and the name is read back", () => {
  withState((state) => {
    const names = ["..", "relp://h:1/../../x", "a b/ü", "k".repeat(500)];
    for (const name of names) {
      const folder = deadLetterFolder(state, name);
      match(folder.slice(state.length), /^\/dead\/[^/]+$/);
      using letters = open(state, name);
      keep(letters, "x");
    }
    const found = sinksWithDeadLetters(state).map(({ sink }) => sink);
    strictEqual(found.length, 4);
    for (const name of names.slice(0, 3)) ok(found.includes(name), name);
  });
});
