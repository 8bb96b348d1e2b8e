import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { type Origin, packedBytes, recordText } from "../../pipeline/batch.ts";
import { Gathering } from "./gathering.ts";

const origin = (host: string) => (): Omit<Origin, "form"> => ({
  source: "s",
  host,
  program: "p",
  priority: 13,
  readAtMs: 0,
});

/** `sender form: records` of every batch. */
function drain(gathering: Gathering): string[] {
  const batches: string[] = [];
  for (let batch = gathering.take(); batch !== undefined; batch = gathering.take()) {
    const records = Array.from({ length: batch.count }, (_, i) => recordText(batch!, i));
    batches.push(`${batch.origin.host} ${batch.origin.form}: ${records.join("|")}`);
  }
  return batches;
}

function add(gathering: Gathering, sender: string, ...datagrams: string[]): void {
  for (const text of datagrams) gathering.add(new TextEncoder().encode(text), sender, origin(sender));
}

Deno.test("Gathering makes one batch per sender and form, in order", () => {
  const gathering = new Gathering(1_000);
  add(gathering, "a", "<1>x", "<1>y\n", "plain\r\n\0", "", "\n");
  add(gathering, "b", "more", "<2>z");
  add(gathering, "a", "<1>again");
  deepStrictEqual(drain(gathering), [
    "a syslog: <1>x|<1>y",
    "a plain: plain",
    "b plain: more",
    "b syslog: <2>z",
    "a syslog: <1>again",
  ]);
  strictEqual(gathering.bytes, 0);
});

Deno.test("Gathering splits what is too long, and says truly what is packed", () => {
  const gathering = new Gathering(4);
  add(gathering, "a", "<1>abcdefghi");
  deepStrictEqual(drain(gathering), ["a syslog: <1>a", "a plain: bcde|fghi"]);
  strictEqual(gathering.splitRecords, 1);
  add(gathering, "a", "one", "two");
  const packed = gathering.take()!;
  strictEqual(new TextDecoder().decode(packedBytes(packed)), "one\ntwo\n");
  add(gathering, "a", "1\n2");
  strictEqual(gathering.take()!.packed, false);
});

Deno.test("Gathering knows what it holds, whatever comes in", () => {
  const gathering = new Gathering(64 * 1024);
  for (let i = 0; i < 5_000; i++) add(gathering, `sender ${i % 3}`, "x".repeat(i % 100 + 1));
  const held = gathering.bytes;
  strictEqual(held > 5_000 * 50 && held < 5_000 * 2_000, true, `${held} bytes`);
  drain(gathering);
  strictEqual(gathering.bytes, 0);
});
