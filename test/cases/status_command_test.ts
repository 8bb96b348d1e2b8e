/** `agent status` as a process: against a server of an agent that the test plays, and against what is no agent at all. */
import { doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { openStatusServer, type StatusServer } from "../../src/status/server/server.ts";
import type { AgentState } from "../../src/status/state.ts";
import { agentCommand } from "../peers/agent.ts";
import { ScriptedFeed, someSink, someSource, someState } from "../peers/agent_state.ts";
import { clientName, Pki } from "../peers/pki.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

async function status(words: readonly string[], expectCode = 0): Promise<{ stdout: string; stderr: string }> {
  const { command, args } = agentCommand(["status", ...words]);
  return await runProgram(command, args, { expectCode });
}

function watchStatus(words: readonly string[]): RunningProgram {
  const { command, args } = agentCommand(["status", ...words]);
  return RunningProgram.start(command, args, { name: "agent status" });
}

function onLoopback(feed: ScriptedFeed, port = 0): Promise<StatusServer> {
  return openStatusServer({ listen: { host: "127.0.0.1", port }, feed });
}

Deno.test("agent status prints verdict and tables, found through the configuration, over TCP and a Unix socket", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "status" });
  try {
    const path = join(folder, "status.sock");
    const feed = new ScriptedFeed(
      someState({ sinks: [someSink("loghost", { up: false, lastError: "connection refused" }), someSink("archive")] }),
    );
    await using tcp = await onLoopback(feed);
    await using _unix = await openStatusServer({ listen: { path }, feed });
    const config = join(folder, "agent.yaml");
    const sinks = { out: { type: "stdout" } };
    Deno.writeTextFileSync(
      config,
      JSON.stringify({ sources: { in: { type: "stdin" } }, sinks, status: { listen: `unix:${path}` } }),
    );
    for (const words of [["--address", tcp.address], ["--config", config]]) {
      const { stdout } = await status(words);
      match(stdout, /^Not all logs leave this machine · router1 · agent ship 1\.2\.3/);
      match(stdout, /✗ Sink "loghost" is down: connection refused/);
      match(stdout, /^archive +relp/m);
      match(stdout, /^messages +file/m);
      doesNotMatch(stdout, /\p{Cc}\[/u); // no colours for a pipe
    }
    const { stdout } = await status(["--json", "--address", `unix:${path}`]);
    strictEqual((JSON.parse(stdout) as AgentState).sinks[0]?.lastError, "connection refused");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("agent status ends with 75 and says what to do when nothing answers", async () => {
  const { stderr, stdout } = await status(["--address", `127.0.0.1:${freePort()}`], 75);
  strictEqual(stdout, "");
  match(stderr, /^agent: Cannot ask the agent "http:\/\/127\.0\.0\.1:\d+": nothing answers there\nTry: does it run/);
  await status(["--address", "unix:/nowhere/status.sock"], 75);
  match((await status(["--address", "http://host/path"], 2)).stderr, /--address: .* allowed: http:\/\/HOST:PORT/);
});

Deno.test("agent status shows its token, and says so when it has none", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "status_token" });
  try {
    const tokenFile = join(folder, "token");
    const feed = new ScriptedFeed(someState());
    await using server = await openStatusServer({ listen: { host: "127.0.0.1", port: 0 }, tokenFile, feed });
    const { stderr } = await status(["--address", server.address], 1);
    match(stderr, /it wants a token \(401\)\nTry: --token-file FILE/);
    const { stdout } = await status(["--address", server.address, "--token-file", tokenFile, "--json"]);
    strictEqual((JSON.parse(stdout) as AgentState).hostname, "router1");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test({
  name: "agent status asks over TLS, shows its certificate, and trusts one CA alone",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    await using server = await openStatusServer({
      listen: { host: "127.0.0.1", port: 0 },
      tls: { ca: pki.ca, ...pki.pair("server"), authMode: "name", permittedPeer: [clientName] },
      feed: new ScriptedFeed(someState()),
    });
    const { cert, key } = pki.pair("client");
    const words = ["--json", "--address", server.address, "--ca", pki.ca];
    const { stdout } = await status([...words, "--cert", cert, "--key", key]);
    strictEqual((JSON.parse(stdout) as AgentState).hostname, "router1");
    await status(words, 75); // no certificate
    const { stderr } = await status(["--json", "--address", server.address, "--cert", cert, "--key", key], 75);
    match(stderr, /certificate/i);
  },
});

Deno.test("agent status --tail prints what passes its filters, and ends with 75 when the agent goes", async () => {
  const feed = new ScriptedFeed(someState({ sources: [someSource("messages"), someSource("kernel")] }));
  const server = await onLoopback(feed);
  const filters = ["--severity", "warning", "--contains", "disk"];
  await using program = watchStatus(["--address", server.address, "--tail", "kernel", ...filters]);
  await waitFor(() => feed.readers === 1, "the reader");
  feed.say({ source: "messages", severity: 3, message: "disk of another source" });
  feed.say({ source: "kernel", severity: 6, message: "disk is well" });
  feed.say({ source: "kernel", severity: 3, message: "link is down" });
  feed.say({ source: "kernel", severity: 3, message: "DISK is \x1b[2Jgone", skipped: 2, program: "" });
  await program.waitForOutput(/gone/);
  const lines = program.stdout.trimEnd().split("\n");
  strictEqual(lines.length, 2);
  match(lines[0]!, /2 records passed too quickly/);
  match(lines[1]!, /^\d{4}-\S+Z router1 kernel error: DISK is ·\[2Jgone$/);
  await server[Symbol.asyncDispose]();
  strictEqual((await program.waitForExit()).code, 75);
  match(program.stderr, /Try: agent status --tail again/);
});

Deno.test("agent status --tail names the sources when there is no such one", async () => {
  await using server = await onLoopback(new ScriptedFeed(someState()));
  const { stderr } = await status(["--address", server.address, "--tail", "mesages"], 1);
  match(stderr, /no such source\nTry: one of these: messages/);
});

Deno.test("agent status --watch goes on over a restart of the agent, and ends at SIGTERM", async () => {
  const feed = new ScriptedFeed(someState());
  const port = freePort();
  const first = await onLoopback(feed, port);
  await using program = watchStatus(["--address", first.address, "--watch", "--every", "100ms"]);
  await program.waitForOutput(/All logs leave this machine/);
  await first[Symbol.asyncDispose]();
  await program.waitForOutput(/nothing answers there/);
  feed.current = someState({ sinks: [someSink("loghost", { up: false })] });
  await using _second = await onLoopback(feed, port);
  await program.waitForOutput(/No logs leave this machine/);
  program.signal("SIGTERM");
  strictEqual((await program.waitForExit()).code, 143);
});

Deno.test("agent status is not led astray by what is no agent", async () => {
  const answers: readonly [string, RegExp][] = [
    ["<html>", /Cannot understand the agent/],
    [JSON.stringify({ ...someState(), sinks: [{ id: 7 }] }), /it is not what an agent answers \(sinks\.0\.id/],
    [`"${"x".repeat(17 * 2 ** 20)}"`, /longer than/],
  ];
  for (const [body, complaint] of answers) {
    const server = createServer((_request, response) => void response.end(body));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const { stderr } = await status(["--address", `127.0.0.1:${port}`], 1);
    match(stderr, complaint);
    ok(stderr.length < 2_000);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

Deno.test("agent status --alerts and --dashboard need no agent", async () => {
  match((await status(["--alerts"])).stdout, /^groups:\n {2}- name: agent\n/);
  strictEqual((JSON.parse((await status(["--dashboard"])).stdout) as { title: string }).title, "agent");
});
