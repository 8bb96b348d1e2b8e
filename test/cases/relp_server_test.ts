/** The RELP server's limits, with clients that are slow, silent, many or greedy; most of them in this process. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { type Batch, recordText } from "../../src/pipeline/batch.ts";
import { openRelpSource, type RelpSource, type RelpSourceOptions } from "../../src/sources/relp/source.ts";
import { startCollector } from "../peers/collector.ts";
import { judgeLines, newRun, numberedLine, perfect } from "../peers/numbered_lines.ts";
import { Pki } from "../peers/pki.ts";
import { RunningProgram, waitFor } from "../peers/process.ts";
import { exchange, frameText, latin1, openFrame } from "../peers/relp_script.ts";
import { needs, onlyIf } from "../peers/skip.ts";

const dropped = "0 serverclose 0\n";

/** A server in this process; what it takes is committed as soon as it is read, and only while `reading`. */
class Server implements AsyncDisposable {
  readonly source: RelpSource;
  readonly batches: Batch[] = [];
  readonly #stop = new AbortController();
  #reading: Promise<void> | undefined;

  private constructor(source: RelpSource) {
    this.source = source;
  }

  static async open(options: Partial<RelpSourceOptions> = {}): Promise<Server> {
    return new Server(
      await openRelpSource({
        id: "in",
        listen: { host: "127.0.0.1", port: 0 },
        maxDataBytes: 64 * 1024,
        oversizeMode: "truncate",
        maxSessions: 100,
        idleTimeoutMs: 0,
        version: "0",
        ...options,
      }),
    );
  }

  get port(): number {
    return Number(this.source.address.split(":").at(-1));
  }

  get records(): string[] {
    return this.batches.flatMap((batch) => Array.from({ length: batch.count }, (_, i) => recordText(batch, i)));
  }

  /** Begins to take what comes. */
  read(): this {
    this.#reading = (async () => {
      const limits = { maxRecords: 1_000, maxBytes: 1 << 20 };
      for await (const batch of this.source.read(undefined, limits, this.#stop.signal)) {
        this.batches.push({ ...batch, bytes: batch.bytes.slice() });
        await this.source.acknowledgements.commit("", batch.position);
      }
    })();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#reading;
    await this.source[Symbol.asyncDispose]();
  }
}

/** What a server says to who sends `text` and nothing more, until it closes. */
const untilClosed = async (port: number, text: string): Promise<string> => {
  const { answer, closed } = await exchange(port, text, "never", 10_000);
  ok(closed);
  return answer;
};

Deno.test("RELP server says goodbye to a session that is silent for idleTimeout, and to no other", async () => {
  await using server = (await Server.open({ idleTimeoutMs: 2_000 })).read();
  const busy = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await busy.write(latin1(openFrame));
  let sent = 1;
  const timer = setInterval(() => void busy.write(latin1(frameText(++sent, "syslog", "<13>busy"))), 100);
  match(await untilClosed(server.port, openFrame + frameText(2, "syslog", "<13>idle")), /2 rsp 6 200 OK\n0 serverc/);
  const before = server.records.length;
  await waitFor(() => server.records.length > before, "the busy session to go on");
  clearInterval(timer);
  busy.close();
});

Deno.test("RELP server says goodbye to who does not open a session in time", async () => {
  await using server = (await Server.open({ openTimeoutMs: 200 })).read();
  strictEqual(await untilClosed(server.port, ""), dropped);
  strictEqual(await untilClosed(server.port, "1 open 86 relp_ver"), dropped);
});

Deno.test({
  name: "RELP server over TLS cuts who does not shake hands in time, and serves others meanwhile",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    const tls = { ca: pki.ca, ...pki.server, authMode: "name", permittedPeer: [] } as const;
    await using server = (await Server.open({ listen: { host: "127.0.0.1", port: 0, tls, handshakeTimeoutMs: 3_000 } }))
      .read();
    const mutes = await Promise.all(
      Array.from({ length: 50 }, () => Deno.connect({ hostname: "127.0.0.1", port: server.port })),
    );
    const { cert, key } = pki.client;
    const good = await Deno.connectTls({
      hostname: "localhost",
      port: server.port,
      caCerts: [Deno.readTextFileSync(pki.ca)],
      cert: Deno.readTextFileSync(cert),
      key: Deno.readTextFileSync(key),
    });
    await good.write(latin1(openFrame + frameText(2, "syslog", "<13>good")));
    await waitFor(() => server.records.length === 1, "the good one's record");
    for (const mute of mutes) {
      strictEqual(await mute.read(new Uint8Array(10)).catch(() => null), null, "it is closed");
      mute.close();
    }
    good.close();
  },
});

Deno.test("RELP server turns away more sessions than it may have, and takes others when some are gone", async () => {
  await using server = (await Server.open({ maxSessions: 2 })).read();
  const connect = async (): Promise<Deno.TcpConn> => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(latin1(openFrame)).catch(() => {});
    return connection;
  };
  const answers = async (connection: Deno.TcpConn): Promise<boolean> => {
    const answer = await readSome(connection);
    ok(answer === dropped || answer === "" || answer.startsWith("1 rsp "), answer);
    return answer.startsWith("1 rsp ");
  };
  const [first, second] = [await connect(), await connect()];
  ok(await answers(first) && await answers(second));
  const third = await connect();
  strictEqual(await readSome(third), dropped, "told so");
  first.close();
  await waitFor(async () => {
    const next = await connect();
    const served = await answers(next);
    next.close();
    return served;
  }, "room for another");
  await second.write(latin1(frameText(2, "syslog", "<13>still here")));
  await waitFor(() => server.records.length === 1, "the second session's record");
  second.close();
  third.close();
});

Deno.test("RELP server begins an answer to librelp while the disk is slow, and gives its code only when the record is safe", async () => {
  await using server = await Server.open();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(latin1(frameText(1, "open", "relp_software=librelp,1.11.0,http://x\ncommands=syslog")));
  match(await readSome(connection), /^1 rsp /);
  let early = "";
  for (let i = 2; i < 11; i++) { // each waits for our octet, as a client with Nagle's algorithm does
    await connection.write(latin1(frameText(i, "syslog", `<13>${i}`)));
    if (early !== "2 rsp 6 ") early += await readSome(connection);
    ok("2 rsp 6 ".startsWith(early), early);
  }
  strictEqual(early, "2 rsp 6 ");
  await connection.write(latin1(frameText(11, "syslog", "<13>11")));
  server.read();
  let rest = "";
  while (!rest.endsWith("11 rsp 6 200 OK\n")) rest += await readSome(connection);
  strictEqual(early + rest, Array.from({ length: 10 }, (_, i) => `${i + 2} rsp 6 200 OK\n`).join(""));
  connection.close();
});

Deno.test("RELP server that goes within an answer says nothing that could be taken for its end", async () => {
  const server = await Server.open();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(latin1(frameText(1, "open", "relp_software=librelp,1.11.0,http://x\ncommands=syslog")));
  match(await readSome(connection), /^1 rsp /);
  await connection.write(latin1(frameText(2, "syslog", "<13>never safe")));
  strictEqual(await readSome(connection), "2");
  await server[Symbol.asyncDispose]();
  strictEqual(await readSome(connection), "");
  connection.close();
});

Deno.test("RELP server stops reading while nobody takes, holds little, and loses nothing", async () => {
  await using server = await Server.open();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const count = 200_000;
  let sent = 0;
  let answers = 0;
  const sending = (async () => {
    await writeAll(connection, openFrame);
    for (let i = 0; i < count; i += 500) {
      let text = "";
      for (let k = i; k < i + 500; k++) text += frameText(k + 2, "syslog", `<13>${String(k).padStart(200, "0")}`);
      await writeAll(connection, text);
      sent = i + 500;
    }
  })();
  const reading = (async () => {
    const buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const length = await connection.read(buffer).catch(() => null);
      if (length === null) return;
      for (let i = 0; i < length; i++) if (buffer[i] === 75) answers++; // the K of each OK, that of open included
    }
  })();
  let before = -1;
  await waitFor(async () => {
    const standing = before === sent;
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 500));
    return standing;
  }, "the sender to stand still");
  ok(sent < count, `the sender stands after ${sent} messages`);
  strictEqual(answers, 1, "nothing is answered that nobody took");
  server.read();
  await sending;
  await waitFor(() => answers === count + 1, "every answer");
  deepStrictEqual(server.records.map((record) => Number(record.slice(4))), Array.from({ length: count }, (_, i) => i));
  connection.close();
  await reading;
});

for (const [mode, taken] of [["truncate", "204800, 204800, 5"], ["accept", "204800, 262144, 5"]] as const) {
  Deno.test(`RELP server with oversizeMode ${mode} keeps of messages around its limit: ${taken}`, async () => {
    await using server = (await Server.open({ oversizeMode: mode, maxDataBytes: 204_800 })).read();
    const text = [204_800, 262_144, 5].map((size, i) => frameText(i + 2, "syslog", "x".repeat(size))).join("");
    await exchange(server.port, openFrame + text, "4 rsp 6 200 OK\n");
    strictEqual(server.records.map(({ length }) => length).join(", "), taken);
  });
}

Deno.test("RELP server with oversizeMode abort ends the session at the message, answers for those before it, and takes the next", async () => {
  await using server = (await Server.open({ oversizeMode: "abort", maxDataBytes: 1_000 })).read();
  const text = frameText(2, "syslog", "first") + frameText(3, "syslog", "x".repeat(1_001));
  match(await untilClosed(server.port, openFrame + text), /2 rsp 6 200 OK\n0 serverclose 0\n$/);
  await exchange(server.port, openFrame + frameText(2, "syslog", "again"), "2 rsp 6 200 OK\n");
  deepStrictEqual(server.records, ["first", "again"]);
});

Deno.test({
  name: "agent collect writes many answers at once: some writes for 1,000 messages",
  ...needs("strace", "root"),
  fn: async () => {
    await using collector = await startCollector();
    const trace = join(collector.folder, "trace");
    const words = ["-f", "-s", "64", "-e", "trace=write,writev,sendto,sendmsg", "-o", trace];
    {
      await using strace = RunningProgram.start("strace", [...words, "-p", String(collector.program.pid)]);
      await strace.waitForOutput(/attached/);
      let text = openFrame;
      for (let i = 2; i < 1_002; i++) text += frameText(i, "syslog", "<13>message");
      await exchange(collector.port, text, "1001 rsp 6 200 OK\n");
    }
    const writes = Deno.readTextFileSync(trace).split("\n").filter((line) => line.includes("rsp 6 200 OK"));
    ok(writes.length >= 1 && writes.length <= 100, `${writes.length} writes`);
  },
});

Deno.test({
  name: "agent collect serves 2,000 sessions at once, 100,000 messages, and loses none",
  ...onlyIf(openFileLimit() >= 2_500, `at most ${openFileLimit()} files may be open (ulimit -n)`),
  fn: async () => {
    const clients = 2_000;
    const each = 50;
    const run = newRun();
    await using collector = await startCollector();
    const connections: Deno.TcpConn[] = [];
    const answers = (connection: Deno.TcpConn, until: string): Promise<void> => readUntil(connection, until);
    for (let i = 0; i < clients; i += 100) {
      connections.push(
        ...await Promise.all(
          Array.from({ length: 100 }, () => Deno.connect({ hostname: "127.0.0.1", port: collector.port })),
        ),
      );
    }
    const opened = connections.map((connection) => answers(connection, "commands=syslog\n"));
    for (const connection of connections) await writeAll(connection, openFrame);
    await Promise.all(opened);
    await Promise.all(connections.map(async (connection, client) => {
      let text = "";
      for (let i = 0; i < each; i++) {
        text += frameText(i + 2, "syslog", `<13>1 ${numberedLine(run, client * each + i, 200).trimEnd()}`);
      }
      const answered = answers(connection, `${each + 1} rsp 6 200 OK\n`);
      await writeAll(connection, text);
      await answered;
      connection.close();
    }));
    const verdict = judgeLines(collector.output, run, clients * each);
    deepStrictEqual({ ...verdict, outOfOrder: 0 }, perfect(clients * each));
  },
});

/** What comes next; nothing when the connection ends or breaks. */
async function readSome(connection: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(500);
  return new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer).catch(() => null) ?? 0));
}

async function readUntil(connection: Deno.TcpConn, until: string): Promise<void> {
  const buffer = new Uint8Array(4_096);
  for (let text = ""; !text.endsWith(until);) {
    const length = await connection.read(buffer);
    if (length === null) throw new Error(`the server closed after ${JSON.stringify(text.slice(-200))}`);
    text = (text + String.fromCharCode(...buffer.subarray(0, length))).slice(-2_000);
  }
}

async function writeAll(connection: Deno.TcpConn, text: string): Promise<void> {
  const bytes = latin1(text);
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}

function openFileLimit(): number {
  return Number(/^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))?.[1] ?? 0);
}
