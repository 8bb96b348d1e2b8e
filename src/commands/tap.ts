/** `agent tap`: copies stdin to stdout, and to a listener when there is one. */
import { defaults } from "../config/defaults.ts";
import { UsageError } from "../pipeline/errors.ts";
import { type Copier, type CopyEnd, startCopier } from "../sources/tap/copier.ts";
import { TapQueue } from "../sources/tap/queue.ts";
import { TapSender } from "../sources/tap/sender.ts";
import { openLog } from "../system/log.ts";
import type { CommandContext } from "./context.ts";
import { newCommand, parseOptions } from "./options.ts";

/** Runs until stdin ends (0), stdout is closed by its reader (1, silently, as `cat` would end) or a signal comes. */
export async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const command = newCommand("tap", summary, example)
    .option("--socket <path>", "Unix stream socket of the listener", defaults.tapSocket);
  const parsed = parseOptions<{ socket: string }>(command, words, context);
  if (parsed === undefined) return 0;
  const socketPath = parsed.options.socket;
  checkSocketPath(socketPath);
  const queue = TapQueue.create(queueBytes);
  const sender = new TapSender(queue, socketPath);
  context.onSignal("SIGUSR1", () => printCounters(queue, sender));
  const copier = startCopier(queue, () => sender.wake());
  const cut = new AbortController();
  const sending = sender.run(cut.signal);
  const end = await waitForEnd(copier, context.signal);
  await finishSending(queue, sender, sending, cut);
  return exitCode(end);
}

async function waitForEnd(copier: Copier, signal: AbortSignal): Promise<CopyEnd | undefined> {
  const stopped = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const end = await Promise.race([copier.ended, stopped]);
  if (end === undefined) await copier.stop(stopDeadlineMs);
  return end;
}

/** A listener that reads gets the rest; one that does not move for a moment keeps nobody waiting. */
async function finishSending(
  queue: TapQueue,
  sender: TapSender,
  sending: Promise<void>,
  cut: AbortController,
): Promise<void> {
  queue.end();
  sender.finish();
  let isThrough = false;
  sending.then(() => isThrough = true);
  const endMs = performance.now() + flushDeadlineMs;
  let movedMs = performance.now();
  for (let sent = -1; !isThrough && performance.now() < Math.min(endMs, movedMs + stalledMs);) {
    if (sender.state.sentBytes !== sent) movedMs = performance.now();
    sent = sender.state.sentBytes;
    await Promise.race([sending, new Promise((resolve) => setTimeout(resolve, 10))]);
  }
  if (!isThrough && sender.state.listener === "connected") {
    openLog("tap").warning(`the listener did not take the last ${queue.usedBytes} bytes`);
  }
  cut.abort();
}

function exitCode(end: CopyEnd | undefined): number {
  if (end?.why === "failed") throw new Error(end.reason);
  return end?.why === "output" ? 1 : 0;
}

/** `sun_path` of unix(7) holds 108 bytes, the last of them NUL. */
function checkSocketPath(path: string): void {
  const length = new TextEncoder().encode(path).length;
  if (length >= 1 && length <= 107) return;
  throw new UsageError(
    `--socket: a path of ${length} bytes is not allowed; allowed: 1 to 107 bytes\nTry: a shorter path, such as ${defaults.tapSocket}`,
  );
}

function printCounters(queue: TapQueue, sender: TapSender): void {
  const { listener, connections, sentBytes, gaps } = sender.state;
  const { lines, bytes } = queue.dropped;
  const text =
    `agent tap: passed ${queue.passedBytes} bytes, sent ${sentBytes} bytes, queued ${queue.usedBytes} bytes, ` +
    `dropped ${lines} lines of ${bytes} bytes, announced ${gaps} gaps, ${connections} connections, listener: ${listener}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

const summary = `Copies stdin to stdout, byte for byte, and to a Unix stream socket if something listens there.
A listener that is missing, slow, stuck or dying never delays, changes or ends the copy. While there is none, the first
2 MiB wait for it; what it cannot take is dropped in whole lines, counted, and announced to it as a gap.
SIGUSR1 prints counters to stderr. Exit code 1 without a word: nobody reads stdout any more.`;
const example = `some-daemon 2>&1 | agent tap --socket ${defaults.tapSocket} | s6-log /run/log`;

/** What waits for a listener at the most. */
const queueBytes = 2 * 1024 * 1024;
/** After the end of the input, for a listener that reads. */
const flushDeadlineMs = 1_000;
/** After the end of the input, for a listener that does not. */
const stalledMs = 250;
/** After a signal, for a reader of stdout that does not read. */
const stopDeadlineMs = 500;
