import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Delivery, Window } from "./window.ts";

function windowOf(size: number, ...counts: readonly number[]): { window: Window; deliveries: readonly Delivery[] } {
  const window = new Window(size, 2);
  const deliveries = counts.map((count) => new Delivery(count));
  for (const delivery of deliveries) window.add(delivery);
  return { window, deliveries };
}

Deno.test("Window.room() counts from the start of the oldest delivery", () => {
  const { window, deliveries } = windowOf(10, 4, 4);
  deliveries[0]!.sent = 4;
  deliveries[1]!.sent = 2;
  strictEqual(window.room(8), 4);
  window.answer(2);
  strictEqual(window.room(8), 4, "an answered record of an open delivery may still be repeated by a crash");
  for (const transaction of [3, 4, 5]) window.answer(transaction);
  strictEqual(window.room(8), 8);
});

Deno.test("Window.room() lets a delivery larger than itself through piece by piece", () => {
  const { window, deliveries } = windowOf(3, 8);
  for (let transaction = 2; transaction < 10; transaction++) {
    strictEqual(window.room(transaction) > 0, true, `transaction ${transaction}`);
    deliveries[0]!.sent++;
    window.answer(transaction);
  }
  strictEqual(window.empty, true);
});

Deno.test("Window.answer() takes answers in any order and resolves deliveries in order", async () => {
  const { window, deliveries } = windowOf(16, 2, 2);
  const order: string[] = [];
  deliveries[0]!.done.then(() => order.push("first"));
  deliveries[1]!.done.then((rejections) => order.push(`second ${JSON.stringify(rejections)}`));
  for (const delivery of deliveries) delivery.sent = 2;
  deepStrictEqual([window.answer(5, "500 no"), window.answer(4), window.answer(3), window.answer(2)], [
    true,
    true,
    true,
    true,
  ]);
  await Promise.all(deliveries.map(({ done }) => done));
  await Promise.resolve();
  deepStrictEqual(order, ["first", 'second [{"index":1,"reason":"500 no"}]']);
});

Deno.test("Window.answer() refuses what was not sent, was answered, or never existed", () => {
  const { window, deliveries } = windowOf(16, 3);
  deliveries[0]!.sent = 2;
  deepStrictEqual([1, 4, 99].map((transaction) => window.answer(transaction)), [false, false, false]);
  deepStrictEqual([window.answer(2), window.answer(2)], [true, false]);
});

Deno.test("Window.allowance() sends all while little is on its way, then keeps an eighth for prompts", () => {
  const { window, deliveries } = windowOf(128, 32, 32, 32, 32);
  const allowed = (sent: number, unsent: number): number => {
    deliveries.forEach((delivery, i) => delivery.sent = Math.max(0, Math.min(32, sent - 32 * i)));
    return Math.min(unsent, window.allowance(2 + sent, unsent));
  };
  strictEqual(allowed(0, 64), 64, "half of the window");
  strictEqual(allowed(0, 128), 112, "more than half");
  strictEqual(allowed(64, 32), 16, "something is left of what is there, too");
  strictEqual(allowed(64, 31), 0, "a dribble");
  strictEqual(allowed(112, 16), 0, "the rest is for prompts");
});

Deno.test("Window.allowance() of a small window is all of it", () => {
  const { window } = windowOf(4, 4);
  strictEqual(window.allowance(2, 4), 4);
});
