/** What a crash can repeat: the records that a sink was handed and that are not committed, at any moment. */
import { deepStrictEqual, ok } from "node:assert/strict";
import type { Aside } from "./aside.ts";
import { type Batch, batchOfLines, type Origin, recordText } from "./batch.ts";
import type { Checkpoints, Position } from "./checkpoint.ts";
import { PeerError } from "./errors.ts";
import { pump } from "./pump.ts";
import type { Rejection, Sink } from "./sink.ts";
import type { Source } from "./source.ts";

const origin: Origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 0 };
const windowRecords = 12;

/** Numbers from 0 up to before 1, always the same for a seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/** Everything in one place, so that each hand-over can be compared with what is committed then. */
class Scene implements Source, Sink, Checkpoints, Aside {
  readonly id = "x";
  readonly replayable = true;
  readonly batchRecords = 5;
  readonly windowRecords = windowRecords;
  readonly refusedRetries = 2;
  /** Records that were handed over at the most while so many are committed, and the largest difference. */
  highest = 0;
  committed = 0;
  widest = 0;
  readonly taken = new Set<number>();
  failures = 0;
  refusals = 0;
  #failure: Error | undefined;
  readonly #total: number;
  readonly #random: () => number;

  constructor(total: number, random: () => number) {
    this.#total = total;
    this.#random = random;
  }

  async *read(): AsyncGenerator<Batch> {
    for (let at = 0; at < this.#total;) {
      const end = Math.min(this.#total, at + Math.floor(this.#random() * (this.batchRecords + 1)));
      const texts = Array.from({ length: end - at }, (_, i) => String(at + i));
      if (this.#random() < 0.3) await this.#pause();
      yield batchOfLines(texts, origin, { next: end });
      at = end;
    }
  }

  async send(batch: Batch): Promise<readonly Rejection[]> {
    if (this.#failure !== undefined) throw this.#failure;
    const numbers = Array.from({ length: batch.count }, (_, i) => Number(recordText(batch, i)));
    this.highest = Math.max(this.highest, numbers.at(-1)! + 1);
    this.widest = Math.max(this.widest, this.highest - this.committed);
    await this.#pause();
    if (this.#failure === undefined && this.#random() < 0.05) this.#failure = new PeerError("away");
    if (this.#failure !== undefined) {
      this.failures++;
      throw this.#failure;
    }
    const refused = numbers.flatMap((_, index) => this.#random() < 0.05 ? [index] : []);
    this.refusals += refused.length;
    numbers.forEach((number, index) => refused.includes(index) || this.taken.add(number));
    return refused.map((index) => ({ index, reason: "500 no" }));
  }

  reset(): void {
    this.#failure = undefined;
  }

  get(): Promise<Position | undefined> {
    return Promise.resolve(undefined);
  }

  /** Slow, as a disk can be. */
  async commit(_id: string, position: Position): Promise<void> {
    if (this.#random() < 0.3) await this.#pause();
    ok(position.next as number >= this.committed, "commits are in order");
    this.committed = position.next as number;
  }

  async keepRefused(batch: Batch, rejections: readonly Rejection[]): Promise<void> {
    await this.#pause();
    for (const { index } of rejections) this.taken.add(Number(recordText(batch, index)));
  }

  async keepAbandoned(batch: Batch, failures: number): Promise<boolean> {
    await this.#pause();
    if (failures < 2) return false;
    for (let i = 0; i < batch.count; i++) this.taken.add(Number(recordText(batch, i)));
    return true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #pause(): Promise<void> {
    for (let i = Math.floor(this.#random() * 4); i > 0; i--) await Promise.resolve();
    if (this.#random() < 0.2) await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

for (const seed of [1, 2, 3, 4, 5]) {
  Deno.test(`pump() hands over no more than the sink's window beyond what is committed, seed ${seed}`, async () => {
    const scene = new Scene(1_000, randomOf(seed));
    const never = new AbortController().signal;
    const backoff = { firstMs: 1, maxMs: 1 };
    const limits = { maxFlightBytes: 100_000, maxBatchBytes: 1_000, backoff };
    await pump({ source: scene, sink: scene, checkpoints: scene, aside: scene, id: "x@x", ...limits }, never, never);
    deepStrictEqual([scene.taken.size, scene.committed], [1_000, 1_000]);
    ok(scene.failures > 0 && scene.refusals > 0, "something went wrong on the way");
    ok(scene.widest <= windowRecords, `${scene.widest} records could be repeated`);
    ok(scene.widest > windowRecords - scene.batchRecords, `the window is used, and only ${scene.widest} of it were`);
  });
}

Deno.test("pump() lets a batch through that is larger than the sink's window, alone", async () => {
  const scene = new Scene(0, randomOf(1));
  const source: Source = {
    id: "s",
    replayable: true,
    async *read(): AsyncGenerator<Batch> {
      await Promise.resolve();
      for (let at = 0; at < 60; at += 20) {
        yield batchOfLines(Array.from({ length: 20 }, (_, i) => String(at + i)), origin, { next: at + 20 });
      }
    },
  };
  const never = new AbortController().signal;
  const limits = { maxFlightBytes: 100_000, maxBatchBytes: 1_000, backoff: { firstMs: 1, maxMs: 1 } };
  await pump({ source, sink: scene, checkpoints: scene, aside: scene, id: "x@x", ...limits }, never, never);
  deepStrictEqual([scene.taken.size, scene.committed, scene.widest], [60, 60, 20]);
});
