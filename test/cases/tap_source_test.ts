/** The `tap` source beside `agent tap` and beside other programs that write to its socket. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Batch, packedBytes, recordText } from "../../src/pipeline/batch.ts";
import { openTapSource, type TapSource, type TapSourceOptions } from "../../src/sources/tap/source.ts";
import { waitFor } from "../peers/process.ts";
import { digestOf, lineBytes, numberedLines, RunningTap } from "../peers/tap_peers.ts";

const limits = { maxRecords: 100, maxBytes: 1 << 20 };

function openSource(folder: string, more: Partial<TapSourceOptions> = {}): Promise<TapSource> {
  return openTapSource({
    id: "console",
    socketPath: join(folder, "run", "tap.sock"),
    hostname: "router1",
    priority: 13,
    maxLineBytes: 65_536,
    ...more,
  });
}

/** Runs `test` with a folder that goes away. */
async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Reads in the background until `stop` aborts; keeps records as text. */
class Reader {
  readonly records: string[] = [];
  readonly batches: Batch[] = [];
  readonly stop = new AbortController();
  readonly ended: Promise<void>;
  #pause: Promise<void> = Promise.resolve();

  constructor(source: TapSource) {
    this.ended = this.#read(source);
  }

  /** Takes nothing more until the result is called. */
  hold(): () => void {
    let go = (): void => {};
    this.#pause = new Promise((resolve) => go = resolve);
    return go;
  }

  async #read(source: TapSource): Promise<void> {
    for await (const batch of source.read(undefined, limits, this.stop.signal)) {
      for (let i = 0; i < batch.count; i++) this.records.push(recordText(batch, i));
      if (batch.packed) assert.equal(packedBytes(batch).at(-1), 10);
      assert.ok(batch.count <= limits.maxRecords);
      this.batches.push({ ...batch, bytes: new Uint8Array(0) });
      batch.release();
      await this.#pause;
    }
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

Deno.test("openTapSource() gives every line of several taps, each tap's in order", () =>
  inFolder(async (folder) => {
    const reader = new Reader(await openSource(folder));
    const path = join(folder, "run", "tap.sock");
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o660);
    const taps = [0, 1, 2].map(() => new RunningTap(path));
    const outputs = taps.map((tap) => tap.readAll());
    await Promise.all(taps.map(async (tap, i) => {
      await tap.writeAll(numberedLines(2_000, i * 1_000_000));
      await tap.write(`torn ${i}`);
    }));
    await waitFor(() => reader.records.length === 6_000, "all lines"); // after its end a tap waits for a moment alone
    await Promise.all(taps.map(async (tap, i) => {
      await tap.endInput();
      await outputs[i];
      assert.equal(await tap.exitCode(), 0);
    }));
    await waitFor(() => reader.records.length === 6_003, "all records");
    reader.stop.abort();
    await reader.ended;
    for (const i of [0, 1, 2]) {
      const own = reader.records.filter((text) => text.startsWith(`000${i}`) || text === `torn ${i}`);
      const expected = digestOf([...numberedLines(2_000, i * 1_000_000), bytesOf(`torn ${i}\n`)]);
      assert.deepEqual(digestOf(own.map((text) => bytesOf(text + "\n"))), expected);
    }
    assert.deepEqual(
      { ...reader.batches[0]!.origin, readAtMs: 0 },
      { source: "console", host: "router1", program: "console", priority: 13, form: "plain", readAtMs: 0 },
    );
    assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  }));

Deno.test("openTapSource() reads only when asked; the gap that this makes is a record and is reported", () =>
  inFolder(async (folder) => {
    const gaps: { lines: number; bytes: number }[] = [];
    const source = await openSource(folder, { onGap: (gap) => gaps.push(gap) });
    const reader = new Reader(source);
    const tap = new RunningTap(join(folder, "run", "tap.sock"));
    const output = tap.readAll();
    const release = reader.hold();
    await tap.writeAll(numberedLines(50_000));
    release();
    const dropped = (): number => gaps.reduce((sum, { lines }) => sum + lines, 0);
    await waitFor(() => reader.records.length - gaps.length + dropped() === 50_000, "every line or its gap");
    await tap.writeAll(numberedLines(1, 50_000));
    await waitFor(() => reader.records.at(-1)!.startsWith("0000050000"), "the line behind");
    await tap.endInput();
    await output;
    assert.equal(await tap.exitCode(), 0);
    reader.stop.abort();
    await reader.ended;
    assert.ok(dropped() > 10_000, "a queue of 2 MiB cannot have held this");
    assert.equal(gaps.reduce((sum, { bytes }) => sum + bytes, 0), dropped() * lineBytes);
    assert.deepEqual(source.drops?.().get("tapGap"), { records: dropped(), bytes: dropped() * lineBytes });
    const at = reader.records.findIndex((text) => text.startsWith("agent tap: gap of "));
    assert.equal(
      Number(reader.records[at + 1]!.slice(0, 10)) - Number(reader.records[at - 1]!.slice(0, 10)) - 1,
      gaps[0]!.lines,
    );
    assert.ok(reader.batches.some(({ origin }) => origin.priority === 44), "a gap is a warning of the agent's own");
  }));

Deno.test("openTapSource() stops without losing a line that a tap has sent, and can be read again", () =>
  inFolder(async (folder) => {
    const source = await openSource(folder);
    const path = join(folder, "run", "tap.sock");
    const tap = new RunningTap(path);
    const output = tap.readAll();
    const records: string[] = [];
    let sent = 0;
    for (let life = 0; life < 4; life++) {
      const reader = new Reader(source);
      await waitFor(async () => {
        await tap.writeAll(numberedLines(50, sent));
        sent += 50;
        return reader.records.length > 0;
      }, "a record");
      reader.stop.abort();
      await reader.ended;
      records.push(...reader.records);
    }
    const last = new Reader(source);
    await waitFor(() => records.length + last.records.length >= sent, "the rest");
    await tap.endInput();
    await output;
    assert.equal(await tap.exitCode(), 0);
    last.stop.abort();
    await last.ended;
    assert.deepEqual([...records, ...last.records].map((text) => Number(text.slice(0, 10))), [...Array(sent).keys()]);
  }));

Deno.test("openTapSource() takes lines of any program, splits long ones, and cuts one that stays at the end", () =>
  inFolder(async (folder) => {
    const reader = new Reader(await openSource(folder, { maxLineBytes: 1_000 }));
    const connection = await Deno.connect({ transport: "unix", path: join(folder, "run", "tap.sock") });
    await connection.write(bytesOf("one\n\nnul \0\n" + "x".repeat(2_500) + "\ntorn"));
    await waitFor(() => reader.records.length === 6, "six records");
    reader.stop.abort();
    await reader.ended;
    assert.deepEqual(
      reader.records.map((text) => text.length < 10 ? text : text.length),
      ["one", "", "nul \0", 1_000, 1_000, 500, "torn"],
    );
    connection.close();
  }));

Deno.test("openTapSource() takes over a dead predecessor's socket, and only that", () =>
  inFolder(async (folder) => {
    const path = join(folder, "run", "tap.sock");
    Deno.mkdirSync(join(folder, "run"));
    // A listener that dies without a word: a process of its own, killed.
    const program = `Deno.listen({ transport: "unix", path: ${JSON.stringify(path)} }); console.log("here");
      setInterval(() => {}, 1000);`;
    const child = new Deno.Command(Deno.execPath(), { args: ["eval", program], stdout: "piped" }).spawn();
    const out = child.stdout.getReader();
    await out.read();
    await assert.rejects(openSource(folder), /Cannot listen on socket ".*": another program listens there\nTry: /);
    child.kill("SIGKILL");
    await child.status;
    await out.cancel();
    assert.equal(Deno.lstatSync(path).isSocket, true);
    const source = await openSource(folder);
    await source[Symbol.asyncDispose]();
    Deno.writeTextFileSync(path, "precious");
    await assert.rejects(openSource(folder), /it is not a socket\nTry: /);
    assert.equal(Deno.readTextFileSync(path), "precious");
  }));

Deno.test("openTapSource() turns taps away beyond its limit", () =>
  inFolder(async (folder) => {
    const reader = new Reader(await openSource(folder, { maxTaps: 1 }));
    const path = join(folder, "run", "tap.sock");
    const first = await Deno.connect({ transport: "unix", path });
    await first.write(bytesOf("in\n"));
    await waitFor(() => reader.records.length === 1, "the first record");
    const second = await Deno.connect({ transport: "unix", path });
    assert.equal(await second.read(new Uint8Array(1)), null);
    second.close();
    first.close();
    reader.stop.abort();
    await reader.ended;
  }));
