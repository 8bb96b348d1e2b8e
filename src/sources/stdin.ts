/** The `stdin` source: lines of the process's standard input, until it ends. Cannot be read twice. */
import { type Batch, batchesOfRun, type Origin } from "../pipeline/batch.ts";
import { orAborted } from "../pipeline/or_aborted.ts";
import type { Source } from "../pipeline/source.ts";
import { LineSplitter } from "../formats/lines.ts";

/** What its records say of themselves. */
export interface StdinSourceOptions {
  readonly id: string;
  readonly host: string;
  readonly program: string;
  /** Facility × 8 + severity. */
  readonly priority: number;
  /** Longer lines are split. */
  readonly maxLineBytes: number;
}

/** Opens the source. `read` fills a buffer and says with how many bytes; null at the end. Default: the process's stdin. */
export function openStdinSource(
  options: StdinSourceOptions,
  read: (into: Uint8Array) => Promise<number | null> = (into) => Deno.stdin.read(into),
): Source {
  return {
    id: options.id,
    replayable: false,
    async *read(_from, { maxRecords }, signal): AsyncGenerator<Batch> {
      const splitter = new LineSplitter(options.maxLineBytes);
      let buffer = new Uint8Array(bufferBytes);
      while (!signal.aborted) {
        const length = await orAborted(read(buffer), signal) ?? null;
        if (length === null) break;
        // A few lines at a time are copied out, so that a quiet writer does not cost a buffer per line.
        const few = length <= bufferBytes / 4;
        const bytes = few ? buffer.slice(0, length) : buffer.subarray(0, length);
        if (!few) buffer = new Uint8Array(bufferBytes);
        yield* batchesOfRun(splitter.push(bytes), maxRecords, originOf(options));
      }
      yield* batchesOfRun(splitter.flush(), maxRecords, originOf(options));
    },
  };
}

function originOf(options: StdinSourceOptions): Origin {
  return {
    source: options.id,
    host: options.host,
    program: options.program,
    priority: options.priority,
    form: "plain",
    readAtMs: Date.now(),
  };
}

const bufferBytes = 64 * 1024;
