/** Source `forward` with a client written after the protocol's specification: modes, proofs, hostile bytes, and kills. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { encode } from "@msgpack/msgpack";
import { type Batch, recordText } from "../../src/pipeline/batch.ts";
import { type ForwardOptions, type ForwardSource, openForwardSource } from "../../src/sources/forward/source.ts";
import { agentCommand } from "../peers/agent.ts";
import {
  eventTime,
  ForwardClient,
  type ForwardClientOptions,
  type ForwardEvent,
  forwardMode,
  messageMode,
  packedMode,
} from "../peers/forward_client.ts";
import { Pki, serverName } from "../peers/pki.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, waitFor } from "../peers/process.ts";

/** A forward source with whoever takes its batches: `store` decides what becomes of each. */
class Bench implements AsyncDisposable {
  readonly batches: Batch[] = [];
  readonly source: ForwardSource;
  readonly #stop = new AbortController();
  readonly #taking: Promise<void>;

  private constructor(source: ForwardSource, store: (batch: Batch, bench: Bench) => void) {
    this.source = source;
    this.#taking = (async () => {
      for await (const batch of source.read(undefined, { maxRecords: 3, maxBytes: 1_000 }, this.#stop.signal)) {
        this.batches.push(batch);
        store(batch, this);
      }
    })();
  }

  static async open(
    options: Partial<ForwardOptions> = {},
    store = (batch: Batch, bench: Bench): void => bench.confirm(batch),
  ): Promise<Bench> {
    const listen = { host: "127.0.0.1", port: 0 };
    const limits = { maxMessageBytes: 64 * 1024, maxConnections: 10, idleTimeoutMs: 0 };
    return new Bench(
      await openForwardSource({ id: "fwd", listen, ...limits, hostname: "h", priority: 13, ...options }),
      store,
    );
  }

  /** What came, without the headers. */
  get texts(): readonly string[] {
    return this.records.map((text) => text.replace(/^<13>1 \S+ \S+ \S+ - - (-|\[.*?\]) /, ""));
  }

  get records(): readonly string[] {
    return this.batches.flatMap((batch) => Array.from({ length: batch.count }, (_, i) => recordText(batch, i)));
  }

  confirm(batch: Batch): void {
    void this.source.acknowledgements.commit("fwd", batch.position);
    batch.release();
  }

  client(options: ForwardClientOptions = {}): Promise<ForwardClient> {
    return ForwardClient.open({ port: Number(this.source.address.split(":").at(-1)), ...options });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#taking;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.source[Symbol.asyncDispose]();
  }
}

function events(count: number, first = 0): ForwardEvent[] {
  return Array.from({ length: count }, (_, i) => [eventTime(1_700_000_000, i), { n: first + i }] as const);
}

Deno.test("forward source takes all modes, in order, and acknowledges the chunks", async () => {
  await using bench = await Bench.open();
  using client = await bench.client();
  await client.send(encode(null)); // a heartbeat
  await client.send(messageMode("m", [1_700_000_000, { log: "one line\n" }], { chunk: "A" }));
  deepStrictEqual(await client.receive(), { ack: "A" });
  await client.send(forwardMode("f", events(4), { chunk: "B", size: 4 }));
  deepStrictEqual(await client.receive(), { ack: "B" });
  await client.send(packedMode("p", events(2, 4), { chunk: "C" }));
  deepStrictEqual(await client.receive(), { ack: "C" });
  await client.send(packedMode("z", events(5, 6), { chunk: "D" }, true));
  deepStrictEqual(await client.receive(), { ack: "D" });
  await client.send(forwardMode("f", [], { chunk: "E" }));
  deepStrictEqual(await client.receive(), { ack: "E" });
  deepStrictEqual(bench.texts, ["one line", ...Array.from({ length: 11 }, (_, n) => `{"n":${n}}`)]);
  deepStrictEqual(bench.records[2], '<13>1 2023-11-14T22:13:20.000000Z h f - - - {"n":1}');
  ok(bench.batches.every(({ count, origin }) => count <= 3 && origin.form === "syslog"));
});

Deno.test("forward source puts messages together byte by byte, and many of one chunk into few batches", async () => {
  await using bench = await Bench.open();
  using slow = await bench.client();
  for (const byte of packedMode("p", events(3), { chunk: "S" }, true)) await slow.send(Uint8Array.of(byte));
  deepStrictEqual(await slow.receive(), { ack: "S" });
  using quick = await bench.client();
  const many = events(30).map((event) => messageMode("m", event));
  const bytes = new Uint8Array(many.reduce((sum, { length }) => sum + length, 0));
  many.reduce((at, message) => (bytes.set(message, at), at + message.length), 0);
  await quick.send(bytes);
  await waitFor(() => bench.texts.length === 33, "30 events");
  deepStrictEqual(bench.texts.slice(3), Array.from({ length: 30 }, (_, n) => `{"n":${n}}`));
  ok(bench.batches.length <= 14, `${bench.batches.length} batches`);
});

Deno.test("forward source acknowledges when every batch of a message is safe, and not before", async () => {
  await using bench = await Bench.open({}, () => {});
  using client = await bench.client();
  await client.send(forwardMode("f", events(5), { chunk: "A" }));
  await waitFor(() => bench.batches.length === 2, "batch 2");
  let answered = false;
  const answer = client.receive().finally(() => answered = true);
  bench.confirm(bench.batches[0]!);
  await new Promise((resolve) => setTimeout(resolve, 50)); // time in which a wrong answer would come
  strictEqual(answered, false);
  bench.confirm(bench.batches[1]!);
  deepStrictEqual(await answer, { ack: "A" });
});

Deno.test("forward source cuts a client off whose records were dropped, and tells it nothing", async () => {
  await using bench = await Bench.open({}, (batch, bench) => {
    bench.source.refuse?.(batch.position);
    bench.confirm(batch);
  });
  using client = await bench.client();
  await client.send(forwardMode("f", events(5), { chunk: "A" }));
  strictEqual(await client.receive(), undefined);
});

Deno.test("forward source closes the connection of what is no message, keeps what came before, and serves on", async () => {
  await using bench = await Bench.open();
  const bomb = packedMode("z", [[1, { log: "x".repeat(1_000_000) }]], {}, true);
  const wrong: readonly Uint8Array[] = [
    Uint8Array.of(0xc1),
    new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
    Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff),
    Uint8Array.of(0x93, 0xa1, 0x74, 0xdb, 0x7f, 0xff, 0xff, 0xff),
    Uint8Array.from({ length: 100 }, () => 0x91),
    encode(["t", "text", { compressed: "gzip" }]),
    encode(["t", "text", { compressed: "lz4" }]),
    encode(["t", [[1, { n: -1 }], [1, "no map"]], { chunk: "never" }]),
    encode(["t", [["now", {}]]]),
    encode(["t", Uint8Array.of(0x92, 1)]),
    bomb,
    packedMode("p", [[1, { log: "x".repeat(70_000) }]]),
  ];
  for (const [i, bytes] of wrong.entries()) {
    using client = await bench.client();
    await client.send(messageMode("m", [1, { n: i }]));
    await client.send(bytes);
    strictEqual(await client.receive(), undefined, `case ${i}`);
  }
  await waitFor(() => bench.texts.length >= wrong.length, "what came before");
  deepStrictEqual(bench.texts, wrong.map((_, n) => `{"n":${n}}`));
  await waitFor(() => bench.source.figures?.().sessions === 0, "the end of all connections"); // we see it first
});

Deno.test("forward source survives random damage of messages, and takes a whole one afterwards", async () => {
  await using bench = await Bench.open();
  const good = packedMode("p", events(20), { chunk: "A" });
  let seed = 11;
  const next = (below: number): number => (seed = seed * 48_271 % 2_147_483_647) % below;
  for (let i = 0; i < 150; i++) {
    using client = await bench.client();
    const damaged = good.slice(0, 1 + next(good.length));
    for (let n = next(4); n >= 0; n--) damaged[next(damaged.length)] = next(256);
    await client.send(damaged);
  }
  using client = await bench.client();
  await client.send(good);
  deepStrictEqual(await client.receive(), { ack: "A" });
});

Deno.test("forward source cuts the slow and the idle, and turns away those beyond its limit", async () => {
  await using bench = await Bench.open({ messageTimeoutMs: 100, maxConnections: 1 });
  using slow = await bench.client();
  using late = await bench.client();
  strictEqual(await late.receive(), undefined);
  await slow.send(Uint8Array.of(0x93));
  strictEqual(await slow.receive(), undefined);
  await using bored = await Bench.open({ idleTimeoutMs: 100 });
  using idle = await bored.client();
  strictEqual(await idle.receive(), undefined);
});

Deno.test("forward source leaves out records that are too long, counts them, and acknowledges the rest", async () => {
  await using bench = await Bench.open({ maxRecordBytes: 500 });
  using client = await bench.client();
  // U+0001 has six characters in JSON: this one is too long only when it is written.
  const record = { a: "\u0001".repeat(200) };
  await client.send(forwardMode("f", [[1, { n: 1 }], [1, { a: "x".repeat(600) }], [1, record]], { chunk: "A" }));
  deepStrictEqual(await client.receive(), { ack: "A" });
  deepStrictEqual(bench.texts, ['{"n":1}']);
  strictEqual(bench.source.drops?.().get("longRecord")?.records, 2);
});

Deno.test("forward source lets in who holds a key of its file, and proves that it does, too", async () => {
  const folder = Deno.makeTempDirSync();
  const sharedKeyFile = join(folder, "key");
  try {
    await rejects(Bench.open({ sharedKeyFile }), /Cannot use shared key .*\nTry: make it with mode 0600/);
    Deno.writeTextFileSync(sharedKeyFile, "correct horse\n", { mode: 0o600 });
    Deno.chmodSync(sharedKeyFile, 0o644);
    await rejects(Bench.open({ sharedKeyFile }), /others may read it \(mode 644\)/);
    Deno.chmodSync(sharedKeyFile, 0o600);
    await using bench = await Bench.open({ sharedKeyFile, handshakeTimeoutMs: 2_000 });
    using wrong = await bench.client();
    strictEqual(await wrong.shakeHands("correct house"), false);
    using rude = await bench.client();
    await rude.send(messageMode("m", [1, { n: -1 }], { chunk: "A" }));
    const [helo] = await rude.receive() as [string];
    deepStrictEqual([helo, await rude.receive()], ["HELO", undefined]);
    using long = await bench.client();
    await long.send(Uint8Array.of(0xc5, 0xff, 0xff)); // 64 KiB are announced: a PING has less
    await long.receive();
    strictEqual(await long.receive(), undefined);
    using mute = await bench.client();
    await mute.receive();
    strictEqual(await mute.receive(), undefined);
    using client = await bench.client();
    strictEqual(await client.shakeHands("correct horse"), true);
    await client.send(forwardMode("f", [[1, { a: "x".repeat(10_000) }]], { chunk: "A" }));
    deepStrictEqual(await client.receive(), { ack: "A" });
    Deno.writeTextFileSync(sharedKeyFile, "another key\ncorrect horse\n");
    using fresh = await bench.client();
    strictEqual(await fresh.shakeHands("another key"), true);
    strictEqual(bench.texts.length, 1);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("forward source over TLS takes clients with a certificate of its CA alone, and knows their names", async () => {
  using pki = await Pki.make();
  const tls = { authMode: "name", permittedPeer: [], ca: pki.ca, ...pki.pair("server") } as const;
  await using bench = await Bench.open({ tls });
  const ca = Deno.readTextFileSync(pki.ca);
  const { cert, key } = pki.pair("client");
  const pair = { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) };
  using client = await bench.client({ tls: { ca, ...pair, servername: serverName } });
  await client.send(messageMode("m", [1, { n: 1 }], { chunk: "A" }));
  deepStrictEqual(await client.receive(), { ack: "A" });
  const { peer } = bench.batches[0]!.origin;
  match(bench.records[0]!, new RegExp(` ${peer} m - - - \\{`));
  using stranger = await bench.client({ tls: { ca, servername: serverName } }).catch(() => undefined);
  strictEqual(await stranger?.receive(), undefined);
});

Deno.test("forward source serves a Unix socket, and acknowledges what it took before it stops", async () => {
  const folder = Deno.makeTempDirSync();
  const path = join(folder, "sub", "forward.sock");
  try {
    {
      await using bench = await Bench.open({ listen: { path } }, () => {});
      strictEqual(Deno.statSync(path).mode! & 0o777, 0o660);
      using client = await bench.client({ path });
      await client.send(messageMode("m", [1, { n: 1 }], { chunk: "A" }));
      await waitFor(() => bench.batches.length === 1, "batch 1");
      await bench.stop();
      bench.confirm(bench.batches[0]!);
      deepStrictEqual(await client.receive(), { ack: "A" });
    }
    deepStrictEqual([...Deno.readDirSync(join(folder, "sub"))], []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("agent collect with a forward source loses nothing that it acknowledged when it is killed", async () => {
  const folder = Deno.makeTempDirSync();
  const port = freePort();
  const words = ["collect", "--listen", `forward://127.0.0.1:${port}`, "--to", join(folder, "logs")];
  const start = async (): Promise<RunningProgram> => {
    const { command, args } = agentCommand([...words, "--state", join(folder, "state")]);
    const program = RunningProgram.start(command, args, { name: "agent collect" });
    await program.waitForOutput(/forward: listening on/);
    return program;
  };
  const [chunks, perChunk, kills] = [60, 500, 3];
  let program = await start();
  let client: ForwardClient | undefined;
  let killed = 0;
  try {
    for (let chunk = 0; chunk < chunks;) {
      try {
        client ??= await ForwardClient.open({ port });
        await client.send(
          packedMode("app", events(perChunk, chunk * perChunk), { chunk: `c${chunk}` }, chunk % 2 === 0),
        );
        const answer = client.receive();
        if (killed < kills && chunk === 15 * (killed + 1)) {
          if (killed++ % 2 === 0) await answer; // what is answered must be safe this very moment
          await program.kill(); // else between its spool and its answer, or before
          program = await start();
        }
        if ((await answer as { ack?: string } | undefined)?.ack === `c${chunk}`) {
          chunk++;
          continue;
        }
      } catch {
        // It is away: the chunk is sent again.
      }
      client?.[Symbol.dispose]();
      client = undefined;
    }
    const seen = (): readonly number[] => readNumbers(join(folder, "logs"));
    await waitFor(() => new Set(seen()).size === chunks * perChunk, "every record in the files");
    strictEqual(killed, kills);
    ok(seen().every((n) => n < chunks * perChunk), "nothing that was not sent");
  } finally {
    client?.[Symbol.dispose]();
    await program[Symbol.asyncDispose]();
    Deno.removeSync(folder, { recursive: true });
  }
});

/** The `n` of every record below a folder. */
function readNumbers(folder: string): readonly number[] {
  return [...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory) return readNumbers(path);
    return [...Deno.readTextFileSync(path).matchAll(/ app - - - \{"n":(\d+)\}$/gm)].map(([, n]) => Number(n));
  });
}
