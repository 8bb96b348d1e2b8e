import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { BegunAnswer } from "./begun_answer.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

Deno.test("BegunAnswer gives octets that say nothing, and the code only with the rest", () => {
  const answer = new BegunAnswer();
  for (const transaction of [2, 4711]) {
    strictEqual(answer.begun, false);
    let early = "";
    let waitedMs = 0;
    for (let octet = answer.next(transaction); octet !== undefined; octet = answer.next(transaction)) {
      strictEqual(octet.length, 1);
      early += text(octet);
      waitedMs += answer.delayMs;
    }
    deepStrictEqual([early, answer.begun, waitedMs >= 20], [`${transaction} rsp 6 `, true, true]);
    strictEqual(text(answer.finish()), "200 OK\n");
  }
});

Deno.test("BegunAnswer finishes what it began, wherever that stopped", () => {
  const answer = new BegunAnswer();
  strictEqual(text(answer.next(17)!) + text(answer.next(17)!) + text(answer.finish()), "17 rsp 6 200 OK\n");
  strictEqual(answer.begun, false);
});
