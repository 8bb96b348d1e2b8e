/** The collector of log files: among traps, beside logs that grow, and for a span of time. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { collectors } from "../../src/dump/collectors/mod.ts";
import { readMachine } from "../../src/dump/machine.ts";
import { collect } from "../peers/collecting.ts";
import { plantTraps, writeTree } from "../peers/fake_root.ts";
import { needs } from "../peers/skip.ts";
import { collectorOf, inFolder } from "../peers/collector_place.ts";

Deno.test({
  name: "logs collector passes pipes, devices, loops, links out and a sparse terabyte",
  ...needs("mkfifo"),
  fn: () =>
    inFolder(async (folder) => {
      using _traps = plantTraps(folder);
      const { texts, artifacts, error } = await collect(readMachine(folder), collectorOf("logs/files"), {
        deadlineMs: 15_000,
      });
      strictEqual(error, undefined);
      const index = texts.get("logs/INDEX.txt")!;
      match(index, /^\/var\/log\/pipe\.log: not a file$/m);
      match(index, /^\/var\/log\/socket\.log: not a file$/m);
      match(index, /^\/var\/log\/zero\.log: a link to "\/dev\/zero", which is no place of logs$/m);
      match(index, /^\/var\/log\/shadow\.log: a link to "\/etc\/shadow"/m);
      match(index, /^\/var\/log\/up\.log: a link to "\/etc\/hostname"/m);
      match(index, /^\/var\/log\/wtmp: binary$/m);
      match(index, /^\/var\/log\/bin\.log: left out, binary$/m);
      strictEqual(texts.get("logs/var/log/cut.log"), "2026-11-20T10:00:00Z after the power cut\n");
      match(index, /^\/var\/log\/deep.*: too deep$/m);
      match(index, /^\/var\/log\/new\\nline\.log: taken/m);
      match(texts.get("logs/var/log/sparse.log")!, /left out: the first \d{12,} bytes/);
      match(texts.get("logs/var/log/sparse.log")!, /the end of a terabyte\n$/);
      ok(texts.get("logs/var/log/sparse.log")!.length < 100_000, "the hole was taken");
      ok(artifacts.has("logs/var/log/new\nline.log"));
      ok([...artifacts.keys()].every((path) => !/pipe|zero|shadow|loop|round|up\.log|socket|too-deep/.test(path)));
      strictEqual(artifacts.get("logs/var/log/broken.gz")!.encoding, "gzip");
      const asked = await collect(
        readMachine(folder),
        collectors({ include: ["/var/log/**/{pipe,zero,loop}.log"] })
          .find(({ id }) => id.startsWith("files/"))!,
        { deadlineMs: 5_000 },
      );
      strictEqual(asked.error, undefined);
      deepStrictEqual(asked.notes.map(({ about }) => about), ["files/var/log/pipe.log", "files/var/log/loop.log"]);
      match(asked.notes[0]!.text, /it is a pipe, not a file/);
    }),
});

Deno.test("logs collector ends with a log that grows, and with one that is cut and replaced while it is read", () =>
  inFolder(async (folder) => {
    const log = join(folder, "var/log/app.log");
    const path = "logs/var/log/app.log";
    const content = "2026-11-20T10:00:00Z first\n".repeat(40_000);
    writeTree(folder, { "var/log/app.log": content });
    const machine = readMachine(folder);
    let chunks = 0;
    const grown = await collect(machine, collectorOf("logs/files"), {
      onChunk: () => {
        if (chunks++ < 50) Deno.writeTextFileSync(log, "more\n".repeat(100_000), { append: true });
      },
    });
    strictEqual(grown.error, undefined);
    strictEqual(grown.texts.get(path), content, "what was there when it was looked at, and no more");
    let isCut = false;
    const cut = await collect(machine, collectorOf("logs/files"), {
      onChunk: () => {
        if (isCut) return;
        isCut = true;
        Deno.truncateSync(log, 10);
        Deno.renameSync(log, `${log}.1`);
        Deno.writeTextFileSync(log, "another\n");
      },
    });
    strictEqual(cut.error, undefined);
    ok(cut.texts.get(path)!.startsWith("2026-11-20T10:00:00Z first\n"));
    ok(!cut.texts.get(path)!.includes("another"));
  }));

Deno.test("logs collector has the system's log first and every other log, whatever fills a folder beside it", () =>
  inFolder(async (folder) => {
    const many = Object.fromEntries(
      Array.from({ length: 1_100 }, (_, i) => [`var/log/app/${i % 5}/deep/f${String(i).padStart(4, "0")}.log`, "x\n"]),
    );
    const wide = Object.fromEntries(
      Array.from({ length: 1_100 }, (_, i) => [`var/log/app/wide/f${String(i).padStart(4, "0")}.log`, "x\n"]),
    );
    const others = { "var/log/messages": "the system\n", "var/log/zz/late.log": "late\n", "var/log/zz.log": "y\n" };
    writeTree(folder, { ...many, ...wide, ...others });
    Deno.utimeSync(join(folder, "var/log/messages"), new Date(), new Date("2026-11-01T00:00:00Z"));
    const { texts, error } = await collect(readMachine(folder), collectorOf("logs/files"));
    strictEqual(error, undefined);
    strictEqual([...texts.keys()][0], "logs/var/log/messages", "though it is the oldest");
    for (const name of Object.keys(others)) ok(texts.has(`logs/${name}`), name);
    ok(texts.has("logs/var/log/app/wide/f0000.log") && texts.has("logs/var/log/app/wide/f1099.log"));
    strictEqual(texts.has("logs/var/log/app/wide/f0550.log"), false);
    match(texts.get("logs/INDEX.txt")!, /^\/var\/log\/app\/wide: of 1100 names only the first and the last 500 /m);
    strictEqual([...texts.keys()].filter((path) => path.includes("/deep/")).length, 1_100);
  }));

Deno.test("logs collector keeps a span of time in every form of log, and says what has no times", () =>
  inFolder(async (folder) => {
    const old = "2026-11-20T10:00:00Z h a: old";
    const young = "2026-11-20T12:00:00Z h a: young";
    const late = "2026-11-20T14:00:00Z h a: late";
    writeTree(folder, {
      "var/log/iso.log": `${old}\n  continued old\n${young}\n  continued young\n${late}\n`,
      "var/log/packed.log.1.gz": gzipSync(`${old}\n${young}\n`),
      "var/log/json.log": `{"__REALTIME_TIMESTAMP":"${Date.UTC(2026, 10, 20, 10) * 1_000}","MESSAGE":"old"}\n` +
        `{"__REALTIME_TIMESTAMP":"${Date.UTC(2026, 10, 20, 12) * 1_000}","MESSAGE":"young"}\n`,
      "var/log/unset.log": "1970-01-01T00:00:09Z h a: young, of a clock that was not set\n",
      "var/log/plain.log": "no time at all\n",
      "var/log/stale.log": `${old}\n`,
    });
    Deno.utimeSync(
      join(folder, "var/log/stale.log"),
      new Date("2026-11-20T10:00:00Z"),
      new Date("2026-11-20T10:00:00Z"),
    );
    for (const name of ["iso.log", "packed.log.1.gz", "json.log", "unset.log", "plain.log"]) {
      Deno.utimeSync(join(folder, "var/log", name), new Date(), new Date("2026-11-20T14:00:00Z"));
    }
    const { texts, error } = await collect(readMachine(folder), collectorOf("logs/files"), {
      since: new Date("2026-11-20T11:00:00Z"),
      until: new Date("2026-11-20T13:00:00Z"),
    });
    strictEqual(error, undefined);
    strictEqual(texts.get("logs/var/log/iso.log"), `${young}\n  continued young\n`);
    strictEqual(texts.get("logs/var/log/packed.log.1"), `${young}\n`);
    match(texts.get("logs/var/log/json.log")!, /^[^\n]*young"\}\n$/);
    match(texts.get("logs/var/log/unset.log")!, /not set/);
    strictEqual(texts.get("logs/var/log/plain.log"), "no time at all\n");
    strictEqual(texts.has("logs/var/log/stale.log"), false);
    const index = texts.get("logs/INDEX.txt")!;
    match(index, /plain\.log: taken whole, its 1 lines have no times/);
    match(index, /stale\.log: left out, last written before --since/);
    match(index, /iso\.log: taken, 2 of 5 lines/);
  }));
