import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { type Batch, batchOfLines, type Origin, recordText } from "./batch.ts";
import { backoffMs } from "./backoff.ts";
import type { Checkpoints, Position } from "./checkpoint.ts";
import { GoneError, PeerError } from "./errors.ts";
import { pump, type PumpObserver } from "./pump.ts";
import type { Rejection, Sink } from "./sink.ts";
import type { Source } from "./source.ts";

const origin: Origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 0 };
const never = new AbortController().signal;

/** A source of `count` one-line batches, `0`, `1`, …; counts what is released. */
class CountingSource implements Source {
  readonly id = "s";
  readonly replayable = true;
  released = 0;
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  async *read(from: Position | undefined): AsyncGenerator<Batch> {
    for (let i = (from?.next as number | undefined) ?? 0; i < this.#count; i++) {
      await Promise.resolve();
      yield { ...batchOfLines([String(i)], origin, { next: i + 1 }), release: () => void this.released++ };
    }
  }
}

/** A sink that fails at the calls it is told to, keeps its contract, and remembers what it took, in order. */
class FailingSink implements Sink {
  readonly id = "k";
  readonly batchRecords = 10;
  readonly taken: string[] = [];
  #calls = 0;
  #failure: Error | undefined;
  readonly #failAt: ReadonlySet<number>;

  constructor(failAt: readonly number[] = []) {
    this.#failAt = new Set(failAt);
  }

  async send(batch: Batch): Promise<readonly Rejection[]> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#failAt.has(this.#calls++)) this.#failure = new PeerError("the peer is away");
    if (this.#failure !== undefined) throw this.#failure;
    this.taken.push(recordText(batch, 0));
    await new Promise((resolve) => setTimeout(resolve, 0));
    return [];
  }

  reset(): void {
    this.#failure = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

class MemoryCheckpoints implements Checkpoints {
  readonly commits: number[] = [];
  position: Position | undefined;

  get(): Promise<Position | undefined> {
    return Promise.resolve(this.position);
  }

  commit(_id: string, position: Position): void {
    this.position = position;
    this.commits.push(position.next as number);
  }
}

function run(
  source: Source,
  sink: Sink,
  checkpoints: Checkpoints,
  stop = never,
  cut = never,
  observer: PumpObserver = {},
): Promise<number> {
  const backoff = { firstMs: 1, maxMs: 2 };
  return pump(
    { source, sink, checkpoints, id: "s@k", maxFlightBytes: 2_000, maxBatchBytes: 1_000, backoff, observer },
    stop,
    cut,
  );
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i));

Deno.test("pump() delivers everything in order and commits every position in order", async () => {
  const source = new CountingSource(100);
  const sink = new FailingSink();
  const checkpoints = new MemoryCheckpoints();
  strictEqual(await run(source, sink, checkpoints), 0);
  deepStrictEqual(sink.taken, numbers(100));
  deepStrictEqual(checkpoints.commits, numbers(100).map((n) => Number(n) + 1));
  strictEqual(source.released, 100);
});

Deno.test("pump() repeats what failed, lets nothing overtake it, and says once that the sink is down", async () => {
  const said: string[] = [];
  const observer = { down: (reason: string) => void said.push(reason), up: () => void said.push("up") };
  const sink = new FailingSink([3, 4, 40]);
  const checkpoints = new MemoryCheckpoints();
  strictEqual(await run(new CountingSource(60), sink, checkpoints, never, never, observer), 0);
  deepStrictEqual([...new Set(sink.taken)], numbers(60), "first arrivals are in order");
  strictEqual(checkpoints.commits.at(-1), 60);
  deepStrictEqual(said, ["the peer is away", "up", "the peer is away", "up"]);
});

Deno.test("pump() never commits past what was confirmed", async () => {
  const sink = new FailingSink();
  const confirmed = new Set<number>();
  const checkpoints: Checkpoints = {
    get: () => Promise.resolve(undefined),
    commit: (_, position) =>
      strictEqual(confirmed.has((position.next as number) - 1), true, `position ${position.next}`),
  };
  const watched: Sink = {
    id: "k",
    batchRecords: 1,
    send: async (batch) => {
      const rejections = await sink.send(batch);
      confirmed.add(Number(recordText(batch, 0)));
      return rejections;
    },
    reset: () => {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  strictEqual(await run(new CountingSource(50), watched, checkpoints), 0);
});

Deno.test("pump() stops at once while the sink is down, and tells how many records were not confirmed", async () => {
  const stop = new AbortController();
  const dead: Sink = {
    id: "k",
    batchRecords: 1,
    send: () => Promise.reject(new PeerError("away")),
    reset: () => {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const source = new CountingSource(5);
  const checkpoints = new MemoryCheckpoints();
  const observer = { stillDown: () => stop.abort() };
  const unconfirmed = await run(source, dead, checkpoints, stop.signal, never, observer);
  strictEqual(unconfirmed > 0, true);
  strictEqual(checkpoints.position, undefined);
  strictEqual(source.released, unconfirmed, "what is given up is given back");
});

Deno.test("pump() gives up what is in flight when it is cut", async () => {
  const cut = new AbortController();
  const mute: Sink = {
    id: "k",
    batchRecords: 1,
    send: (_, signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(new PeerError("cut")))),
    reset: () => {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  setTimeout(() => cut.abort(), 1);
  strictEqual(await run(new CountingSource(3), mute, new MemoryCheckpoints(), cut.signal, cut.signal) > 0, true);
});

Deno.test("pump() ends with the error of a sink that is gone for good", async () => {
  const gone: Sink = {
    id: "k",
    batchRecords: 1,
    send: () => Promise.reject(new GoneError("closed pipe")),
    reset: () => {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  await rejects(run(new CountingSource(3), gone, new MemoryCheckpoints()), /closed pipe/);
});

Deno.test("pump() ends with the error of its source, after what the source gave is delivered", async () => {
  const sink = new FailingSink();
  const broken: Source = {
    id: "s",
    replayable: true,
    async *read(): AsyncGenerator<Batch> {
      yield* new CountingSource(3).read(undefined);
      throw new Error("no such device");
    },
  };
  await rejects(run(broken, sink, new MemoryCheckpoints()), /no such device/);
  deepStrictEqual(sink.taken, numbers(3));
});

Deno.test("backoffMs() doubles up to its limit and keeps half as jitter", () => {
  const limits = { firstMs: 100, maxMs: 1_000 };
  deepStrictEqual([1, 2, 3, 4, 5, 99].map((attempt) => backoffMs(limits, attempt, () => 1)), [
    100,
    200,
    400,
    800,
    1_000,
    1_000,
  ]);
  strictEqual(backoffMs(limits, 1, () => 0), 50);
});
