/**
 * Power cuts: a run of the spool is recorded, operation by operation; for every prefix of the record, disks are built as
 * a power cut may leave them, and the spool is opened on each. It must start, deliver every record that was confirmed
 * and not committed, in order and byte for byte, and go on working (invariants 1, 2 and 6).
 */
import assert from "node:assert/strict";
import { batchOfLines, recordText } from "../../src/pipeline/batch.ts";
import { openSpool, type Spool, type WhenFull } from "../../src/spool/spool.ts";
import { type Chooser, type Fate, RecordingDisk } from "./spool_recording_disk.ts";

const readers = ["a", "b"] as const;

function openOn(disk: RecordingDisk, whenFull: WhenFull): Promise<Spool> {
  const sizes = { maxBytes: 9_000, segmentBytes: 1_800, fsyncMs: 0 };
  return openSpool({ folder: "memory", ...sizes, whenFull, readers, host: "h", fs: disk });
}

/** The one and only text of record `number`: 20 to 400 bytes. */
function textOf(number: number): string {
  return `${number} `.padEnd(20 + (number * 97) % 380, String(number));
}

/** Appends, reads, commits and restarts, at random, and marks in the record what was confirmed and committed. */
async function recordRun(seed: number, whenFull: WhenFull): Promise<RecordingDisk> {
  const random = randomNumbers(seed);
  const disk = new RecordingDisk(() => new Promise((resolve) => setTimeout(resolve, random() < 0.5 ? 0 : 1)));
  let next = 1;
  for (let life = 0; life < 3; life++) {
    await using spool = await openOn(disk, whenFull);
    const stop = new AbortController();
    const reading = readers.map((id) => readSlowly(spool, id, disk, random, stop.signal));
    const appends: Promise<void>[] = [];
    for (let i = 0; i < 15; i++) {
      const end = next + 1 + Math.floor(random() * 4);
      const numbers = Array.from({ length: end - next }, (_, n) => next + n);
      next = end;
      const append = spool.append(batchOfLines(numbers.map(textOf), origin), { urgent: random() < 0.5 });
      appends.push(append.then(() => numbers.forEach((number) => disk.mark(`confirmed ${number}`))));
      if (random() < 0.7) await append;
    }
    await Promise.all(appends);
    stop.abort();
    await Promise.all(reading);
  }
  return disk;
}

async function readSlowly(
  spool: Spool,
  id: string,
  disk: RecordingDisk,
  random: () => number,
  stop: AbortSignal,
): Promise<void> {
  const limits = { maxRecords: 3, maxBytes: 10_000 };
  for await (const batch of spool.reader(id).read(await spool.get(id), limits, stop)) {
    if (random() < (id === "a" ? 0.3 : 0.6)) await new Promise((resolve) => setTimeout(resolve, 1));
    if (batch.origin.source !== "agent") disk.mark(`committed ${id} ${numberOf(recordText(batch, batch.count - 1))}`);
    spool.commit(id, batch.position);
    batch.release();
  }
}

/** What the run had been told before the cut. */
function knownAt(disk: RecordingDisk, length: number): { confirmed: number[]; committed: Record<string, number> } {
  const confirmed: number[] = [];
  const committed: Record<string, number> = { a: 0, b: 0 };
  for (const op of disk.ops.slice(0, length)) {
    if (op.kind !== "mark") continue;
    const words = op.text.split(" ");
    if (words[0] === "confirmed") confirmed.push(Number(words[1]));
    else committed[words[1]!] = Math.max(committed[words[1]!]!, Number(words[2]));
  }
  return { confirmed, committed };
}

/** What a reader got. */
interface Got {
  readonly numbers: number[];
  /** Records that notices told of. */
  told: number;
}

/** Opens the spool on a disk after a cut, appends one more record, and reads up to that one. */
async function openAfterCut(image: ReadonlyMap<string, Uint8Array>, whenFull: WhenFull): Promise<readonly Got[]> {
  await using spool = await openOn(new RecordingDisk(undefined, image), whenFull);
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), 20_000);
  const appended = spool.append(batchOfLines([textOf(extraNumber)], origin), { signal: deadline.signal });
  const got = await Promise.all(readers.map((id) => readToExtra(spool, id, deadline.signal)));
  await appended;
  clearTimeout(timer);
  return got;
}

async function readToExtra(spool: Spool, id: string, deadline: AbortSignal): Promise<Got> {
  const got: Got = { numbers: [], told: 0 };
  const limits = { maxRecords: 50, maxBytes: 4_000 };
  for await (const batch of spool.reader(id).read(await spool.get(id), limits, deadline)) {
    for (let i = 0; i < batch.count; i++) {
      const text = recordText(batch, i);
      if (batch.origin.source === "agent") got.told += Number(/^gap: (\d+) record/.exec(text)![1]);
      else got.numbers.push(numberOf(text));
    }
    spool.commit(id, batch.position);
    batch.release();
    if (got.numbers.at(-1) === extraNumber) return got;
  }
  throw new Error(`reader ${id} waits for ever, after ${got.numbers}`);
}

/** The number of a record whose every byte is right. */
function numberOf(text: string): number {
  const number = parseInt(text);
  assert.equal(text, textOf(number));
  return number;
}

const chooserOf = (fates: readonly Fate[], random: () => number): Chooser => () =>
  fates[Math.floor(random() * fates.length)]!;

async function crashEverywhere(seed: number, whenFull: WhenFull): Promise<void> {
  const disk = await recordRun(seed, whenFull);
  const random = randomNumbers(seed + 1);
  const choosers: Chooser[] = [
    ...(["present", "absent", "torn", "zeros"] as const).map((fate) => () => fate),
    chooserOf(["present", "absent"], random),
    chooserOf(["present", "absent", "torn", "zeros"], random),
  ];
  let images = 0;
  for (let length = 0; length <= disk.ops.length; length++) {
    if (disk.ops[length]?.kind === "mark") continue; // the same disk as one operation later, with less known
    const { confirmed, committed } = knownAt(disk, length);
    for (const [variant, choose] of choosers.entries()) {
      images++;
      const where = `${whenFull}, seed ${seed}: cut after ${length} operations, disk ${variant}`;
      const found = await openAfterCut(disk.image(length, choose), whenFull).catch((error) => {
        throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
      });
      readers.forEach((id, i) => {
        check(found[i]!, confirmed.filter((number) => number > committed[id]!), whenFull, where);
      });
    }
  }
  assert.ok(images > 1_000, `${images} images`);
}

function check(
  found: Got,
  due: readonly number[],
  whenFull: WhenFull,
  where: string,
): void {
  const { numbers, told } = found;
  numbers.forEach((number, i) => assert.ok(i === 0 || number > numbers[i - 1]!, `${where}: order ${numbers}`));
  const missing = due.filter((number) => !numbers.includes(number));
  if (whenFull === "dropOldest") assert.ok(missing.length <= told, `${where}: missing ${missing}, told of ${told}`);
  else assert.deepEqual(missing, [], `${where}: found ${numbers}`);
}

Deno.test("Spool starts after a power cut at any operation and delivers all that was confirmed", async () => {
  await crashEverywhere(1, "block");
});

Deno.test("Spool with dropOldest tells after any power cut of all that it dropped", async () => {
  await crashEverywhere(2, "dropOldest");
});

/** Numbers in 0..1 that are the same in every run (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const extraNumber = 1_000_000;
const origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 5 } as const;
