/** Records that a sink cannot deliver: kept aside, counted, said, exported and sent again; never lost, never silent. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { judgeLines, newRun, perfect, writeNumberedLines } from "../peers/numbered_lines.ts";
import { freePort } from "../peers/ports.ts";
import { type ServerScript, startScriptServer } from "../peers/relp_script.ts";
import { type ShipperOptions, startShipper } from "../peers/shipper.ts";

/** A folder with numbered lines in `in.log`, removed afterwards. */
async function withLines(count: number, test: (folder: string, run: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    const run = newRun();
    writeNumberedLines(join(folder, "in.log"), run, 0, count);
    await test(folder, run);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

async function agent(...words: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { command, args } = agentCommand(words);
  const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Answers everything with 200, but lines that `refuses` picks. */
function refusing(refuses: (data: string) => boolean): ServerScript {
  return async (peer) => {
    await peer.answerOpen();
    for (let frame = await peer.readFrame(); frame !== undefined; frame = await peer.readFrame()) {
      if (frame.command === "close") return await peer.write(`${frame.transaction} rsp 0\n0 serverclose 0\n`);
      await peer.respond(frame.transaction, refuses(frame.data) ? "500 too ugly" : "200 OK");
    }
  };
}

const once = (include: string, port: number, sink: ShipperOptions["sink"]): ShipperOptions => ({
  include,
  port,
  once: true,
  windowSize: 128,
  sink: { resumeInterval: "10ms", resumeIntervalMax: "20ms", ...sink },
});

Deno.test("agent ship keeps aside what the server refuses time and again, and agent spool tells, exports and drops it", async () => {
  await withLines(300, async (folder, run) => {
    const isBad = (data: string): boolean => / 0000001[05]0 /.test(data);
    await using server = startScriptServer(refusing(isBad));
    const include = join(folder, "in.log");
    await using shipper = startShipper(once(include, server.port, { refusedRetryCount: 2 }));
    strictEqual((await shipper.program.waitForExit(30_000)).code, 0, shipper.program.stderr);
    strictEqual(server.messages.filter(isBad).length, 6, "each is sent once and twice again");
    strictEqual(server.messages.length, 304);
    match(shipper.program.stderr, /loghost refused .* for good: 500 too ugly; they are among its dead letters/);

    const dead = ["--dead", "--state", shipper.state];
    const file = join(shipper.state, "dead/loghost/00000001.jsonl");
    strictEqual(Deno.statSync(file).mode! & 0o777, 0o600);
    const told = await agent("spool", "check", ...dead);
    match(told.stdout, /sink "loghost": 2 dead letters \(2 refused\).*500 too ugly/);
    match(
      (await agent("check", "--config", shipper.configPath)).stdout,
      /warning sinks.loghost: it has dead letters in /,
    );
    const lines = (await agent("spool", "export", ...dead)).stdout;
    const sent = Deno.readTextFileSync(include).split("\n").filter((line) => isBad(` ${line} `));
    // Records of different batches are sent again beside each other: which is given up first is open.
    deepStrictEqual(lines.trimEnd().split("\n").sort(), sent.sort());
    const json = JSON.parse((await agent("spool", "export", ...dead, "--json")).stdout.split("\n")[0]!);
    deepStrictEqual([json.sink, json.cause, json.reason, json.source, json.message.includes(run)], [
      "loghost",
      "refused",
      "500 too ugly",
      "messages",
      true,
    ]);
    strictEqual((await agent("spool", "drop", ...dead)).code, 2, "drop wants --all");
    match((await agent("spool", "drop", ...dead, "--all")).stdout, /2 dead letters removed/);
    match((await agent("spool", "check", ...dead)).stdout, /0 dead letters/);
  });
});

Deno.test("agent ship killed at any moment has delivered or kept aside every line that its position is behind", async () => {
  await withLines(20_000, async (folder) => {
    const include = join(folder, "in.log");
    const all = Deno.readTextFileSync(include).trimEnd().split("\n");
    const accepted = new Set<string>();
    await using server = startScriptServer(async (peer) => {
      await peer.answerOpen();
      for (let frame = await peer.readFrame(); frame !== undefined; frame = await peer.readFrame()) {
        if (frame.command === "close") return await peer.write(`${frame.transaction} rsp 0\n0 serverclose 0\n`);
        const bad = /\d{8}7 /.test(frame.data);
        if (!bad) accepted.add(frame.data.slice(frame.data.indexOf(": ") + 2));
        await peer.respond(frame.transaction, bad ? "500 too ugly" : "200 OK");
      }
    });
    const options = once(include, server.port, { refusedRetryCount: 1 });
    await using shipper = startShipper(options);
    for (let round = 1; round <= 4; round++) {
      await shipper.program.waitUntil(() => server.messages.length > 3_000 * round, "more lines");
      await shipper.kill();
      shipper.start();
    }
    strictEqual((await shipper.program.waitForExit(30_000)).code, 0, shipper.program.stderr);
    const dead = new Set(
      (await agent("spool", "export", "--dead", "--state", shipper.state)).stdout.trimEnd().split("\n"),
    );
    const missing = all.filter((line) => !accepted.has(line) && !dead.has(line));
    deepStrictEqual(missing, []);
    ok(dead.size > 1_000 && [...dead].every((line) => /\d{8}7 /.test(line)));
  });
});

Deno.test("agent ship gives a batch up after resumeRetryCount tries, says so once, and what it gave up can be sent again", async () => {
  await withLines(1_000, async (folder, run) => {
    const include = join(folder, "in.log");
    const options = once(include, freePort(), { resumeRetryCount: 2, reportSuspension: false });
    await using shipper = startShipper(options);
    strictEqual((await shipper.program.waitForExit(30_000)).code, 0, shipper.program.stderr);
    strictEqual(shipper.program.stderr.match(/is given up/g)?.length, 1, shipper.program.stderr);
    const dead = ["--dead", "--state", shipper.state];
    match((await agent("spool", "check", ...dead)).stdout, /1000 dead letters \(1000 tries\).*connection refused/);

    const again = join(folder, "again.log");
    strictEqual((await agent("spool", "export", ...dead, "--sink", "loghost", "--output", again)).code, 0);
    await using server = startScriptServer((peer) => peer.serve());
    await using second = startShipper(once(again, server.port, {}));
    strictEqual((await second.program.waitForExit(30_000)).code, 0, second.program.stderr);
    const received = join(folder, "received");
    Deno.writeTextFileSync(received, server.messages.map((message) => message + "\n").join(""));
    deepStrictEqual(judgeLines(received, run, 1_000), perfect(1_000));
  });
});

Deno.test("agent ship gives nothing up while there is no place for its dead letters", async () => {
  await withLines(100, async (folder) => {
    const include = join(folder, "in.log");
    const options = { ...once(include, freePort(), { resumeRetryCount: 1 }), once: false };
    Deno.mkdirSync(join(folder, "state"));
    Deno.writeTextFileSync(join(folder, "state/dead"), ""); // a file where the folder is to be
    await using shipper = startShipper({ ...options, state: join(folder, "state") });
    await shipper.program.waitForOutput(/goes on trying, as giving up would lose records/);
    shipper.program.signal("SIGTERM");
    await shipper.program.waitForExit();
    ok(!/is given up/.test(shipper.program.stderr));
    Deno.removeSync(join(folder, "state/dead"));
    await using server = startScriptServer((peer) => peer.serve());
    shipper.options = { ...options, once: true, port: server.port };
    strictEqual((await shipper.start().waitForExit(30_000)).code, 0, shipper.program.stderr);
    strictEqual(server.messages.length, 100);
  });
});

for (const [continuation, what] of [[false, "once"], [true, "at every try"]] as const) {
  Deno.test(`agent ship says ${what} that its server is away with reportSuspensionContinuation: ${continuation}`, async () => {
    await withLines(10, async (folder) => {
      const port = freePort();
      const sink = { reportSuspensionContinuation: continuation };
      const options = { ...once(join(folder, "in.log"), port, sink), once: false };
      await using shipper = startShipper(options);
      await shipper.program.waitForOutput(continuation ? /still down after 5 tries/ : /loghost is down/);
      await using server = startScriptServer((peer) => peer.serve(), port);
      await shipper.program.waitForOutput(/loghost is back after .* and \d+ tries/);
      strictEqual(shipper.program.stderr.match(/loghost is down/g)?.length, 1);
      strictEqual(/still down/.test(shipper.program.stderr), continuation);
      await shipper.program.waitUntil(() => server.messages.length === 10, "all lines");
    });
  });
}

Deno.test("agent ship says nothing of its server's absence with reportSuspension: false", async () => {
  await withLines(10, async (folder) => {
    const port = freePort();
    const options = { ...once(join(folder, "in.log"), port, { reportSuspension: false }), once: false };
    await using shipper = startShipper(options);
    await shipper.program.waitForOutput(/running/);
    await using server = startScriptServer((peer) => peer.serve(), port);
    await shipper.program.waitUntil(() => server.messages.length === 10, "all lines");
    ok(!/is down|is back/.test(shipper.program.stderr), shipper.program.stderr);
  });
});
