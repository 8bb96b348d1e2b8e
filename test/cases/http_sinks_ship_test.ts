/** `agent ship` with sinks over HTTP: what a crash repeats, what is refused, and who is trusted. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { newRun, writeNumberedLines } from "../peers/numbered_lines.ts";
import { Pki, serverName } from "../peers/pki.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { parseBulkBody, type ScriptedAnswer, ScriptedHttp, type SeenRequest } from "../peers/scripted_http.ts";
import { needs } from "../peers/skip.ts";

const soon = { resumeInterval: "50ms", resumeIntervalMax: "200ms" };

/** A store that keeps documents by their ids, as Elasticsearch does. */
class IdStore {
  readonly documents = new Map<string, string>();
  /** Messages in the order in which they were first stored. */
  readonly messages: string[] = [];
  conflicts = 0;

  take({ text }: SeenRequest): ScriptedAnswer {
    let errors = false;
    const items = parseBulkBody(text).map(({ action, document }) => {
      const id = action._id!;
      if (this.documents.has(id)) {
        errors = true;
        this.conflicts++;
        return { create: { status: 409, error: { type: "version_conflict_engine_exception", reason: "exists" } } };
      }
      this.documents.set(id, String(document.message));
      this.messages.push(String(document.message));
      return { create: { status: 201 } };
    });
    return { status: 200, body: JSON.stringify({ took: 1, errors, items }) };
  }
}

function writeConfig(folder: string, sink: Readonly<Record<string, unknown>>, more: object = {}): string[] {
  const path = join(folder, "agent.yaml");
  const sources = { messages: { type: "file", include: [join(folder, "*.log")] } };
  const document = { state: join(folder, "state"), sources, sinks: { store: { ...soon, ...sink } }, ...more };
  Deno.writeTextFileSync(path, JSON.stringify(document));
  return ["ship", "--config", path];
}

Deno.test("ship to elasticsearch stores every line once and in order although it is killed again and again", async () => {
  const folder = Deno.makeTempDirSync();
  const store = new IdStore();
  let shipper: RunningProgram | undefined;
  const killAt = new Set([2, 5, 9, 14]);
  await using server = await ScriptedHttp.start({
    answer: (request, index) => {
      const answer = store.take(request);
      if (!killAt.has(index)) return answer;
      shipper!.signal("SIGKILL"); // stored, and the answer never comes
      return "close";
    },
  });
  try {
    const run = newRun();
    const lines = 20_000;
    writeNumberedLines(join(folder, "a.log"), run, 0, lines);
    const sink = {
      type: "elasticsearch",
      target: "127.0.0.1",
      port: server.port,
      maxRequest: "256KiB",
      batchWait: "5ms",
    };
    // Redaction rewrites the records: their places must survive it.
    const words = writeConfig(folder, sink, {
      metadata: { project: "garden" },
      redact: { patterns: [{ regex: "run[a-z]{13}", replacement: "#" }] },
    });
    for (let i = 0; i <= killAt.size; i++) {
      const { command, args } = agentCommand([...words, "--once"]);
      await using program = RunningProgram.start(command, args, { name: "agent ship" });
      shipper = program;
      await program.waitForExit();
      strictEqual(program.status!.code, i < killAt.size ? 137 : 0, program.stderr);
    }
    strictEqual(store.documents.size, lines);
    ok(store.conflicts > 0, "nothing was sent twice: the kills came too late");
    deepStrictEqual(store.messages, store.messages.toSorted((a, b) => numberOf(a) - numberOf(b)));
    deepStrictEqual([store.messages.length, new Set(store.messages.map(numberOf)).size], [lines, lines]);
    ok(store.messages.every((message) => message.startsWith("# ")));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

/** The number of a line. */
function numberOf(message: string): number {
  return Number(/ (\d{9}) /.exec(message)?.[1] ?? NaN);
}

Deno.test("ship keeps what a store refuses for good among the dead letters, and delivers the rest", async () => {
  const folder = Deno.makeTempDirSync();
  const stored: string[] = [];
  await using server = await ScriptedHttp.start({
    answer: ({ text }) => {
      const items = parseBulkBody(text).map(({ document }) => {
        const message = String(document.message);
        if (message.includes("bad")) {
          return { create: { status: 400, error: { type: "mapper_parsing_exception", reason: "no" } } };
        }
        stored.push(message);
        return { create: { status: 201 } };
      });
      return { status: 200, body: JSON.stringify({ errors: items.some(({ create }) => "error" in create), items }) };
    },
  });
  try {
    Deno.writeTextFileSync(join(folder, "a.log"), "one\nbad two\nthree\n");
    const sink = { type: "elasticsearch", target: "127.0.0.1", port: server.port };
    const { command, args } = agentCommand([...writeConfig(folder, sink), "--once"]);
    await runProgram(command, args);
    deepStrictEqual(stored, ["one", "three"]);
    strictEqual(server.requests.length, 1);
    const dead = join(folder, "state", "dead", "store");
    const letters = [...Deno.readDirSync(dead)].filter(({ name }) => name.endsWith(".jsonl")).map(({ name }) =>
      Deno.readTextFileSync(join(dead, name))
    ).join("");
    match(letters, /bad two/);
    match(letters, /400 mapper_parsing_exception/);
    ok(!letters.includes("three"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test({
  name: "ship over HTTPS shows its certificate and a token, and talks to nobody whom its CA did not sign",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    const folder = Deno.makeTempDirSync();
    const read = Deno.readTextFileSync;
    await using server = await ScriptedHttp.start({
      answer: () => ({ status: 204 }),
      tls: { cert: read(pki.server.cert), key: read(pki.server.key), ca: read(pki.ca) },
    });
    try {
      const secretFile = join(folder, "token");
      Deno.writeTextFileSync(secretFile, "t0ken-of-test\n", { mode: 0o600 });
      Deno.writeTextFileSync(join(folder, "a.log"), "one\ntwo\n");
      const sink = (ca: string): Record<string, unknown> => ({
        type: "http",
        target: "127.0.0.1",
        port: server.port,
        path: "/logs?x=1",
        format: "text",
        authentication: "bearer",
        secretFile,
        tls: { ca, permittedPeer: [serverName], cert: pki.pair("client").cert, key: pki.pair("client").key },
      });
      {
        const { command, args } = agentCommand(writeConfig(folder, sink(pki.strangerCa)));
        await using stranger = RunningProgram.start(command, args);
        await stranger.waitForOutput(/not to be trusted/);
      }
      strictEqual(server.requests.length, 0);
      const { command, args } = agentCommand([...writeConfig(folder, sink(pki.ca)), "--once"]);
      await using shipper = RunningProgram.start(command, args);
      await waitFor(() => server.requests.length > 0 || shipper.status !== undefined, "a request");
      strictEqual((await shipper.waitForExit()).code, 0, shipper.stderr);
      const [request] = server.requests;
      deepStrictEqual([request!.path, request!.text], ["/logs?x=1", "one\ntwo\n"]);
      strictEqual(request!.headers.authorization, "Bearer t0ken-of-test");
      ok(!shipper.stderr.includes("t0ken"));
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

Deno.test("check looks at a sink over HTTP: its server, its secret, and who may read it", async () => {
  const folder = Deno.makeTempDirSync();
  await using server = await ScriptedHttp.start({ answer: () => ({ status: 204 }) });
  try {
    const secretFile = join(folder, "secret");
    Deno.writeTextFileSync(secretFile, "hush-hush", { mode: 0o644 });
    Deno.writeTextFileSync(join(folder, "a.log"), "");
    const sink = {
      type: "loki",
      target: "127.0.0.1",
      port: server.port,
      authentication: "basic",
      user: "u",
      secretFile,
    };
    const [, ...words] = writeConfig(folder, sink);
    const { command, args } = agentCommand(["check", ...words]);
    await using program = RunningProgram.start(command, args);
    await program.waitForExit();
    match(program.stdout, /can be reached/);
    match(program.stdout, /can be read by others \(mode 644\)/);
    match(program.stdout, /without TLS/);
    ok(!program.stdout.includes("hush"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
