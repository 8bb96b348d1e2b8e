/** The RELP client beyond one plain session: rebinding, several servers, the end of the numbers, templates. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { batchOfLines, type Origin } from "../../src/pipeline/batch.ts";
import { openRelpSink } from "../../src/sinks/relp/sink.ts";
import { agentCommand } from "../peers/agent.ts";
import {
  judgeLines,
  newRun,
  numberedLine,
  perfect,
  type Verdict,
  writeNumberedLines,
} from "../peers/numbered_lines.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { type ScriptServer, startScriptServer } from "../peers/relp_script.ts";
import { startShipper } from "../peers/shipper.ts";
import { needs } from "../peers/skip.ts";

/** Judges what servers received, taken together in the order of their being named. */
function judged(folder: string, run: string, count: number, ...servers: readonly ScriptServer[]): Verdict {
  const received = join(folder, "received");
  const messages = servers.flatMap((server) => server.messages);
  Deno.writeTextFileSync(received, messages.map((message) => message + "\n").join(""));
  return judgeLines(received, run, count);
}

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("agent ship begins a session for every message with rebindInterval: 1, and none is lost or doubled", async () => {
  await withFolder(async (folder) => {
    const run = newRun();
    writeNumberedLines(join(folder, "in.log"), run, 0, 200);
    await using server = startScriptServer((peer) => peer.serve());
    const options = { include: join(folder, "in.log"), port: server.port, once: true, sink: { rebindInterval: 1 } };
    await using shipper = startShipper(options);
    strictEqual((await shipper.program.waitForExit(30_000)).code, 0, shipper.program.stderr);
    deepStrictEqual(judged(folder, run, 200, server), perfect(200));
    strictEqual(server.sessions, 200);
    const closes = server.controls.filter(({ command }) => command === "close").map(({ transaction }) => transaction);
    deepStrictEqual(closes, Array.from({ length: 200 }, () => 3), "open, one message, close");
  });
});

Deno.test("agent ship begins a session when rebindInterval has passed, while lines come, and none is lost or doubled", async () => {
  await withFolder(async (folder) => {
    const run = newRun();
    const include = join(folder, "in.log");
    Deno.writeTextFileSync(include, "");
    await using server = startScriptServer((peer) => peer.serve());
    const sink = { rebindInterval: "150ms" };
    await using shipper = startShipper({ include, port: server.port, sink });
    let count = 0;
    await shipper.program.waitUntil(() => {
      Deno.writeTextFileSync(include, Array.from({ length: 5 }, () => numberedLine(run, count++, 200)).join(""), {
        append: true,
      });
      return server.sessions >= 5;
    }, "five sessions");
    await shipper.program.waitUntil(() => server.messages.length >= count, "all lines");
    deepStrictEqual(judged(folder, run, count, server), perfect(count));
    const closes = server.controls.filter(({ command }) => command === "close").length;
    ok(closes >= server.sessions - 1, "each session before the last one was closed politely");
  });
});

const origin: Origin = { source: "s", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 0 };
const never = new AbortController().signal;

Deno.test("openRelpSink() begins a new session before its transaction numbers end", async () => {
  const numbers: number[] = [];
  await using server = startScriptServer(async (peer) => {
    for (let frame = await peer.readFrame(); frame !== undefined; frame = await peer.readFrame()) {
      numbers.push(frame.transaction);
      if (frame.command === "close") return await peer.write(`${frame.transaction} rsp 0\n0 serverclose 0\n`);
      await peer.respond(
        frame.transaction,
        frame.command === "open" ? "200 OK\nrelp_version=0\ncommands=syslog" : "200 OK",
      );
    }
  });
  const where = { host: "127.0.0.1", port: server.port, connectionTimeoutMs: 5_000, timeoutMs: 5_000 };
  await using sink = openRelpSink({ id: "k", ...where, windowSize: 16, version: "test", maxFrames: 50 });
  const sent: Promise<unknown>[] = [];
  for (let i = 0; i < 200; i += 4) {
    sent.push(sink.send(batchOfLines([i, i + 1, i + 2, i + 3].map(String), origin), never));
  }
  await Promise.all(sent);
  deepStrictEqual(
    server.messages.map((message) => Number(message.split(": ")[1])),
    Array.from({ length: 200 }, (_, i) => i),
  );
  ok(Math.max(...numbers) <= 50 + 4, `transaction ${Math.max(...numbers)}`);
  ok(server.sessions >= 4, `${server.sessions} sessions`);
});

Deno.test("agent ship goes to its second server while the first is away, and back when it is there again", async () => {
  await withFolder(async (folder) => {
    const run = newRun();
    const include = join(folder, "in.log");
    Deno.writeTextFileSync(include, "");
    const firstPort = freePort();
    await using second = startScriptServer((peer) => peer.serve());
    const sink = { target: [`127.0.0.1:${firstPort}`, `127.0.0.1:${second.port}`] };
    await using shipper = startShipper({ include, port: 1, sink });
    let count = 0;
    const write = (): void => {
      const lines = Array.from({ length: 20 }, () => numberedLine(run, count++, 200)).join("");
      Deno.writeTextFileSync(include, lines, { append: true });
    };
    write();
    await shipper.program.waitUntil(() => second.messages.length === 20, "the first lines, at the second server");
    await shipper.program.waitForOutput(new RegExp(`delivers to 127.0.0.1:${second.port} from now on: .*refused`));
    ok(!/is down/.test(shipper.program.stderr), "one server is enough");

    await using first = startScriptServer((peer) => peer.serve(), firstPort);
    await shipper.program.waitUntil(() => {
      write();
      return first.messages.length > 0;
    }, "lines at the first server");
    await shipper.program.waitForOutput(new RegExp(`delivers to 127.0.0.1:${firstPort} from now on`));
    await shipper.program.waitUntil(() => second.messages.length + first.messages.length >= count, "all lines");
    deepStrictEqual(judged(folder, run, count, second, first), perfect(count));
  });
});

Deno.test("agent ship leaves a server that takes connections and answers nothing, for the next one", async () => {
  await withFolder(async (folder) => {
    const run = newRun();
    writeNumberedLines(join(folder, "in.log"), run, 0, 500);
    await using mute = startScriptServer(async (peer) => {
      await peer.answerOpen();
      await peer.swallow();
    });
    await using second = startScriptServer((peer) => peer.serve());
    const sink = { target: [`127.0.0.1:${mute.port}`, `127.0.0.1:${second.port}`] };
    const options = { include: join(folder, "in.log"), port: 1, sink, once: true, timeout: "1s", windowSize: 64 };
    await using shipper = startShipper(options);
    strictEqual((await shipper.program.waitForExit(30_000)).code, 0, shipper.program.stderr);
    const verdict = judged(folder, run, 500, second);
    deepStrictEqual({ ...verdict, duplicates: 0, received: 500 }, perfect(500));
    // The good one, too, may be silent for the timeout, where the machine has no time for it.
    ok(verdict.duplicates <= 64 * (second.sessions - 1), `${verdict.duplicates} duplicates`);
  });
});

Deno.test({
  name: "agent ship connects from localAddress, with TCP keepalive on",
  ...needs("ss"),
  fn: async () => {
    await withFolder(async (folder) => {
      writeNumberedLines(join(folder, "in.log"), newRun(), 0, 10);
      await using server = startScriptServer((peer) => peer.serve());
      const sink = { localAddress: "127.0.0.2", keepAlive: "77s" };
      await using shipper = startShipper({ include: join(folder, "in.log"), port: server.port, sink });
      await shipper.program.waitUntil(() => server.messages.length === 10, "all lines");
      // Until the kernel has an answer to what was sent last, it shows another timer.
      await shipper.program.waitUntil(async () => {
        const { stdout } = await runProgram("ss", ["-tnoH", "dst", `127.0.0.1:${server.port}`]);
        return /127\.0\.0\.2:\d+ .*timer:\(keepalive,(1min\d+|[1-9]\d)sec/.test(stdout);
      }, "a timer of 77 s for the connection from 127.0.0.2");
    });
  },
});

/** What goes to rsyslog and to the agent alike. */
const records: readonly string[] = [
  "<13>Nov  5 19:32:47 host1 su: message",
  "<13>Nov 15 19:32:47 host1 kubelet[812]: message  with spaces ",
  "<13>Nov  5 19:32:47 host1 kubelet[812]:message",
  "<13>Nov  5 19:32:47 host1 kubelet[812] message",
  "<134>2026-11-20T19:32:47.948037+00:00 vm bench[1]: msg x",
  "<134>2026-11-20T19:32:47.5+02:00 vm aprogramwithaverylongname_of_more_than_32[12345]: msg x",
  '<165>1 2026-11-20T19:32:47.5Z router9 kubelet 812 ID47 [meta a="b"][c@1 d="e\\"f"] 5424 message',
  "<165>1 2026-11-20T19:32:47Z router9 kubelet - - - nothing",
  "<165>1 2026-11-20T19:32:47Z router9 kubelet 812 - - \xef\xbb\xbfbom",
  "<165>1 2026-11-20T19:32:47Z router9 kubelet 812 - -",
  "<13>Nov  5 19:32:47 host1 app/sub[3]: slash",
];
const templates = {
  rfc5424: "RSYSLOG_SyslogProtocol23Format",
  rfc3164: "RSYSLOG_TraditionalForwardFormat",
  gardener: "g",
};
const metadata = { project: "garden-foo", shoot: "bar", uid: "6f9d" };

/** Gardener's SyslogForwarderTemplate. */
const gardenerTemplate = [
  `template(name="g" type="list") {`,
  `constant(value=" ${metadata.project} ${metadata.shoot} ${metadata.uid} ")`,
  ...["hostname", "pri", "syslogtag", "timestamp", "procid", "msgid", "msg"].map((name) =>
    `property(name="${name}"${name === "timestamp" ? ' dateFormat="rfc3339"' : ""}) constant(value=" ")`
  ),
  "}",
].join("\n");

Deno.test({
  name: "agent ship writes every template byte for byte as rsyslog does",
  ...needs("rsyslogd"),
  fn: async () => {
    await withFolder(async (folder) => {
      const serve = (): ScriptServer => startScriptServer((peer) => peer.serve());
      await using theirs5424 = serve();
      await using theirs3164 = serve();
      await using theirsGardener = serve();
      await using ours5424 = serve();
      await using ours3164 = serve();
      await using oursGardener = serve();
      const theirs = { rfc5424: theirs5424, rfc3164: theirs3164, gardener: theirsGardener };
      const ours = { rfc5424: ours5424, rfc3164: ours3164, gardener: oursGardener };
      const names = ["rfc5424", "rfc3164", "gardener"] as const;

      const theirPort = freePort();
      const config = join(folder, "rsyslog.conf");
      Deno.writeTextFileSync(
        config,
        [
          `global(workDirectory="${folder}")`,
          `module(load="imudp")\nmodule(load="omrelp")`,
          gardenerTemplate,
          `ruleset(name="r") {`,
          ...names.map((name) =>
            `action(type="omrelp" target="127.0.0.1" port="${theirs[name].port}" template="${templates[name]}")`
          ),
          `}\ninput(type="imudp" address="127.0.0.1" port="${theirPort}" ruleset="r")\n`,
        ].join("\n"),
      );
      const pid = join(folder, "rsyslog.pid");
      const env = { TZ: "UTC" };
      await using rsyslog = RunningProgram.start("rsyslogd", ["-n", "-f", config, "-i", pid], { env });

      const ourPort = freePort();
      const agentConfig = join(folder, "agent.yaml");
      Deno.writeTextFileSync(
        agentConfig,
        JSON.stringify({
          state: join(folder, "state"),
          metadata,
          sources: { in: { type: "syslog", listen: `udp://127.0.0.1:${ourPort}` } },
          sinks: Object.fromEntries(
            names.map((name) => [name, { type: "relp", target: "127.0.0.1", port: ours[name].port, template: name }]),
          ),
        }),
      );
      const { command, args } = agentCommand(["ship", "--config", agentConfig]);
      await using agent = RunningProgram.start(command, args, { name: "agent ship" });
      await agent.waitForOutput(/running/);

      using socket = openDatagramSocket();
      const send = async (port: number): Promise<void> => {
        for (const record of records) {
          const bytes = Uint8Array.from(record, (character) => character.charCodeAt(0));
          await socket.connection.send(bytes, { transport: "udp", hostname: "127.0.0.1", port });
        }
      };
      for (const [program, port, servers] of [[rsyslog, theirPort, theirs], [agent, ourPort, ours]] as const) {
        await program.waitUntil(() => isBoundToUdp(port), "somebody to take datagrams");
        await send(port);
        const isThere = (): boolean => names.every((name) => servers[name].messages.length >= records.length);
        await program.waitUntil(isThere, "all records in every template");
      }
      for (const name of names) {
        const wanted = theirs[name].messages.slice(0, records.length).map((message) => message.replace(/\n$/, ""));
        const got = ours[name].messages.slice(0, records.length);
        const bare = name === "gardener" ? got : got.map((message) => withoutMetadata(message));
        deepStrictEqual(bare, wanted, name);
      }
    });
  },
});

/** Whether somebody takes datagrams on a port of 127.0.0.1: those that are sent before are gone. */
function isBoundToUdp(port: number): boolean {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  return Deno.readTextFileSync("/proc/net/udp").includes(local);
}

/** The rules write `metadata:` into records for all sinks but Gardener's: an element where there is a place, else words. */
function withoutMetadata(message: string): string {
  return message.replace("project=garden-foo shoot=bar uid=6f9d ", "")
    .replace(
      /(.)\[metadata@0 project="garden-foo" shoot="bar" uid="6f9d"\]/,
      (_, before) => before === "]" ? "]" : " -",
    );
}

function openDatagramSocket(): { readonly connection: Deno.DatagramConn } & Disposable {
  const connection = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  return { connection, [Symbol.dispose]: () => connection.close() };
}
