/** RELP servers are killed without warning, again and again, while lines flow: none may be missing at the end. */
import { strictEqual } from "node:assert/strict";
import { startCollector } from "../peers/collector.ts";
import { judgeKills, type KillPlan, killRepeatedly, type Receiver, receivers, withLines } from "../peers/kills.ts";
import { startRelpClient } from "../peers/rsyslog.ts";
import { type Shipper, startShipper } from "../peers/shipper.ts";
import { needs } from "../peers/skip.ts";

const plan: KillPlan = { lines: 200_000, kills: 20, windowSize: 1024 };

for (const { name, condition, open } of receivers) {
  Deno.test({
    name:
      `agent ship to ${name}, which is killed ${plan.kills} times: no line is lost, at most a window per kill repeated`,
    ...condition,
    fn: () =>
      withLines(plan, async (run, include) => {
        await using receiver: Receiver = await open();
        await using shipper: Shipper = startShipper({ include, port: receiver.port, windowSize: plan.windowSize });
        await killRepeatedly(receiver, receiver, plan);
        await judgeKills(receiver, run, plan, shipper.program);
        strictEqual(shipper.program.status, undefined, "the shipper ran all the time");
      }),
  });
}

/** omrelp repeats its window, and what it had corked behind it; and it waits a second before each new try. */
const omrelpPlan: KillPlan = { lines: 100_000, kills: 8, windowSize: 2048 };

Deno.test({
  name: `omrelp to agent collect, which is killed ${omrelpPlan.kills} times: no line is lost`,
  ...needs("rsyslogd"),
  fn: () =>
    withLines(omrelpPlan, async (run, file) => {
      await using collector = await startCollector();
      await using client = startRelpClient({ file, port: collector.port, windowSize: omrelpPlan.windowSize / 2 });
      await killRepeatedly(collector, collector, omrelpPlan);
      await judgeKills(collector, run, omrelpPlan, client.program);
    }),
});
