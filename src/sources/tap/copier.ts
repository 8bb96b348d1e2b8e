/** Starts the copying thread and hears what it says. */
import { type CopyNews, copyThreadName } from "./copy_thread.ts";
import type { TapQueue } from "./queue.ts";

/** How the copy ended. */
export type CopyEnd = Extract<CopyNews, { kind: "end" }>;

/** A copy under way. It ends with its input, its output, or a while after `stop`. */
export interface Copier {
  /** Settles once, never rejects. */
  readonly ended: Promise<CopyEnd>;
  /** Finishes the block in hand and reads no more; resolves when that is done or nothing is in hand. */
  stop(deadlineMs: number): Promise<void>;
}

/** Begins to copy stdin to stdout and into `queue`; `wake` is called when the sleeping sender must look. */
export function startCopier(queue: TapQueue, wake: () => void): Copier {
  const worker = new Worker(Deno.mainModule, { type: "module", name: copyThreadName });
  const ended = new Promise<CopyEnd>((resolve) => {
    const failed = (reason: string): void => resolve({ kind: "end", why: "failed", reason });
    worker.addEventListener("message", ({ data }: MessageEvent<CopyNews>) => {
      if (data.kind === "ready") worker.postMessage(queue.memory);
      else if (data.kind === "end") resolve(data);
      wake();
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      failed(`Cannot copy: ${event.message}`);
    });
    worker.addEventListener("messageerror", () => failed("Cannot copy: the thread speaks another language"));
  });
  return { ended, stop: (deadlineMs) => stopCopy(queue, ended, deadlineMs) };
}

/**
 * A thread that waits for input holds nothing and may simply be left; it cannot be told from one that has just come
 * out of its read, so it is watched for a moment first.
 */
async function stopCopy(queue: TapQueue, ended: Promise<CopyEnd>, deadlineMs: number): Promise<void> {
  queue.requestStop();
  let isDone = false;
  ended.then(() => isDone = true);
  const endMs = performance.now() + deadlineMs;
  for (let quietMs = 0; !isDone && quietMs < watchMs && performance.now() < endMs; quietMs += lookMs) {
    if (queue.inHand) quietMs = 0;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

const lookMs = 5;
const watchMs = 25;
