/** The `stream` sink against real receivers: socat as s6 users run it, and peers that stall, die and refuse. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { batchOfLines, type Origin } from "../../src/pipeline/batch.ts";
import type { Sink } from "../../src/pipeline/sink.ts";
import { openStreamSink } from "../../src/sinks/stream/sink.ts";
import { Pki, serverName } from "../peers/pki.ts";
import { freePort, isListening } from "../peers/ports.ts";
import { RunningProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

const origin: Origin = { source: "t", host: "h", program: "p", priority: 13, form: "plain", readAtMs: 0 };
const never = new AbortController().signal;
const times = { connectionTimeoutMs: 5_000, timeoutMs: 20_000 };

function plainSink(port: number): Sink {
  return openStreamSink({ id: "s", transport: "tcp", host: "127.0.0.1", port, withHeader: false, ...times });
}

/** A batch of one line of about `sizeBytes`, which begins with its number. */
const numbered = (n: number, sizeBytes: number): string => `${n} `.padEnd(sizeBytes, "x");

Deno.test("openStreamSink() confirms nothing that the peer's kernel has not acknowledged, and repeats it to the next peer", async () => {
  const lineBytes = 10_000;
  const lines = 1_500; // 15 MB: more than the buffers of both kernels
  const port = freePort();
  const first = Deno.listen({ hostname: "127.0.0.1", port });
  const mute = first.accept(); // it accepts and never reads
  await using sink = plainSink(port);
  const confirmed = new Set<number>();
  const sent = [];
  for (let n = 0; n < lines; n++) {
    const one = sink.send(batchOfLines([numbered(n, lineBytes)], origin), never);
    sent.push(one.then(() => confirmed.add(n), () => {}));
  }
  const peer = await mute;
  await waitFor(() => confirmed.size > 0, "the first confirmation");
  // Several looks, until both kernels are full: nothing more may be confirmed than arrived.
  let [held, confirmedBefore, looks] = [-1, -1, 0];
  await waitFor(async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = await unreadBytes(peer);
    looks = now === held && confirmed.size === confirmedBefore ? looks + 1 : 0;
    [held, confirmedBefore] = [now, confirmed.size];
    return looks >= 6;
  }, "an end of what the peer's kernel takes");
  peer.close();
  first.close();
  await Promise.all(sent);
  ok(confirmed.size < lines, "a mute peer cannot have all");
  ok(
    confirmed.size * (lineBytes + 1) <= held,
    `${confirmed.size} lines were confirmed, the peer's kernel held ${held} bytes`,
  );
  await rejects(sink.send(batchOfLines(["later"], origin), never), /Cannot/); // until reset

  await using second = new Receiver(port);
  sink.reset();
  const again = Array.from({ length: lines }, (_, n) => n).filter((n) => !confirmed.has(n));
  await Promise.all(again.map((n) => sink.send(batchOfLines([numbered(n, lineBytes)], origin), never)));
  await waitFor(() => second.text.length >= again.length * (lineBytes + 1), "all that is confirmed");
  const arrived = second.text.trimEnd().split("\n").map((line) => parseInt(line));
  deepStrictEqual(arrived, again);
});

Deno.test("openStreamSink() goes to its second server while the first is away, and back without losing or doubling a line", async () => {
  const port = freePort();
  await using second = new Receiver(0);
  const fallbacks = [{ host: "127.0.0.1", port: second.port }];
  const where = { host: "127.0.0.1", port, fallbacks, ...times };
  await using sink = openStreamSink({ id: "s", transport: "tcp", withHeader: false, ...where });
  let count = 0;
  const send = (): Promise<unknown> => sink.send(batchOfLines([String(count++)], origin), never);
  await send();
  await waitFor(() => second.text === "0\n", "the first line, at the second server");
  await using first = new Receiver(port);
  await waitFor(async () => {
    await send();
    return first.text !== "";
  }, "a line at the first server");
  await send();
  const expected = Array.from({ length: count }, (_, i) => `${i}\n`).join("");
  await waitFor(() => second.text.length + first.text.length >= expected.length, "all lines");
  strictEqual(second.text + first.text, expected);
});

Deno.test("openStreamSink() escapes line feeds and adds the header where it is wanted", async () => {
  await using receiver = new Receiver(0);
  const bytes = new TextEncoder().encode("a\nb");
  const torn = { ...batchOfLines(["x"], origin), bytes, bounds: new Uint32Array([0, 3]), packed: false };
  await using sink = plainSink(receiver.port);
  await sink.send(torn, never);
  await using headed = openStreamSink({
    id: "s",
    transport: "tcp",
    host: "127.0.0.1",
    port: receiver.port,
    withHeader: true,
    ...times,
  });
  await headed.send(batchOfLines(["text"], origin), never);
  await waitFor(() => receiver.text.endsWith("text\n"), "both lines");
  strictEqual(receiver.text, "a#012b\n<13>1970-01-01T00:00:00.000000+00:00 h p: text\n");
});

Deno.test("openStreamSink() rejects what waits when its signal aborts, and ends a peer that takes nothing in time", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const accepting = (async () => [await listener.accept(), await listener.accept()])();
  const large = batchOfLines([numbered(0, 40_000_000)], origin);
  const stop = new AbortController();
  await using sink = plainSink(port);
  const cut = rejects(sink.send(large, stop.signal), /stopped/);
  setTimeout(() => stop.abort(), 100);
  await cut;
  await using impatient = openStreamSink({
    id: "s",
    transport: "tcp",
    host: "127.0.0.1",
    port,
    withHeader: false,
    connectionTimeoutMs: 5_000,
    timeoutMs: 300,
  });
  await rejects(impatient.send(large, never), /nothing was taken for 300 ms/);
  for (const peer of await accepting) peer.close();
  listener.close();
});

Deno.test({
  name: "openStreamSink() delivers to socat openssl-listen as s6-tlsclient does, and not without a certificate",
  ...needs("socat", "openssl"),
  fn: async () => {
    using pki = await Pki.make();
    const port = freePort();
    const output = join(pki.folder, "remote.log");
    const { cert, key } = pki.server;
    const address =
      `openssl-listen:${port},bind=127.0.0.1,reuseaddr,fork,cert=${cert},key=${key},cafile=${pki.ca},verify=1`;
    await using socat = RunningProgram.start("socat", ["-u", address, `open:${output},creat,append`]);
    await socat.waitUntil(() => isListening(port), "socat");
    const open = (own: Partial<{ cert: string; key: string }>): Sink =>
      openStreamSink({
        id: "s",
        transport: "tls",
        host: "127.0.0.1",
        port,
        withHeader: false,
        tls: { ca: pki.ca, ...own, authMode: "name", permittedPeer: [serverName] },
        ...times,
      });
    await using stranger = open({});
    await rejects(stranger.send(batchOfLines(["secret"], origin), never), /Cannot/);
    await using sink = open(pki.client);
    const lines = Array.from({ length: 3_000 }, (_, n) => numbered(n, 200));
    for (let at = 0; at < lines.length; at += 1_000) {
      await sink.send(batchOfLines(lines.slice(at, at + 1_000), origin), never);
    }
    await waitFor(() => Deno.readTextFileSync(output).length >= 201 * lines.length, "all lines");
    strictEqual(Deno.readTextFileSync(output), lines.join("\n") + "\n");
  },
});

/** Bytes that a connection's kernel has received and its program has not read, by the kernel's own table. */
async function unreadBytes(peer: Deno.Conn): Promise<number> {
  const { port } = peer.remoteAddr as Deno.NetAddr;
  const { port: own } = peer.localAddr as Deno.NetAddr;
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(4, "0");
  const table = await Deno.readTextFile("/proc/net/tcp");
  const row = table.split("\n").find((line) => line.includes(`:${hex(own)} 0100007F:${hex(port)} `))!;
  return parseInt(/ 0[0-9A-F] [0-9A-F]{8}:([0-9A-F]{8}) /.exec(row)![1]!, 16);
}

/** Takes everything from every connection. */
class Receiver implements AsyncDisposable {
  text = "";
  readonly #listener: Deno.TcpListener;
  readonly #running: Promise<void>;
  readonly #connections: Deno.Conn[] = [];

  constructor(port: number) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.#running = this.#accept();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) {
      try {
        connection.close();
      } catch {
        // Read to its end: closed already.
      }
    }
    await this.#running;
  }

  async #accept(): Promise<void> {
    const reading: Promise<void>[] = [];
    try {
      for await (const connection of this.#listener) {
        this.#connections.push(connection);
        reading.push(this.#read(connection));
      }
    } catch {
      // Closed by dispose.
    }
    await Promise.all(reading);
  }

  async #read(connection: Deno.Conn): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of connection.readable) this.text += decoder.decode(chunk, { stream: true });
    } catch {
      // Closed by dispose, or reset.
    }
  }
}
