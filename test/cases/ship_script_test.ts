/**
 * `agent ship` against servers that do what a decent one never does: silence, half frames, refusals, resets. Whatever they
 * do, every line arrives in the end, and nothing but what was unanswered is sent twice.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import {
  judgeLines,
  newRun,
  numberedLine,
  perfect,
  type Verdict,
  writeNumberedLines,
} from "../peers/numbered_lines.ts";
import { frameText, openAnswer, type ScriptPeer, type ScriptServer, type ServerScript } from "../peers/relp_script.ts";
import { startScriptServer } from "../peers/relp_script.ts";
import { type Shipper, type ShipperOptions, startShipper } from "../peers/shipper.ts";

/** What a run against a script left behind. */
interface Outcome {
  readonly server: ScriptServer;
  readonly shipper: Shipper;
  readonly code: number;
  readonly verdict: Verdict;
}

/** Ships `count` lines to a script with `--once` and judges what the script received. */
async function ship(
  count: number,
  script: ServerScript,
  options: Partial<ShipperOptions>,
  judge: (outcome: Outcome) => void,
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    const run = newRun();
    const include = join(folder, "in.log");
    writeNumberedLines(include, run, 0, count);
    await using server = startScriptServer(script);
    await using shipper = startShipper({ include, port: server.port, once: true, windowSize: 128, ...options });
    const { code } = await shipper.program.waitForExit(30_000);
    const received = join(folder, "received");
    Deno.writeTextFileSync(received, server.messages.map((message) => message + "\n").join(""));
    judge({ server, shipper, code, verdict: judgeLines(received, run, count) });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** The first session goes wrong, the ones after it are served well. */
function firstWrong(wrong: (peer: ScriptPeer) => Promise<void>): ServerScript {
  return (peer, session) => session === 0 ? wrong(peer) : peer.serve();
}

function delivered({ code, verdict, shipper }: Outcome, count: number, maxDuplicates: number): void {
  strictEqual(code, 0, shipper.program.stderr);
  ok(verdict.duplicates <= maxDuplicates, `${verdict.duplicates} duplicates`);
  deepStrictEqual({ ...verdict, duplicates: 0 }, { ...perfect(count), received: count + verdict.duplicates });
}

/** Sessions but the last: also a good script may be silent for the timeout, where the machine has no time for it. */
function brokenSessions({ server }: Outcome): number {
  return server.sessions - 1;
}

Deno.test("agent ship opens as librelp does, counts from 1, and closes politely", async () => {
  await ship(300, (peer) => peer.serve(), {}, (outcome) => {
    delivered(outcome, 300, 0);
    const { controls, messages, sessions } = outcome.server;
    strictEqual(sessions, 1);
    deepStrictEqual(controls.map(({ transaction, command }) => `${transaction} ${command}`), ["1 open", "302 close"]);
    match(controls[0]!.data, /^relp_version=0\nrelp_software=[^\n]+\ncommands=syslog$/);
    match(messages[0]!, /^<\d+>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) \S+ \S+:? run/);
  });
});

Deno.test("agent ship takes answers in reverse order", async () => {
  const script: ServerScript = async (peer) => {
    await peer.answerOpen();
    for (let group = 0; group < 4; group++) {
      const frames = await peer.readFrames(64);
      for (const { transaction } of frames.toReversed()) await peer.respond(transaction);
    }
    await peer.serve();
  };
  await ship(256, script, {}, (outcome) => {
    delivered(outcome, 256, 0);
    strictEqual(outcome.server.sessions, 1);
  });
});

Deno.test("agent ship takes answers that arrive octet by octet and glued together", async () => {
  const script: ServerScript = async (peer) => {
    await peer.answerOpen();
    const frames = await peer.readFrames(50);
    const text = frames.map(({ transaction }) => frameText(transaction, "rsp", "200 OK")).join("");
    for (const octet of text.slice(0, 400)) await peer.write(octet);
    await peer.write(text.slice(400));
    await peer.serve();
  };
  await ship(50, script, {}, (outcome) => delivered(outcome, 50, 0));
});

Deno.test("agent ship repeats what a closing server had not answered, and no more", async () => {
  const script = firstWrong(async (peer) => {
    await peer.answerOpen();
    const frames = await peer.readFrames(100);
    for (const { transaction } of frames.slice(0, 49)) await peer.respond(transaction);
  });
  await ship(300, script, {}, (outcome) => {
    delivered(outcome, 300, 128);
    strictEqual(outcome.server.sessions, 2);
  });
});

Deno.test("agent ship survives a reset with half of the window answered", async () => {
  const script = firstWrong(async (peer) => {
    await peer.answerOpen();
    const frames = await peer.readFrames(20); // more is on its way, unread: closing then resets
    for (const { transaction } of frames) await peer.respond(transaction);
  });
  await ship(2_000, script, {}, (outcome) => delivered(outcome, 2_000, 128));
});

Deno.test("agent ship survives a server that stops in the middle of an answer", async () => {
  const script = firstWrong(async (peer) => {
    await peer.answerOpen();
    const frames = await peer.readFrames(10);
    for (const { transaction } of frames.slice(0, 5)) await peer.respond(transaction);
    await peer.write("7 rsp 6 20");
  });
  await ship(200, script, {}, (outcome) => delivered(outcome, 200, 128));
});

Deno.test("agent ship goes on in a new session after serverclose", async () => {
  const script = firstWrong(async (peer) => {
    await peer.answerOpen();
    const frames = await peer.readFrames(30);
    for (const { transaction } of frames) await peer.respond(transaction);
    await peer.write("0 serverclose 0\n");
  });
  await ship(500, script, {}, (outcome) => delivered(outcome, 500, 128));
});

for (
  const [what, answer, complaint] of [
    ["an answer to a transaction that is not open", frameText(777, "rsp", "200 OK"), /777/],
    ["an answer of 200 without words", frameText(2, "rsp", "200"), /200|answer/],
    ["an answer without a code", frameText(2, "rsp", "fine, thanks"), /fine/],
    ["what is not RELP", "HTTP/1.1 400 Bad Request\r\n\r\n", /not RELP/],
    ["a frame of 999,999,999 octets", "2 rsp 999999999 200 OK", /999999999|bytes/],
    ["a command of its own", frameText(2, "syslog", "<13>hello"), /answer|syslog/],
  ] as const
) {
  Deno.test(`agent ship ends a session in which the server sends ${what}, says so, and delivers in the next`, async () => {
    const script = firstWrong(async (peer) => {
      await peer.answerOpen();
      await peer.readFrames(1);
      await peer.write(answer);
      await peer.swallow();
    });
    await ship(200, script, {}, (outcome) => {
      delivered(outcome, 200, 128);
      match(outcome.shipper.program.stderr, complaint);
    });
  });
}

for (
  const [what, answer, complaint] of [
    ["version 1", openAnswer.replace("relp_version=0", "relp_version=1"), /version 1/],
    ["no command syslog", "200 OK\nrelp_version=0\ncommands=telegraph", /syslog/],
    ["code 500", "500 go away", /500 go away/],
  ] as const
) {
  Deno.test(`agent ship tries again after open is answered with ${what}`, async () => {
    const script = firstWrong(async (peer) => {
      await peer.answerOpen(answer);
      await peer.swallow();
    });
    await ship(100, script, {}, (outcome) => {
      delivered(outcome, 100, 0);
      match(outcome.shipper.program.stderr, complaint);
    });
  });
}

Deno.test("agent ship goes on behind a line that the server refuses, and names the refusal", async () => {
  let refused = 0;
  const script: ServerScript = async (peer) => {
    await peer.answerOpen();
    for (let frame = await peer.readFrame(); frame !== undefined; frame = await peer.readFrame()) {
      if (frame.command === "close") return await peer.write(`${frame.transaction} rsp 0\n0 serverclose 0\n`);
      if (frame.data.includes(" 000000100 ")) refused++;
      await peer.respond(frame.transaction, frame.data.includes(" 000000100 ") ? "500 too ugly" : "200 OK");
    }
  };
  await ship(300, script, {}, ({ code, verdict, shipper, server }) => {
    strictEqual(code, 0, shipper.program.stderr);
    ok(refused >= 1);
    deepStrictEqual({ lost: verdict.lost, outOfOrder: verdict.outOfOrder, sessions: server.sessions }, {
      lost: 0,
      outOfOrder: 0,
      sessions: 1,
    });
    match(shipper.program.stderr, /500 too ugly/);
  });
});

Deno.test("agent ship gives up on a server that answers open and nothing more, after its timeout", async () => {
  const script = firstWrong(async (peer) => {
    await peer.answerOpen();
    await peer.swallow();
  });
  await ship(1_000, script, { timeout: "1s" }, (outcome) => {
    delivered(outcome, 1_000, 128 * brokenSessions(outcome));
    match(outcome.shipper.program.stderr, /no answer/);
  });
});

Deno.test("agent ship never has more unanswered than its window, and repeats no more than that", async () => {
  let unanswered = 0;
  const script = firstWrong(async (peer) => {
    await peer.answerOpen();
    for (let i = 0; i < 60; i++) {
      for (const { transaction } of await peer.readFrames(1)) await peer.respond(transaction);
    }
    // From here on silence: what comes until the client gives up is all that it dares to send.
    while (await peer.readFrame() !== undefined) unanswered++;
  });
  await ship(400, script, { windowSize: 40, timeout: "1s" }, (outcome) => {
    delivered(outcome, 400, 40 * brokenSessions(outcome));
    ok(unanswered <= 40 && unanswered >= 20, `${unanswered} frames without an answer`);
  });
});

Deno.test("agent ship sends a line with every octet but LF as it is", async () => {
  const folder = Deno.makeTempDirSync();
  const odd = Uint8Array.from({ length: 256 }, (_, i) => i).filter((octet) => octet !== 10);
  const run = newRun();
  Deno.writeFileSync(join(folder, "in.log"), new Uint8Array([...new TextEncoder().encode(run), ...odd, 10]));
  Deno.writeTextFileSync(join(folder, "in.log"), numberedLine(run, 0, 200), { append: true });
  await using server = startScriptServer((peer) => peer.serve());
  await using shipper = startShipper({ include: join(folder, "in.log"), port: server.port, once: true });
  strictEqual((await shipper.program.waitForExit()).code, 0, shipper.program.stderr);
  strictEqual(server.messages.length, 2);
  ok(server.messages[0]!.endsWith(run + String.fromCharCode(...odd)));
  Deno.removeSync(folder, { recursive: true });
});
