/**
 * How long a line takes from being written to a file until it is in the collector's file: so many lines a second, written
 * and watched by this process with one clock. It looks ten times a millisecond: timers alone, which wake up a little more
 * than a millisecond apart, would round every figure up to two of theirs.
 */
import { join } from "node:path";
import { setImmediate } from "node:timers";
import { startCollector } from "../peers/collector.ts";
import { filesBelow } from "../peers/numbered_lines.ts";
import { startRelpClient, startRelpServer } from "../peers/rsyslog.ts";
import { startShipper } from "../peers/shipper.ts";
import { machineLine, markdown, numbersOf, quantile, say } from "./table.ts";

type End = "agent" | "rsyslog";

/** Measures both ends ours, both rsyslog's, and the mixtures. Words: `--rate N` lines a second (1,000), `--seconds N` (60). */
export async function run(words: readonly string[]): Promise<void> {
  const { rate, seconds } = numbersOf(words, { rate: 1_000, seconds: 60 });
  say(`${await machineLine()}; ${rate} lines of 200 bytes a second for ${seconds} s\n\n`);
  const rows: string[][] = [];
  for (
    const [client, server] of [["agent", "agent"], ["rsyslog", "rsyslog"], ["agent", "rsyslog"], [
      "rsyslog",
      "agent",
    ]] as const
  ) {
    const sorted = (await measure(client, server, rate, seconds)).sort();
    const figures = [0.5, 0.9, 0.99, 0.999, 1].map((part) => quantile(sorted, part).toFixed(1));
    const title = `${client === "agent" ? "agent ship" : "omrelp"} → ${
      server === "agent" ? "agent collect" : "imrelp"
    }`;
    rows.push([title, ...figures]);
    say(`${title}: p50 ${figures[0]} ms, p99 ${figures[2]} ms, max ${figures[4]} ms\n`);
  }
  say(`\n${markdown(["pair", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"], rows)}\n`);
}

/** Milliseconds of each line. @throws when a line does not arrive */
async function measure(client: End, server: End, rate: number, seconds: number): Promise<Float64Array> {
  const folder = Deno.makeTempDirSync({ prefix: "latency" });
  const file = join(folder, "in.log");
  using input = Deno.openSync(file, { create: true, append: true });
  try {
    await using receiver = server === "agent" ? await startCollector() : await startRelpServer();
    await using _sender = client === "agent"
      ? startShipper({ include: file, port: receiver.port, windowSize: 4_096 })
      : startRelpClient({ file, port: receiver.port });
    const output = new Output(receiver.output);
    // The first line is start-up, not latency.
    input.writeSync(encoder.encode(line(0)));
    await until(() => (output.read(), output.seen.has(0)), 20_000);
    return await writeAndWatch(input, output, rate, rate * seconds);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

async function writeAndWatch(input: Deno.FsFile, output: Output, rate: number, count: number): Promise<Float64Array> {
  const writtenMs = new Float64Array(count + 1);
  const startMs = performance.now();
  let next = 1;
  await until(() => {
    const due = Math.min(count, Math.floor((performance.now() - startMs) * rate / 1_000));
    for (; next <= due; next++) {
      writtenMs[next] = performance.now();
      input.writeSync(encoder.encode(line(next)));
    }
    output.read();
    return output.seen.size > count;
  }, count / rate * 1_000 + 30_000);
  return Float64Array.from({ length: count }, (_, i) => output.seen.get(i + 1)! - writtenMs[i + 1]!);
}

/** What grows in a file or in the files of a folder, line by line, with the time at which it was seen. */
class Output {
  readonly seen = new Map<number, number>();
  readonly #path: string;
  #file: Deno.FsFile | undefined;
  #rest = "";

  constructor(path: string) {
    this.#path = path;
  }

  read(): void {
    const path = this.#file === undefined ? filesBelow(this.#path)[0] : undefined;
    if (path !== undefined) this.#file = Deno.openSync(path);
    for (let length = this.#file?.readSync(buffer); length; length = this.#file?.readSync(buffer)) {
      const nowMs = performance.now();
      const lines = (this.#rest + decoder.decode(buffer.subarray(0, length))).split("\n");
      this.#rest = lines.pop()!;
      for (const text of lines) this.seen.set(Number(/ seq=(\d+) /.exec(text)?.[1]), nowMs);
    }
  }
}

function line(sequence: number): string {
  return `line seq=${sequence} `.padEnd(199, "x") + "\n";
}

async function until(condition: () => boolean, deadlineMs: number): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  for (let looks = 1; !condition(); looks++) {
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: a line did not arrive`);
    // The programs' outputs are read by this thread, too, so it lets go of it now and then.
    if (looks % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    else Atomics.wait(nothing, 0, 0, betweenLooksMs);
  }
}

/** Never woken up: a sleep shorter than a timer's. */
const nothing = new Int32Array(new SharedArrayBuffer(4));
const betweenLooksMs = 0.1;

const buffer = new Uint8Array(256 * 1024);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
