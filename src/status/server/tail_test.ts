import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import { encodeEvent, eventResponse, parseTailFilter, TailLimit } from "./tail.ts";

const words = (text: string): URLSearchParams => new URLSearchParams(text);

Deno.test("parseTailFilter() reads what the page and the command ask for", () => {
  deepStrictEqual(parseTailFilter(words("")), { sources: [], severity: 7, contains: "" });
  deepStrictEqual(parseTailFilter(words("source=&severity=&contains=")), { sources: [], severity: 7, contains: "" });
  deepStrictEqual(parseTailFilter(words("source=a&source=b&severity=warning&contains=x+y")), {
    sources: ["a", "b"],
    severity: 4,
    contains: "x y",
  });
  strictEqual(parseTailFilter(words("severity=3")).severity, 3);
});

Deno.test("parseTailFilter() refuses what it does not know", () => {
  throws(() => parseTailFilter(words("severity=loud")), /loud/);
  throws(() => parseTailFilter(words("severity=9")));
  throws(() => parseTailFilter(words("sourec=a")), /sourec/);
  throws(() => parseTailFilter(words(`contains=${"x".repeat(201)}`)), /200/);
});

Deno.test("encodeEvent() keeps line ends of a record out of the protocol", () => {
  strictEqual(encodeEvent({ message: "a\n\ndata: b\r" }), 'data: {"message":"a\\n\\ndata: b\\r"}\n\n');
});

Deno.test("eventResponse() takes an event when the one before was read, and ends its source", async () => {
  let taken = 0;
  let ended = 0;
  let closed = false;
  async function* events(): AsyncGenerator<string> {
    try {
      for (;;) yield `data: ${++taken}\n\n`;
    } finally {
      closed = true;
    }
  }
  const reader = eventResponse(events, new AbortController().signal, () => ended++).body!.getReader();
  const read = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
  match(await read(), /^:/);
  match(await read(), /data: 1/);
  match(await read(), /data: 2/);
  strictEqual(taken, 2);
  await reader.cancel();
  deepStrictEqual([closed, ended], [true, 1]);
});

Deno.test("eventResponse() sends a sign of life while there is nothing to tell", async () => {
  const stop = new AbortController();
  async function* events(signal: AbortSignal): AsyncGenerator<string> {
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    yield "data: late\n\n";
  }
  const reader = eventResponse(events, stop.signal, () => {}, 1).body!.getReader();
  await reader.read();
  match(new TextDecoder().decode((await reader.read()).value), /^: still here\n\n$/);
  stop.abort();
  while (!(await reader.read()).done);
});

Deno.test("TailLimit bounds readers, new readers and records of all together", () => {
  let nowMs = 0;
  const limit = new TailLimit(() => nowMs);
  const entered = (): number => Array.from({ length: 30 }, () => limit.enter()).filter((one) => one).length;
  strictEqual(entered(), 16);
  for (let i = 0; i < 16; i++) limit.leave();
  strictEqual(entered(), 4);
  for (let i = 0; i < 4; i++) limit.leave();
  nowMs += 2_000;
  strictEqual(entered(), 4);
  let sent = 0;
  while (limit.takeTurn() === 0) sent++;
  strictEqual(sent, 400);
  nowMs += 50;
  strictEqual(limit.takeTurn(), 150);
  nowMs += 150;
  strictEqual(limit.takeTurn(), 0);
});
