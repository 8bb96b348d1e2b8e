/** Kills without warning, spread over the run of many lines, and the verdict over what arrived. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { join } from "node:path";
import { type Collector, startCollector } from "./collector.ts";
import { judgeLines, newRun, perfect, sizeBelow, writeNumberedLines } from "./numbered_lines.ts";
import { type RunningProgram, waitFor } from "./process.ts";
import { type RelpServer, startRelpServer } from "./rsyslog.ts";
import { type Condition, needs } from "./skip.ts";

/** What lines arrive at. */
export type Receiver = RelpServer | Collector;

/** What can be killed and started again. */
export interface Killable {
  kill(): Promise<void>;
  start(): unknown;
}

/** How many lines a run has, how long they are, and how often something is killed meanwhile. */
export interface KillPlan {
  readonly lines: number;
  readonly kills: number;
  /** Duplicates that a kill may cause. */
  readonly windowSize: number;
}

/**
 * Kills `victim` whenever another share of the lines has arrived, and starts it again at once. What has arrived is seen in
 * the size of the receiver's files, so that the kills are spread over the whole run however fast the machine is.
 */
export async function killRepeatedly(victim: Killable, receiver: Receiver, plan: KillPlan): Promise<void> {
  for (let kill = 1; kill <= plan.kills; kill++) {
    const wanted = plan.lines * lineBytes * kill / (plan.kills + 2);
    await waitFor(() => sizeBelow(receiver.output) >= wanted, `progress before kill ${kill}`, 60_000);
    await victim.kill();
    await victim.start();
  }
}

/** Waits until nothing is missing; then there may be duplicates, at most a window per kill, and no disorder. */
export async function judgeKills(
  receiver: Receiver,
  run: string,
  plan: KillPlan,
  watched: RunningProgram,
): Promise<void> {
  const { lines, kills, windowSize } = plan;
  await watched.waitUntil(
    () => receiver.lines >= lines && judgeLines(receiver.output, run, lines, lineBytes).lost === 0,
    "the last line",
    60_000,
  );
  const verdict = judgeLines(receiver.output, run, lines, lineBytes);
  ok(verdict.duplicates <= kills * windowSize, `${verdict.duplicates} duplicates, a window has ${windowSize}`);
  deepStrictEqual({ ...verdict, duplicates: 0 }, { ...perfect(lines), received: lines + verdict.duplicates });
}

/** Writes the lines of a plan and removes them at the end. */
export async function withLines(plan: KillPlan, use: (run: string, file: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    const run = newRun();
    writeNumberedLines(join(folder, "in.log"), run, 0, plan.lines, lineBytes);
    await use(run, join(folder, "in.log"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Receivers that lose nothing that they acknowledged when they are killed, and what a test with one needs. */
export const receivers: readonly { name: string; condition: Condition; open(): Promise<Receiver> }[] = [
  { name: "imrelp", condition: needs("rsyslogd"), open: () => startRelpServer({ direct: true }) },
  { name: "agent collect", condition: { ignore: false }, open: () => startCollector() },
];

const lineBytes = 200;
