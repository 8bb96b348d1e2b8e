/** The `stdin` source: lines of the process's standard input, until it ends. Cannot be read twice. */
import type { Batch, Origin } from "../pipeline/batch.ts";
import { LineBlocks } from "../pipeline/line_blocks.ts";
import { orAborted } from "../pipeline/or_aborted.ts";
import type { Source } from "../pipeline/source.ts";

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
      const lines = new LineBlocks(options.maxLineBytes, blockBytes);
      while (!signal.aborted) {
        const length = await orAborted(read(lines.space()), signal) ?? null;
        if (length === null) break;
        yield* lines.take(length, maxRecords, originOf(options));
      }
      yield* lines.flush(maxRecords, originOf(options));
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

/** What a pipe holds, and the torn line before it. */
const blockBytes = 96 * 1024;
