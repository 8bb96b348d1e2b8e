/**
 * The thread that copies stdin to stdout with plain blocking calls: nothing that the rest of the program does, its
 * sockets, its garbage, its signals, can delay a byte (invariant 3). What went by is then offered to the queue.
 */
import { errorText } from "../../pipeline/errors.ts";
import { type ByteOutput, openExactStdout } from "./exact_stdout.ts";
import { LineGate } from "./line_gate.ts";
import { TapQueue } from "./queue.ts";

/** Name of the worker that runs {@linkcode runCopyThread}. */
export const copyThreadName = "tap-copy";

/** What the thread says: `ready` once, `wake` when the sender sleeps and there is something, `end` last. */
export type CopyNews =
  | { readonly kind: "ready" | "wake" }
  | {
    readonly kind: "end";
    /** `input` ended, we were asked to stop (`stopped`), nobody reads stdout any more (`output`), or `failed`. */
    readonly why: "input" | "stopped" | "output" | "failed";
    /** For `failed`. */
    readonly reason?: string;
  };

/** Says `ready`, waits for the queue's memory and copies until the end. Runs inside the worker. */
export function runCopyThread(): void {
  self.addEventListener("message", ({ data }: MessageEvent<SharedArrayBuffer>) => {
    const queue = new TapQueue(data);
    const end = copyAll(queue);
    queue.inHand = false;
    queue.end();
    say(end);
  }, { once: true });
  say({ kind: "ready" });
}

function copyAll(queue: TapQueue): CopyNews {
  try {
    const output = openExactStdout();
    const block = new Uint8Array(blockBytes);
    const gate = new LineGate(queue, block);
    const why = copyBlocks(queue, block, gate, output);
    gate.finish();
    return { kind: "end", why };
  } catch (error) {
    return { kind: "end", why: "failed", reason: errorText(error) };
  }
}

function copyBlocks(
  queue: TapQueue,
  block: Uint8Array,
  gate: LineGate,
  output: ByteOutput,
): "input" | "stopped" | "output" {
  while (!queue.stopRequested) {
    const length = readBlock(queue, block);
    if (length === null) return "input";
    queue.inHand = true;
    if (!writeBlock(queue, block.subarray(0, length), output)) return "output";
    queue.countPassed(length);
    gate.pass(length);
    queue.inHand = false;
    if (queue.mustWake()) say({ kind: "wake" });
  }
  return "stopped";
}

/** The next bytes; null at the end. A descriptor that somebody made non-blocking is asked again and again. */
function readBlock(queue: TapQueue, block: Uint8Array): number | null {
  for (let tries = 0;; tries++) {
    try {
      return Deno.stdin.readSync(block);
    } catch (error) {
      if (!isTemporary(error)) throw new Error(`Cannot read stdin: ${errorText(error)}`, { cause: error });
      if (queue.stopRequested) return null;
      queue.sleepMs(Math.min(maxPollMs, 1 + tries / 50));
    }
  }
}

/** Writes all bytes; false when nobody reads them any more. */
function writeBlock(queue: TapQueue, bytes: Uint8Array, output: ByteOutput): boolean {
  for (let done = 0; done < bytes.length;) {
    try {
      done += output.writeSync(done === 0 ? bytes : bytes.subarray(done));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) return false;
      if (!isTemporary(error)) throw new Error(`Cannot write stdout: ${errorText(error)}`, { cause: error });
      queue.sleepMs(1);
    }
  }
  return true;
}

function isTemporary(error: unknown): boolean {
  return error instanceof Deno.errors.WouldBlock || error instanceof Deno.errors.Interrupted;
}

function say(news: CopyNews): void {
  self.postMessage(news);
}

/** What a pipe of Linux holds: a larger buffer is never filled. */
const blockBytes = 64 * 1024;
/** Longest pause between two looks at a non-blocking stdin that is idle: seldom enough to cost nothing. */
const maxPollMs = 20;
