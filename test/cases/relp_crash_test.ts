/**
 * Kills without warning, again and again, while lines flow: none may be missing, and no kill may repeat more than one
 * window.
 *
 * ```text
 *   file ─► agent ship ─► imrelp          the shipper is killed 20 times; then the server is
 *   file ─► agent ship ─► agent collect   the shipper, then the collector
 *   file ─► omrelp     ─► agent collect   the collector
 * ```
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { type Collector, startCollector } from "../peers/collector.ts";
import { judgeLines, newRun, perfect, sizeBelow, writeNumberedLines } from "../peers/numbered_lines.ts";
import { type RelpServer, startRelpClient, startRelpServer } from "../peers/rsyslog.ts";
import { type Shipper, startShipper } from "../peers/shipper.ts";
import { needs } from "../peers/skip.ts";
import { type RunningProgram, waitFor } from "../peers/process.ts";

const lines = 200_000;
const kills = 20;
const windowSize = 1024;
/** What a line of 200 bytes is at the receiver, at the least: it gets a header. */
const minLineBytes = 199;

type Receiver = RelpServer | Collector;
type Killable = { kill(): Promise<void>; start(): unknown };

/**
 * Kills `victim` whenever another share of the lines has arrived, and starts it again at once. What has arrived is seen in
 * the size of the receiver's files, so that the kills are spread over the whole run however fast the machine is.
 */
async function killRepeatedly(victim: Killable, receiver: Receiver): Promise<void> {
  for (let kill = 1; kill <= kills; kill++) {
    const wanted = lines * minLineBytes * kill / (kills + 2);
    await waitFor(() => sizeBelow(receiver.output) >= wanted, `progress before kill ${kill}`, 60_000);
    await victim.kill();
    await victim.start();
  }
}

/** Waits until nothing is missing; then there may be duplicates, at most `allowed`, and no disorder. */
async function judge(receiver: Receiver, run: string, allowed: number, watched: RunningProgram): Promise<void> {
  await watched.waitUntil(
    () => receiver.lines >= lines && judgeLines(receiver.output, run, lines).lost === 0,
    "the last line",
    60_000,
  );
  const verdict = judgeLines(receiver.output, run, lines);
  ok(verdict.duplicates <= allowed, `${verdict.duplicates} duplicates, ${allowed} are allowed`);
  deepStrictEqual(
    { ...verdict, duplicates: 0, foreign: 0 },
    { ...perfect(lines), received: lines + verdict.duplicates },
  );
}

async function withLines(use: (run: string, file: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    const run = newRun();
    writeNumberedLines(join(folder, "in.log"), run, 0, lines);
    await use(run, join(folder, "in.log"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A receiver of each kind that loses nothing that it acknowledged when it is killed. */
const receivers = {
  imrelp: () => startRelpServer({ direct: true }),
  "agent collect": () => startCollector(),
} as const satisfies Record<string, () => Promise<Receiver>>;

for (const [name, open] of Object.entries(receivers)) {
  const condition = name === "imrelp" ? needs("rsyslogd") : { ignore: false };

  Deno.test({
    name: `agent ship to ${name}: killed ${kills} times, it loses no line and repeats at most a window per kill`,
    ...condition,
    fn: () =>
      withLines(async (run, include) => {
        await using receiver: Receiver = await open();
        await using shipper: Shipper = startShipper({ include, port: receiver.port, windowSize });
        await killRepeatedly(shipper, receiver);
        await judge(receiver, run, kills * windowSize, shipper.program);
      }),
  });

  Deno.test({
    name: `agent ship to ${name}, which is killed ${kills} times: no line is lost, at most a window per kill repeated`,
    ...condition,
    fn: () =>
      withLines(async (run, include) => {
        await using receiver: Receiver = await open();
        await using shipper: Shipper = startShipper({ include, port: receiver.port, windowSize });
        await killRepeatedly(receiver, receiver);
        await judge(receiver, run, kills * windowSize, shipper.program);
        strictEqual(shipper.program.status, undefined, "the shipper ran all the time");
      }),
  });
}

Deno.test({
  name: `omrelp to agent collect, which is killed ${kills} times: no line is lost`,
  ...needs("rsyslogd"),
  fn: () =>
    withLines(async (run, file) => {
      await using collector = await startCollector();
      await using client = startRelpClient({ file, port: collector.port, windowSize });
      await killRepeatedly(collector, collector);
      // omrelp repeats its window, and what it had corked behind it.
      await judge(collector, run, kills * 2 * windowSize, client.program);
    }),
});
