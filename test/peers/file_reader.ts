/** The file source read in this process: what it gave, what it said, and where it stands; and cases in folders of their own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Batch, recordText } from "../../src/pipeline/batch.ts";
import { mergePosition, type Position } from "../../src/pipeline/checkpoint.ts";
import type { Source } from "../../src/pipeline/source.ts";
import { type FileEvent, type FileSourceOptions, openFileSource } from "../../src/sources/file/file_source.ts";
import { stretched } from "./process.ts";

const tuning = { sweepMs: 40, maxPollMs: 60, idlePollMs: 60, graceMs: 150, copyWaitMs: 400 };

/** Options of a {@linkcode Reader}. */
export interface ReaderOptions extends Partial<FileSourceOptions> {
  from?: Position | undefined;
  /** Keeps batches without releasing them, as a sink that is down. */
  held?: boolean;
}

/** A running source and what it gave. */
export class Reader {
  readonly records: string[] = [];
  readonly batches: Batch[] = [];
  readonly events: FileEvent[] = [];
  /** Of every batch, in their order. */
  readonly positions: Position[] = [];
  /** Records of every batch. */
  readonly counts: number[] = [];
  position: Position | undefined;
  readonly source: Source;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #wake: (() => void) | undefined;
  #held: boolean;
  #release: (() => void) | undefined;

  constructor(folder: string, { from, held = false, ...options }: ReaderOptions = {}) {
    this.position = from;
    this.#held = held;
    this.source = openFileSource({
      id: "files",
      include: [join(folder, "*.log")],
      start: "beginning",
      hostname: "host",
      ...options,
      tuning: { ...tuning, ...options.tuning },
      report: (event) => this.events.push(event),
    });
    this.#done = this.#run(this.source.read(from, { maxRecords: 100, maxBytes: 64 * 1024 }, this.#stop.signal));
  }

  async #run(batches: AsyncIterable<Batch>): Promise<void> {
    for await (const batch of batches) {
      while (this.#held) await new Promise<void>((resolve) => this.#release = resolve);
      this.#release = undefined;
      this.positions.push(batch.position);
      this.counts.push(batch.count);
      checkBatch(batch);
      for (let i = 0; i < batch.count; i++) this.records.push(recordText(batch, i));
      this.position = mergePosition(this.position, batch.position);
      batch.release();
      this.#wake?.();
    }
  }

  /** Whether a batch was given and is not taken. */
  get holding(): boolean {
    return this.#release !== undefined;
  }

  /** Takes nothing more, as a sink that is down. */
  hold(): void {
    this.#held = true;
  }

  /** Takes what is held, and goes on. */
  letGo(): void {
    this.#held = false;
    this.#release?.();
  }

  /** Waits for the records, then a while longer for any that should not come. */
  async expect(expected: readonly string[], message?: string): Promise<void> {
    await this.until(() => this.records.length >= expected.length);
    await pauseMs(250);
    assert.deepEqual(this.records, expected, message);
  }

  /** The same for records of several files, whose order among each other is open. */
  async expectSet(expected: readonly string[]): Promise<void> {
    await this.until(() => this.records.length >= expected.length);
    await pauseMs(250);
    assert.deepEqual([...this.records].sort(), [...expected].sort());
  }

  /** Waits until a condition holds, or until it is clear that it never will: what is there then is for the caller to judge. */
  async until(condition: () => boolean): Promise<void> {
    const endMs = performance.now() + stretched(15_000);
    while (!condition() && performance.now() < endMs) await pauseMs(10);
  }

  /** Waits for an event. @throws when it does not come */
  async event(kind: FileEvent["kind"]): Promise<FileEvent> {
    await this.until(() => this.events.some((event) => event.kind === kind));
    const found = this.events.find((event) => event.kind === kind);
    assert.ok(found, `no event "${kind}" among ${JSON.stringify(this.events.map((event) => event.text))}`);
    return found;
  }

  /** Ends it; resolves to where it stands. */
  async stop(): Promise<Position | undefined> {
    this.#stop.abort();
    this.letGo();
    await this.#done;
    return this.position;
  }

  /** Waits for the end of `once`. */
  ended(): Promise<void> {
    return this.#done;
  }
}

/** What every batch promises. */
function checkBatch(batch: Batch): void {
  const { bytes, bounds, count, packed } = batch;
  for (let i = 0; i < count; i++) {
    assert.ok(bounds[2 * i]! <= bounds[2 * i + 1]!);
    if (packed) {
      assert.equal(bytes[bounds[2 * i + 1]!], 10);
      if (i > 0) assert.equal(bounds[2 * i], bounds[2 * i - 1]! + 1);
    }
  }
}

/** Resolves after a while. */
export function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Renames a file, where it is. */
export function renameIfThere(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Appends to a file, which is made where it is missing. */
export function append(path: string, text: string | Uint8Array): void {
  if (typeof text === "string") Deno.writeTextFileSync(path, text, { append: true });
  else Deno.writeFileSync(path, text, { append: true });
}

/** The records `from` up to before `to`, each `padding` words longer. */
export function numbered(from: number, to: number, padding = 0): string[] {
  return Array.from({ length: to - from }, (_, i) => `run ${from + i}${" x".repeat(padding)}`);
}

/** Records as the lines of a file. */
export function lines(records: readonly string[]): string {
  return records.map((record) => record + "\n").join("");
}

/** Runs a case in a folder of its own, with and without watching. */
export function filesCase(
  name: string,
  run: (folder: string, base: ReaderOptions) => Promise<void>,
  definition: Partial<Deno.TestDefinition> = {},
): void {
  for (const watch of [true, false]) {
    Deno.test({
      ...definition,
      name: `openFileSource() ${name}${watch ? "" : " (polling)"}`,
      fn: async () => {
        const folder = Deno.makeTempDirSync();
        try {
          await run(folder, { watch });
        } finally {
          Deno.removeSync(folder, { recursive: true });
        }
      },
    });
  }
}
