/** `agent tap` beside a listener that is absent, late, slow, stuck, dying or leaving: each way in which logtap fails. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { escapeTapLines, tapStopRequest } from "../../src/formats/tap_gap.ts";
import { agentCommand } from "../peers/agent.ts";
import { runProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";
import {
  digestOf,
  lineBytes,
  numberedLines,
  type Reading,
  readNumberedLines,
  RunningTap,
  sleep,
  TapListener,
} from "../peers/tap_peers.ts";

const hundredMegabytes = 500_000; // lines

/** A path for a socket, in a folder that goes away. */
function socketFolder(): { path: string } & Disposable {
  const folder = Deno.makeTempDirSync();
  return { path: join(folder, "tap.sock"), [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
}

/** Sends `lines` numbered lines as fast as possible while stdout is read; the exit code and what was read. */
async function sendNumbered(tap: RunningTap, lines: number): ReturnType<RunningTap["readAll"]> {
  const reading = tap.readAll();
  await tap.writeAll(numberedLines(lines));
  await tap.endInput();
  const output = await reading;
  assert.equal(await tap.exitCode(), 0);
  return output;
}

Deno.test("tap: without a listener 200 MB come out as they went in, and nothing is said", async () => {
  using socket = socketFolder();
  const tap = new RunningTap(socket.path);
  assert.deepEqual(await sendNumbered(tap, 2 * hundredMegabytes), digestOf(numberedLines(2 * hundredMegabytes)));
  assert.equal(await tap.complaints, "");
});

Deno.test("tap: odd bytes reach stdout and listener exactly: NUL, empty lines, 1 MB lines, no LF at the end", async () => {
  using socket = socketFolder();
  await using listener = new TapListener(socket.path);
  const million = "m".repeat(1_000_000);
  const mebi = "M".repeat(1_048_576);
  const pieces = [
    "a\0b\n\0\n\n\n",
    million + "\n",
    mebi.slice(0, 9),
    mebi.slice(9) + "\n\n",
    "\xff\x10 end without LF",
  ];
  const sent = digestOf(pieces.map((piece) => new TextEncoder().encode(piece)));
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll();
  await tap.write(...pieces);
  const lines = digestOf(pieces.slice(0, -1).map((piece) => new TextEncoder().encode(piece)));
  await waitFor(() => listener.bytes >= lines.bytes, "the lines"); // after its end a tap waits for a moment alone
  await tap.endInput();
  assert.deepEqual(await reading, sent);
  assert.equal(await tap.exitCode(), 0);
  await listener.finish();
  assert.deepEqual(digestOf([listener.received]), sent);
});

Deno.test("tap: empty input is an empty output", async () => {
  using socket = socketFolder();
  assert.equal((await sendNumbered(new RunningTap(socket.path), 0)).bytes, 0);
});

Deno.test("tap: a slow reader of stdout gets every byte once", async () => {
  using socket = socketFolder();
  await using listener = new TapListener(socket.path);
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll(3);
  await tap.writeAll(numberedLines(20_000));
  await untilNumber(listener, 19_999);
  await tap.endInput();
  assert.deepEqual(await reading, digestOf(numberedLines(20_000)));
  assert.equal(await tap.exitCode(), 0);
  await listener.finish();
  const { lines, droppedLines } = readNumberedLines(listener.received, 0);
  assert.equal(lines + droppedLines, 20_000);
});

Deno.test("tap: a slow listener gets whole lines and the exact size of each gap; stdout gets everything", async () => {
  using socket = socketFolder();
  const half = hundredMegabytes / 2;
  const start = Promise.withResolvers<void>();
  await using listener = new TapListener(socket.path, { from: start.promise, pauseMs: 2 });
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll();
  await tap.writeAll(numberedLines(half)); // far more than queue and socket hold
  start.resolve();
  await tap.writeAll(numberedLines(half, half));
  await tap.endInput();
  assert.deepEqual(await reading, digestOf(numberedLines(hundredMegabytes)));
  assert.equal(await tap.exitCode(), 0);
  await listener.finish();
  const seen = readNumberedLines(listener.received, 0);
  assert.ok(seen.gaps > 0);
  assert.equal(seen.droppedBytes, seen.droppedLines * lineBytes);
  // What was still queued when the tap had waited long enough is the one thing that is not announced.
  const isComplete = seen.lines + seen.droppedLines === hundredMegabytes;
  assert.ok(isComplete || /did not take the last \d+ bytes/.test(await tap.complaints), `${seen.last}`);
});

Deno.test("tap: a listener that reads at its own pace and stays accounts for every line", async () => {
  using socket = socketFolder();
  await using listener = new TapListener(socket.path, { pauseMs: 1, readBytes: 16_384 });
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll();
  await tap.writeAll(numberedLines(50_000));
  // With the input still open the tap must announce a gap without waiting for another line.
  await untilNumber(listener, 49_999);
  await tap.endInput();
  await reading;
  assert.equal(await tap.exitCode(), 0);
  await listener.finish();
  const seen = readNumberedLines(listener.received, 0);
  assert.equal(seen.lines + seen.droppedLines, 50_000);
});

Deno.test("tap: a stuck listener stops nothing, and the tap ends with its input", async () => {
  using socket = socketFolder();
  await using listener = new TapListener(socket.path, { isStuck: true });
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll();
  await tap.write("first\n");
  await waitFor(() => listener.connections === 1, "the tap at the listener");
  await tap.writeAll(numberedLines(2 * hundredMegabytes));
  await tap.endInput();
  const sent = "first\n".length + 2 * hundredMegabytes * lineBytes;
  assert.equal((await reading).bytes, sent);
  assert.equal(await tap.exitCode(), 0);
  assert.match(await tap.complaints, /did not take the last \d+ bytes/);
});

Deno.test("tap: a listener that dies ends nothing; the next one gets whole lines and the size of the gap", async () => {
  using socket = socketFolder();
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll();
  let sent = 0;
  const send = async (lines: number): Promise<void> => {
    await tap.writeAll(numberedLines(lines, sent));
    sent += lines;
  };
  let next = 0;
  for (let life = 0; life < 3; life++) {
    const listener = new TapListener(socket.path, { readBytes: 1_000 });
    while (listener.bytes < 100_000) await send(500);
    await listener[Symbol.asyncDispose]();
    const bytes = listener.received;
    const whole = bytes.subarray(0, bytes.lastIndexOf(10) + 1);
    // What a dying listener had not read is lost with it; nothing comes twice and nothing comes torn.
    const { first, last } = readNumberedLines(whole);
    assert.ok(first >= next, `life ${life} begins with line ${first}, the one before ended before ${next}`);
    next = last + 1;
    await send(20_000); // nobody listens, and the queue is too small
  }
  await using last = new TapListener(socket.path);
  await waitFor(async () => {
    await send(10);
    return wholeLines(last.received).gaps > 0;
  }, "the gap");
  await untilNumber(last, sent - 1);
  await tap.endInput();
  assert.deepEqual(await reading, digestOf(numberedLines(sent)));
  assert.equal(await tap.exitCode(), 0);
  await last.finish();
  const seen = readNumberedLines(last.received);
  assert.equal(seen.lines + seen.droppedLines, sent - seen.first);
});

Deno.test("tap: a line that a dying listener got a part of goes to the next one from its beginning", async () => {
  using socket = socketFolder();
  const stuck = new TapListener(socket.path, { isStuck: true });
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll();
  await waitFor(() => stuck.connections === 1, "the tap at the listener");
  // More than the socket takes, less than the queue holds: the last write ends within a line.
  await tap.writeAll(numberedLines(5_000));
  await waitFor(() => tap.passed === 5_000 * lineBytes, "all of it at stdout");
  await sleep(100); // it sends beside its copying
  await stuck[Symbol.asyncDispose]();
  const next = new TapListener(socket.path);
  await untilNumber(next, 4_999);
  await tap.endInput();
  await reading;
  assert.equal(await tap.exitCode(), 0);
  await next.finish();
  const seen = readNumberedLines(next.received);
  assert.ok(seen.first > 0 && seen.gaps === 0, `from line ${seen.first}, ${seen.gaps} gaps`);
});

Deno.test("tap: a listener that appears late, while the input is busy, gets what waited, the gap and the rest", async () => {
  using socket = socketFolder();
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll();
  let sent = 0;
  const sendSome = async (): Promise<void> => {
    await tap.writeAll(numberedLines(500, sent));
    sent += 500;
  };
  while (sent < 100_000) await sendSome();
  await using listener = new TapListener(socket.path);
  // The input never pauses for longer than a write takes: logtap would not connect before it does.
  await waitFor(async () => {
    await sendSome();
    return listener.bytes > 4_000_000;
  }, "lines at the late listener");
  await untilNumber(listener, sent - 1);
  await tap.endInput();
  assert.deepEqual(await reading, digestOf(numberedLines(sent)));
  assert.equal(await tap.exitCode(), 0);
  await listener.finish();
  const seen = readNumberedLines(listener.received, 0);
  assert.ok(seen.gaps > 0);
  assert.equal(seen.lines + seen.droppedLines, sent);
});

Deno.test("tap: a listener that says goodbye loses no line to the next one", async () => {
  using socket = socketFolder();
  const first = new TapListener(socket.path);
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll();
  let sent = 0;
  const sendUntil = async (done: () => boolean): Promise<void> => {
    await waitFor(async () => {
      await tap.writeAll(numberedLines(7, sent));
      sent += 7;
      return done();
    }, "the listener's next state");
  };
  await sendUntil(() => first.bytes > 0);
  await first.say(tapStopRequest.subarray(0, 5));
  await first.say(tapStopRequest.subarray(5));
  await first.finish();
  await sendUntil(() => true);
  const second = new TapListener(socket.path);
  await sendUntil(() => second.bytes > 0);
  await untilNumber(second, sent - 1);
  await tap.endInput();
  await reading;
  assert.equal(await tap.exitCode(), 0);
  await second.finish();
  const before = readNumberedLines(first.received, 0);
  const after = readNumberedLines(second.received, before.last + 1);
  assert.deepEqual([before.gaps, after.gaps, after.last], [0, 0, sent - 1]);
});

Deno.test("tap: copied text that looks like a gap notice reaches the listener as text", async () => {
  using socket = socketFolder();
  await using listener = new TapListener(socket.path);
  const forged = new TextEncoder().encode("one\n\x10# agent tap: gap of 5 lines, 5 bytes\ntwo\n");
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll();
  await tap.write(forged);
  await tap.endInput();
  assert.deepEqual(await reading, digestOf([forged]));
  await tap.exitCode();
  await listener.finish();
  assert.deepEqual(listener.received, escapeTapLines(forged));
});

Deno.test("tap: SIGUSR1 prints counters to stderr and nothing to stdout", async () => {
  using socket = socketFolder();
  await using listener = new TapListener(socket.path);
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll();
  await tap.writeAll(numberedLines(10));
  await waitFor(() => listener.bytes === 2_000, "ten lines");
  tap.signal("SIGUSR1");
  await tap.writeAll(numberedLines(10, 10));
  await waitFor(() => listener.bytes === 4_000, "ten more lines");
  await tap.endInput();
  assert.deepEqual(await reading, digestOf(numberedLines(20)));
  assert.equal(await tap.exitCode(), 0);
  assert.match(
    await tap.complaints,
    /^agent tap: passed \d000 bytes, sent \d000 bytes, queued \d+ bytes, dropped 0 lines of 0 bytes, announced 0 gaps, 1 connections, listener: connected\n$/,
  );
});

Deno.test("tap: SIGTERM ends it with 143 after what it had read is written", async () => {
  using socket = socketFolder();
  await using listener = new TapListener(socket.path);
  const tap = new RunningTap(socket.path);
  const reading = tap.readAll();
  await tap.writeAll(numberedLines(5));
  await waitFor(() => listener.bytes === 1_000, "five lines");
  tap.signal("SIGTERM");
  assert.equal(await tap.exitCode(), 143);
  assert.deepEqual(await reading, digestOf(numberedLines(5)));
});

Deno.test("tap: SIGTERM ends it although stdout is stuck", async () => {
  using socket = socketFolder();
  const tap = new RunningTap(socket.path);
  const writing = tap.writeAll(numberedLines(5_000)).catch(() => {});
  const reader = tap.output.getReader();
  await reader.read();
  tap.signal("SIGTERM");
  assert.equal(await tap.exitCode(), 143);
  await reader.cancel();
  await writing;
});

Deno.test("tap: when nobody reads stdout any more it ends with 1 and without a word", async () => {
  using socket = socketFolder();
  const tap = new RunningTap(socket.path);
  await tap.output.cancel();
  await tap.writeAll(numberedLines(100_000)).catch(() => {});
  assert.equal(await tap.exitCode(), 1);
  assert.equal(await tap.complaints, "");
});

Deno.test("tap: a socket path too long is the caller's mistake, said before anything is copied", async () => {
  const { command, args } = agentCommand(["tap", "--socket", "/tmp/" + "x".repeat(103)]);
  const { stdout, stderr } = await runProgram(command, args, { expectCode: 2 });
  assert.equal(stdout, "");
  assert.match(stderr, /--socket: a path of 108 bytes is not allowed; allowed: 1 to 107 bytes\nTry: /);
});

Deno.test({
  name: "tap: a stdout that somebody made non-blocking gets every byte once, however slow its reader",
  ...needs("python3"),
  fn: async () => {
    using socket = socketFolder();
    const { command, args } = agentCommand(["tap", "--socket", socket.path]);
    const script = join(dirname(socket.path), "non_blocking.py");
    Deno.writeTextFileSync(script, nonBlockingScript);
    const { stdout } = await runProgram("python3", [script, command, ...args]);
    assert.equal(stdout.trim(), "True 2000000");
  },
});

/** Runs a command between two non-blocking pipes, reads slowly, says whether what came is what went. */
const nonBlockingScript = `
import fcntl, os, subprocess, sys, threading, time
def pipe():
    ends = os.pipe()
    for end in ends: fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_NONBLOCK)
    return ends
child_in, to_child = pipe()
from_child, child_out = pipe()
os.set_blocking(to_child, True)
os.set_blocking(from_child, True)
child = subprocess.Popen(sys.argv[1:], stdin=child_in, stdout=child_out)
os.close(child_in)
os.close(child_out)
sent = b"".join(b"%09d\\n" % i for i in range(200000))
def feed():
    view = memoryview(sent)
    while view: view = view[os.write(to_child, view[:50000]):]
    os.close(to_child)
threading.Thread(target=feed).start()
got = []
while True:
    chunk = os.read(from_child, 10007)
    if not chunk or sum(map(len, got)) > 2 * len(sent): break
    got.append(chunk)
    time.sleep(0.001)
child.kill()
got = b"".join(got)
print(got == sent, len(got))
`;

/**
 * Waits until a listener has a line, or the gap that ends with it. A tap tells of all that it was given while its input is
 * open; after that it waits for its listener for a second at the most, which a busy machine may need for itself.
 */
async function untilNumber(listener: TapListener, number: number): Promise<void> {
  let before = 0;
  await waitFor(() => {
    const rests = listener.bytes === before && before > 0; // to read all of it is long work
    before = listener.bytes;
    return rests && wholeLines(listener.received).last === number;
  }, `line ${number} or the gap that ends with it`);
}

/** What has come so far, the last line not before it is whole. */
function wholeLines(bytes: Uint8Array): Reading {
  return readNumberedLines(bytes.subarray(0, bytes.lastIndexOf(10) + 1));
}
