/** Case 24: a shipper that is killed at any moment, while files rotate, loses nothing and repeats little. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { sizeBelow } from "../peers/numbered_lines.ts";
import { waitFor } from "../peers/process.ts";

const kills = 50;
/** Bytes that a run of the worker begins with. */
const runHead = 2;
/** Records that may be in flight: 64 KiB and one batch of 16 KiB, in lines of 40 bytes, and what one read makes at most. */
const windowRecords = Math.ceil((64 + 16) * 1_024 / 40);

Deno.test("openFileSource() under the pump survives SIGKILL at any moment during rotation", async () => {
  const root = Deno.makeTempDirSync();
  const folder = join(root, "logs");
  Deno.mkdirSync(folder);
  const out = join(root, "out");
  const state = join(root, "state");
  let child = startWorker(folder, state, out);
  const writer = new Writer(join(folder, "a.log"));
  try {
    await waitFor(() => sizeBelow(state) > 0, "a first position"); // what is rotated away before is none of its files
    writer.arrived();
    for (let i = 0; i < kills; i++) {
      if (i > 0) child = startWorker(folder, state, out);
      const before = sizeBelow(out);
      // Every third one may die before it has given anything.
      if (i % 3 !== 0) {
        await waitFor(() => sizeBelow(out) > before + runHead, `records of run ${i + 1}`);
        writer.arrived();
      }
      await pauseMs(Math.random() * 400);
      child.kill("SIGKILL");
      await child.status;
    }
    const total = await writer.stop();
    child = startWorker(folder, state, out);
    await waitFor(() => missingOf(Deno.readTextFileSync(out), total) === 0, "every record").catch(() => {}); // judged below
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0);
    judge(Deno.readTextFileSync(out), total);
  } finally {
    await writer.stop();
    Deno.removeSync(root, { recursive: true });
  }
});

/** Nothing missing, few repeated, and within one run of the shipper every file in order. */
function judge(text: string, total: number): void {
  const seen = new Uint32Array(total);
  let lastOfFile = new Map<string, number>();
  let received = 0;
  let runs = 0;
  for (const line of text.split("\n")) {
    if (line === "") {
      if (lastOfFile.size > 0) runs++;
      lastOfFile = new Map(); // a new run begins
    }
    const match = /^seq (\d{8}) of file (\d{6}) {12}$/.exec(line);
    if (match === null) continue; // torn by a kill
    const sequence = Number(match[1]);
    const last = lastOfFile.get(match[2]!) ?? -1;
    assert.ok(sequence > last, `record ${sequence} came after ${last} of the same file`);
    lastOfFile.set(match[2]!, sequence);
    seen[sequence]!++;
    received++;
  }
  const missing = seen.reduce((sum, count) => sum + (count === 0 ? 1 : 0), 0);
  assert.equal(missing, 0, `${missing} of ${total} records are missing, the first ${seen.indexOf(0)}`);
  const repeated = received - total;
  assert.ok(repeated <= kills * windowRecords, `${repeated} records came twice`);
  assert.ok(total > 50_000 && runs > kills / 2, `only ${total} records in ${runs} runs: too few to prove anything`);
}

/** How many of the records are in no line of `text`. */
function missingOf(text: string, total: number): number {
  const seen = new Set([...text.matchAll(/^seq (\d{8}) of file \d{6} {12}$/gm)].map(([, digits]) => Number(digits)));
  return total - seen.size;
}

/**
 * 20,000 lines a second, a rename every 300 ms, thirty old files kept. It stops renaming while nothing arrives for long: a
 * machine that is slow to start the shipper must not lose to it what nobody could have read.
 */
class Writer {
  readonly #path: string;
  readonly #running: Promise<void>;
  #stopping = false;
  #next = 0;
  #rotations = 0;
  /** Renames until which it goes on. */
  #limit = 0;

  constructor(path: string) {
    this.#path = path;
    this.#running = this.#run();
  }

  async stop(): Promise<number> {
    this.#stopping = true;
    await this.#running;
    return this.#next;
  }

  /** Says that the shipper reads. */
  arrived(): void {
    this.#limit = this.#rotations + 15;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const file = Deno.openSync(this.#path, { append: true, create: true });
      for (let i = 0; i < 60 && !this.#stopping; i++) {
        let text = "";
        for (let j = 0; j < 100; j++) text += this.#line();
        file.writeSync(new TextEncoder().encode(text));
        await pauseMs(5);
      }
      file.close();
      if (!this.#stopping && this.#rotations < this.#limit) this.#rotate();
    }
  }

  #line(): string {
    const file = String(this.#rotations).padStart(6, "0");
    return `seq ${String(this.#next++).padStart(8, "0")} of file ${file}${" ".repeat(12)}\n`;
  }

  #rotate(): void {
    this.#rotations++;
    for (let i = 30; i > 0; i--) renameIfThere(`${this.#path}.${i}`, `${this.#path}.${i + 1}`);
    Deno.renameSync(this.#path, this.#path + ".1");
  }
}

function startWorker(...args: readonly string[]): Deno.ChildProcess {
  const worker = new URL("file_kill_worker.ts", import.meta.url).pathname;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", worker, ...args],
    stdout: "null",
    stderr: "inherit",
  }).spawn();
}

function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function renameIfThere(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
