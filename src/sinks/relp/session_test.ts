import { deepStrictEqual } from "node:assert/strict";
import { batchOfLines, type Origin } from "../../pipeline/batch.ts";
import type { Connection } from "../../system/connection.ts";
import { RelpSession } from "./session.ts";

const origin: Origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 0 };

/** The other end of a session: what was written to it, and answers when the test says so. */
class FakeConnection {
  readonly peerAddress = "peer";
  readonly writes: string[] = [];
  onWrite: ((text: string) => void) | undefined;
  #wake: ((chunk: Uint8Array | undefined) => void) | undefined;

  read(): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  write(bytes: Uint8Array): Promise<void> {
    const text = new TextDecoder().decode(bytes);
    this.onWrite?.(text);
    if (text.startsWith("1 open ")) setTimeout(() => this.answer("1 rsp 22 200 OK\ncommands=syslog\n"), 0);
    return Promise.resolve();
  }

  answer(text: string): void {
    this.#wake?.(new TextEncoder().encode(text));
  }

  destroy(): void {
    this.#wake?.(undefined);
  }
}

Deno.test("RelpSession lets nothing out for answers before what they confirm is committed", async () => {
  const connection = new FakeConnection();
  const options = { windowSize: 4, timeoutMs: 5_000, version: "1" };
  const session = await RelpSession.open(connection as unknown as Connection, options);
  const committed: number[] = [];
  const sent: string[] = [];
  connection.onWrite = (text) => sent.push(`${text.match(/syslog/g)?.length} frames after ${committed.length} commits`);
  const deliver = async (number: number): Promise<void> => {
    await session.send(batchOfLines([`${number}`, `${number}`], origin, {}));
    for (let i = 0; i < 20; i++) await Promise.resolve(); // what lies between an answer and the commit
    committed.push(number);
  };
  const delivered = [0, 1, 2, 3].map(deliver);
  await new Promise((resolve) => setTimeout(resolve, 0));
  for (const first of [2, 6]) {
    connection.answer([0, 1, 2, 3].map((i) => `${first + i} rsp 6 200 OK\n`).join(""));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await Promise.all(delivered);
  deepStrictEqual(committed, [0, 1, 2, 3]);
  deepStrictEqual(sent, ["2 frames after 0 commits", "2 frames after 0 commits", "4 frames after 2 commits"]);
  session.cut("the test is over");
});

Deno.test("RelpSession keeps frames back for prompts, and lets them out to a server that is silent", async () => {
  const connection = new FakeConnection();
  const session = await RelpSession.open(connection as unknown as Connection, {
    windowSize: 16,
    timeoutMs: 5_000,
    version: "1",
  });
  let frames = 0;
  const counts: number[] = [];
  const all = Promise.withResolvers<void>();
  connection.onWrite = (text) => {
    counts.push(frames += text.match(/syslog/g)!.length);
    if (frames === 16) all.resolve();
  };
  const texts = Array.from({ length: 16 }, (_, i) => `${i}`);
  session.send(batchOfLines(texts, origin, {})).catch(() => {});
  deepStrictEqual(counts, [14]);
  await all.promise;
  deepStrictEqual(counts, [14, 16]);
  session.cut("the test is over");
});
