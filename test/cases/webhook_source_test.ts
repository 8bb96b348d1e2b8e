/** Source `webhook` over real sockets: who may push what, and that an answer of 2xx means the records are kept. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Batch, recordText } from "../../src/pipeline/batch.ts";
import { openWebhookSource, type WebhookOptions, type WebhookSource } from "../../src/sources/webhook/source.ts";
import { Pki, serverName } from "../peers/pki.ts";
import { waitFor } from "../peers/process.ts";

/** What a push looks like; a body of `undefined` sends none. */
interface Push {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly tls?: { readonly ca: string; readonly cert?: string; readonly key?: string };
  readonly socketPath?: string;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
}

const lines = { "content-type": "text/plain" };

/** A webhook with whoever takes its batches: `store` decides what becomes of each. */
class Bench implements AsyncDisposable {
  readonly batches: Batch[] = [];
  readonly source: WebhookSource;
  readonly #stop = new AbortController();
  readonly #taking: Promise<void>;

  private constructor(source: WebhookSource, store: (batch: Batch, bench: Bench) => void) {
    this.source = source;
    this.#taking = (async () => {
      for await (const batch of source.read(undefined, { maxRecords: 2, maxBytes: 1_000 }, this.#stop.signal)) {
        this.batches.push(batch);
        store(batch, this);
      }
    })();
  }

  static async open(
    options: Partial<WebhookOptions> = {},
    store = (batch: Batch, bench: Bench): void => bench.confirm(batch),
  ): Promise<Bench> {
    const listen = { host: "127.0.0.1", port: 0 };
    const base = { id: "hook", listen, path: "/", maxBodyBytes: 64 * 1024, hostname: "h", program: "p", priority: 13 };
    return new Bench(await openWebhookSource({ ...base, ...options }), store);
  }

  get texts(): readonly string[] {
    return this.batches.flatMap((batch) => Array.from({ length: batch.count }, (_, i) => recordText(batch, i)));
  }

  confirm(batch: Batch): void {
    void this.source.acknowledgements.commit("hook", batch.position);
    batch.release();
  }

  async push(push: Push): Promise<Answer> {
    const [host, port] = this.source.address.split(":");
    const where = push.socketPath === undefined ? { host, port: Number(port) } : { socketPath: push.socketPath };
    const tls = push.tls === undefined ? {} : { ...push.tls, servername: serverName };
    return await new Promise((resolve, reject) => {
      const options = {
        ...where,
        ...tls,
        method: push.method ?? "POST",
        path: push.path ?? "/",
        headers: { ...lines, ...push.headers },
        agent: false as const,
      };
      const request = (push.tls === undefined ? plainRequest : tlsRequest)(options, (answer) => {
        let text = "";
        answer.on("data", (chunk) => text += chunk);
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
        answer.on("error", reject);
      });
      request.on("error", reject);
      request.end(push.body ?? "");
    });
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

Deno.test("webhook source takes lines, NDJSON, JSON and gzip, in batches of the limits", async () => {
  await using bench = await Bench.open();
  const json = { "content-type": "application/json; charset=utf-8" };
  const answer = await bench.push({ body: "a\r\n\nb\nc" });
  deepStrictEqual([answer.status, answer.text], [200, '{"records":4}\n']);
  deepStrictEqual(bench.batches.map(({ count }) => count), [2, 2]);
  strictEqual(
    (await bench.push({ body: '{"a":1}\n\n{"b":2}\n', headers: { "content-type": "application/x-ndjson" } })).status,
    200,
  );
  strictEqual((await bench.push({ body: ' [{"a" : 1.0},\n{"b":[ 2 ]}]', headers: json })).status, 200);
  strictEqual((await bench.push({ body: '{"one":\n1}', headers: json })).status, 200);
  strictEqual((await bench.push({ body: gzipSync("packed\n"), headers: { "content-encoding": "gzip" } })).status, 200);
  strictEqual((await bench.push({ body: "", headers: json })).status, 400);
  strictEqual((await bench.push({ body: "" })).text, '{"records":0}\n');
  deepStrictEqual(bench.texts, [
    "a",
    "",
    "b",
    "c",
    '{"a":1}',
    '{"b":2}',
    '{"a":1.0}',
    '{"b":[2]}',
    '{"one":1}',
    "packed",
  ]);
  deepStrictEqual([bench.batches[0]!.origin.host, bench.batches[0]!.origin.program], ["h", "p"]);
});

Deno.test("webhook source refuses what is not for it, each with its status", async () => {
  await using bench = await Bench.open({ path: "/logs" });
  const wrong: readonly (readonly [number, Push])[] = [
    [404, { path: "/", body: "a" }],
    [404, { path: "/logs/x", body: "a" }],
    [405, { path: "/logs", method: "GET" }],
    [405, { path: "/logs", method: "PUT", body: "a" }],
    [415, { path: "/logs", body: "a", headers: { "content-type": "application/xml" } }],
    [415, { path: "/logs", body: "a", headers: { "content-type": "text/plain; charset=latin1" } }],
    [415, { path: "/logs", body: "a", headers: { "content-encoding": "br" } }],
    [413, { path: "/logs", body: "x".repeat(65 * 1024) }],
    [413, { path: "/logs", body: "x".repeat(65 * 1024), headers: { "transfer-encoding": "chunked" } }],
    [413, { path: "/logs", body: gzipSync("x".repeat(10_000_000)), headers: { "content-encoding": "gzip" } }],
    [400, { path: "/logs", body: "no gzip", headers: { "content-encoding": "gzip" } }],
    [400, { path: "/logs", body: '{"a":', headers: { "content-type": "application/json" } }],
    [403, { path: "/logs", body: "a", headers: { origin: "https://example.net" } }],
  ];
  for (const [status, push] of wrong) {
    strictEqual((await bench.push(push)).status, status, JSON.stringify(push).slice(0, 200));
  }
  strictEqual((await bench.push({ path: "/logs", method: "GET" })).headers.allow, "POST");
  strictEqual((await bench.push({ path: "/logs?x=1", body: "a" })).status, 200);
  deepStrictEqual(bench.texts, ["a"]);
});

Deno.test("webhook source answers when every batch of a request is safe, and not before", async () => {
  await using bench = await Bench.open({}, () => {});
  let answered = false;
  const pushed = bench.push({ body: "a\nb\nc\n" }).finally(() => answered = true);
  await waitFor(() => bench.batches.length >= 2, "batch 2");
  bench.confirm(bench.batches[0]!);
  await new Promise((resolve) => setTimeout(resolve, 50)); // time in which a wrong answer would come
  strictEqual(answered, false);
  bench.confirm(bench.batches[1]!);
  strictEqual((await pushed).status, 200);
});

Deno.test("webhook source tells its caller to come again when records are not stored in time, or refused", async () => {
  await using late = await Bench.open({ storeTimeoutMs: 50 }, () => {});
  const answer = await late.push({ body: "a\n" });
  deepStrictEqual([answer.status, answer.headers["retry-after"]], [503, "5"]);
  await using full = await Bench.open({}, (batch, bench) => {
    bench.source.refuse?.(batch.position);
    bench.confirm(batch);
  });
  const refused = await full.push({ body: "a\n" });
  deepStrictEqual([refused.status, refused.headers["retry-after"]], [503, "5"]);
});

Deno.test("webhook source holds no more than its limit, and takes again when that is stored", async () => {
  await using bench = await Bench.open({ maxHeldBytes: 1_000, storeTimeoutMs: 10_000 }, () => {});
  const first = bench.push({ body: "x".repeat(800) });
  await waitFor(() => bench.batches.length >= 1, "batch 1");
  const second = await bench.push({ body: "y".repeat(800) });
  deepStrictEqual([second.status, second.headers["retry-after"]], [429, "5"]);
  bench.confirm(bench.batches[0]!);
  strictEqual((await first).status, 200);
  const third = bench.push({ body: "z".repeat(800) });
  await waitFor(() => bench.batches.length >= 2, "batch 2");
  bench.confirm(bench.batches[1]!);
  strictEqual((await third).status, 200);
});

Deno.test("webhook source turns connections beyond its limit away with 429", async () => {
  await using bench = await Bench.open({ maxConnections: 1 }, () => {});
  const first = bench.push({ body: "a\n" });
  await waitFor(() => bench.batches.length >= 1, "batch 1");
  strictEqual((await bench.push({ body: "b\n" })).status, 429);
  bench.confirm(bench.batches[0]!);
  strictEqual((await first).status, 200);
});

Deno.test("webhook source cuts a caller that does not send its request in time", async () => {
  await using bench = await Bench.open({ requestTimeoutMs: 200 });
  const [hostname, port] = bench.source.address.split(":");
  using caller = await Deno.connect({ hostname: hostname!, port: Number(port) });
  await caller.write(
    new TextEncoder().encode("POST / HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nab"),
  );
  const ended = await caller.read(new Uint8Array(100)).catch(() => null);
  strictEqual(ended, null);
  deepStrictEqual(bench.texts, []);
});

Deno.test("webhook source demands a token of its file, and takes a new one without a restart", async () => {
  const folder = Deno.makeTempDirSync();
  const tokenFile = join(folder, "token");
  try {
    Deno.writeTextFileSync(tokenFile, "correct-horse-battery\n", { mode: 0o600 });
    await using bench = await Bench.open({ tokenFile });
    const withToken = (token: string): Push => ({ body: "a", headers: { authorization: `Bearer ${token}` } });
    const none = await bench.push({ body: "a" });
    deepStrictEqual([none.status, none.headers["www-authenticate"]], [401, "Bearer"]);
    strictEqual((await bench.push(withToken("correct-horse-batter"))).status, 401);
    strictEqual((await bench.push(withToken("correct-horse-battery"))).status, 200);
    Deno.writeTextFileSync(tokenFile, "another-token-of-length\n");
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // it looks at the file once in a second
    strictEqual((await bench.push(withToken("another-token-of-length"))).status, 200);
    strictEqual((await bench.push(withToken("correct-horse-battery"))).status, 401);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("openWebhookSource() refuses token files that others can read or that hold nothing, and open doors", async () => {
  const folder = Deno.makeTempDirSync();
  const tokenFile = join(folder, "token");
  try {
    await rejects(Bench.open({ tokenFile }), /Cannot read token .*\n?Try: make it with mode 0600/);
    Deno.writeTextFileSync(tokenFile, "correct-horse-battery\n", { mode: 0o644 });
    Deno.chmodSync(tokenFile, 0o640);
    await rejects(Bench.open({ tokenFile }), /others may read it \(mode 640\)/);
    Deno.writeTextFileSync(tokenFile, "short\n");
    Deno.chmodSync(tokenFile, 0o600);
    await rejects(Bench.open({ tokenFile }), (error: Error) => {
      match(error.message, /holds no token of 16/);
      ok(!error.message.includes("short"), "the token itself must not be told");
      return true;
    });
    for (const host of ["0.0.0.0", "::", "192.0.2.1"]) {
      await rejects(Bench.open({ listen: { host, port: 0 } }), /anybody could push\nTry: /);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("webhook source over TLS takes callers with a certificate of its CA alone, and knows their names", async () => {
  using pki = await Pki.make();
  const server = pki.pair("server");
  const listen = { host: "127.0.0.1", port: 0 };
  const tls = { authMode: "name", permittedPeer: [], ca: pki.ca, ...server } as const;
  await using bench = await Bench.open({ listen, tls });
  const ca = Deno.readTextFileSync(pki.ca);
  const read = ({ cert, key }: { cert: string; key: string }): { cert: string; key: string } => (
    { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) }
  );
  strictEqual((await bench.push({ body: "a", tls: { ca, ...read(pki.pair("client")) } })).status, 200);
  ok((bench.batches[0]!.origin.peer ?? "") !== "");
  strictEqual(bench.batches[0]!.origin.host, bench.batches[0]!.origin.peer);
  await rejects(bench.push({ body: "b", tls: { ca } }));
  deepStrictEqual(bench.texts, ["a"]);
});

Deno.test("webhook source serves a Unix socket that its owner and group alone can reach, and removes it", async () => {
  const folder = Deno.makeTempDirSync();
  const path = join(folder, "sub", "hook.sock");
  try {
    {
      await using bench = await Bench.open({ listen: { path } });
      strictEqual(Deno.statSync(path).mode! & 0o777, 0o660);
      strictEqual((await bench.push({ body: "a", socketPath: path })).status, 200);
      deepStrictEqual(bench.texts, ["a"]);
      await rejects(Bench.open({ listen: { path } }), /another program listens there/);
    }
    deepStrictEqual([...Deno.readDirSync(join(folder, "sub"))], []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("webhook source answers what it took before it stops, and nothing after", async () => {
  await using bench = await Bench.open({}, () => {});
  const pushed = bench.push({ body: "a\n" });
  await waitFor(() => bench.batches.length >= 1, "batch 1");
  await bench.stop();
  strictEqual((await bench.push({ body: "b\n" })).status, 503);
  bench.confirm(bench.batches[0]!);
  strictEqual((await pushed).status, 200);
});
