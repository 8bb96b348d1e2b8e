/**
 * RELP over TLS with the real rsyslog in every authMode, with both of its TLS libraries, at either end; over connections
 * that break again and again; and through reloads. What librelp 1.11 cannot do is left out by name.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { startCollector } from "../peers/collector.ts";
import { judgeLines, newRun, perfect, writeNumberedLines } from "../peers/numbered_lines.ts";
import { clientName, Pki, serverName } from "../peers/pki.ts";
import { freePort, isListening } from "../peers/ports.ts";
import { RunningProgram } from "../peers/process.ts";
import { startRelpClient, startRelpServer } from "../peers/rsyslog.ts";
import { startShipper } from "../peers/shipper.ts";
import { needs } from "../peers/skip.ts";

/** Lines of a mode; certvalid has as many as rsyslog's own test. */
const countOf = (mode: string): number => mode === "certvalid" ? 50_000 : 5_000;

/** Peers that a mode permits; fingerprints are made of the pair that is presented. */
async function permitted(pki: Pki, mode: string, pair: "server" | "client"): Promise<readonly string[]> {
  if (mode === "fingerprint") return [await pki.fingerprint(pki.pair(pair).cert)];
  return [mode === "certvalid" ? (pair === "server" ? serverName : clientName) : "*.lab"];
}

for (const library of ["gnutls", "openssl"] as const) {
  Deno.test({
    name: `agent ship to imrelp (${library}) with authMode name, fingerprint and certvalid at both ends`,
    ...needs("rsyslogd", "openssl"),
    fn: async () => {
      using pki = await Pki.make();
      for (const authMode of ["name", "fingerprint", "certvalid"] as const) {
        const [run, count] = [newRun(), countOf(authMode)];
        const include = join(pki.folder, `${authMode}.log`);
        writeNumberedLines(include, run, 0, count);
        await using server = await startRelpServer({
          tls: { pki, library, authMode, permittedPeer: await permitted(pki, authMode, "client") },
        });
        const tls = { pki, authMode, permittedPeer: await permitted(pki, authMode, "server") };
        await using shipper = startShipper({ include, port: server.port, once: true, tls });
        strictEqual((await shipper.program.waitForExit()).code, 0, shipper.program.stderr);
        await server.waitForLines(count);
        deepStrictEqual(judgeLines(server.output, run, count), perfect(count), authMode);
      }
    },
  });

  Deno.test({
    name:
      `omrelp (${library}) with authMode name, fingerprint and certvalid to agent collect, which knows it by each of them`,
    ...needs("rsyslogd", "openssl"),
    fn: async () => {
      using pki = await Pki.make();
      const sha256 = await pki.fingerprint(pki.client.cert, "sha256");
      const sha1 = await pki.fingerprint(pki.client.cert);
      const plain = `SHA1:${sha1.slice(5).replaceAll(":", "").toLowerCase()}`;
      for (
        const [authMode, permittedPeer] of [
          ["name", ["*.LAB"]],
          ["fingerprint", [sha1]],
          ["fingerprint", [plain]],
          ["fingerprint", [sha256]],
          ["certvalid", []],
        ] as const
      ) {
        const [run, count] = [newRun(), countOf(authMode)];
        const file = join(pki.folder, `${run}.log`);
        writeNumberedLines(file, run, 0, count);
        await using collector = await startCollector({ pki, permittedPeer });
        const tls = { pki, library, authMode, permittedPeer: await permitted(pki, authMode, "server") };
        await using _client = startRelpClient({ file, port: collector.port, tls });
        await collector.waitForLines(count);
        deepStrictEqual(judgeLines(join(collector.output, clientName), run, count), perfect(count), authMode);
      }
    },
  });

  Deno.test({
    name: `omrelp (${library}) to agent collect over TLS that breaks five times: no line is lost, others are served`,
    ...needs("rsyslogd", "openssl"),
    fn: async () => {
      using pki = await Pki.make();
      const [broken, other] = [newRun(), newRun()];
      writeNumberedLines(join(pki.folder, "broken.log"), broken, 0, 3_000);
      writeNumberedLines(join(pki.folder, "other.log"), other, 0, 3_000);
      await pki.issue("other", { commonName: "other.lab", alternatives: "DNS:other.lab" });
      await using collector = await startCollector({ pki });
      await using proxy = new BreakingProxy(collector.port, 5, 80_000);
      const tls = { pki, library } as const;
      await using _first = startRelpClient({
        file: join(pki.folder, "broken.log"),
        port: proxy.port,
        tls,
        windowSize: 128,
      });
      await using _second = startRelpClient({
        file: join(pki.folder, "other.log"),
        port: collector.port,
        tls: { ...tls, pair: "other" },
      });
      await collector.program.waitUntil(
        () => judgeLines(join(collector.output, clientName), broken, 3_000).lost === 0,
        "every line over the broken connections",
        60_000,
      );
      strictEqual(proxy.broken, 5);
      const verdict = judgeLines(join(collector.output, clientName), broken, 3_000);
      ok(verdict.damaged === 0 && verdict.duplicates <= 5 * 128, JSON.stringify(verdict));
      await collector.program.waitUntil(
        () => judgeLines(join(collector.output, "other.lab"), other, 3_000).lost === 0,
        "every line of the other",
      );
      deepStrictEqual(judgeLines(join(collector.output, "other.lab"), other, 3_000), perfect(3_000));
    },
  });
}

Deno.test({
  name: "agent collect takes a new configuration at SIGHUP between two halves of what omrelp sends, and loses nothing",
  ...needs("rsyslogd"),
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "hup" });
    try {
      const [port, run, output] = [freePort(), newRun(), join(folder, "out")];
      const config = join(folder, "agent.yaml");
      const write = (maxSessions: number): void =>
        Deno.writeTextFileSync(
          config,
          `state: ${folder}/state\nsources: {in: {type: relp, listen: "127.0.0.1:${port}", maxSessions: ${maxSessions}}}\n` +
            `sinks: {out: {type: file, dir: ${output}}}\n`,
        );
      write(10);
      const { command, args } = agentCommand(["collect", "--config", config]);
      await using collector = RunningProgram.start(command, args, { name: "agent collect" });
      await collector.waitUntil(() => isListening(port), "the collector");
      const file = join(folder, "in.log");
      writeNumberedLines(file, run, 0, 2_000);
      await using _client = startRelpClient({ file, port, windowSize: 128 });
      await collector.waitUntil(() => judgeLines(output, run, 2_000).lost === 0, "the first half");
      write(20);
      collector.signal("SIGHUP");
      await collector.waitForOutput(/going on with the new configuration/);
      writeNumberedLines(file, run, 2_000, 4_000);
      await collector.waitUntil(() => judgeLines(output, run, 4_000).lost === 0, "the second half", 40_000);
      const verdict = judgeLines(output, run, 4_000);
      ok(verdict.damaged === 0 && verdict.duplicates <= 128, JSON.stringify(verdict));
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

/** Passes connections on and cuts the first of them at once after so many bytes from the client. */
class BreakingProxy implements AsyncDisposable {
  readonly port: number;
  broken = 0;
  readonly #listener: Deno.TcpListener;
  readonly #done: Promise<void>;

  constructor(target: number, breaks: number, afterBytes: number) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#done = this.#serve(target, breaks, afterBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
  }

  async #serve(target: number, breaks: number, afterBytes: number): Promise<void> {
    const open: Promise<void>[] = [];
    for await (const client of this.#listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: target });
      const limit = open.length < breaks ? afterBytes : Infinity;
      open.push(this.#passOn(client, server, limit), this.#passOn(server, client, Infinity));
      if (limit !== Infinity) open.length -= 1; // counted once per connection
    }
  }

  async #passOn(from: Deno.TcpConn, to: Deno.TcpConn, limit: number): Promise<void> {
    const buffer = new Uint8Array(16 * 1024);
    let passed = 0;
    try {
      for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
        for (let done = 0; done < length;) done += await to.write(buffer.subarray(done, length));
        passed += length;
        if (passed < limit) continue;
        this.broken++;
        break;
      }
    } catch {
      // One of them is gone: so is the other.
    }
    for (const connection of [from, to]) {
      try {
        connection.close();
      } catch {
        // closed by the other direction
      }
    }
  }
}
