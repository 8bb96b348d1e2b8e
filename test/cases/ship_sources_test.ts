/** `agent ship` with live and replayable sources when sinks, disks, configurations and clocks misbehave: the whole process. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { startCollector } from "../peers/collector.ts";
import {
  judgeLines,
  newRun,
  numberedLine,
  perfect,
  sizeBelow,
  textBelow,
  writeNumberedLines,
} from "../peers/numbered_lines.ts";
import { freePort, isListening } from "../peers/ports.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { ShipWith } from "../peers/ship_with.ts";
import { needs, onlyIf } from "../peers/skip.ts";

const lineBytes = 200;

/** Lines `[from, to)` of a run as one text. */
function text(run: string, from: number, to: number): string {
  let lines = "";
  for (let i = from; i < to; i++) lines += numberedLine(run, i, lineBytes);
  return lines;
}

/** Sends the lines over TCP; resolves when the kernel has them all. */
async function sendLines(port: number, lines: string): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = new TextEncoder().encode(lines);
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
  await connection.closeWrite();
}

/** Pushes lines to a webhook; its status. */
async function push(port: number, body: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: "POST",
    headers: { "content-type": "text/plain" },
    body,
  });
  await response.body?.cancel();
  return response.status;
}

Deno.test("29: agent ship keeps what syslog sent over a SIGKILL while its sink is down, and delivers it once", async () => {
  await using collector = await startCollector();
  await collector.kill();
  const [run, port] = [newRun(), freePort()];
  const sources = { net: { type: "syslog", listen: `tcp://127.0.0.1:${port}` } };
  await using shipper = new ShipWith({ sources, port: collector.port });
  const program = await shipper.startAndWait();
  await sendLines(port, text(run, 0, 2_000));
  const last = numberedLine(run, 1_999, lineBytes).trimEnd();
  await program.waitUntil(() => textBelow(join(shipper.state, "spool")).includes(last), "the last line in the spool");
  await shipper.kill();
  await shipper.startAndWait();
  await sendLines(port, text(run, 2_000, 2_500));
  await collector.start();
  await collector.waitForLines(2_500);
  deepStrictEqual(judgeLines(collector.output, run, 2_500), perfect(2_500));
});

Deno.test("agent ship with a webhook answers 200 for what a SIGKILL cannot take, and 503 for what its spool refuses", async () => {
  await using collector = await startCollector();
  await collector.kill();
  const [run, port] = [newRun(), freePort()];
  const sources = { hook: { type: "webhook", listen: `127.0.0.1:${port}` } };
  const spool = { maxSize: "1MiB", whenFull: "dropNewest" };
  await using shipper = new ShipWith({ sources, spool, port: collector.port });
  await shipper.startAndWait();
  strictEqual(await push(port, text(run, 0, 100)), 200);
  await shipper.kill();
  await shipper.startAndWait();
  let taken = 100;
  let status = 200;
  while (status === 200) {
    ok(taken < 20_000, "the spool takes more than its size");
    status = await push(port, text(run, taken, taken + 100));
    if (status === 200) taken += 100;
  }
  strictEqual(status, 503);
  ok(taken >= 2_000, `${taken} lines of ${lineBytes} bytes were all that 1 MiB took`);
  await collector.start();
  await waitFor(() => judgeLines(collector.output, run, taken).lost === 0, "every line that was taken");
  // The last of the refused request may be a part that found room: it is sent again by its sender, as it was told.
  await waitFor(async () => await push(port, text(run, taken, taken + 100)) === 200, "room for the refused request");
  await waitFor(() => judgeLines(collector.output, run, taken + 100).lost === 0, "every line");
  await shipper.program[Symbol.asyncDispose](); // nothing is written to the collector's files any more
  const { damaged, outOfOrder } = judgeLines(collector.output, run, taken + 100);
  deepStrictEqual([damaged, outOfOrder], [0, 0]);
});

Deno.test({
  name: "31: agent ship on a full disk goes on, loses nothing and starts again",
  ...onlyIf(needs("root", "mount").ignore === false, "a tmpfs cannot be mounted"),
  fn: async () => {
    const disk = Deno.makeTempDirSync({ prefix: "full" });
    await runProgram("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]);
    try {
      await using collector = await startCollector();
      await collector.kill();
      const [live, filed, port] = [newRun(), newRun(), freePort()];
      const sources = {
        net: { type: "syslog", listen: `tcp://127.0.0.1:${port}` },
        file: { type: "file", include: [join(collector.folder, "in.log")] },
      };
      const state = join(disk, "state");
      await using shipper = new ShipWith({ sources, port: collector.port, state });
      const program = await shipper.startAndWait();
      Deno.writeFileSync(join(disk, "filler"), new Uint8Array(2 * 2 ** 20));
      const sent = sendLines(port, text(live, 0, 10_000)); // 2 MB: more than there is room for
      writeNumberedLines(join(collector.folder, "in.log"), filed, 0, 1_000);
      await program.waitUntil(() => sizeBelow(join(state, "spool")) > 500_000, "a spool that is full");
      await collector.start();
      await sent;
      await program.waitUntil(
        () =>
          judgeLines(collector.output, live, 10_000).lost === 0 &&
          judgeLines(collector.output, filed, 1_000).lost === 0,
        "every line of both sources",
        60_000,
      );
      strictEqual(judgeLines(collector.output, live, 10_000).outOfOrder, 0);
      strictEqual(program.status, undefined, program.stderr);
      Deno.removeSync(join(disk, "filler"));
      await shipper.kill();
      await shipper.startAndWait();
      writeNumberedLines(join(collector.folder, "in.log"), filed, 1_000, 1_100);
      await waitFor(() => judgeLines(collector.output, filed, 1_100).lost === 0, "lines after the restart");
      const { command, args } = agentCommand(["spool", "check", "--state", state]);
      await shipper.kill();
      await runProgram(command, args);
    } finally {
      await runProgram("umount", [disk]);
      Deno.removeSync(disk);
    }
  },
});

Deno.test({
  name: "32: agent ship refuses a state folder that it cannot write to before it reads anything",
  ...onlyIf(needs("root", "mount").ignore === false, "a tmpfs cannot be mounted"),
  fn: async () => {
    const disk = Deno.makeTempDirSync({ prefix: "readonly" });
    await runProgram("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", disk]);
    try {
      await using collector = await startCollector();
      const file = join(collector.folder, "in.log");
      writeNumberedLines(file, newRun(), 0, 10);
      const sources = { file: { type: "file", include: [file] } };
      await using shipper = new ShipWith({ sources, port: collector.port, state: join(disk, "state") });
      shipper.start();
      strictEqual((await shipper.program.waitForExit()).code, 1);
      match(shipper.program.stderr, new RegExp(`${disk}/state.*(Read-only|read-only)`));
      strictEqual(collector.lines, 0);
    } finally {
      await runProgram("umount", [disk]);
      Deno.removeSync(disk);
    }
  },
});

Deno.test("33: agent ship moves to another sink at SIGHUP under 5,000 lines/s: first one, then the other, nothing lost", async () => {
  await using first = await startCollector();
  await using second = await startCollector();
  const run = newRun();
  const file = join(first.folder, "in.log");
  Deno.writeTextFileSync(file, "");
  await using shipper = new ShipWith({ sources: { file: { type: "file", include: [file] } }, port: first.port });
  const program = await shipper.startAndWait();
  const count = 15_000;
  const writing = (async () => {
    for (let at = 0; at < count; at += 50) {
      writeNumberedLines(file, run, at, at + 50);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  await first.waitForLines(3_000);
  shipper.options = { ...shipper.options, port: second.port };
  shipper.writeConfig();
  program.signal("SIGHUP");
  await writing;
  const judged = (): ReturnType<typeof judgeLines> => {
    const both = join(first.folder, "both");
    Deno.writeTextFileSync(both, first.text() + second.text());
    return judgeLines(both, run, count);
  };
  // A count of lines alone may be made of repeated ones.
  await waitFor(() => first.lines + second.lines >= count && judged().lost === 0, `${count} lines at both collectors`);
  const verdict = judged();
  deepStrictEqual({ ...verdict, received: count, duplicates: 0 }, perfect(count));
  ok(verdict.duplicates <= 1_024, `${verdict.duplicates} duplicates`);
  const [got, rest] = [judgeLines(first.output, run, count), judgeLines(second.output, run, count)];
  ok(got.received >= 3_000 && rest.received > 0, "both had their part");
});

/** The library that lies to a process about the time of day, where Debian puts it. */
const faketime = ["x86_64", "aarch64"].map((arch) => `/usr/lib/${arch}-linux-gnu/faketime/libfaketime.so.1`).find(
  isThere,
);

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test({
  name: "37: agent ship and agent collect go on when the clock begins in 1970, is set, and jumps back an hour",
  ...onlyIf(faketime !== undefined, "libfaketime is not installed"),
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "clock" });
    try {
      const clock = join(folder, "clock");
      const setClock = (words: string): void => Deno.writeTextFileSync(clock, words + "\n");
      const env = {
        LD_PRELOAD: faketime!,
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_NO_CACHE: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      };
      setClock("@1970-01-01 00:00:10");
      const [run, port] = [newRun(), freePort()];
      const output = join(folder, "out");
      const words = [
        "collect",
        "--listen",
        `relp://127.0.0.1:${port}`,
        "--to",
        output,
        "--state",
        join(folder, "state"),
      ];
      const { command, args } = agentCommand(words);
      await using collector = RunningProgram.start(command, args, { env, name: "agent collect" });
      await collector.waitUntil(() => isListening(port), "the collector");
      const file = join(folder, "in.log");
      Deno.writeTextFileSync(file, "");
      await using shipper = new ShipWith({ sources: { file: { type: "file", include: [file] } }, port, env });
      await shipper.startAndWait();
      match(shipper.program.stderr, /^1970-01-01T/); // or the library has no effect, and nothing is tested
      let written = 0;
      for (const time of [undefined, "@2026-06-01 12:30:00", "@2026-06-01 11:30:00", "@2026-06-03 09:00:00"]) {
        if (time !== undefined) setClock(time);
        writeNumberedLines(file, run, written, written + 500);
        written += 500;
        await collector.waitUntil(() => judgeLines(output, run, written).lost === 0, `the lines after ${time}`);
      }
      const verdict = judgeLines(output, run, written);
      deepStrictEqual([verdict.lost, verdict.duplicates, verdict.damaged], [0, 0, 0]);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
