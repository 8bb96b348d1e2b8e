/** The `file` sink with a path template: what is on disk is whole, once, and ours alone, whatever happens to it. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { dirname, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { batchOfLines, type Origin } from "../../src/pipeline/batch.ts";
import { type Checkpoints, mergePosition, type Position } from "../../src/pipeline/checkpoint.ts";
import type { BoundSink, Sink } from "../../src/pipeline/sink.ts";
import { openSliceSink, type SliceSinkOptions } from "../../src/sinks/file/slices.ts";
import { parsePathTemplate } from "../../src/sinks/file/template.ts";
import { filesBelow } from "../peers/numbered_lines.ts";
import { needs } from "../peers/skip.ts";
import { SmallDisk } from "../peers/small_disk.ts";

const origin: Origin = {
  source: "s",
  host: "router1",
  program: "su",
  priority: 13,
  form: "plain",
  readAtMs: Date.UTC(2026, 10, 20, 19, 30),
};
const never = new AbortController().signal;
const hourly = "{ns|none}/a-%Y%m%d%H.log.gz";
const record = (number: number, ns = "x", hour = "18"): string =>
  `{"n":${number},"ns":"${ns}","stageTimestamp":"2026-11-20T${hour}:59:59.999999Z"}`;

/** Positions in memory, as a state folder keeps them. */
class Store implements Checkpoints {
  position: Position | undefined;
  readonly get = (): Promise<Position | undefined> => Promise.resolve(this.position);
  readonly commit = (_id: string, change: Position): void =>
    void (this.position = mergePosition(this.position, change));
}

/** A folder for slices, with sinks one after the other. */
class Bench implements AsyncDisposable {
  readonly folder: string;
  readonly store = new Store();
  readonly #temporary: boolean;
  #sink: Sink | undefined;
  #bound: BoundSink | undefined;

  /** @param folder the caller's, who removes it */
  constructor(folder?: string) {
    this.#temporary = folder === undefined;
    this.folder = join(folder ?? Deno.makeTempDirSync({ prefix: "slices" }), "out");
  }

  /** A sink, after the one before it; what it was binds to the same store. */
  async open(path = hourly, more: Partial<SliceSinkOptions> = {}): Promise<BoundSink> {
    await this.#sink?.[Symbol.asyncDispose]();
    const options = { id: "o", folder: this.folder, level: 6, maxOpenFiles: 8, flushMs: 1, localTime: false };
    const template = parsePathTemplate(path);
    this.#sink = openSliceSink({ ...options, template, timeField: ["stageTimestamp"], ...more });
    this.#bound = this.#sink.bind!("s@o", this.store);
    await this.#bound.checkpoints.get("s@o"); // as a pump does before it reads
    return this.#bound;
  }

  /** Sends and commits lines as one batch. */
  async put(lines: readonly string[], position: Position = {}, from: Partial<Origin> = {}): Promise<void> {
    const { sink, checkpoints } = this.#bound!;
    const batch = batchOfLines(lines, { ...origin, ...from }, position);
    await sink.send(batch, never);
    await checkpoints.commit("s@o", batch.position);
  }

  /** Lines by file, those of the journal aside. */
  content(): Record<string, readonly string[]> {
    const paths = filesBelow(this.folder).filter((path) => !path.includes("/.agent"));
    return Object.fromEntries(
      paths.sort().map((path) => {
        const bytes = Deno.readFileSync(path);
        const text = new TextDecoder().decode(path.endsWith(".gz") ? gunzipSync(bytes) : bytes);
        return [path.slice(this.folder.length + 1), text.split("\n").slice(0, -1)];
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sink?.[Symbol.asyncDispose]();
    if (this.#temporary) Deno.removeSync(dirname(this.folder), { recursive: true });
  }
}

Deno.test("openSliceSink() puts records where their fields and their time say", async () => {
  await using bench = new Bench();
  await bench.open();
  await bench.put([record(1), record(2, "y"), record(3, "x", "19"), "no JSON", `{"ns":null}`, record(4, "../..")]);
  await bench.put([
    record(5),
    `{"ns":"x","stageTimestamp":"9999-01-01T00:00:00Z"}`,
    `{"ns":"x","stageTimestamp":1763665199}`,
  ]);
  deepStrictEqual(bench.content(), {
    "%2E.%2F../a-2026112018.log.gz": [record(4, "../..")],
    "none/a-2026112019.log.gz": ["no JSON", `{"ns":null}`],
    "x/a-2025112018.log.gz": [`{"ns":"x","stageTimestamp":1763665199}`],
    "x/a-2026112018.log.gz": [record(1), record(5)],
    "x/a-2026112019.log.gz": [record(3, "x", "19"), `{"ns":"x","stageTimestamp":"9999-01-01T00:00:00Z"}`],
    "y/a-2026112018.log.gz": [record(2, "y")],
  });
  const header = "<13>1 2026-11-20T05:00:00+02:00 h1 cron - - - hello";
  await bench.open("{host}/{program}-{source}-{peer|nobody}-%Y-%m-%d-%H%M.log");
  await bench.put([header, "<13>bare"], {}, { form: "syslog" });
  deepStrictEqual(bench.content()["h1/cron-s-nobody-2026-11-20-0300.log"], [header]);
  deepStrictEqual(bench.content()["router1/su-s-nobody-2026-11-20-1930.log"], ["<13>bare"]);
});

Deno.test("openSliceSink() cuts off what was not confirmed, and goes on from the position that was", async () => {
  await using bench = new Bench();
  await bench.open();
  await bench.put([record(1)], { f: 1 });
  const path = join(bench.folder, "x/a-2026112018.log.gz");
  const journal = join(bench.folder, ".agent-slices");
  const before = { file: Deno.readFileSync(path), journal: Deno.readFileSync(journal), position: bench.store.position };
  await bench.put([record(2), record(3, "new")], { f: 2, g: 1 });
  const { checkpoints } = await bench.open();
  deepStrictEqual(await checkpoints.get("s@o"), { f: 2, g: 1 });

  // Killed behind the journal's line and before the commit: the journal's position is the one that counts.
  bench.store.position = before.position;
  deepStrictEqual(await (await bench.open()).checkpoints.get("s@o"), { f: 2, g: 1 });
  deepStrictEqual(Object.values(bench.content()).flat(), [record(3, "new"), record(1), record(2)]);

  // Killed before the journal's line: members are there that it does not know, one of them torn, and half a line.
  await bench.open();
  Deno.writeFileSync(journal, new Uint8Array([...before.journal, ...new TextEncoder().encode(`0123abcd {"fil`)]));
  Deno.writeFileSync(path, new Uint8Array([...before.file, ...gzipSync("torn and never confirmed\n").subarray(0, 30)]));
  deepStrictEqual(await (await bench.open()).checkpoints.get("s@o"), { f: 1 });
  deepStrictEqual(bench.content()["x/a-2026112018.log.gz"], [record(1)], "before anything is written");
  await bench.put([record(2), record(3, "x")], { f: 2 });
  deepStrictEqual(bench.content()["x/a-2026112018.log.gz"], [record(1), record(2), record(3, "x")]);
});

Deno.test("openSliceSink() keeps positions of batches without records, and never goes back behind later ones", async () => {
  await using bench = new Bench();
  let { sink, checkpoints } = await bench.open();
  const [empty, later] = [batchOfLines([], origin, { f: 1, g: 1 }), batchOfLines([record(1)], origin, { f: 2 })];
  await sink.send(later, never);
  await checkpoints.commit("s@o", empty.position); // was read before, and left nothing to send
  await checkpoints.commit("s@o", later.position);
  await bench.put([record(2)], { h: 1 });
  bench.store.position = { ...bench.store.position, f: 0, g: 0 };
  ({ sink, checkpoints } = await bench.open());
  deepStrictEqual(await checkpoints.get("s@o"), { f: 2, g: 1, h: 1 });
  bench.store.position = { f: 7 }; // another state folder: what the journal says is not about it
  deepStrictEqual(await (await bench.open()).checkpoints.get("s@o"), { f: 7 });
  bench.store.position = undefined;
  strictEqual(await (await bench.open()).checkpoints.get("s@o"), undefined);
});

Deno.test("openSliceSink() tells a new pump of what the one before it sent and did not wait for", async () => {
  await using bench = new Bench();
  const { sink, checkpoints } = await bench.open(hourly, { flushMs: 60_000 });
  const sent = sink.send(batchOfLines([record(1)], origin, { f: 1 }), never);
  deepStrictEqual(await checkpoints.get("s@o"), { f: 1 });
  deepStrictEqual(await sent, []);
});

Deno.test("openSliceSink() lets files be that it did not make, or that somebody changed", async () => {
  await using bench = new Bench();
  Deno.mkdirSync(join(bench.folder, "x"), { recursive: true });
  const path = join(bench.folder, "x/a-2026112018.log.gz");
  Deno.writeFileSync(path, gzipSync("somebody else's\n"));
  await bench.open();
  await bench.put([record(1)]);
  const second = join(bench.folder, "x/a-2026112018.1.log.gz");
  Deno.renameSync(second, join(bench.folder, "x/moved.gz")); // while it is open
  await bench.put([record(2)]);
  Deno.truncateSync(second, 5);
  await bench.put([record(3)]);
  Deno.removeSync(second);
  deepStrictEqual(bench.content(), {
    "x/a-2026112018.2.log.gz": [record(3)],
    "x/a-2026112018.log.gz": ["somebody else's"],
    "x/moved.gz": [record(1)],
  });
});

Deno.test("openSliceSink() keeps a damaged journal aside, cuts nothing, and goes on from the usual positions", async () => {
  await using bench = new Bench();
  await bench.open();
  for (let i = 1; i <= 3; i++) await bench.put([record(i)], { f: i });
  const journal = join(bench.folder, ".agent-slices");
  await bench.open();
  const bytes = Deno.readFileSync(journal);
  bytes[bytes.indexOf(10) + 30]! ^= 1;
  Deno.writeFileSync(journal, bytes);
  deepStrictEqual(await (await bench.open()).checkpoints.get("s@o"), { f: 3 });
  await bench.put([record(4)], { f: 4 });
  deepStrictEqual(bench.content(), {
    "x/a-2026112018.1.log.gz": [record(4)],
    "x/a-2026112018.log.gz": [record(1), record(2), record(3)],
  });
  ok([...Deno.readDirSync(bench.folder)].some(({ name }) => name.startsWith(".agent-slices.damaged-")));
});

Deno.test("openSliceSink() writes more slices than it may have open", async () => {
  await using bench = new Bench();
  await bench.open(hourly, { maxOpenFiles: 3 });
  const names = Array.from({ length: 20 }, (_, i) => `n${String(i).padStart(2, "0")}`);
  for (let turn = 0; turn < 3; turn++) {
    await bench.put(names.map((name) => record(turn, name)));
    const open = [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => linkOf(name).startsWith(bench.folder));
    ok(open.length <= 3 + 2, `${open.length} files open`); // and the journal, and the folder's lock
  }
  deepStrictEqual(
    bench.content(),
    Object.fromEntries(names.map((name) => [`${name}/a-2026112018.log.gz`, [0, 1, 2].map((n) => record(n, name))])),
  );
});

Deno.test("openSliceSink() removes only what it made, the oldest first", async () => {
  await using bench = new Bench();
  await bench.open("{ns}.log");
  for (const ns of ["a", "b", "c"]) await bench.put([record(1, ns)]);
  Deno.writeTextFileSync(join(bench.folder, "alien.log"), "x".repeat(1_000));
  Deno.writeTextFileSync(join(bench.folder, "b.log"), "changed\n");
  const keepBytes = record(1, "c").length + 1;
  await bench.open("{ns}.log", { keepBytes });
  await bench.put([record(2, "d")]);
  await bench.open();
  deepStrictEqual(Object.keys(bench.content()), ["alien.log", "b.log", "d.log"]);
});

Deno.test({
  name: "openSliceSink() writes nothing in halves when the disk is full, and goes on when it is not",
  ...needs("root", "mount"),
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "slicesdisk" });
    using _folder = { [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
    await using disk = await SmallDisk.mount(join(folder, "disk"));
    await using bench = new Bench(disk.path);
    const { sink, checkpoints } = await bench.open();
    await bench.put([record(0), record(0, "y")], { f: 0 });
    const before = bench.content();
    disk.fill();
    const noise = Array.from({ length: 400 }, () => crypto.randomUUID()).join("");
    const big = [record(1).replace("}", `,"t":"${noise}"}`), record(1, "y"), record(1, "z")];
    const batches = [1, 2].map((f) => batchOfLines(f === 1 ? big : [record(f)], origin, { f }));
    const sent = batches.map((batch) => sink.send(batch, never));
    for (const send of sent) await rejects(send, /No space left|ENOSPC/);
    await rejects(sink.send(batches[1]!, never), /No space left/, "nothing overtakes what failed");
    disk.free();
    deepStrictEqual(bench.content(), before, "what was whole is whole");
    sink.reset();
    for (const batch of batches) {
      await sink.send(batch, never);
      await checkpoints.commit("s@o", batch.position);
    }
    deepStrictEqual(bench.content(), {
      "x/a-2026112018.log.gz": [record(0), big[0]!, record(2)],
      "y/a-2026112018.log.gz": [record(0, "y"), record(1, "y")],
      "z/a-2026112018.log.gz": [record(1, "z")],
    });
    deepStrictEqual(await (await bench.open()).checkpoints.get("s@o"), { f: 2 });
  },
});

Deno.test("openSliceSink() lets nobody else write to its folder", async () => {
  await using bench = new Bench();
  await bench.open();
  await rejects(async () => {
    await new Bench(dirname(bench.folder)).open();
  }, /another agent/);
});

function linkOf(name: string): string {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${name}`);
  } catch {
    return "";
  }
}
