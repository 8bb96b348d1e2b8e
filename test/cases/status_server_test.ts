/** The status server as its callers see it: routes, tokens, sessions, certificates, dumps, the tail. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { UsageError } from "../../src/pipeline/errors.ts";
import type { MadeDump, MakeDump } from "../../src/status/server/dumps.ts";
import { someSink, someState } from "../peers/agent_state.ts";
import { Pki } from "../peers/pki.ts";
import { waitFor } from "../peers/process.ts";
import { ask, RawConnection, startStatusServer } from "../peers/status_server.ts";

const json = { "content-type": "application/json" };
const wantsJson = { accept: "application/json" };
const token = "a-token-of-some-length";

function temporaryFolder(): { readonly path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "status-server-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** Makes dumps when it is told to. */
class DumpDouble {
  readonly folder: string;
  readonly wishes: unknown[] = [];
  settle: (made: MadeDump | Error) => void = () => {};
  cancelled = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  readonly make: MakeDump = (wish, report, signal) => {
    this.wishes.push(wish);
    report({ done: 1, total: 3, doing: "kernel" });
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => (this.cancelled++, reject(new Error("stopped"))));
      this.settle = (made) => made instanceof Error ? reject(made) : resolve(made);
    });
  };

  finish(content = "0123456789"): string {
    const path = join(this.folder, "agent-dump-x.tar.gz");
    Deno.writeTextFileSync(path, content);
    this.settle({ path, complete: true });
    return path;
  }
}

Deno.test("openStatusServer() answers every route, and documents them", async () => {
  using folder = temporaryFolder();
  const double = new DumpDouble(folder.path);
  await using server = await startStatusServer({ dumps: { make: double.make, keepMs: 60_000 } });
  const get = (path: string, headers = {}): ReturnType<typeof ask> => ask(server.address, path, { headers });
  match((await get("/")).text, /<title>.*router1/);
  strictEqual((await get("/health")).text, "ok\n");
  deepStrictEqual((await get("/ready")).json(), { ready: true, reasons: [] });
  strictEqual((await get("/api/status")).json()["hostname"], "router1");
  match((await get("/api/config")).text, /^state:/);
  match((await get("/metrics")).text, /^# HELP/);
  match((await get("/metrics", { accept: "application/openmetrics-text" })).text, /# EOF\n$/);
  strictEqual((await get("/nothing")).status, 404);
  const paths = Object.keys((await get("/openapi.json")).json()["paths"] as object);
  for (const path of paths.filter((one) => !one.includes("{") && one !== "/api/dump" && one !== "/api/tail")) {
    strictEqual((await get(path)).status, 200, path);
  }
  const head = await ask(server.address, "/api/status", { method: "HEAD" });
  deepStrictEqual([head.status, head.text], [200, ""]);
});

Deno.test("openStatusServer() gives the page's files an ETag, and nothing from elsewhere a chance", async () => {
  await using server = await startStatusServer();
  const page = await ask(server.address, "/");
  match(page.headers["content-security-policy"]!, /default-src 'none'; script-src 'self'; style-src 'self'/);
  ok(!/unsafe|data:|https?:/.test(page.headers["content-security-policy"]!));
  strictEqual(page.headers["x-content-type-options"], "nosniff");
  strictEqual(page.headers["cache-control"], "no-store");
  const files = [...page.text.matchAll(/(?:src|href)="(\/[^"]*\.(?:css|js|svg))"/g)].map(([, path]) => path!);
  ok(files.length >= 2);
  for (const path of files) {
    const { status, headers } = await ask(server.address, path);
    strictEqual(status, 200, path);
    const again = await ask(server.address, path, { headers: { "if-none-match": headers["etag"]! } });
    deepStrictEqual([again.status, again.text], [304, ""]);
  }
});

Deno.test("GET /ready tells of a sink that is down, its reasons to those alone who may know them", async () => {
  using folder = temporaryFolder();
  const tokenFile = join(folder.path, "token");
  Deno.writeTextFileSync(tokenFile, token, { mode: 0o600 });
  await using server = await startStatusServer({ tokenFile });
  const down = someSink("loghost", { up: false, sinceMs: 0, lastError: "10.0.0.1 refused" });
  server.feed.current = someState({ sinks: [down] });
  const stranger = await ask(server.address, "/ready");
  deepStrictEqual([stranger.status, stranger.json()], [503, { ready: false }]);
  const known = await ask(server.address, "/ready", { headers: { authorization: `Bearer ${token}` } });
  deepStrictEqual(known.json()["reasons"], ["sink loghost is down: 10.0.0.1 refused"]);
});

Deno.test("openStatusServer() makes a token, for its owner alone, and wants it", async () => {
  using folder = temporaryFolder();
  const tokenFile = join(folder.path, "token");
  await using server = await startStatusServer({ tokenFile });
  strictEqual(Deno.statSync(tokenFile).mode! & 0o777, 0o600);
  const made = Deno.readTextFileSync(tokenFile).trim();
  match(made, /^[0-9a-f]{64}$/);
  for (const path of ["/", "/api/status", "/metrics", "/api/tail", "/api/config", "/openapi.json", "/nothing"]) {
    strictEqual((await ask(server.address, path)).status, 401, path);
    const wrong = { authorization: `Bearer ${made.slice(0, -1)}x` };
    strictEqual((await ask(server.address, path, { headers: wrong })).status, 401, path);
  }
  strictEqual((await ask(server.address, "/health")).status, 200);
  const right = { headers: { authorization: `Bearer ${made}` } };
  strictEqual((await ask(server.address, "/api/status", right)).status, 200);
  match((await ask(server.address, "/", { headers: { accept: "text/html" } })).text, /type="password"/);
});

Deno.test("openStatusServer() takes no token from a file that others may read", async () => {
  using folder = temporaryFolder();
  const tokenFile = join(folder.path, "token");
  Deno.writeTextFileSync(tokenFile, token);
  Deno.chmodSync(tokenFile, 0o640);
  await rejects(startStatusServer({ tokenFile }), /others may read it/);
});

Deno.test("POST /login begins a session for a browser, POST /logout ends it", async () => {
  using folder = temporaryFolder();
  const tokenFile = join(folder.path, "token");
  Deno.writeTextFileSync(tokenFile, token, { mode: 0o600 });
  await using server = await startStatusServer({ tokenFile });
  const form = { "content-type": "application/x-www-form-urlencoded", origin: server.address };
  const login = (body: string): ReturnType<typeof ask> =>
    ask(server.address, "/login", { method: "POST", headers: form, body });
  strictEqual((await login("token=wrong-token-of-some-length")).status, 401);
  const answer = await login(`token=${token}`);
  deepStrictEqual([answer.status, answer.headers["location"]], [303, "/"]);
  const set = String(answer.headers["set-cookie"]);
  match(set, /HttpOnly; SameSite=Strict/);
  const cookie = set.split(";")[0]!;
  const page = await ask(server.address, "/", { headers: { cookie } });
  strictEqual(page.status, 200);
  ok(!page.text.includes(token));
  const csrf = /name="csrf-token" content="([^"]+)"/.exec(page.text)![1]!;
  const logout = (extra: Record<string, string>): ReturnType<typeof ask> =>
    ask(server.address, "/logout", { method: "POST", headers: { cookie, origin: server.address, ...extra } });
  await logout({ "x-csrf-token": csrf });
  strictEqual((await ask(server.address, "/", { headers: { cookie } })).status, 401);
});

Deno.test("openStatusServer() refuses to be read by anybody", async () => {
  const listen = { host: "0.0.0.0", port: 0 };
  await rejects(startStatusServer({ listen }), UsageError);
});

Deno.test("openStatusServer() demands client certificates where a CA is named", async () => {
  using pki = await Pki.make();
  const tls = { ca: pki.ca, ...pki.server, authMode: "name" as const, permittedPeer: [] };
  await using server = await startStatusServer({ listen: { host: "0.0.0.0", port: 0 }, tls });
  const address = server.address.replace("0.0.0.0", "127.0.0.1");
  match(address, /^https:/);
  const read = (path: string): string => Deno.readTextFileSync(path);
  const ca = read(pki.ca);
  const client = { ca, cert: read(pki.client.cert), key: read(pki.client.key) };
  strictEqual((await ask(address, "/api/status", { tls: client })).status, 200);
  await rejects(ask(address, "/api/status", { tls: { ca } }));
});

Deno.test("openStatusServer() serves a socket for its user and group alone", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "status.sock");
  await using server = await startStatusServer({ listen: { path } });
  strictEqual(Deno.statSync(path).mode! & 0o777, 0o660);
  strictEqual((await ask(server.address, "/api/status")).status, 200);
});

Deno.test("POST /api/dump makes one dump at a time, which is fetched whole and in ranges", async () => {
  using folder = temporaryFolder();
  const double = new DumpDouble(folder.path);
  await using server = await startStatusServer({ dumps: { make: double.make, keepMs: 60_000 } });
  const begin = (): ReturnType<typeof ask> =>
    ask(server.address, "/api/dump", { method: "POST", headers: json, body: '{"profile":"speed","deadlineMs":5000}' });
  const begun = await begin();
  const id = String(begun.json()["id"]);
  deepStrictEqual([begun.status, begun.headers["location"]], [202, `/api/dump/${id}`]);
  deepStrictEqual(double.wishes, [{ profile: "speed", deadlineMs: 5_000, encrypt: true }]);
  const second = await begin();
  deepStrictEqual([second.status, second.json()["id"]], [409, id]);
  const path = `/api/dump/${id}`;
  const running = (await ask(server.address, path)).json();
  deepStrictEqual([running["state"], running["progress"]], ["running", "1/3:kernel"]);
  const file = double.finish();
  await waitFor(
    async () => (await ask(server.address, path, { headers: wantsJson })).json()["state"] === "done",
    "the end",
  );
  const told = (await ask(server.address, path, { headers: wantsJson })).json();
  deepStrictEqual([told["sizeBytes"], told["name"], told["download"]], [10, "agent-dump-x.tar.gz", path]);
  const whole = await ask(server.address, path, { headers: { accept: "application/gzip, application/json;q=0.5" } });
  deepStrictEqual([whole.status, whole.text], [200, "0123456789"]);
  strictEqual(whole.headers["content-type"], "application/gzip");
  match(whole.headers["content-disposition"]!, /^attachment; filename="agent-dump-x\.tar\.gz"$/);
  const etag = whole.headers["etag"]!;
  const part = await ask(server.address, path, { headers: { range: "bytes=3-5", "if-range": etag } });
  deepStrictEqual([part.status, part.text, part.headers["content-range"]], [206, "345", "bytes 3-5/10"]);
  strictEqual(
    (await ask(server.address, path, { headers: { range: "bytes=3-5", "if-range": '"old"' } })).text.length,
    10,
  );
  strictEqual((await ask(server.address, path, { headers: { range: "bytes=10-" } })).status, 416);
  strictEqual((await ask(server.address, path, { headers: { "if-none-match": etag } })).status, 304);
  const head = await ask(server.address, path, { method: "HEAD" });
  deepStrictEqual([head.status, head.headers["content-length"], head.text], [200, "10", ""]);
  strictEqual((await ask(server.address, path, { method: "DELETE" })).status, 204);
  strictEqual((await ask(server.address, path)).status, 404);
  await rejects(Deno.stat(file), Deno.errors.NotFound);
});

Deno.test("POST /api/dump refuses wishes that it does not understand", async () => {
  using folder = temporaryFolder();
  const double = new DumpDouble(folder.path);
  await using server = await startStatusServer({ dumps: { make: double.make, keepMs: 60_000 } });
  const status = async (body: string, headers: Record<string, string> = json): Promise<number> =>
    (await ask(server.address, "/api/dump", { method: "POST", headers, body })).status;
  strictEqual(await status("{"), 400);
  strictEqual(await status('{"profile":"all"}'), 400);
  strictEqual(await status('{"output":"/etc/passwd"}'), 400);
  strictEqual(await status('{"deadlineMs":1}'), 400);
  strictEqual(await status('{"since":"yesterday"}'), 400);
  strictEqual(await status("{}", { "content-type": "text/plain" }), 415);
  strictEqual(await status('{"encrypt":false}'), 403); // nobody said who asks
  deepStrictEqual(double.wishes, []);
});

Deno.test("GET /api/dump/ID tells how a dump fails", async () => {
  using folder = temporaryFolder();
  const double = new DumpDouble(folder.path);
  await using server = await startStatusServer({ dumps: { make: double.make, keepMs: 60_000 } });
  const begun = await ask(server.address, "/api/dump", { method: "POST" });
  double.settle(new Error("no room on the disk"));
  const path = String(begun.json()["url"]);
  await waitFor(async () => (await ask(server.address, path)).json()["state"] === "failed", "the failure");
  strictEqual((await ask(server.address, path)).json()["error"], "no room on the disk");
  strictEqual((await ask(server.address, "/api/dump", { method: "POST" })).status, 202);
});

Deno.test("a dump that nobody asks for any more is cancelled", async () => {
  using folder = temporaryFolder();
  const double = new DumpDouble(folder.path);
  await using server = await startStatusServer({ dumps: { make: double.make, keepMs: 60_000, leaseMs: 100 } });
  const begun = await ask(server.address, "/api/dump", { method: "POST" });
  await waitFor(() => double.cancelled === 1, "the end of the dump");
  match(String((await ask(server.address, String(begun.json()["url"]))).json()["error"]), /cancelled: nobody asked/);
});

Deno.test("who watches a dump keeps it going, and who leaves does not", async () => {
  using folder = temporaryFolder();
  const double = new DumpDouble(folder.path);
  await using server = await startStatusServer({ dumps: { make: double.make, keepMs: 60_000, leaseMs: 1_000 } });
  const begun = await ask(server.address, "/api/dump", { method: "POST" });
  const watcher = await RawConnection.open(server.port);
  const path = String(begun.json()["url"]);
  await watcher.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`);
  match(await watcher.read(/1\/3:kernel/), /data: \{.*"running"/);
  await new Promise((resolve) => setTimeout(resolve, 1_500)); // longer than the lease
  strictEqual(double.cancelled, 0);
  watcher[Symbol.dispose]();
  await waitFor(() => double.cancelled === 1, "the end of the dump");
});

Deno.test("a dump is removed after its time, and when the server stops", async () => {
  using folder = temporaryFolder();
  const double = new DumpDouble(folder.path);
  const server = await startStatusServer({ dumps: { make: double.make, keepMs: 200 } });
  await ask(server.address, "/api/dump", { method: "POST" });
  double.finish();
  await waitFor(() => [...Deno.readDirSync(folder.path)].length === 0, "the removal");
  await ask(server.address, "/api/dump", { method: "POST" });
  await server[Symbol.asyncDispose]();
  strictEqual(double.cancelled, 1);
});

Deno.test("a form asks for a dump with the proof of its page alone, and comes back to the page", async () => {
  using folder = temporaryFolder();
  const double = new DumpDouble(folder.path);
  await using server = await startStatusServer({ dumps: { make: double.make, keepMs: 60_000 } });
  const headers = { "content-type": "application/x-www-form-urlencoded", origin: server.address };
  const post = (body: string): ReturnType<typeof ask> =>
    ask(server.address, "/api/dump", { method: "POST", headers, body });
  strictEqual((await post("profile=speed")).status, 403);
  strictEqual((await post("profile=speed&csrf=wrong")).status, 403);
  const csrf = /name="csrf" value="([^"]+)"/.exec((await ask(server.address, "/")).text)![1]!;
  const begun = await post(`profile=speed&csrf=${csrf}`);
  deepStrictEqual([begun.status, begun.headers["location"]], [303, "/"]);
  match((await ask(server.address, "/")).text, /data-state="running"/);
});

Deno.test("GET /api/tail follows with a filter, and leaves when its reader does", async () => {
  await using server = await startStatusServer();
  const reader = await RawConnection.open(server.port);
  await reader.send("GET /api/tail?severity=warning&contains=FIRE HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await waitFor(() => server.feed.readers === 1, "the reader");
  server.feed.say({ message: "no fire here", severity: 6 });
  server.feed.say({ message: "all is well", severity: 3 });
  server.feed.say({ message: "a fire\nthere", severity: 3, skipped: 7 });
  const text = await reader.read(/there/);
  match(text, /data: \{.*"message":"a fire\\nthere","?.*"skipped":7|data: \{.*"skipped":7.*"a fire\\nthere"/);
  ok(!text.includes("well") && !text.includes("no fire"));
  reader[Symbol.dispose]();
  await waitFor(() => server.feed.readers === 0, "the end of the reader");
  strictEqual((await ask(server.address, "/api/tail?severity=loud")).status, 400);
});

Deno.test("openStatusServer() ends with tails and connections open", async () => {
  const server = await startStatusServer();
  using reader = await RawConnection.open(server.port);
  await reader.send("GET /api/tail HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await waitFor(() => server.feed.readers === 1, "the reader");
  await server[Symbol.asyncDispose]();
  strictEqual(server.feed.readers, 0);
  strictEqual(await reader.isEnded(), true);
});
