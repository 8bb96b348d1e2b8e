/** `agent ship` is killed without warning, again and again, while lines flow: none may be missing at the receiver. */
import { judgeKills, type KillPlan, killRepeatedly, type Receiver, receivers, withLines } from "../peers/kills.ts";
import { type Shipper, startShipper } from "../peers/shipper.ts";

const plan: KillPlan = { lines: 200_000, kills: 20, windowSize: 1024 };

for (const { name, condition, open } of receivers) {
  Deno.test({
    name: `agent ship to ${name}: killed ${plan.kills} times, it loses no line and repeats at most a window per kill`,
    ...condition,
    fn: () =>
      withLines(plan, async (run, include) => {
        await using receiver: Receiver = await open();
        await using shipper: Shipper = startShipper({ include, port: receiver.port, windowSize: plan.windowSize });
        await killRepeatedly(shipper, receiver, plan);
        await judgeKills(receiver, run, plan, shipper.program);
      }),
  });
}
