/** `agent collect` with what goes wrong: before it starts, in its clients, on its disk. One clear message, no lost line. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { type Collector, startCollector } from "../peers/collector.ts";
import { judgeLines, newRun, numberedLine, perfect, writeNumberedLines } from "../peers/numbered_lines.ts";
import { clientName, Pki, wrongs } from "../peers/pki.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { exchange, frameText, latin1, openFrame } from "../peers/relp_script.ts";
import { startRelpClient } from "../peers/rsyslog.ts";
import { needs } from "../peers/skip.ts";

/** Runs `agent WORDS`, expects exit code 1, and returns what it says. */
async function failure(words: readonly string[]): Promise<string> {
  const { command, args } = agentCommand(words);
  const { stderr } = await runProgram(command, args, { expectCode: 1, deadlineMs: 20_000 });
  return stderr;
}

/** The words of a collector on another port and in other folders than all others. */
function collectWords(folder: string, changed: Readonly<Record<string, string>> = {}): string[] {
  const options = {
    "--listen": `relp://127.0.0.1:${freePort()}`,
    "--to": join(folder, "out"),
    "--state": join(folder, "state"),
    ...changed,
  };
  return ["collect", ...Object.entries(options).flat()];
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("agent collect ends with 1 when the port is in use, and names it", async () => {
  await using running = await startCollector();
  await inFolder(async (folder) => {
    const text = await failure(collectWords(folder, { "--listen": running.url }));
    match(text, new RegExp(`127\\.0\\.0\\.1:${running.port}`));
    match(text, /in use/i);
  });
});

Deno.test("agent collect ends with 1 when another agent writes to the folder, and names it", async () => {
  await using running = await startCollector();
  await inFolder(async (folder) => {
    const text = await failure(collectWords(folder, { "--to": running.output }));
    ok(text.includes(running.output), text);
    match(text, /another agent/);
  });
});

Deno.test({
  name: "agent collect ends with 1 when its certificate or key is no good, and names the file and the reason",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    const expired = await pki.issue("expired", wrongs.expired);
    const version1 = await pki.issue("version1", wrongs.version1);
    const garbage = join(pki.folder, "garbage.pem");
    Deno.writeTextFileSync(garbage, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const absent = join(pki.folder, "absent.pem");
    const { cert, key } = pki.server;
    for (
      const [what, files, named, reason] of [
        ["expired", expired, expired.cert, /expired/],
        ["version 1", version1, version1.cert, /version 1/],
        ["key of another", { cert, key: pki.client.key }, pki.client.key, /not the key/],
        ["garbage", { cert: garbage, key }, garbage, /decoded/],
        ["key for certificate", { cert: key, key }, key, /certificate/],
        ["absent", { cert: absent, key }, absent, /./],
      ] as const
    ) {
      const text = await failure(
        collectWords(pki.folder, {
          "--listen": `relps://127.0.0.1:${freePort()}`,
          "--ca": pki.ca,
          "--cert": files.cert,
          "--key": files.key,
        }),
      );
      ok(text.includes(named), `${what}: ${text}`);
      match(text, reason, what);
      ok(!text.includes("PRIVATE KEY--"), "a key never shows");
    }
  },
});

Deno.test({
  name: "agent collect turns away clients without a good certificate, says why, and serves the good one",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    for (const [name, wrong] of Object.entries(wrongs)) await pki.issue(name, wrong);
    await using collector = await startCollector({ pki, permittedPeer: [clientName] });
    for (
      const [pair, reason] of [
        ["expired", /expired/],
        ["misnamed", /other\.lab/],
        ["selfSigned", /self-signed|SELF_SIGNED|issuer/i],
        ["none", /none was sent|no certificate/i],
      ] as const
    ) {
      const { stderr } = collector.program;
      const answer = await tlsExchange(pki, collector.port, pair);
      ok(!answer.includes("rsp"), `${pair}: ${answer}`);
      await collector.program.waitUntil(
        () => reason.test(collector.program.stderr.slice(stderr.length)),
        `why ${pair}`,
      );
    }
    match(await tlsExchange(pki, collector.port, "client"), /2 rsp 6 200 OK/);
    strictEqual(collector.lines, 1);
  },
});

/** Says `open`, one message and `close` as the owner of `pair`; what the server said. */
async function tlsExchange(pki: Pki, port: number, pair: string): Promise<string> {
  const { cert, key } = pki.pair(pair);
  const own = pair === "none" ? [] : ["-cert", cert, "-key", key];
  await using client = RunningProgram.start(
    "openssl",
    ["s_client", "-quiet", "-connect", `127.0.0.1:${port}`, "-CAfile", pki.ca, ...own],
    { stdin: "piped" },
  );
  const writer = client.stdin.getWriter();
  await writer.write(latin1(openFrame + frameText(2, "syslog", "<13>hello") + "3 close 0\n")).catch(() => {});
  await client.waitForExit();
  await writer.close().catch(() => {});
  return client.stdout;
}

Deno.test("agent collect keeps no descriptor of clients that come and go, or die within a frame", async () => {
  await using collector = await startCollector();
  const count = (): number => [...Deno.readDirSync(`/proc/${collector.program.pid}/fd`)].length;
  await exchange(collector.port, openFrame + frameText(2, "syslog", "<13>warm"), "2 rsp 6 200 OK\n");
  const before = count();
  for (let i = 0; i < 2_000; i++) { // half of them without a word
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: collector.port });
    if (i % 2 === 0) await connection.write(latin1(openFrame + "2 syslog 5000 <13>half"));
    connection.close();
  }
  await waitFor(() => count() <= before + 5, `the descriptors to be closed (${before} before, ${count()} now)`);
  strictEqual(collector.lines, 1, "half a frame is no line");
});

Deno.test({
  name: "agent collect keeps no descriptor and no half line of an omrelp that is killed in mid-stream, five times",
  ...needs("rsyslogd"),
  fn: () =>
    inFolder(async (folder) => {
      const run = newRun();
      const [count, lineBytes] = [100_000, 1_000]; // more than it can send before it is killed
      writeNumberedLines(join(folder, "in.log"), run, 0, count, lineBytes);
      await using collector = await startCollector();
      const descriptors = (): number => [...Deno.readDirSync(`/proc/${collector.program.pid}/fd`)].length;
      await exchange(collector.port, openFrame + frameText(2, "syslog", "<13>warm"), "2 rsp 6 200 OK\n");
      const before = descriptors();
      for (let i = 0; i < 5; i++) {
        const lines = collector.lines;
        await using client = startRelpClient({
          file: join(folder, "in.log"),
          port: collector.port,
          windowSize: 100_000,
        });
        await collector.waitForLines(lines + 1);
        await client.kill();
        await waitFor(() => descriptors() <= before + 3, `the descriptors to be closed (${before} before)`);
      }
      const { damaged, foreign, received } = judgeLines(collector.output, run, count, lineBytes);
      ok(received < 5 * count, "it was killed before its end");
      deepStrictEqual([damaged, foreign], [0, 1]);
    }),
});

Deno.test("agent collect serves others while one client neither reads nor writes", async () => {
  await using collector = await startCollector();
  const stuck = await Deno.connect({ hostname: "127.0.0.1", port: collector.port });
  // Many small messages and not one answer read: the server's answers must not pile up without end, nor hold others.
  let text = openFrame;
  for (let i = 2; i < 60_000; i++) text += frameText(i, "syslog", "x");
  const bytes = latin1(text);
  const writing = (async () => {
    for (let done = 0; done < bytes.length;) done += await stuck.write(bytes.subarray(done));
  })().catch(() => {});
  const { answer } = await exchange(
    collector.port,
    openFrame + frameText(2, "syslog", "<13>me too"),
    "2 rsp 6 200 OK\n",
  );
  match(answer, /2 rsp 6 200 OK/);
  stuck.close();
  await writing;
});

/** A client that sends numbered lines as fast as it may and counts the answers. */
class CountingClient {
  answers = 0;
  readonly #connection: Deno.TcpConn;
  readonly reading: Promise<void>;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.reading = this.#read();
  }

  static async connect(port: number): Promise<CountingClient> {
    return new CountingClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async send(run: string, count: number): Promise<void> {
    await this.#write(openFrame);
    for (let from = 0; from < count; from += 500) {
      let text = "";
      for (let i = from; i < Math.min(count, from + 500); i++) {
        text += frameText(i + 2, "syslog", `<13>1 ${numberedLine(run, i, 200).trimEnd()}`);
      }
      await this.#write(text);
    }
  }

  close(): void {
    this.#connection.close();
  }

  async #write(text: string): Promise<void> {
    const bytes = latin1(text);
    for (let done = 0; done < bytes.length;) done += await this.#connection.write(bytes.subarray(done));
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    let rest = "";
    for (;;) {
      const got = await this.#connection.read(buffer).catch(() => null);
      if (got === null) return;
      const lines = (rest + String.fromCharCode(...buffer.subarray(0, got))).split("\n");
      rest = lines.pop()!;
      this.answers += lines.filter((line) => / rsp 6 200 OK$/.test(line)).length;
    }
  }
}

Deno.test({
  name: "agent collect with a full disk answers for nothing that is not there, and goes on when there is room",
  ...needs("root", "mount", "umount"),
  fn: async () => {
    const folder = Deno.makeTempDirSync();
    await runProgram("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]);
    try {
      const run = newRun();
      const count = 20_000;
      await using collector = await startCollector({ output: join(folder, "out") });
      const client = await CountingClient.connect(collector.port);
      const sending = client.send(run, count);
      await collector.program.waitForOutput(/no space|ENOSPC/i);
      const { answers } = client;
      const stored = judgeLines(collector.output, run, count);
      ok(answers <= count - stored.lost, `${answers} answers for ${count - stored.lost} lines on disk`);
      ok(stored.lost > 0);
      await runProgram("mount", ["-o", "remount,size=64m", folder]);
      await sending;
      await waitFor(() => client.answers === count, "all answers");
      client.close();
      const verdict = judgeLines(collector.output, run, count);
      deepStrictEqual({ ...verdict, duplicates: 0, received: count }, perfect(count));
    } finally {
      await runProgram("umount", [folder]);
      Deno.removeSync(folder);
    }
  },
});

Deno.test({
  name: "agent collect answers for nothing that the disk refuses to sync",
  ...needs("strace", "root"),
  fn: async () => {
    await using collector = await startCollector();
    const inject = ["-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO"];
    const attach = ["-f", "-o", join(collector.folder, "trace"), ...inject, "-p", String(collector.program.pid)];
    // The file is there before the disk goes bad: making one would fail by itself.
    await exchange(collector.port, openFrame + frameText(2, "syslog", "<13>first"), "2 rsp 6 200 OK\n");
    const client = await CountingClient.connect(collector.port);
    {
      await using strace = RunningProgram.start("strace", attach);
      await strace.waitForOutput(/attached/);
      await client.send(newRun(), 10);
      await collector.program.waitForOutput(/os error 5/);
      strictEqual(client.answers, 0);
    }
    await waitFor(() => client.answers === 10, "the answers, when the disk is well again");
    client.close();
  },
});

Deno.test("agent collect ends at SIGTERM with 143, answers for what it kept, and says goodbye", async () => {
  await using collector = await startCollector();
  const run = newRun();
  const client = await CountingClient.connect(collector.port);
  await client.send(run, 2_000);
  collector.program.signal("SIGTERM");
  const { code } = await collector.program.waitForExit(10_000);
  strictEqual(code, 143, collector.program.stderr);
  await client.reading;
  const verdict = judgeLines(collector.output, run, 2_000);
  ok(client.answers <= 2_000 - verdict.lost);
  ok(verdict.damaged === 0 && verdict.duplicates === 0);
  await goesOn(collector);
});

async function goesOn(collector: Collector): Promise<void> {
  await collector.start();
  const { answer } = await exchange(
    collector.port,
    openFrame + frameText(2, "syslog", "<13>again"),
    "2 rsp 6 200 OK\n",
  );
  match(answer, /200 OK\n$/);
}

Deno.test("agent collect goes on in a file whose last line was torn by a crash, without the torn part", async () => {
  await using collector = await startCollector();
  await exchange(collector.port, openFrame + frameText(2, "syslog", "<13>whole"), "2 rsp 6 200 OK\n");
  await collector.kill();
  const file = hostFile(collector.output);
  Deno.writeTextFileSync(file, "<13>torn by a cra", { append: true });
  await goesOn(collector);
  strictEqual(collector.text(), "<13>whole\n<13>again\n");
});

function hostFile(output: string): string {
  const [host] = [...Deno.readDirSync(output)].filter(({ isDirectory }) => isDirectory);
  const [file] = [...Deno.readDirSync(join(output, host!.name))];
  return join(output, host!.name, file!.name);
}
