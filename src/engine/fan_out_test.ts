import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Aside } from "../pipeline/aside.ts";
import { type Batch, batchOfLines, type Origin, recordText } from "../pipeline/batch.ts";
import type { Checkpoints } from "../pipeline/checkpoint.ts";
import { PeerError } from "../pipeline/errors.ts";
import { pump, type PumpObserver } from "../pipeline/pump.ts";
import type { Rejection, Sink } from "../pipeline/sink.ts";
import type { Source } from "../pipeline/source.ts";
import { type Branch, FanOut } from "./fan_out.ts";

const origin: Origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 0 };
const never = new AbortController().signal;
const backoff = { firstMs: 1, maxMs: 2 };

/** A sink whose calls fail while `away` says so, and that refuses what it is told to. */
function fakeSink(id: string, away: (call: number) => boolean, refuses = ""): Sink & { readonly taken: string[] } {
  const taken: string[] = [];
  let calls = 0;
  let failure: Error | undefined;
  return {
    id,
    batchRecords: 4,
    taken,
    send: (batch) => {
      if (failure === undefined && away(calls++)) failure = new PeerError(`${id} is away`);
      if (failure !== undefined) return Promise.reject(failure);
      const texts = Array.from({ length: batch.count }, (_, i) => recordText(batch, i));
      taken.push(...texts.filter((text) => text !== refuses));
      const index = texts.indexOf(refuses);
      return Promise.resolve(index < 0 ? [] : [{ index, reason: "no" }]);
    },
    reset: () => failure = undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

class MemoryAside implements Aside {
  readonly refusedRetries = 1;
  readonly kept: string[] = [];
  readonly #tries: number;

  constructor(tries: number) {
    this.#tries = tries;
  }

  keepRefused(batch: Batch, rejections: readonly Rejection[]): Promise<void> {
    this.kept.push(...rejections.map(({ index }) => recordText(batch, index)));
    return Promise.resolve();
  }

  keepAbandoned(batch: Batch, failures: number): Promise<boolean> {
    if (failures < this.#tries) return Promise.resolve(false);
    for (let i = 0; i < batch.count; i++) this.kept.push(recordText(batch, i));
    return Promise.resolve(true);
  }
}

/** A server's source: its peer is answered by commits. */
const source: Source = {
  id: "s",
  replayable: false,
  async *read(): AsyncGenerator<Batch> {
    await Promise.resolve();
    for (let i = 0; i < 12; i += 4) yield batchOfLines([i, i + 1, i + 2, i + 3].map(String), origin, { next: i + 4 });
  },
};

async function run(...branches: readonly Omit<Branch, "rule" | "backoff">[]): Promise<readonly unknown[]> {
  const commits: unknown[] = [];
  const checkpoints: Checkpoints = {
    get: () => Promise.resolve(undefined),
    commit: (_, { next }) => void commits.push(next),
  };
  const all = new FanOut(branches.map((branch) => ({ rule: undefined, backoff, ...branch })));
  const limits = { maxFlightBytes: 1_000, maxBatchBytes: 1_000, backoff };
  strictEqual(await pump({ source, sink: all, aside: all, checkpoints, id: "s@*", ...limits }, never, never), 0);
  return commits;
}

const all = Array.from({ length: 12 }, (_, i) => String(i));

Deno.test("FanOut repeats a batch for the sink that failed and for no other, and answers when all have it", async () => {
  const good = fakeSink("good", () => false);
  const shaky = fakeSink("shaky", (call) => call % 3 === 1);
  const said: string[] = [];
  const observer: PumpObserver = { down: (reason) => void said.push(reason), up: () => void said.push("up") };
  const wrong: PumpObserver = { down: () => void said.push("not this one"), up: () => void said.push("nor this") };
  deepStrictEqual(await run({ sink: good, observer: wrong }, { sink: shaky, observer }), [4, 8, 12]);
  deepStrictEqual(good.taken, all, "each once");
  deepStrictEqual([...new Set(shaky.taken)], all);
  deepStrictEqual(said.slice(0, 2), ["shaky is away", "up"]);
});

Deno.test("FanOut lets each sink keep aside what is its own to keep, and counts what each has", async () => {
  const picky = fakeSink("picky", () => false, "5");
  const dead = fakeSink("dead", () => true);
  const [pickyAside, deadAside] = [new MemoryAside(Infinity), new MemoryAside(2)];
  const counts = { picky: 0, dead: 0, refused: 0, abandoned: 0 };
  const commits = await run({
    sink: picky,
    aside: pickyAside,
    observer: {
      delivered: (records) => void (counts.picky += records),
      rejected: (_, rejections) => void (counts.refused += rejections.length),
    },
  }, {
    sink: dead,
    aside: deadAside,
    observer: {
      delivered: (records) => void (counts.dead += records),
      abandoned: (batch) => void (counts.abandoned += batch.count),
    },
  });
  deepStrictEqual(commits, [4, 8, 12]);
  deepStrictEqual(pickyAside.kept, ["5"]);
  deepStrictEqual(deadAside.kept, all);
  deepStrictEqual(counts, { picky: 11, dead: 0, refused: 1, abandoned: 12 });
});
