/** The kernel source: the real `/dev/kmsg`, a device that plays what a real one cannot be asked to do, and pstore. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { type Batch, recordText } from "../../src/pipeline/batch.ts";
import type { Drops } from "../../src/pipeline/drops.ts";
import { mergePosition, type Position } from "../../src/pipeline/checkpoint.ts";
import type { KernelDevice } from "../../src/sources/kernel/device.ts";
import { type KernelSourceOptions, openKernelSource } from "../../src/sources/kernel/source.ts";
import { needs } from "../peers/skip.ts";

const limits = { maxRecords: 100, maxBytes: 64 * 1024 };
const noPstore = "/nonexistent/pstore";
const base = { id: "k", host: "router1", once: true, pstore: noPstore };

/** Reads to the end. */
async function readAll(
  options: Partial<KernelSourceOptions>,
  from?: Position,
): Promise<{ records: string[]; position: Position; batches: Batch[]; drops: Drops | undefined }> {
  const source = openKernelSource({ ...base, ...options });
  const records: string[] = [];
  const batches: Batch[] = [];
  let position: Position = from ?? {};
  for await (const batch of source.read(from, limits, new AbortController().signal)) {
    for (let i = 0; i < batch.count; i++) records.push(recordText(batch, i));
    position = mergePosition(position, batch.position);
    batches.push(batch);
    batch.release();
  }
  return { records, position, batches, drops: source.drops?.() };
}

/** A device that gives these records, each once; `"overrun"` stands for EPIPE. */
function deviceOf(steps: readonly string[]): () => KernelDevice {
  return () => {
    let next = 0;
    return {
      read: () => {
        const step = steps[next++];
        if (step === undefined) return "end";
        return step === "overrun" ? step : new TextEncoder().encode(step);
      },
      close: () => {},
    };
  };
}

const texts = (records: readonly string[]): string[] =>
  records.map((record) => record.slice(record.indexOf("kernel:")));

Deno.test({
  name: "kernel source sends what is written to /dev/kmsg once, also across a restart",
  ...needs("root"),
  fn: async () => {
    const marker = `agent-test-${crypto.randomUUID()}`;
    const write = (text: string): void => Deno.writeTextFileSync("/dev/kmsg", `<5>${marker} ${text}\n`);
    const seen = (records: readonly string[]): string[] =>
      records.filter((record) => record.includes(marker)).map((record) => record.slice(record.indexOf(marker) + 47));
    write("one");
    write("two");
    const first = await readAll({});
    deepStrictEqual(seen(first.records).map((text) => text.trim()), ["one", "two"]);
    match(
      first.records.find((record) => record.includes(marker))!,
      /^<13>\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}\+00:00 router1 kernel: agent-test-/,
    );
    write("three");
    const second = await readAll({}, first.position);
    deepStrictEqual(seen(second.records).map((text) => text.trim()), ["three"]);
    deepStrictEqual(seen((await readAll({}, second.position)).records), []);
  },
});

Deno.test({
  name: "kernel source follows /dev/kmsg and ends when it is told to",
  ...needs("root"),
  fn: async () => {
    const marker = `agent-test-${crypto.randomUUID()}`;
    const stop = new AbortController();
    const source = openKernelSource({ ...base, once: false });
    const found: string[] = [];
    let written = false;
    for await (const batch of source.read(undefined, limits, stop.signal)) {
      for (let i = 0; i < batch.count; i++) if (recordText(batch, i).includes(marker)) found.push(recordText(batch, i));
      if (!written) Deno.writeTextFileSync("/dev/kmsg", `<6>${marker}\n`);
      written = true;
      if (found.length > 0) stop.abort();
    }
    strictEqual(found.length, 1);
  },
});

Deno.test("kernel source says how many records an overrun has cost, and goes on", async () => {
  const steps = ["6,10,1000,-;a\n", "6,11,2000,-;b\n", "overrun", "6,40,3000,-;c\n", "6,41,4000,-;d\n"];
  const { records, position, drops } = await readAll({ openDevice: deviceOf(steps) });
  deepStrictEqual(drops?.get("kernelOverrun"), { records: 28, bytes: 0 });
  deepStrictEqual(texts(records), [
    "kernel: a",
    "kernel: b",
    "kernel: agent: gap of 28 kernel records: overwritten before they could be read",
    "kernel: c",
    "kernel: d",
  ]);
  strictEqual((position.kmsg as { sequence: number }).sequence, 41);
});

Deno.test("kernel source says what was overwritten while it was away", async () => {
  const { position } = await readAll({ openDevice: deviceOf(["6,5,1000,-;a\n"]) });
  const { records } = await readAll({ openDevice: deviceOf(["6,9,2000,-;b\n"]) }, position);
  match(records[0]!, /gap of 3 kernel records/);
  deepStrictEqual(texts(records.slice(1)), ["kernel: b"]);
  const otherBoot = { kmsg: { boot: "00000000-0000-0000-0000-000000000000", sequence: 5 } };
  const anew = await readAll({ openDevice: deviceOf(["6,0,1000,-;a\n", "6,1,2000,-;b\n"]) }, otherBoot);
  deepStrictEqual(texts(anew.records), ["kernel: a", "kernel: b"], "the numbers of another boot mean nothing");
});

Deno.test("kernel source keeps distances between records to the microsecond", async () => {
  const { records } = await readAll({ openDevice: deviceOf(["6,1,1000001,-;a\n", "6,2,1000004,-;b\n"]) });
  const micros = records.map((record) => Number(/\.(\d{6})\+/.exec(record)![1]));
  strictEqual((micros[1]! - micros[0]! + 1_000_000) % 1_000_000, 3);
});

Deno.test("kernel source appends the dictionary where that is asked for", async () => {
  const steps = ["6,1,1,-;up\n SUBSYSTEM=net\n DEVICE=n1\n", "6,2,1,-;plain\n"];
  deepStrictEqual(texts((await readAll({ openDevice: deviceOf(steps), fields: true })).records), [
    "kernel: up {SUBSYSTEM=net DEVICE=n1}",
    "kernel: plain",
  ]);
  deepStrictEqual(texts((await readAll({ openDevice: deviceOf(steps) })).records), ["kernel: up", "kernel: plain"]);
});

Deno.test("kernel source passes over garbage and a damaged position", async () => {
  const steps = ["", "garbage", "6,x,1,-;no\n", "6,3,1,-;yes\n"];
  for (const kmsg of [7, null, "x", { boot: 1 }, [1]]) {
    const { records } = await readAll({ openDevice: deviceOf(steps) }, { kmsg });
    deepStrictEqual(texts(records), ["kernel: yes"]);
  }
});

/** A folder as pstore has it after a panic. */
function pstoreFolder(): { path: string; write(name: string, text: string): void; [Symbol.dispose](): void } {
  const path = Deno.makeTempDirSync();
  const write = (name: string, text: string): void => Deno.writeTextFileSync(join(path, name), text);
  write("dmesg-ramoops-0", "Panic#1 Part1\n<6>[   12.000001] usb 1-1: gone\n<0>[   12.000002] Kernel panic\n");
  write("console-ramoops-0", "\0\0[   11.0] tail of the console\r\n[   12.0] end");
  write("pmsg-ramoops-0", "user message\n");
  write("dmesg-ramoops-1.enc.z", "\x1f\x8b");
  write("ftrace-ramoops-0", "not text");
  return { path, write, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

const pstoreTexts = (records: readonly string[]): string[] =>
  records.filter((record) => record.includes(" pstore: ")).map((record) =>
    /^<\d+>/.exec(record)![0] + record.slice(record.indexOf("pstore: ") + 8)
  );

Deno.test("kernel source sends the boot before from pstore, once", async () => {
  using folder = pstoreFolder();
  const options = { pstore: folder.path, openDevice: deviceOf(["6,1,1,-;now\n"]) };
  const first = await readAll(options);
  deepStrictEqual(pstoreTexts(first.records), [
    "<6>console-ramoops-0: [   11.0] tail of the console",
    "<6>console-ramoops-0: [   12.0] end",
    "<6>dmesg-ramoops-0: Panic#1 Part1",
    "<6>dmesg-ramoops-0: [   12.000001] usb 1-1: gone",
    "<0>dmesg-ramoops-0: [   12.000002] Kernel panic",
    "<6>pmsg-ramoops-0: user message",
  ]);
  strictEqual(texts(first.records).at(-1), "kernel: now");
  deepStrictEqual((await readAll(options, first.position)).records, [], "nothing again");
  strictEqual([...Deno.readDirSync(folder.path)].length, 5, "nothing is removed unasked");
});

Deno.test("kernel source sends a file of pstore again when another boot wrote it, whole after a crash within", async () => {
  using folder = pstoreFolder();
  const options = { pstore: folder.path, openDevice: deviceOf([]) };
  const first = await readAll(options);
  folder.write("pmsg-ramoops-0", "user MESSAGE\n");
  deepStrictEqual(pstoreTexts((await readAll(options, first.position)).records), ["<6>pmsg-ramoops-0: user MESSAGE"]);
  Deno.removeSync(join(folder.path, "pmsg-ramoops-0"));
  const { position } = await readAll(options, first.position);
  strictEqual("pstore:pmsg-ramoops-0" in position, false, "what is gone is forgotten");

  folder.write("dmesg-ramoops-0", "line\n".repeat(250));
  const torn = await readAll(options, position);
  const sizes = torn.batches.filter(({ count }) => count > 0).map(({ count }) => count);
  deepStrictEqual(sizes, [100, 100, 50]);
  const halfway = mergePosition(position, torn.batches.find(({ count }) => count > 0)!.position);
  strictEqual(pstoreTexts((await readAll(options, halfway)).records).length, 250);
});

Deno.test("kernel source removes files of pstore when every sink holds them, and not before", async () => {
  using folder = pstoreFolder();
  const names = (): string[] => [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  const before = names();
  const { position } = await readAll({ pstore: folder.path, openDevice: deviceOf([]) });
  const removing = (...positions: (Position | undefined)[]): Partial<KernelSourceOptions> => ({
    pstore: folder.path,
    openDevice: deviceOf([]),
    removePstore: true,
    savedPositions: () => Promise.resolve(positions),
  });
  await readAll(removing(position, undefined), position);
  deepStrictEqual(names(), before, "one of two sinks lacks them");
  await readAll(removing(), position);
  deepStrictEqual(names(), before, "no sink at all");
  folder.write("pmsg-ramoops-0", "changed\n");
  await readAll(removing(position, position), position);
  deepStrictEqual(names(), ["dmesg-ramoops-1.enc.z", "ftrace-ramoops-0", "pmsg-ramoops-0"], "what changed stays");
  ok(names().length < before.length);
});
