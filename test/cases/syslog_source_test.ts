/** The `syslog` source with real sockets and real senders, in this process. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { type Batch, recordText } from "../../src/pipeline/batch.ts";
import { openSyslogSource, type SyslogSource, type SyslogSourceOptions } from "../../src/sources/syslog/source.ts";
import { clientName, Pki } from "../peers/pki.ts";
import { waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

const limits = { maxRecords: 1_000, maxBytes: 1 << 20 };

/** What a source gives, collected while it runs. */
class Reader implements AsyncDisposable {
  readonly source: SyslogSource;
  readonly batches: Batch[] = [];
  readonly #stop = new AbortController();
  readonly #reading: Promise<void>;

  constructor(source: SyslogSource) {
    this.source = source;
    this.#reading = this.#read();
  }

  get records(): string[] {
    return this.batches.flatMap((batch) => Array.from({ length: batch.count }, (_, i) => recordText(batch, i)));
  }

  /** Waits until the condition holds; the deadline is for a broken source alone. */
  async until(condition: () => boolean, what: string): Promise<void> {
    await waitFor(condition, what).catch((error: Error) => {
      const last = this.records.at(-1)?.slice(0, 200);
      throw new Error(`${error.message}; there are ${this.records.length} records, the last is ${last}`);
    });
  }

  /** Stops the source and waits for its end. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#reading;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #read(): Promise<void> {
    for await (const batch of this.source.read(undefined, limits, this.#stop.signal)) this.batches.push(batch);
  }
}

const defaults = { id: "in", hostname: "here", priority: 13, maxMessageBytes: 64 * 1024 };
const tcp = { transport: "tcp", host: "127.0.0.1", port: 0 } as const;
const udp = { transport: "udp", host: "127.0.0.1", port: 0 } as const;

async function open(options: Pick<SyslogSourceOptions, "listen"> & Partial<SyslogSourceOptions>): Promise<Reader> {
  return new Reader(await openSyslogSource({ ...defaults, ...options }));
}

/** A folder that goes when the test ends. */
function folder(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "syslog" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

async function writeAll(connection: Deno.Conn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

async function logger(...words: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("logger", { args: words }).output();
  ok(success, new TextDecoder().decode(stderr));
}

Deno.test("syslog source over TCP takes lines and counted records on one connection, each with its form", async () => {
  await using reader = await open({ listen: tcp });
  const connection = await Deno.connect({ port: reader.source.port! });
  await writeAll(connection, "<13>one\n9 <14>a\nb\nc<15>two\r\nplain line\n<16>to");
  connection.close();
  await reader.until(() => reader.records.length === 5, "five records");
  deepStrictEqual(reader.records, ["<13>one", "<14>a\nb\nc", "<15>two", "plain line", "<16>to"]);
  const origins = reader.batches.map(({ origin, count }) => Array<string>(count).fill(`${origin.form} ${origin.host}`))
    .flat();
  deepStrictEqual(origins, ["syslog", "syslog", "syslog", "plain", "syslog"].map((form) => `${form} 127.0.0.1`));
});

Deno.test("syslog source over TCP slows its senders down when nobody takes, and loses nothing", async () => {
  const source = await openSyslogSource({ ...defaults, listen: tcp });
  const lines = 400_000;
  const connection = await Deno.connect({ port: source.port! });
  let sent = 0;
  const sending = (async () => {
    for (let first = 0; first < lines; first += 2_000) {
      const text = Array.from({ length: 2_000 }, (_, i) => `<13>line ${String(first + i).padStart(90, "0")}\n`).join(
        "",
      );
      await writeAll(connection, text);
      sent = first + 2_000;
    }
    connection.close();
  })();
  let before = -1;
  for (let i = 0; i < 1_000 && before !== sent; i++) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  ok(sent < lines, `the sender stands still after ${sent} lines`);
  await using reader = new Reader(source);
  await sending;
  await reader.until(() => reader.batches.reduce((sum, { count }) => sum + count, 0) === lines, "all lines");
  reader.records.forEach((record, i) => strictEqual(Number(record.slice(9)), i));
});

Deno.test("syslog source over TCP delivers what was sent before it stops", async () => {
  const reader = await open({ listen: tcp });
  const connection = await Deno.connect({ port: reader.source.port! });
  await writeAll(connection, "<13>first\n");
  await reader.until(() => reader.records.length === 1, "the first record");
  await writeAll(connection, "<13>second\n<13>torn");
  await reader.stop();
  deepStrictEqual(reader.records, ["<13>first", "<13>second", "<13>torn"]);
  strictEqual(await connection.read(new Uint8Array(1)).catch(() => null), null, "the connection is closed");
  connection.close();
});

Deno.test("syslog source turns away more connections than it may have", async () => {
  await using reader = await open({ listen: tcp, maxConnections: 1 });
  const first = await Deno.connect({ port: reader.source.port! });
  await writeAll(first, "<13>a\n");
  await reader.until(() => reader.records.length === 1, "a record of the first");
  const second = await Deno.connect({ port: reader.source.port! });
  strictEqual(await second.read(new Uint8Array(1)).catch(() => null), null);
  await writeAll(first, "<13>b\n");
  await reader.until(() => reader.records.length === 2, "the first goes on");
  first.close();
  second.close();
});

Deno.test("syslog source over TLS knows its clients by their certificates", async () => {
  using pki = await Pki.make();
  const { ca } = pki;
  const server = pki.pair("server");
  const client = pki.pair("client");
  const tls = { ca, ...server, authMode: "name", permittedPeer: [] } as const;
  await using reader = await open({ listen: { ...tcp, tls } });
  const connection = await Deno.connectTls({
    hostname: "localhost",
    port: reader.source.port!,
    caCerts: [Deno.readTextFileSync(ca)],
    cert: Deno.readTextFileSync(client.cert),
    key: Deno.readTextFileSync(client.key),
    unsafelyDisableHostnameVerification: true,
  });
  await writeAll(connection, "16 <13>hello <over>");
  await reader.until(() => reader.records.length === 1, "a record");
  deepStrictEqual(reader.records, ["<13>hello <over>"]);
  strictEqual(reader.batches[0]!.origin.peer, clientName);
  connection.close();
});

Deno.test("syslog source over UDP takes datagrams with their sender", async () => {
  await using reader = await open({ listen: udp });
  const sender = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const to = { transport: "udp", hostname: "127.0.0.1", port: reader.source.port! } as const;
  for (let i = 0; i < 500; i++) {
    await sender.send(new TextEncoder().encode(i % 100 === 7 ? `no header ${i}` : `<13>n ${i}\n`), to);
    // The kernel's buffer takes some 200 at once, and the sender is this very process.
    if (i % 100 === 99) await reader.until(() => reader.records.length === i + 1, "what was sent so far");
  }
  await reader.until(() => reader.records.length === 500, "all datagrams");
  deepStrictEqual(
    reader.records,
    Array.from({ length: 500 }, (_, i) => i % 100 === 7 ? `no header ${i}` : `<13>n ${i}`),
  );
  ok(reader.batches.every(({ origin }) => origin.host === "127.0.0.1"));
  sender.close();
});

Deno.test("syslog source over UDP announces what the kernel dropped: received and gaps are all that was sent", async () => {
  const source = await openSyslogSource({ ...defaults, listen: udp, maxHeldBytes: 64 * 1024, dropCheckMs: 20 });
  const sender = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const to = { transport: "udp", hostname: "127.0.0.1", port: source.port! } as const;
  const payload = new TextEncoder().encode(`<13>${"x".repeat(1_000)}`);
  const sent = 5_000;
  for (let i = 0; i < sent; i++) await sender.send(payload, to);
  await using reader = new Reader(source);
  const gaps = (): number =>
    reader.records.reduce((sum, record) => sum + Number(/gap of (\d+) datagrams/.exec(record)?.[1] ?? 0), 0);
  const received = (): number => reader.records.filter((record) => record.startsWith("<13>")).length;
  await reader.until(() => received() + gaps() === sent, "received and gaps are all");
  ok(gaps() > 0, "nothing was dropped, so nothing was shown");
  sender.close();
});

Deno.test({
  name: "syslog source takes what logger(1) sends over every kind of socket",
  ...needs("logger"),
  fn: async () => {
    using place = folder();
    const datagrams = join(place.path, "log");
    const stream = join(place.path, "sub/stream");
    await using overUdp = await open({ listen: udp });
    await using overTcp = await open({ listen: tcp });
    await using overUnix = await open({ listen: { transport: "unix", path: datagrams } });
    await using overStream = await open({ listen: { transport: "unix-stream", path: stream } });
    strictEqual(Deno.statSync(datagrams).mode! & 0o777, 0o666);
    const to = (reader: Reader): string[] => ["-n", "127.0.0.1", "-P", String(reader.source.port)];
    await logger(...to(overUdp), "-d", "-t", "tag", "hello");
    await logger(...to(overTcp), "-T", "-t", "tag", "hello");
    await overTcp.until(() => overTcp.records.length === 1, "the first of two connections");
    await logger(...to(overTcp), "-T", "--octet-count", "--rfc3164", "-t", "tag", "counted");
    await logger("-u", datagrams, "--socket-errors=on", "-t", "tag", "hello");
    await logger("-u", stream, "--socket-errors=on", "-t", "tag", "hello");
    const all = [overUdp, overTcp, overUnix, overStream];
    for (const reader of all) {
      await reader.until(() => reader.records.length === (reader === overTcp ? 2 : 1), reader.source.address);
    }
    for (const reader of all) match(reader.records[0]!, /^<13>.*tag.* hello$/);
    match(overTcp.records[1]!, /^<13>\w{3} [ \d]\d [\d:]{8} \S+ tag: counted$/);
    strictEqual(overUnix.batches[0]!.origin.host, "here");
  },
});

Deno.test("syslog source takes over the socket of a program that is gone, and of no other", async () => {
  using place = folder();
  const path = join(place.path, "log");
  const listen = { transport: "unix", path } as const;
  Deno.listenDatagram({ transport: "unixpacket", path }).close(); // the file stays, as after a kill
  const reader = await open({ listen });
  await rejects(
    openSyslogSource({ ...defaults, listen }),
    /Cannot listen on socket ".*": another program listens there/,
  );
  await reader.stop();
  ok(!Array.from(Deno.readDirSync(place.path)).length, "nothing is left behind");
  Deno.writeTextFileSync(path, "a file");
  await rejects(openSyslogSource({ ...defaults, listen }), /it is not a socket/);
  strictEqual(Deno.readTextFileSync(path), "a file");
  const busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await rejects(openSyslogSource({ ...defaults, listen: { ...tcp, port: busy.addr.port } }), /in use/);
  busy.close();
});

Deno.test("syslog source can be read again after it ended", async () => {
  using place = folder();
  const path = join(place.path, "log");
  const source = await openSyslogSource({ ...defaults, listen: { transport: "unix", path } });
  for (const word of ["first", "second"]) {
    const reader = new Reader(source);
    const probe = Deno.listenDatagram({ transport: "unixpacket", path: join(place.path, word) });
    await reader.until(() => [...Deno.readDirSync(place.path)].some(({ name }) => name === "log"), "the socket");
    await probe.send(new TextEncoder().encode(word), { transport: "unixpacket", path });
    await reader.until(() => reader.records.length === 1, word);
    await reader.stop();
    deepStrictEqual(reader.records, [word]);
    probe.close();
  }
});
