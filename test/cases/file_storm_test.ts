/**
 * Case: `agent ship` is killed without warning at random moments, while a program logs 20,000 lines a second and its file
 * is rotated three times a second, by rename and by copytruncate in turn. `STORM_KILLS=50` makes the full run of it.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { type Receiver, receivers } from "../peers/kills.ts";
import { countArrivals, judgeLines, newRun, perfect, sizeBelow } from "../peers/numbered_lines.ts";
import { waitFor } from "../peers/process.ts";
import { type Shipper, startShipper } from "../peers/shipper.ts";
import { countDisorder, lineBytes, StormWriter } from "../peers/storm.ts";
import { StormTrace } from "../peers/storm_trace.ts";

const kills = Number(Deno.env.get("STORM_KILLS") ?? 10);
const windowSize = 1_024;
const quietMs = 10_000;

for (const { name, condition, open } of receivers) {
  Deno.test({
    name: `agent ship loses nothing when it is killed while files rotate at 20,000 lines/s, to ${name}`,
    ...condition,
    fn: async () => {
      await using receiver = await open();
      const folder = Deno.makeTempDirSync();
      const run = newRun();
      const path = join(folder, "a.log");
      await using shipper = startShipper({
        include: join(folder, "*.log"),
        port: receiver.port,
        windowSize,
        logLevel: "debug",
      });
      const trace = new StormTrace(shipper);
      // What is rotated away before the agent's first look is none of its files.
      let isSeen = false;
      const rotation = { rotateEveryMs: 330, mayRotate: () => isSeen, keep: 4_000 };
      const writer = new StormWriter({ path, run, linesPerSecond: 20_000, ...rotation });
      try {
        await shipper.program.waitUntil(() => sizeBelow(join(shipper.state, "positions")) > 0, "a first position");
        isSeen = true;
        await killAtRandom(shipper, receiver, trace);
        const lines = await writer.stop();
        await untilAllOrQuiet(receiver, () => judgeLines(receiver.output, run, lines, lineBytes).lost === 0, lines);
        try {
          judge(receiver, run, lines, writer.generations);
        } catch (error) {
          const arrivals = countArrivals(receiver.output, run, lines, lineBytes);
          const explained = trace.explain(arrivals, windowSize, writer.rotations, folder);
          throw new Error(`${(error as Error).message}\n${explained}`, { cause: error });
        }
      } finally {
        await writer.stop();
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

/** Kills the shipper at some moment after it has delivered something, each time. */
async function killAtRandom(shipper: Shipper, receiver: Receiver, trace: StormTrace): Promise<void> {
  for (let kill = 1; kill <= kills; kill++) {
    const before = sizeBelow(receiver.output);
    await waitFor(() => sizeBelow(receiver.output) > before, `progress before kill ${kill}`);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 600));
    await shipper.kill();
    trace.note();
    shipper.start();
  }
}

/** Until all is there, or nothing has come for a while: a machine that is slow is no loss; the verdict says what is missing. */
async function untilAllOrQuiet(receiver: Receiver, isComplete: () => boolean, lines: number): Promise<void> {
  for (let seen = -1; receiver.lines > seen;) {
    seen = receiver.lines;
    const come = (): boolean => receiver.lines >= lines && isComplete();
    await waitFor(come, "the last line", quietMs).catch(() => {});
    if (come()) return;
  }
}

function judge(receiver: Receiver, run: string, lines: number, generations: readonly number[]): void {
  const verdict = judgeLines(receiver.output, run, lines, lineBytes);
  const { duplicates } = verdict;
  if (kills >= 50) {
    Deno.stderr.writeSync(new TextEncoder().encode(
      `${kills} kills, ${generations.length - 1} rotations, ${lines} lines: ${JSON.stringify(verdict)}\n`,
    ));
  }
  ok(duplicates <= kills * windowSize, `${duplicates} duplicates, a window has ${windowSize}`);
  // Order is kept within each content of a file; the end of one and the beginning of the next may mix after a kill.
  deepStrictEqual(
    { ...verdict, duplicates: 0, outOfOrder: 0 },
    { ...perfect(lines), received: lines + duplicates },
  );
  strictEqual(
    countDisorder(receiver.output, run, generations, lines),
    0,
    "lines of one content of a file out of order",
  );
  ok(
    generations.length > kills && lines > kills * 1_000,
    `${lines} lines and ${generations.length} files prove little`,
  );
}
