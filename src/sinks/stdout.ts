/** The `stdout` sink: one record per line. Confirmed when the pipe or terminal behind it has taken it. */
import { type Batch, packedBytes } from "../pipeline/batch.ts";
import { errorText, GoneError } from "../pipeline/errors.ts";
import type { Rejection, Sink } from "../pipeline/sink.ts";

/** Opens the sink. `write` takes some bytes and says how many; default: the process's stdout. */
export function openStdoutSink(
  id: string,
  write: (bytes: Uint8Array) => Promise<number> = (bytes) => Deno.stdout.write(bytes),
): Sink {
  let turn: Promise<void> = Promise.resolve();
  return {
    id,
    batchRecords: 1_024,
    async send(batch: Batch): Promise<readonly Rejection[]> {
      const bytes = batch.packed ? packedBytes(batch) : lines(batch);
      turn = turn.then(() => writeAll(bytes, write));
      await turn;
      return [];
    },
    reset: () => {}, // a closed pipe stays closed
    [Symbol.asyncDispose]: () => turn.catch(() => {}),
  };
}

async function writeAll(bytes: Uint8Array, write: (bytes: Uint8Array) => Promise<number>): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) done += await write(bytes.subarray(done));
  } catch (error) {
    throw new GoneError(`Cannot write to stdout: ${errorText(error)}`, { cause: error });
  }
}

function lines(batch: Batch): Uint8Array {
  const { bytes, bounds, count } = batch;
  let length = 0;
  for (let i = 0; i < count; i++) length += bounds[2 * i + 1]! - bounds[2 * i]! + 1;
  const text = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < count; i++) {
    text.set(bytes.subarray(bounds[2 * i], bounds[2 * i + 1]), at);
    at += bounds[2 * i + 1]! - bounds[2 * i]!;
    text[at++] = 10;
  }
  return text;
}
