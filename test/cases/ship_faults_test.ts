/** `agent ship` with what goes wrong around it: peers away or mute, certificates no good, files that cannot be read. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { filesBelow, judgeLines, newRun, perfect, writeNumberedLines } from "../peers/numbered_lines.ts";
import { Pki, serverName, wrongs } from "../peers/pki.ts";
import { freePort } from "../peers/ports.ts";
import { runProgram, waitFor } from "../peers/process.ts";
import { type ServerScript, startScriptServer } from "../peers/relp_script.ts";
import { startRelpServer } from "../peers/rsyslog.ts";
import { startShipper } from "../peers/shipper.ts";
import { needs } from "../peers/skip.ts";

/** A folder with `count` numbered lines in `in.log`. */
async function withLines(
  count: number,
  use: (run: string, file: string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    const run = newRun();
    writeNumberedLines(join(folder, "in.log"), run, 0, count);
    await use(run, join(folder, "in.log"), folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Servers that keep a shipper waiting, each in its way. */
const mutes: Readonly<Record<string, ServerScript>> = {
  "never answers open": (peer) => peer.swallow(),
  "answers open and nothing more": async (peer) => {
    await peer.answerOpen();
    await peer.swallow();
  },
  "answers half and does not read the rest": async (peer) => {
    await peer.answerOpen();
    for (const { transaction } of await peer.readFrames(500)) await peer.respond(transaction);
    await new Promise<void>(() => {});
  },
  "never answers close": async (peer) => {
    await peer.answerOpen();
    for (let frame = await peer.readFrame(); frame !== undefined; frame = await peer.readFrame()) {
      if (frame.command === "syslog") await peer.respond(frame.transaction);
    }
  },
};

for (const [what, script] of Object.entries(mutes)) {
  Deno.test({
    name: `agent ship ends at SIGTERM with 143 while its server ${what}, and then delivers the rest elsewhere`,
    ...needs("rsyslogd"),
    fn: () =>
      withLines(20_000, async (run, include, folder) => {
        const first = join(folder, "first");
        await using shipper = await stopAtMute(include, script, first);
        await using server = await startRelpServer();
        shipper.options = { ...shipper.options, port: server.port, once: true };
        shipper.start();
        strictEqual((await shipper.program.waitForExit()).code, 0, shipper.program.stderr);
        await waitFor(() => judgeBoth(first, server.output, run).lost === 0, "every line at one of both servers");
        ok(judgeBoth(first, server.output, run).duplicates <= 1024);
      }),
  });
}

/** Ships to a mute server until it has what it takes, and ends the shipper; what the server took is in `received`. */
async function stopAtMute(
  include: string,
  script: ServerScript,
  received: string,
): Promise<ReturnType<typeof startShipper>> {
  // The server's promise that never settles is ended with its connections, not waited for.
  const server = startScriptServer((peer, session) => Promise.race([script(peer, session), stopped.promise]));
  const stopped = Promise.withResolvers<void>();
  const shipper = startShipper({ include, port: server.port, windowSize: 1024 });
  try {
    await shipper.program.waitUntil(() => server.controls.length > 0, "the first open");
    await settled(() => server.messages.length);
    shipper.program.signal("SIGTERM");
    const { code } = await shipper.program.waitForExit();
    strictEqual(code, 143, shipper.program.stderr);
    Deno.writeTextFileSync(received, server.messages.map((message) => message + "\n").join(""));
    return shipper;
  } catch (error) {
    await shipper[Symbol.asyncDispose]();
    throw error;
  } finally {
    stopped.resolve();
    await server[Symbol.asyncDispose]();
  }
}

/** Waits until a number has not changed for half a second: a mute server then has all that it will get. */
async function settled(count: () => number): Promise<void> {
  let last = count();
  let quiet = 0;
  await waitFor(() => {
    quiet = count() === last ? quiet + 1 : 0;
    last = count();
    return quiet >= 50;
  }, "an end of what is sent");
}

function judgeBoth(first: string, second: string, run: string): { lost: number; duplicates: number } {
  const folder = Deno.makeTempDirSync();
  try {
    [first, second].flatMap(filesBelow).forEach((path, i) => Deno.copyFileSync(path, join(folder, String(i))));
    return judgeLines(folder, run, 20_000);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test({
  name: "agent ship says once that nobody listens, and delivers when the server comes",
  ...needs("rsyslogd"),
  fn: () =>
    withLines(1_000, async (run, include) => {
      await using server = await startRelpServer();
      await server.kill();
      await using shipper = startShipper({ include, port: server.port, once: true });
      await shipper.program.waitForOutput(new RegExp(`127\\.0\\.0\\.1:${server.port}.*nothing listens there`));
      await server.start();
      strictEqual((await shipper.program.waitForExit()).code, 0, shipper.program.stderr);
      await server.waitForLines(1_000);
      deepStrictEqual(judgeLines(server.output, run, 1_000), perfect(1_000));
      strictEqual(shipper.program.stderr.match(/is down/g)?.length, 1, shipper.program.stderr);
      match(shipper.program.stderr, /is (back|up)/);
    }),
});

Deno.test("agent ship ends with 1 when another agent holds its state folder, and names it", async () => {
  await withLines(1, async (_run, include) => {
    await using server = startScriptServer((peer) => peer.serve());
    await using first = startShipper({ include, port: server.port });
    await first.program.waitUntil(() => server.messages.length === 1, "the first agent at work");
    await using second = startShipper({ include, port: server.port, state: first.state });
    strictEqual((await second.program.waitForExit()).code, 1);
    ok(second.program.stderr.includes(first.state), second.program.stderr);
    match(second.program.stderr, /another agent/);
    strictEqual(first.program.status, undefined);
  });
});

Deno.test("agent ship reads what it can beside files that it cannot, and names those", async () => {
  await withLines(100, async (run, _include, folder) => {
    Deno.symlinkSync("/proc/self/mem", join(folder, "broken.log")); // opens, and every read of it fails
    Deno.symlinkSync(join(folder, "nowhere"), join(folder, "dangling.log"));
    Deno.mkdirSync(join(folder, "folder.log"));
    await using server = startScriptServer((peer) => peer.serve());
    await using shipper = startShipper({ include: join(folder, "*.log"), port: server.port });
    await shipper.program.waitUntil(() => server.messages.length >= 100, "the lines of the good file");
    Deno.writeTextFileSync(join(folder, "got"), server.messages.map((text) => text + "\n").join(""));
    deepStrictEqual(judgeLines(join(folder, "got"), run, 100), perfect(100));
    await shipper.program.waitForOutput(/broken\.log/);
  });
});

Deno.test("agent ship takes a new configuration at SIGHUP, and refuses a bad one and goes on", async () => {
  await withLines(500, async (run, include, folder) => {
    await using first = startScriptServer((peer) => peer.serve());
    await using second = startScriptServer((peer) => peer.serve());
    await using shipper = startShipper({ include, port: first.port });
    const { program } = shipper;
    await program.waitUntil(() => first.messages.length === 500, "500 lines at the first server");

    Deno.writeTextFileSync(shipper.configPath, "sinks: {loghost: {type: relp, prot: 1}}\n");
    program.signal("SIGHUP");
    await program.waitForOutput(/refused/);
    writeNumberedLines(include, run, 500, 800);
    await program.waitUntil(() => first.messages.length === 800, "300 more with the old configuration");

    shipper.options = { ...shipper.options, port: second.port };
    shipper.writeConfig();
    program.signal("SIGHUP");
    await program.waitUntil(() => first.controls.some(({ command }) => command === "close"), "the old session's end");
    writeNumberedLines(include, run, 800, 1_000);
    await program.waitUntil(() => second.messages.length === 200, "200 more at the second server");
    const messages = [...first.messages, ...second.messages];
    Deno.writeTextFileSync(join(folder, "got"), messages.map((text) => text + "\n").join(""));
    deepStrictEqual(judgeLines(join(folder, "got"), run, 1_000), perfect(1_000));
  });
});

Deno.test("agent ship goes on with the old configuration at SIGHUP when the new one names what cannot be opened", async () => {
  await withLines(100, async (run, include, folder) => {
    await using server = startScriptServer((peer) => peer.serve());
    await using shipper = startShipper({ include, port: server.port });
    const { program } = shipper;
    await program.waitUntil(() => server.messages.length === 100, "100 lines");

    const { options } = shipper;
    shipper.options = { ...options, sink: { tls: { ca: join(folder, "missing.crt") } } };
    shipper.writeConfig();
    program.signal("SIGHUP");
    await program.waitForOutput(/cannot be used and the old one goes on/);
    writeNumberedLines(include, run, 100, 200);
    await program.waitUntil(() => server.messages.length === 200, "100 more with the old configuration");

    shipper.options = options;
    shipper.writeConfig();
    program.signal("SIGHUP");
    await program.waitUntil(() => program.stderr.split("running: from").length === 4, "a third engine");
    Deno.writeTextFileSync(join(folder, "got"), server.messages.map((text) => text + "\n").join(""));
    deepStrictEqual(judgeLines(join(folder, "got"), run, 200), perfect(200));
  });
});

for (const library of ["gnutls", "openssl"] as const) {
  for (
    const [what, reason] of [
      ["expired", /expired/i],
      ["misnamed", /other\.lab/],
      ["selfSigned", /self-signed|issuer|not to be trusted/i],
    ] as const
  ) {
    Deno.test({
      name:
        `agent ship sends nothing to a server (${library}) whose certificate is ${what}, says why, and delivers when it is good`,
      ...needs("rsyslogd", "openssl"),
      fn: async () => {
        using pki = await Pki.make();
        await pki.issue("wrong", wrongs[what]);
        await withLines(200, async (run, include) => {
          await using server = await startRelpServer({ tls: { pki, library, pair: "wrong" } });
          await using shipper = startShipper({ include, port: server.port, once: true, tls: { pki } });
          await shipper.program.waitForOutput(reason);
          strictEqual(server.lines, 0);
          await server.kill();
          server.options = { tls: { pki, library } };
          await server.start();
          strictEqual((await shipper.program.waitForExit(30_000)).code, 0, shipper.program.stderr);
          await server.waitForLines(200);
          deepStrictEqual(judgeLines(server.output, run, 200), perfect(200));
        });
      },
    });
  }

  Deno.test({
    name: `agent ship keeps its lines while a server (${library}) refuses its name, and delivers when it may`,
    ...needs("rsyslogd", "openssl"),
    fn: async () => {
      using pki = await Pki.make();
      await withLines(200, async (run, include) => {
        await using server = await startRelpServer({ tls: { pki, library, permittedPeer: ["somebody.else"] } });
        await using shipper = startShipper({ include, port: server.port, once: true, tls: { pki } });
        await shipper.program.waitForOutput(/is down/);
        strictEqual(server.lines, 0);
        await server.kill();
        server.options = { tls: { pki, library } };
        await server.start();
        strictEqual((await shipper.program.waitForExit(30_000)).code, 0, shipper.program.stderr);
        await server.waitForLines(200);
        deepStrictEqual(judgeLines(server.output, run, 200), perfect(200));
      });
    },
  });
}

Deno.test({
  name: "agent ship trusts no server of another CA, and none by another name than it permits",
  ...needs("rsyslogd", "openssl"),
  fn: async () => {
    using pki = await Pki.make();
    await using server = await startRelpServer({ tls: { pki, library: "openssl" } });
    for (
      const [tls, reason] of [
        [{ pki, ca: pki.strangerCa }, /not to be trusted/],
        [{ pki, permittedPeer: ["loghost.lab"] }, new RegExp(`presents.*${serverName}.*permitted: loghost\\.lab`)],
        [{ pki, authMode: "fingerprint", permittedPeer: [`SHA1:${"AB:".repeat(19)}AB`] }, /fingerprint/],
      ] as const
    ) {
      await withLines(10, async (_run, include) => {
        await using shipper = startShipper({ include, port: server.port, tls });
        await shipper.program.waitForOutput(reason);
        strictEqual(server.lines, 0);
      });
    }
  },
});

Deno.test({
  name: "agent ship names its own certificate or key that is no good, sends nothing, and delivers with a good one",
  ...needs("rsyslogd", "openssl"),
  fn: async () => {
    using pki = await Pki.make();
    await pki.issue("expired", wrongs.expired);
    await pki.issue("version1", wrongs.version1);
    await using server = await startRelpServer({ tls: { pki, library: "gnutls" } });
    let delivered = 0;
    for (
      const [what, files, reason] of [
        ["expired", pki.pair("expired"), /own\.crt.*expired/],
        ["version 1", pki.pair("version1"), /own\.crt.*version 1/],
        ["key of another", { cert: pki.client.cert, key: pki.server.key }, /own\.key.*not the key/],
      ] as const
    ) {
      await withLines(10, async (_run, include) => {
        const own = pki.pair("own");
        Deno.copyFileSync(files.cert, own.cert);
        Deno.copyFileSync(files.key, own.key);
        await using shipper = startShipper({ include, port: server.port, once: true, tls: { pki, pair: "own" } });
        await shipper.program.waitForOutput(reason);
        strictEqual(server.lines, delivered, what);
        Deno.copyFileSync(pki.client.key, own.key);
        Deno.copyFileSync(pki.client.cert, own.cert);
        // It may have ended at once or be trying again: either way, nothing is lost.
        const { code } = await shipper.program.waitForExit(30_000);
        if (code !== 0) {
          strictEqual(code, 1);
          strictEqual((await shipper.start().waitForExit()).code, 0);
        }
        await server.waitForLines(delivered += 10);
      });
    }
  },
});

Deno.test("agent ship in its quick form delivers with --from, --to and --once", async () => {
  await withLines(100, async (_run, include, folder) => {
    await using server = startScriptServer((peer) => peer.serve());
    const { command, args } = agentCommand([
      "ship",
      ...["--from", `file:${include}`, "--to", `relp://127.0.0.1:${server.port}`],
      ...["--state", join(folder, "state"), "--once"],
    ]);
    await runProgram(command, args);
    strictEqual(server.messages.length, 100);
    await runProgram(command, args);
    strictEqual(server.messages.length, 100, "the second run finds nothing to do");
  });
});

Deno.test("agent ship ends with 2 and names what is wrong with its words", async () => {
  const { command, args } = agentCommand(["ship", "--from", "file:/x", "--to", `relp//127.0.0.1:${freePort()}`]);
  match((await runProgram(command, args, { expectCode: 2 })).stderr, /--to|relp\/\//);
});
