import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { type Batch, batchOfLines, type Origin, recordText } from "./batch.ts";
import type { Aside } from "./aside.ts";
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
  more: { readonly aside?: Aside } = {},
): Promise<number> {
  const backoff = { firstMs: 1, maxMs: 2 };
  const limits = { maxFlightBytes: 2_000, maxBatchBytes: 1_000, backoff };
  return pump(
    { source, sink, checkpoints, id: "s@k", ...limits, observer, ...more },
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

/** A place for what is not delivered: after `tries` failed tries, and for what is refused more than twice. */
class MemoryAside implements Aside {
  readonly refusedRetries = 2;
  readonly refused: string[] = [];
  readonly abandoned: string[] = [];
  readonly #tries: number;
  /** Whether the disk takes anything. */
  full = false;

  constructor(tries: number) {
    this.#tries = tries;
  }

  keepRefused(batch: Batch, rejections: readonly Rejection[]): Promise<void> {
    if (this.full) return Promise.reject(new Error("no space left"));
    this.refused.push(...rejections.map(({ index }) => recordText(batch, index)));
    return Promise.resolve();
  }

  keepAbandoned(batch: Batch, failures: number): Promise<boolean> {
    if (this.full || failures < this.#tries) return Promise.resolve(false);
    for (let i = 0; i < batch.count; i++) this.abandoned.push(recordText(batch, i));
    return Promise.resolve(true);
  }
}

/** A sink whose peer refuses some records and takes the others, also of the same batch. */
function refusingSink(refuses: (text: string, time: number) => boolean): Sink & { readonly sent: string[] } {
  const sent: string[] = [];
  return {
    id: "k",
    batchRecords: 3,
    sent,
    send: (batch) => {
      const texts = Array.from({ length: batch.count }, (_, i) => recordText(batch, i));
      sent.push(...texts);
      const times = (text: string): number => sent.filter((one) => one === text).length;
      const indices = texts.flatMap((text, index) => refuses(text, times(text)) ? [index] : []);
      return Promise.resolve(indices.map((index) => ({ index, reason: "500 no" })));
    },
    reset: () => {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Three lines a batch. */
const triples: Source = {
  id: "s",
  replayable: true,
  async *read(): AsyncGenerator<Batch> {
    await Promise.resolve();
    for (let i = 0; i < 9; i += 3) yield batchOfLines([i, i + 1, i + 2].map(String), origin, { next: i + 3 });
  },
};

Deno.test("pump() sends refused records alone again, keeps those aside that stay refused, and delivers all others once", async () => {
  const aside = new MemoryAside(Infinity);
  const counts: number[] = [];
  const observer = { delivered: (records: number) => void counts.push(records) };
  const sink = refusingSink((text, time) => text === "1" || (text === "5" && time < 3));
  const checkpoints = new MemoryCheckpoints();
  strictEqual(await run(triples, sink, checkpoints, never, never, observer, { aside }), 0);
  deepStrictEqual(aside.refused, ["1"]);
  deepStrictEqual(sink.sent.toSorted(), [..."0111234555678"].toSorted());
  deepStrictEqual([checkpoints.position?.next, counts], [9, [2, 3, 3]]);
});

Deno.test("pump() keeps a batch aside after so many failed tries, and says once that the sink is down", async () => {
  const aside = new MemoryAside(3);
  const said: string[] = [];
  const observer: PumpObserver = {
    down: () => void said.push("down"),
    up: () => void said.push("up"),
    abandoned: (batch, reason) => void said.push(`${recordText(batch, 0)} ${reason}`),
  };
  const sink = new FailingSink(Array.from({ length: 7 }, (_, i) => i)); // the first batch, three tries of it, and of the next
  const checkpoints = new MemoryCheckpoints();
  strictEqual(await run(new CountingSource(20), sink, checkpoints, never, never, observer, { aside }), 0);
  deepStrictEqual(aside.abandoned, ["0", "1"]);
  deepStrictEqual(sink.taken, numbers(20).slice(2), "in order, each once");
  deepStrictEqual(checkpoints.commits, numbers(20).map((n) => Number(n) + 1));
  deepStrictEqual(said, ["down", "0 the peer is away", "1 the peer is away", "up"]);
});

Deno.test("pump() keeps trying while there is no room for what it would give up", async () => {
  const aside = new MemoryAside(1);
  aside.full = true;
  const checkpoints = new MemoryCheckpoints();
  strictEqual(
    await run(new CountingSource(5), new FailingSink([0, 1, 2, 3]), checkpoints, never, never, {}, { aside }),
    0,
  );
  const sink = refusingSink((text, time) => text === "1" && time < 8);
  strictEqual(await run(triples, sink, checkpoints, never, never, {}, { aside }), 0);
  deepStrictEqual([aside.abandoned, aside.refused, sink.sent.filter((text) => text === "1").length], [[], [], 8]);
});

Deno.test("pump() goes on after everything it had was given up, and says that the sink is back with what comes next", async () => {
  const said: string[] = [];
  const observer: PumpObserver = { down: () => void said.push("down"), up: () => void said.push("up") };
  const gate = Promise.withResolvers<void>();
  const aside = new MemoryAside(1);
  const source: Source = {
    id: "s",
    replayable: true,
    async *read(): AsyncGenerator<Batch> {
      yield batchOfLines(["first"], origin, { next: 1 });
      await gate.promise;
      yield batchOfLines(["second"], origin, { next: 2 });
    },
  };
  const told: PumpObserver = { ...observer, abandoned: () => gate.resolve() };
  const sink = new FailingSink([0, 1]);
  strictEqual(await run(source, sink, new MemoryCheckpoints(), never, never, told, { aside }), 0);
  deepStrictEqual([aside.abandoned, sink.taken, said], [["first"], ["second"], ["down", "up"]]);
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
