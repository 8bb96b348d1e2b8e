/** Keeps the memory of byte streams low: the engine does not know by itself how much waits to be freed. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * To be told of bytes that were used and dropped. The engine sees a chunk as a few bytes of its heap and lets hundreds of
 * them wait, which are megabytes outside of it; the chunks live just long enough to be no longer young, so only a full
 * collection frees them. In Deno 2.9.5 `gc` is one whatever it is asked for, and takes 20 to 60 ms: every 8 MiB that was
 * half of the time of a dump, every 32 MiB it costs 10 MiB of memory and hardly any time.
 */
export function freeAfter(sizeBytes: number): void {
  droppedBytes += sizeBytes;
  if (droppedBytes < collectBytes) return;
  droppedBytes = 0;
  collectGarbage ??= openCollector();
  collectGarbage();
}

function openCollector(): () => void {
  try {
    setFlagsFromString("--expose-gc");
    const collect: unknown = runInNewContext("gc");
    return typeof collect === "function" ? () => void collect() : () => {};
  } catch {
    return () => {}; // only memory is lost
  }
}

let droppedBytes = 0;
let collectGarbage: (() => void) | undefined;
const collectBytes = 32 * 1024 * 1024;
