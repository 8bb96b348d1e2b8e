/**
 * The source of log directories against a real s6-log: whatever its writer does, nothing lost, nothing twice, in order.
 * The lines are numbered; the verdict is taken of what arrived.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeTai64n, parseTai64n } from "../../src/formats/tai64n.ts";
import { type Batch, recordText } from "../../src/pipeline/batch.ts";
import { mergePosition, type Position } from "../../src/pipeline/checkpoint.ts";
import {
  type LogDirectorySource,
  type LogDirectorySourceOptions,
  openLogDirectorySource,
} from "../../src/sources/backfill/source.ts";
import { openHintSocket } from "../../src/sources/backfill/hint_socket.ts";
import { BootClock } from "../../src/system/boot.ts";
import { countLines } from "../peers/numbered_lines.ts";
import { agentCommand } from "../peers/agent.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { findProgram, needs } from "../peers/skip.ts";

const workerPath = fileURLToPath(new URL("backfill_kill_worker.ts", import.meta.url));
const kills = 12;
/** What may be in flight in the worker: 16 KiB and a batch of 4 KiB, in lines of 50 bytes and more with their header. */
const windowRecords = Math.ceil((16 + 4) * 1_024 / 50);
const base = { id: "c", hostname: "router1", program: "console", priority: 13, report: () => {} };
const never = new AbortController().signal;

/** What a run gave. */
class Taken {
  readonly records: string[] = [];
  readonly forms: string[] = [];
  readonly said: string[] = [];
  position: Position | undefined;

  constructor(position?: Position) {
    this.position = position;
  }

  take(batch: Batch): void {
    for (let i = 0; i < batch.count; i++) {
      this.records.push(recordText(batch, i));
      this.forms.push(batch.origin.form);
    }
    this.position = mergePosition(this.position, JSON.parse(JSON.stringify(batch.position)));
    batch.release();
  }

  /** Without header or notice of a gap. */
  get messages(): string[] {
    return this.records.map((record) => record.replace(/^<\d+>\S+ router1 console: /, ""));
  }

  get gaps(): string[] {
    return this.records.filter((record) => record.startsWith("agent backfill: gap"));
  }
}

interface Choice extends Partial<LogDirectorySourceOptions> {
  readonly from?: Position | undefined;
  readonly maxRecords?: number;
  /** Batches after which to stop. */
  readonly batches?: number;
}

/** Reads to the end, or so many batches. */
async function readOnce(
  path: string,
  { from, maxRecords = 50, batches = Infinity, ...options }: Choice = {},
): Promise<Taken> {
  const taken = new Taken(from);
  const report = ({ text }: { text: string }): void => void taken.said.push(text);
  const source = openLogDirectorySource({ ...base, path, once: true, report, ...options });
  let count = 0;
  for await (const batch of source.read(from, { maxRecords, maxBytes: 64 * 1024 }, never)) {
    taken.take(batch);
    if (++count >= batches) break;
  }
  return taken;
}

/** A source that follows until it is disposed. */
class Follower implements AsyncDisposable {
  readonly taken: Taken;
  readonly source: LogDirectorySource;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(path: string, from?: Position, options: Choice = {}) {
    this.taken = new Taken(from);
    this.source = openLogDirectorySource({ ...base, path, pollMs: 20, ...options });
    this.#done = this.#run(from, options.maxRecords ?? 50);
  }

  async #run(from: Position | undefined, maxRecords: number): Promise<void> {
    const limits = { maxRecords, maxBytes: 64 * 1024 };
    for await (const batch of this.source.read(from, limits, this.#stop.signal)) this.taken.take(batch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

/** A folder for a log directory, removed at the end. */
function folder(): { path: string; write(name: string, lines: readonly string[], mode?: number): void } & Disposable {
  const root = Deno.makeTempDirSync();
  const path = join(root, "log");
  Deno.mkdirSync(path);
  return {
    path,
    write: (name, lines, mode = 0o744) => {
      Deno.writeTextFileSync(join(path, name), lines.map((line) => line + "\n").join(""));
      Deno.chmodSync(join(path, name), mode);
    },
    [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }),
  };
}

const hour = Date.UTC(2026, 10, 20, 12);
const label = (seconds: number): string => encodeTai64n(hour + seconds * 1_000, "s6");
const stamped = (seconds: number, text: string): string => `${label(seconds)} ${text}`;

function append(path: string, text: string): void {
  Deno.writeTextFileSync(path, text, { append: true, create: true });
}

/** What s6-log does at a rotation, in its steps. */
function rotate(path: string, seconds: number): void {
  Deno.renameSync(join(path, "current"), join(path, "previous"));
  Deno.writeTextFileSync(join(path, "current"), "");
  Deno.linkSync(join(path, "previous"), join(path, `${label(seconds)}.s`));
  Deno.removeSync(join(path, "previous"));
}

Deno.test("log directory source reads archives by name, then current, and nothing twice", async () => {
  using log = folder();
  log.write(`${label(20)}.s`, [stamped(11, "c"), stamped(12, "d")]);
  log.write(`${label(10)}.u`, [stamped(1, "a"), stamped(2, "b")], 0o644);
  log.write("current", [stamped(21, "e")], 0o644);
  log.write("state", ["of a processor"]);
  log.write("lock", []);
  const first = await readOnce(log.path);
  deepStrictEqual(first.messages, ["a", "b", "c", "d", "e"]);
  strictEqual(first.records[1], "<13>2026-11-20T12:00:02.000000+00:00 router1 console: b");
  append(join(log.path, "current"), stamped(22, "f") + "\n");
  rotate(log.path, 30);
  append(join(log.path, "current"), stamped(31, "g") + "\n");
  const second = await readOnce(log.path, { from: first.position });
  deepStrictEqual(second.messages, ["f", "g"]);
  deepStrictEqual((await readOnce(log.path, { from: second.position })).records, []);
});

Deno.test("log directory source goes on from any batch", async () => {
  using log = folder();
  const expected: string[] = [];
  for (let file = 0; file < 4; file++) {
    const lines = Array.from({ length: 10 }, (_, i) => stamped(file * 10 + i, `line ${file * 10 + i}`));
    expected.push(...lines.map((line) => line.slice(26)));
    log.write(file === 3 ? "current" : `${label(file * 10 + 9)}.s`, lines);
  }
  for (let batches = 1; batches <= 14; batches++) {
    const first = await readOnce(log.path, { maxRecords: 3, batches });
    const second = await readOnce(log.path, { from: first.position });
    deepStrictEqual([...first.messages, ...second.messages], expected, `after ${batches} batches`);
  }
});

Deno.test("log directory source leaves a torn line to its writer, and takes it when the writer is gone", async () => {
  using log = folder();
  log.write("current", [stamped(1, "a")], 0o644);
  append(join(log.path, "current"), stamped(2, "tor"));
  const first = await readOnce(log.path);
  deepStrictEqual(first.messages, ["a"]);
  Deno.renameSync(join(log.path, "current"), join(log.path, `${label(3)}.u`));
  log.write("current", [stamped(4, "b")]);
  deepStrictEqual((await readOnce(log.path, { from: first.position })).messages, ["tor", "b"]);
});

Deno.test("log directory source reads on in what it holds when that is rotated or removed", async () => {
  using log = folder();
  log.write("current", [stamped(1, "a")], 0o644);
  await using follower = new Follower(log.path);
  const { taken } = follower;
  await waitFor(() => taken.records.length === 1, "the first line");
  append(join(log.path, "current"), stamped(2, "b") + "\n" + stamped(3, "torn"));
  rotate(log.path, 3);
  append(join(log.path, "current"), stamped(4, "c") + "\n");
  await waitFor(() => taken.records.length >= 4, "what came with the rotation");
  deepStrictEqual(taken.messages, ["a", "b", "torn", "c"]);
  append(join(log.path, "current"), stamped(5, "d") + "\n");
  rotate(log.path, 6);
  Deno.removeSync(join(log.path, `${label(6)}.s`));
  append(join(log.path, "current"), stamped(7, "e") + "\n");
  await waitFor(() => taken.messages.includes("e"), "the line behind the removed archive");
  ok(taken.messages.includes("d"), "what was held is read, though no name led to it");
});

Deno.test("log directory source says what was removed before it was read", async () => {
  using log = folder();
  log.write(`${label(10)}.s`, [stamped(1, "a"), stamped(2, "b")]);
  log.write("current", [stamped(11, "c")]);
  const first = await readOnce(log.path, { maxRecords: 1, batches: 1 });
  Deno.removeSync(join(log.path, `${label(10)}.s`));
  const second = await readOnce(log.path, { from: first.position });
  strictEqual(second.gaps.length, 1);
  match(second.gaps[0]!, /is gone and was read to byte \d+/);
  deepStrictEqual(second.messages.at(-1), "c");
  const third = await readOnce(log.path, { from: second.position });
  deepStrictEqual(third.records, [], "said once");
  log.write(`${label(9)}.s`, [stamped(3, "d")]);
  const fourth = await readOnce(log.path, { from: third.position });
  Deno.removeSync(join(log.path, `${label(9)}.s`));
  deepStrictEqual((await readOnce(log.path, { from: fourth.position })).records, [], "what was read may go");
});

Deno.test("log directory source knows files whose inode is used again, and folders that were copied", async () => {
  using log = folder();
  log.write("current", [stamped(1, "a"), stamped(2, "b")]);
  const first = await readOnce(log.path);
  const key = Object.keys(first.position!)[0]!;
  Deno.writeTextFileSync(
    join(log.path, "current"),
    stamped(3, "other") + "\n" + stamped(4, "content, longer than before") + "\n",
  );
  const info = Deno.statSync(join(log.path, "current"));
  strictEqual(key, `${info.dev}:${info.ino}`, "the same inode");
  const second = await readOnce(log.path, { from: first.position });
  deepStrictEqual(second.messages.slice(-2), ["other", "content, longer than before"]);

  using copy = folder();
  Deno.copyFileSync(join(log.path, "current"), join(copy.path, "current"));
  append(join(copy.path, "current"), stamped(5, "new") + "\n");
  deepStrictEqual((await readOnce(copy.path, { from: second.position })).messages, ["new"]);
});

Deno.test("log directory source corrects times from before the clock was set, and marks them", async () => {
  using log = folder();
  const early = (seconds: number): string => encodeTai64n(seconds * 1_000, "s6");
  log.write("current", [`${early(12.5)} booting`, stamped(1, "clock set")]);
  const clock = new BootClock(() => hour + 100_000, () => 100_000); // booted at `hour`
  const { records } = await readOnce(log.path, { clock });
  strictEqual(
    records[0],
    '<13>1 2026-11-20T12:00:11.500Z router1 console - - [timeQuality tzKnown="1" isSynced="0"]' +
      '[agent@0 time="estimated"] booting',
  );
  match(records[1]!, /^<13>2026-11-20T12:00:01\.000000/);
});

Deno.test("log directory source waits for the clock before it sends what needs one", async () => {
  using log = folder();
  log.write("current", [`${encodeTai64n(5_000, "s6")} booting`]);
  let nowMs = 20_000;
  const asked = Promise.withResolvers<void>();
  const clock = new BootClock(() => {
    if (nowMs < hour) asked.resolve();
    return nowMs;
  }, () => 20_000);
  await using follower = new Follower(log.path, undefined, { clock });
  await asked.promise;
  await new Promise((resolve) => setTimeout(resolve, 100));
  deepStrictEqual(follower.taken.records, []);
  nowMs = hour + 20_000;
  await waitFor(() => follower.taken.records.length === 1, "the line, after the clock was set");
  match(follower.taken.records[0]!, /^<13>1 2026-11-20T12:00:04\.000Z .*estimated/);
});

Deno.test("log directory source keeps lines without a label, long lines and odd bytes", async () => {
  using log = folder();
  const long = "x".repeat(2_500);
  const euro = "€".repeat(700); // 2,100 bytes, cut between characters
  log.write("current", ["plain", stamped(1, long), stamped(2, ""), label(3), stamped(4, euro), "@400 no label", "end"]);
  for (const maxRecords of [1, 50]) {
    const { messages, forms } = await readOnce(log.path, { maxLineBytes: 1_024, maxRecords });
    strictEqual(messages[0], "plain");
    strictEqual(forms[0], "plain");
    const pieces = messages.slice(1, 4);
    strictEqual(pieces.join(""), long);
    deepStrictEqual(messages.slice(4, 6), ["", ""]);
    strictEqual(messages.slice(6, -2).join(""), euro);
    deepStrictEqual(messages.slice(-2), ["@400 no label", "end"]);
    deepStrictEqual(new Set(forms.slice(1, -2)), new Set(["syslog"]), "pieces have the time of their line");
  }
  const torn = await readOnce(log.path, { maxLineBytes: 1_024, maxRecords: 1, batches: 2 });
  const rest = await readOnce(log.path, { maxLineBytes: 1_024, from: torn.position });
  strictEqual([...torn.messages, ...rest.messages].slice(1, 4).join(""), long, "within a line, too");
  match(rest.records[0]!, /^<13>2026-11-20T12:00:01\.000000/);
});

Deno.test("log directory source passes over holes, packed archives, and what is no file", async () => {
  using log = folder();
  Deno.writeFileSync(join(log.path, `${label(1)}.s`), Uint8Array.of(0x1f, 0x8b, 8, 0, 10, 65, 10));
  Deno.symlinkSync("/etc/hostname", join(log.path, `${label(2)}.s`));
  Deno.mkdirSync(join(log.path, `${label(3)}.s`));
  Deno.writeTextFileSync(join(log.path, "current"), "\0".repeat(200_000) + stamped(4, "behind") + "\n");
  const { messages, said, position } = await readOnce(log.path);
  deepStrictEqual(messages, ["behind"]);
  ok(said.some((text) => text.includes("is compressed")));
  ok(said.some((text) => text.includes("NUL bytes")));
  deepStrictEqual((await readOnce(log.path, { from: position })).records, []);
});

Deno.test("log directory source starts whatever its position is", async () => {
  using log = folder();
  log.write("current", [stamped(1, "a")]);
  const info = Deno.statSync(join(log.path, "current"));
  const key = `${info.dev}:${info.ino}`;
  for (
    const value of [null, 7, "x", [], {}, { name: "current", offset: -1 }, { name: "current", offset: 1e15, marker: 0 }]
  ) {
    const { messages } = await readOnce(log.path, { from: { [key]: value as never, junk: value as never } });
    deepStrictEqual(messages, ["a"], JSON.stringify(value));
  }
});

Deno.test("log directory source reads a plain file across rename and truncation", async () => {
  using log = folder();
  const path = join(log.path, "messages");
  append(path, "one\n");
  const first = await readOnce(path);
  append(path, "two\n");
  Deno.renameSync(path, path + ".1");
  append(path, "three\n");
  const second = await readOnce(path, { from: first.position });
  deepStrictEqual(second.messages, ["two", "three"]);
  deepStrictEqual((await readOnce(path, { from: second.position })).records, []);

  await using follower = new Follower(path, second.position, { graceMs: 50 });
  const { taken } = follower;
  append(path, "four, longer\n");
  await waitFor(() => taken.messages.includes("four, longer"), "the next line");
  Deno.writeTextFileSync(path, "five\n");
  await waitFor(() => taken.messages.includes("five"), "the line after the truncation");
  Deno.renameSync(path, path + ".2");
  append(path + ".2", "late\n");
  append(path, "six\n");
  await waitFor(() => taken.messages.includes("six"), "the line of the next file");
  deepStrictEqual(taken.messages, ["four, longer", "five", "late", "six"]);
});

Deno.test("log directory source waits for a directory that comes later, and wakes when it is told", async () => {
  using log = folder();
  const path = join(log.path, "later");
  await using follower = new Follower(path, undefined, { pollMs: 3_600_000 });
  const { taken } = follower;
  Deno.mkdirSync(path);
  append(join(path, "current"), stamped(1, "a") + "\n");
  await waitFor(() => {
    follower.source.wake();
    return taken.records.length === 1;
  }, "the first line");
  for (let i = 0; i < 40; i++) await new Promise((resolve) => setTimeout(resolve, 5)); // pauses grow long
  append(join(path, "current"), stamped(2, "b") + "\n");
  await waitFor(() => {
    follower.source.wake();
    return taken.records.length === 2;
  }, "the line after waking");
});

Deno.test("openHintSocket() wakes the source at whatever is written, and lets nobody wait", async () => {
  using log = folder();
  append(join(log.path, "current"), "a\n");
  await using follower = new Follower(log.path, undefined, { pollMs: 3_600_000 });
  const { taken } = follower;
  const socketPath = join(log.path, "..", "tap.sock");
  await using socket = await openHintSocket({ socketPath, maxTaps: 2, onHint: () => follower.source.wake() });
  const taps = await Promise.all([1, 2].map(() => Deno.connect({ transport: "unix", path: socketPath })));
  await waitFor(() => socket.connections === 2 && taken.records.length === 1, "two taps and the first line");
  const third = await Deno.connect({ transport: "unix", path: socketPath });
  strictEqual(await third.read(new Uint8Array(1)).catch(() => null), null, "one more than allowed is turned away");
  third.close();
  await new Promise((resolve) => setTimeout(resolve, 200)); // pauses grow long
  append(join(log.path, "current"), "b\n");
  for (const tap of taps) await new Blob([new Uint8Array(1024 * 1024)]).stream().pipeTo(tap.writable);
  await waitFor(() => taken.records.length === 2, "the line after the hint");
  await waitFor(() => socket.connections === 0, "the taps to be gone");
});

Deno.test({
  name: "agent tap before s6-log wakes the source of its directory: what was there before and what comes, each once",
  ...needs("s6-log"),
  fn: async () => {
    using log = folder();
    const socketPath = join(log.path, "..", "tap.sock");
    const { command, args } = agentCommand(["tap", "--socket", socketPath]);
    const script = 's6=$1 dir=$2; shift 2; "$@" | "$s6" t s4096 n1000 "$dir"';
    const words = ["-c", script, "sh", findProgram("s6-log")!, log.path, command, ...args];
    await using pipeline = RunningProgram.start("/bin/sh", words, { stdin: "piped" });
    const writer = pipeline.stdin.getWriter();
    const write = (from: number, to: number): Promise<void> => writer.write(new TextEncoder().encode(lines(from, to)));
    await write(0, 500);
    await waitFor(() => [...Deno.readDirSync(log.path)].some(({ name }) => name.endsWith(".s")), "a rotation");
    await using follower = new Follower(log.path, undefined, { pollMs: 3_600_000 });
    await using socket = await openHintSocket({ socketPath, onHint: () => follower.source.wake() });
    for (let at = 500; at < 3_000; at += 100) {
      await write(at, at + 100);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await waitFor(() => socket.connections === 1, "the tap to connect");
    // The tap looks for a listener now and then; the last lines reach the directory after the hint of theirs.
    await waitFor(async () => {
      await writer.write(new TextEncoder().encode("hint\n"));
      return numbersOf(follower.taken).length >= 3_000;
    }, "all lines");
    await writer.close();
    await pipeline.waitForExit();
    deepStrictEqual(numbersOf(follower.taken), range(0, 3_000));
    deepStrictEqual(follower.taken.gaps, []);
  },
});

/** A real s6-log with a pipe to it. */
class S6Log implements AsyncDisposable {
  readonly program: RunningProgram;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(path: string, words: readonly string[]) {
    this.program = RunningProgram.start(findProgram("s6-log")!, [...words, path], { stdin: "piped" });
    this.#writer = this.program.stdin.getWriter();
  }

  write(text: string): Promise<void> {
    return this.#writer.write(new TextEncoder().encode(text));
  }

  async kill(): Promise<void> {
    await this.program.kill();
    await this.#writer.close().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.program.exited;
  }
}

/**
 * Starts s6-log, as a supervisor does, and writes to it until the first line has arrived. One that was killed in the middle
 * of a rotation makes the next start finish that and fail (s6 2.11.3.2: "unable to finish current .u"); the one after it is well.
 */
async function writeWithS6Log(path: string, from: number, to: number, isBegun: () => boolean): Promise<S6Log> {
  for (let attempt = 1;; attempt++) {
    const s6 = new S6Log(path, ["t", "s4096", "n10000"]);
    try {
      for (let at = from; at < to; at += 40) await s6.write(lines(at, at + 40));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
    await waitFor(() => isBegun() || s6.program.status !== undefined, "the first line, or the end of s6-log");
    if (isBegun()) return s6;
    await s6.kill();
    if (attempt === 3) throw new Error(`Cannot write with s6-log: it ends\n${s6.program.stderr}`);
  }
}

const numbersOf = (taken: Taken): number[] =>
  taken.messages.map((message) => /^seq (\d+) /.exec(message)).filter((found) => found !== null).map((found) =>
    Number(found[1])
  );
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const lines = (from: number, to: number): string =>
  range(from, to).map((n) => `seq ${n} ${"abcdefgh".repeat(n % 20)}\n`).join("");

Deno.test({
  name: "log directory source follows a real s6-log through rotation under load, with restarts: lost 0, duplicates 0",
  ...needs("s6-log"),
  fn: async () => {
    using log = folder();
    const total = 30_000;
    // Enough archives that none is removed: what its writer removes nobody can read.
    const writing = (async () => {
      await using s6 = new S6Log(log.path, ["t", "s4096", "n10000"]);
      for (let at = 0; at < total; at += 100) {
        await s6.write(lines(at, at + 100));
        if (at % 1_000 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    const all: number[] = [];
    let position: Position | undefined;
    let runs = 0;
    while (all.length < total && runs < 400) {
      const wanted = 1 + Math.floor(Math.random() * 2_500);
      const follower = new Follower(log.path, position, { maxRecords: 1 + runs % 70 });
      await waitFor(() => follower.taken.records.length >= Math.min(wanted, total - all.length), "records");
      await follower[Symbol.asyncDispose]();
      all.push(...numbersOf(follower.taken));
      deepStrictEqual(follower.taken.gaps, []);
      position = follower.taken.position;
      runs++;
    }
    await writing;
    deepStrictEqual(all, range(0, total));
    const archives = [...Deno.readDirSync(log.path)].filter(({ name }) => name.startsWith("@")).length;
    ok(archives > 20 && runs > 5, `${archives} archives and ${runs} runs prove too little`);
    deepStrictEqual((await readOnce(log.path, { from: position })).records, []);
  },
});

Deno.test({
  name: "log directory source loses nothing that reached the disk when s6-log is killed again and again",
  ...needs("s6-log"),
  fn: async () => {
    using log = folder();
    await using follower = new Follower(log.path);
    const { taken } = follower;
    let next = 0;
    for (let round = 0; round < 12; round++) {
      const begin = next;
      next += 40 * (5 + round);
      const isBegun = (): boolean => taken.messages.some((text) => text.startsWith(`seq ${begin} `));
      const s6 = await writeWithS6Log(log.path, begin, next, isBegun);
      if (round % 4 === 3) await s6[Symbol.asyncDispose]();
      else await s6.kill();
    }
    const all = [...Deno.readDirSync(log.path)].map(({ name }) => name);
    ok(all.some((name) => name.endsWith(".u")), "some archive is of a writer that was killed");
    // The truth is what the files hold, in the order of their names.
    const names = [...all.filter((name) => name.startsWith("@")).sort(), "current"];
    const truth = names.flatMap((name) => Deno.readTextFileSync(join(log.path, name)).split("\n")).filter((line) =>
      line !== ""
    ).map((line) => line.slice(26));
    await waitFor(() => taken.records.length >= truth.length, "everything that is on the disk");
    deepStrictEqual(taken.messages, truth);
    deepStrictEqual((await readOnce(log.path)).messages, truth, "a fresh reader sees the same");
  },
});

Deno.test({
  name: "log directory source under the pump survives SIGKILL at any moment during rotation: lost 0",
  ...needs("s6-log"),
  fn: async () => {
    using log = folder();
    const [state, out] = [join(log.path, "..", "state"), join(log.path, "..", "out")];
    const start = (): RunningProgram =>
      RunningProgram.start(Deno.execPath(), ["run", "-A", "--quiet", "--no-check", workerPath, log.path, state, out]);
    let total = 0;
    let writing = true;
    const written = (async () => {
      await using s6 = new S6Log(log.path, ["t", "s4096", "n100000"]);
      for (; writing; total += 20) {
        await s6.write(lines(total, total + 20));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    for (let kill = 0; kill < kills; kill++) {
      const worker = start();
      const before = countLines(out);
      await waitFor(() => countLines(out) > before, "something to arrive");
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
      await worker.kill();
    }
    writing = false;
    await written;
    await using _last = start();
    const seen = new Map<number, number>();
    await waitFor(() => {
      seen.clear();
      for (const [, digits] of Deno.readTextFileSync(out).matchAll(/ console: seq (\d+) [a-h]*\n/g)) {
        seen.set(Number(digits), (seen.get(Number(digits)) ?? 0) + 1);
      }
      return seen.has(total - 1);
    }, "the last line");
    deepStrictEqual(range(0, total).filter((n) => !seen.has(n)), []);
    const repeated = [...seen.values()].reduce((sum, times) => sum + times - 1, 0);
    ok(repeated <= kills * windowRecords, `${repeated} of ${total} lines came twice`);
    strictEqual(Deno.readTextFileSync(out).includes("gap in"), false);
  },
});

Deno.test({
  name: "log directory source says so when s6-log removed archives while nobody read",
  ...needs("s6-log"),
  fn: async () => {
    using log = folder();
    const run = async (from: number, to: number): Promise<void> => {
      await using s6 = new S6Log(log.path, ["t", "s4096", "n2"]);
      for (let at = from; at < to; at += 40) {
        await s6.write(lines(at, at + 40));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    await run(0, 40);
    const first = await readOnce(log.path);
    strictEqual(numbersOf(first).length, 40);
    await run(40, 2_000);
    const second = await readOnce(log.path, { from: first.position });
    strictEqual(numbersOf(second).at(-1), 1_999);
    ok(numbersOf(second)[0]! > 40, "some are gone");
    strictEqual(second.gaps.length, 1, second.said.join());
    deepStrictEqual((await readOnce(log.path, { from: second.position })).records, [], "said once");
  },
});

Deno.test({
  name: "parseTai64n() agrees with s6-tai64nlocal",
  ...needs("s6-tai64nlocal"),
  fn: async () => {
    const root = Deno.makeTempDirSync();
    try {
      // Until 2017 across all leap seconds, then to 2100; nanoseconds vary.
      const seconds = range(0, 400).map((i) => 10 + i * 10_400_321);
      const labels = seconds.map((s, i) =>
        "@40000000" + s.toString(16).padStart(8, "0") + (i * 2_000_003).toString(16).padStart(8, "0")
      ).filter((text) => text.length === 25);
      const input = join(root, "labels");
      Deno.writeTextFileSync(input, labels.map((text) => `${text} x\n`).join(""));
      const { stdout } = await runProgram("/bin/sh", ["-c", 's6-tai64nlocal -g < "$1"', "sh", input]);
      const theirs = stdout.trimEnd().split("\n").map((line) => line.replace(" ", "T").slice(0, 23) + "Z");
      const ours = labels.map((text) => new Date(Math.floor(parseTai64n(text, "s6")!)).toISOString());
      ok(labels.length > 350);
      deepStrictEqual(ours, theirs);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  },
});
