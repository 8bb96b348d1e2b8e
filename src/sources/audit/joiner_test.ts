import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { mergePosition, type Position } from "../../pipeline/checkpoint.ts";
import { type AuditEvent, EventJoiner, innerPosition } from "./joiner.ts";

const limits = { timeoutMs: 2_000, maxEventBytes: 64 * 1_024, maxOpenBytes: 1 << 20 };

function feed(joiner: EventJoiner, line: string, { stream = "f", nowMs = 0 } = {}): void {
  const bytes = new TextEncoder().encode(line);
  joiner.add(bytes, 0, bytes.length, stream, nowMs);
}

const record = (type: string, serial: number, seconds = 100) => `type=${type} msg=audit(${seconds}.000:${serial}): a=1`;

/** `7:SYSCALL,CWD`: serial and types of an event. */
function shape({ head, records }: AuditEvent): string {
  return `${head?.stamp.split(":")[1]}:${records.map(({ type }) => type).join(",")}`;
}

const shapes = (joiner: EventJoiner) => joiner.take().events.map(shape);

Deno.test("EventJoiner joins records that lie between those of other events", () => {
  const joiner = new EventJoiner(limits, undefined);
  for (
    const [type, serial] of [["SYSCALL", 1], ["SYSCALL", 2], ["CWD", 1], ["PROCTITLE", 2], ["PROCTITLE", 1]] as const
  ) {
    feed(joiner, record(type, serial));
  }
  deepStrictEqual(shapes(joiner), ["2:SYSCALL,PROCTITLE", "1:SYSCALL,CWD,PROCTITLE"]);
});

Deno.test("EventJoiner keeps events of several nodes apart", () => {
  const joiner = new EventJoiner(limits, undefined);
  feed(joiner, "node=a " + record("SYSCALL", 1));
  feed(joiner, "node=b " + record("PROCTITLE", 1));
  deepStrictEqual(shapes(joiner), ["1:PROCTITLE"]);
});

Deno.test("EventJoiner gives single records and lines that are none at once, and drops bare end marks", () => {
  const joiner = new EventJoiner(limits, undefined);
  feed(joiner, record("USER_LOGIN", 1));
  feed(joiner, "no audit record");
  feed(joiner, record("EOE", 9));
  deepStrictEqual(shapes(joiner), ["1:USER_LOGIN", "undefined:"]);
  feed(joiner, record("SYSCALL", 2));
  deepStrictEqual(shapes(joiner), []);
  feed(joiner, record("EOE", 2));
  deepStrictEqual(shapes(joiner), ["2:SYSCALL"]);
});

Deno.test("EventJoiner completes an event when one of its stream is so much newer, or nothing comes", () => {
  const joiner = new EventJoiner(limits, undefined);
  feed(joiner, record("SYSCALL", 1, 100), { stream: "old" });
  feed(joiner, record("SYSCALL", 2, 102), { stream: "old" });
  deepStrictEqual(shapes(joiner), [], "2 s are not more than 2 s");
  feed(joiner, record("SYSCALL", 3, 200), { stream: "new", nowMs: 500 });
  deepStrictEqual(shapes(joiner), [], "another file says nothing of this one");
  feed(joiner, record("SYSCALL", 4, 103), { stream: "old", nowMs: 500 });
  deepStrictEqual(shapes(joiner), ["1:SYSCALL"]);
  strictEqual(joiner.waitMs(500), 1_500);
  joiner.expire(2_000);
  deepStrictEqual(shapes(joiner), ["2:SYSCALL"]);
  joiner.expire(2_499);
  deepStrictEqual(shapes(joiner), []);
  joiner.expire(2_500);
  deepStrictEqual(shapes(joiner), ["3:SYSCALL", "4:SYSCALL"]);
  strictEqual(joiner.waitMs(2_500), undefined);
});

Deno.test("EventJoiner bounds what it holds, and loses nothing of it", () => {
  const joiner = new EventJoiner({ timeoutMs: 2_000, maxEventBytes: 200, maxOpenBytes: 1_000 }, undefined);
  for (let i = 0; i < 50; i++) feed(joiner, record("PATH", 1));
  const parts = joiner.take().events;
  ok(parts.length > 5 && parts.every(({ records }) => records.length < 10), String(parts.length));
  for (let serial = 10; serial < 60; serial++) feed(joiner, record("SYSCALL", serial));
  const given = joiner.take().events.map(shape);
  ok(given.length > 20, "the oldest are given");
  joiner.finish();
  const all = [...given, ...joiner.take().events.map(shape)];
  deepStrictEqual(
    all.filter((text) => !text.startsWith("1:")),
    Array.from({ length: 50 }, (_, i) => `${i + 10}:SYSCALL`),
  );
});

Deno.test("EventJoiner gives positions that skip no record and tear no event, wherever reading resumes", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = randomOf(seed);
    const lines = interleaved(30, random);
    const seen = new Map<string, number>();
    let position: Position | undefined;
    for (let run = 0; run < 40; run++) {
      const joiner = new EventJoiner(limits, position);
      let at = (innerPosition(position)?.next as number | undefined) ?? 0;
      let batches = run === 39 ? Infinity : Math.floor(random() * 6);
      while (batches-- > 0 && at < lines.length) {
        const end = Math.min(lines.length, at + 1 + Math.floor(random() * 8));
        for (; at < end; at++) feed(joiner, lines[at]!);
        joiner.endBatch({ next: at });
        const taken = joiner.take();
        for (const event of taken.events) seen.set(shape(event), (seen.get(shape(event)) ?? 0) + 1);
        position = mergePosition(position, taken.position); // delivered and committed; then perhaps killed
      }
    }
    deepStrictEqual([...seen.keys()].sort(), wanted(30), `seed ${seed}`);
    strictEqual(innerPosition(position)?.next, lines.length, "the end was committed");
    strictEqual(position?.audit, undefined, "nothing is left to pass over");
  }
});

const types = ["SYSCALL", "CWD", "PATH", "PATH", "PROCTITLE"];
const wanted = (events: number) => Array.from({ length: events }, (_, i) => `${i}:${types.join(",")}`).sort();

/** The records of some events, each in order, up to four events at a time. */
function interleaved(events: number, random: () => number): string[] {
  const lines: string[] = [];
  const open: { serial: number; next: number }[] = [];
  for (let serial = 0; serial < events || open.length > 0;) {
    if (serial < events && (open.length === 0 || (open.length < 4 && random() < 0.3))) {
      open.push({ serial: serial++, next: 0 });
      continue;
    }
    const at = Math.floor(random() * open.length);
    const event = open[at]!;
    lines.push(record(types[event.next++]!, event.serial));
    if (event.next === types.length) open.splice(at, 1);
  }
  return lines;
}

/** A small generator of numbers in 0..1, the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

Deno.test("EventJoiner starts from any garbage in its position", () => {
  for (const audit of [1, null, [], { skip: 7 }, { skip: { "|100.000:1": -1 } }, { skip: { "|100.000:1": "x" } }]) {
    const joiner = new EventJoiner(limits, { audit });
    feed(joiner, record("USER_LOGIN", 1));
    deepStrictEqual(shapes(joiner), ["1:USER_LOGIN"]);
  }
});
