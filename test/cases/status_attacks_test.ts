/** Attacks on the status server: refused, or bounded, and shipping goes on. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import type { StatusServer } from "../../src/status/server/server.ts";
import type { AgentFeed, TailRecord } from "../../src/status/state.ts";
import { someState } from "../peers/agent_state.ts";
import { agentCommand } from "../peers/agent.ts";
import { startCollector } from "../peers/collector.ts";
import { freePort } from "../peers/ports.ts";
import { Pki } from "../peers/pki.ts";
import { RunningProgram, waitFor } from "../peers/process.ts";
import { ask, exchangeRaw, RawConnection, startStatusServer } from "../peers/status_server.ts";

const statusLine = (answer: string): string => answer.split("\r\n", 1)[0]!;
const token = "a-token-of-some-length";
const refused = "HTTP/1.1 400 Bad Request";

async function withToken(action: (server: StatusServer) => Promise<void>): Promise<void> {
  const path = Deno.makeTempFileSync({ prefix: "status-token-" });
  Deno.writeTextFileSync(path, token);
  try {
    await using server = await startStatusServer({ tokenFile: path });
    await action(server);
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("a page of another origin can neither read nor make a dump", async () => {
  const wishes: unknown[] = [];
  const make = (wish: unknown): Promise<never> => (wishes.push(wish), Promise.reject(new Error("never")));
  await using server = await startStatusServer({ dumps: { make, keepMs: 60_000 } });
  const evil = { origin: "http://evil.example" };
  for (const path of ["/", "/api/status", "/api/tail", "/metrics", "/health", "/page.js"]) {
    strictEqual((await ask(server.address, path, { headers: evil })).status, 403, path);
  }
  const forms = ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];
  for (const type of forms) {
    const attempts = [evil, { origin: "null" }, { "sec-fetch-site": "cross-site" }, {
      referer: "http://evil.example/",
    }];
    for (const headers of attempts) {
      const answer = await ask(server.address, "/api/dump", {
        method: "POST",
        headers: { ...headers, "content-type": type },
        body: type.endsWith("json") ? "{}" : "",
      });
      strictEqual(answer.status, 403, `${type} ${JSON.stringify(headers)}`);
      strictEqual(answer.headers["access-control-allow-origin"], undefined);
    }
  }
  strictEqual((await ask(server.address, "/api/dump", { method: "OPTIONS", headers: evil })).status, 405);
  deepStrictEqual(wishes, []);
});

Deno.test("a name that was made to point here is not answered (DNS rebinding)", async () => {
  await using server = await startStatusServer({ hosts: ["Router1.example.net"] });
  const status = async (host: string): Promise<number> =>
    (await ask(server.address, "/api/status", { headers: { host } })).status;
  for (
    const host of ["evil.example", `evil.example:${server.port}`, "localhost.evil.example", "127.0.0.1.evil.example"]
  ) {
    strictEqual(await status(host), 421, host);
  }
  for (const host of ["localhost", "127.0.0.1:1", "[::1]", "router1.example.net:443", "router1"]) {
    strictEqual(await status(host), 200, host);
  }
  const get = "GET /api/status HTTP/1.1\r\n";
  match(statusLine(await exchangeRaw(server.port, `${get}Host: localhost\r\nHost: evil.example\r\n\r\n`)), /400/);
  match(statusLine(await exchangeRaw(server.port, `${get}\r\n`)), /400/);
  match(statusLine(await exchangeRaw(server.port, "GET /api/status HTTP/1.0\r\n\r\n")), /400/);
});

Deno.test("no token, a wrong one, and one in the wrong place do not open anything", async () => {
  await withToken(async (server) => {
    const wrong: readonly Record<string, string>[] = [
      {},
      { authorization: "Bearer " },
      { authorization: `Bearer ${token}x` },
      { authorization: `Bearer ${token.slice(0, -1)}` },
      { authorization: `Basic ${btoa(`:${token}`)}` },
      { authorization: token },
      { cookie: `agent_session=${token}` },
      { cookie: "agent_session=" },
      { "x-csrf-token": token },
    ];
    for (const headers of wrong) {
      const { status, text } = await ask(server.address, "/api/status", { headers });
      strictEqual(status, 401, JSON.stringify(headers));
      ok(!text.includes("router1"));
    }
    strictEqual((await ask(server.address, `/api/status?token=${token}`)).status, 401);
    strictEqual((await ask(server.address, "/api/dump", { method: "POST" })).status, 401);
    const right = { headers: { authorization: `Bearer ${token}` } };
    strictEqual((await ask(server.address, "/api/status", right)).status, 200);
  });
});

Deno.test("paths lead nowhere but to routes", async () => {
  await using server = await startStatusServer();
  const targets = [
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f",
    "//etc/passwd",
    "/page.css/../../state.ts",
  ];
  for (const target of [...targets, "/page.css%00", "/\\..\\etc", "http://evil.example/", "/api/dump/..", "*", "/./"]) {
    const answer = await exchangeRaw(server.port, `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    strictEqual(statusLine(answer), refused, target);
    ok(!answer.includes("root:"));
  }
  match(
    statusLine(await exchangeRaw(server.port, `GET /${"a".repeat(3_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`)),
    /414/,
  );
  match(statusLine(await exchangeRaw(server.port, "GET /api/dump/etc HTTP/1.1\r\nHost: localhost\r\n\r\n")), /404/);
});

Deno.test("what is larger than it may be is refused while it comes", async () => {
  await using server = await startStatusServer();
  const get = "GET /health HTTP/1.1\r\nHost: localhost\r\n";
  match(statusLine(await exchangeRaw(server.port, `${get}X: ${"a".repeat(10_000)}\r\n\r\n`)), /431/);
  match(statusLine(await exchangeRaw(server.port, `${get}${"a: b\r\n".repeat(6_000)}\r\n`)), /431|400/);
  const post = "POST /api/dump HTTP/1.1\r\nHost: localhost\r\n";
  match(statusLine(await exchangeRaw(server.port, `${post}Content-Length: 99999999999\r\n\r\nx`)), /413/);
  using endless = await RawConnection.open(server.port);
  await endless.send(`${post}Transfer-Encoding: chunked\r\n\r\n`);
  const piece = `10000\r\n${"x".repeat(0x10000)}\r\n`;
  await endless.send(piece + piece + piece);
  match(statusLine(await endless.read(/\r\n\r\n/)), /413/);
  strictEqual(await endless.isEnded(), true);
});

Deno.test("a request that can be read in two ways is read in none", async () => {
  await using server = await startStatusServer();
  const post = "POST /api/dump HTTP/1.1\r\nHost: localhost\r\n";
  const second = "GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const smuggled = [
    `${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${second}`,
    `${post}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd${second}`,
    `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${second}`,
    `${post}Content-Length: -1\r\n\r\n${second}`,
  ];
  for (const text of smuggled) {
    using connection = await RawConnection.open(server.port);
    await connection.send(text);
    const answer = await connection.read();
    match(statusLine(answer), /400/, text);
    ok(!answer.includes("router1"), text);
  }
});

Deno.test("1,000 idle connections keep nobody out", async () => {
  await using server = await startStatusServer();
  const idle: RawConnection[] = [];
  try {
    for (let i = 0; i < 1_000; i++) idle.push(await RawConnection.open(server.port));
    const { status } = await ask(server.address, "/api/status");
    strictEqual(status, 200);
    const oldest = await Promise.all(idle.slice(0, 890).map((one) => one.isEnded()));
    ok(oldest.every((ended) => ended));
  } finally {
    for (const one of idle) one[Symbol.dispose]();
  }
});

Deno.test("1,000 connections that never begin TLS keep nobody out", async () => {
  using pki = await Pki.make();
  const tls = { ca: pki.ca, ...pki.server, authMode: "name" as const, permittedPeer: [] };
  await using server = await startStatusServer({ tls });
  const mute: RawConnection[] = [];
  try {
    for (let i = 0; i < 1_000; i++) mute.push(await RawConnection.open(server.port));
    const read = (path: string): string => Deno.readTextFileSync(path);
    const client = { ca: read(pki.ca), cert: read(pki.client.cert), key: read(pki.client.key) };
    strictEqual((await ask(server.address, "/api/status", { tls: client })).status, 200);
    const oldest = await Promise.all(mute.slice(0, 890).map((one) => one.isEnded()));
    ok(oldest.every((ended) => ended));
  } finally {
    for (const one of mute) one[Symbol.dispose]();
  }
});

Deno.test("connections that are all busy get a plain answer", async () => {
  await using server = await startStatusServer({ limits: { maxConnections: 2 } });
  const tails = [await RawConnection.open(server.port), await RawConnection.open(server.port)];
  for (const tail of tails) await tail.send("GET /api/tail HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await waitFor(() => server.feed.readers === 2, "the readers");
  strictEqual((await ask(server.address, "/health")).status, 503);
  for (const tail of tails) tail[Symbol.dispose]();
  await waitFor(async () => (await ask(server.address, "/health")).status === 200, "a place");
});

Deno.test("a request that comes letter by letter is cut", async () => {
  await using server = await startStatusServer({ limits: { requestTimeoutMs: 1_000 } });
  const slow = [
    "GET /health HTTP/1.1\r\nHost: localhost\r\nX: ",
    "POST /api/dump HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
    "",
  ];
  for (const beginning of slow) {
    using connection = await RawConnection.open(server.port);
    await connection.send(beginning);
    const timer = setInterval(() => void connection.send("a"), 20);
    strictEqual(await connection.isEnded(5_000), true, beginning);
    clearInterval(timer);
  }
  strictEqual((await ask(server.address, "/health")).status, 200);
});

Deno.test("a reader of the tail that never reads costs a buffer, and then its connection", async () => {
  let taken = 0;
  let over = false;
  const feed: AgentFeed = {
    state: () => someState(),
    configuration: () => "",
    async *tail(_filter, signal): AsyncGenerator<TailRecord> {
      try {
        for (; !signal.aborted; taken++) {
          yield {
            source: "a",
            timeMs: 0,
            host: "h",
            program: "p",
            severity: 6,
            message: "x".repeat(1_000),
            skipped: 0,
          };
          if (taken % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 0)); // there is always another one
        }
      } finally {
        over = true;
      }
    },
  };
  await using server = await startStatusServer({ feed, limits: { stallMs: 1_500 } });
  using reader = await RawConnection.open(server.port);
  await reader.send("GET /api/tail HTTP/1.1\r\nHost: localhost\r\n\r\n");
  let before = -1;
  await waitFor(async () => {
    const still = taken === before;
    before = taken;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return still && taken > 0;
  }, "nothing more to be taken for it");
  ok(taken < 16_000, `${taken} records of 1 kB were taken for who reads none`); // what the kernel holds for a socket
  await waitFor(() => over, "the end of it");
});

Deno.test("shipping goes on under attack", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "status-attacks-" });
  await using collector = await startCollector();
  try {
    const quiet = await shipped(folder, "quiet", collector.port);
    const attacked = await shipped(folder, "attacked", collector.port, attack);
    const ratio = attacked.rate / quiet.rate;
    // The figure is for people: how fast a shared machine is proves nothing.
    Deno.stderr.writeSync(new TextEncoder().encode(
      `shipping while the status server is attacked: ${Math.round(attacked.rate)} of ${
        Math.round(quiet.rate)
      } lines/s (${ratio.toFixed(2)}), peak ${Math.round(attacked.peakMiB)} of ${Math.round(quiet.peakMiB)} MiB\n`,
    ));
    ok(attacked.peakMiB < quiet.peakMiB + 128, `${attacked.peakMiB} MiB under attack, ${quiet.peakMiB} MiB without`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

const lineCount = 100_000;

/** Ships a file and says how fast; the lines have all arrived when it ends. */
async function shipped(
  folder: string,
  name: string,
  port: number,
  during?: (port: number, signal: AbortSignal) => Promise<void>,
): Promise<{ readonly rate: number; readonly peakMiB: number }> {
  const log = join(folder, `${name}.log`);
  Deno.writeTextFileSync(log, "");
  const statusPort = freePort();
  const config = join(folder, `${name}.json`);
  Deno.writeTextFileSync(
    config,
    JSON.stringify({
      state: join(folder, `${name}-state`),
      sources: { lines: { type: "file", include: [log] } },
      sinks: { loghost: { type: "relp", target: "127.0.0.1", port } },
      status: { listen: `127.0.0.1:${statusPort}` },
    }),
  );
  const { command, args } = agentCommand(["ship", "--config", config]);
  await using program = RunningProgram.start(command, args, { name: "agent ship" });
  await program.waitForOutput(/running: from/);
  const stop = new AbortController();
  const attacking = during?.(statusPort, stop.signal);
  Deno.writeTextFileSync(log, `${"x".repeat(150)}\n`.repeat(lineCount), { append: true });
  const startMs = performance.now();
  const delivered = async (): Promise<boolean> => {
    // Under attack a connection may be turned away, or cut before its request is there; whoever asks again gets in.
    const { status, text } = await ask(`http://127.0.0.1:${statusPort}`, "/api/status")
      .catch(() => ({ status: 0, text: "" }));
    if (status !== 200) return false;
    return JSON.parse(text).sinks[0].delivered.records === lineCount;
  };
  await waitFor(delivered, `${lineCount} delivered lines`, 30_000);
  const rate = lineCount / (performance.now() - startMs) * 1_000;
  stop.abort();
  await attacking;
  return { rate, peakMiB: program.usage.peakMiB };
}

/** All of it at once: connections that say nothing, requests without an end, tails that are not read, garbage. */
async function attack(port: number, signal: AbortSignal): Promise<void> {
  const kinds = [
    "",
    "GET /health HTTP/1.1\r\nHost: localhost\r\nX: ",
    `GET / HTTP/1.1\r\nX: ${"a".repeat(10_000)}\r\n\r\n`,
    "\x16\x03\x01\x00",
    "POST /api/dump HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nx",
    "GET /../../etc/passwd HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "GET /api/tail HTTP/1.1\r\nHost: localhost\r\n\r\n",
  ];
  const open: RawConnection[] = [];
  try {
    for (let i = 0; !signal.aborted; i++) {
      try {
        const connection = await RawConnection.open(port);
        open.push(connection);
        await connection.send(kinds[i % kinds.length]!);
      } catch {
        // Refused: that is one way to be safe.
      }
      if (open.length > 1_000) open.shift()![Symbol.dispose]();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  } finally {
    for (const one of open) one[Symbol.dispose]();
  }
}
