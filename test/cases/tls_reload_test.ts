/** Certificates that are renewed on disk: both ends go on with the new ones, without a restart and without losing a line. */
import { match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { listen } from "../../src/tls/listen.ts";
import { startCollector } from "../peers/collector.ts";
import { judgeLines, newRun, perfect, writeNumberedLines } from "../peers/numbered_lines.ts";
import { clientName, type Pair, Pki, serverName } from "../peers/pki.ts";
import { runProgram, waitFor } from "../peers/process.ts";
import { startShipper } from "../peers/shipper.ts";
import { needs } from "../peers/skip.ts";

/** Puts the files of one pair in place of another's, as careless scripts do: one after the other. */
function replace(pair: Pair, by: Pair): void {
  Deno.copyFileSync(by.key, pair.key);
  Deno.copyFileSync(by.cert, pair.cert);
}

/** A connection, and the CN that the server presents. */
async function meet(pki: Pki, port: number): Promise<{ socket: TLSSocket; name: string }> {
  const { cert, key } = pki.client;
  const [own, secret, ca] = [cert, key, pki.ca].map((path) => Deno.readTextFileSync(path));
  const options = { host: "127.0.0.1", port, ca: ca!, cert: own!, key: secret! };
  const socket = connect({ ...options, checkServerIdentity: () => undefined });
  await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  return { socket, name: String((socket.getPeerCertificate() as { subject: { CN: string } }).subject.CN) };
}

Deno.test({
  name:
    "listen() serves a renewed pair to the next client, keeps the old one while files are no good, and says so once",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    const own = await pki.issue("own", { commonName: "old.lab" });
    const fresh = await pki.issue("fresh", { commonName: "new.lab" });
    const said: string[] = [];
    const received: string[] = [];
    await using listener = await listen(
      {
        host: "127.0.0.1",
        port: 0,
        reloadMs: 20,
        tls: { ca: pki.ca, ...own, authMode: "name", permittedPeer: [clientName] },
      },
      async ({ connection }) => {
        for (let chunk = await connection.read(); chunk !== undefined; chunk = await connection.read()) {
          received.push(new TextDecoder().decode(chunk));
        }
        connection.destroy();
      },
      (text) => said.push(text),
    );
    const first = await meet(pki, listener.port);
    strictEqual(first.name, "old.lab");

    Deno.copyFileSync(fresh.key, own.key); // half of a renewal
    await waitFor(() => said.length > 0, "the complaint");
    match(said[0]!, /kept the certificate in use: .*own\.key.*not the key/);
    const second = await meet(pki, listener.port);
    strictEqual(second.name, "old.lab");
    strictEqual(said.length, 1, said.join("\n"));

    Deno.copyFileSync(fresh.cert, own.cert); // the other half
    let third = await meet(pki, listener.port);
    await waitFor(async () => {
      if (third.name === "new.lab") return true;
      third.socket.destroy();
      third = await meet(pki, listener.port);
      return false;
    }, "the new certificate");

    first.socket.write("still here");
    await waitFor(() => received.join("") === "still here", "a word on the first connection");
    for (const { socket } of [first, second, third]) socket.destroy();
  },
});

Deno.test({
  name: "agent ship and agent collect go on when both certificates are renewed under way, and lose no line",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    await pki.issue("server2", { commonName: "new-server.lab" });
    await pki.issue("client2", { commonName: "new-client.lab" });
    await using collector = await startCollector({ pki, permittedPeer: [clientName, "new-client.lab"] });
    const run = newRun();
    const include = join(pki.folder, "in.log");
    let count = 0;
    const write = (lines: number): void => writeNumberedLines(include, run, count, count += lines);
    write(1_000);
    await using _shipper = startShipper({
      include,
      port: collector.port,
      tls: { pki, permittedPeer: [serverName, "new-server.lab"] },
      sink: { rebindInterval: 500 },
    });
    await collector.program.waitUntil(() => collector.lines >= 1_000, "the first lines");
    replace(pki.client, pki.pair("client2"));
    replace(pki.server, pki.pair("server2"));
    await collector.program.waitUntil(async () => {
      write(200);
      return await presentedName(pki, collector.port) === "new-server.lab";
    }, "the collector's new certificate");
    write(2_000);
    await collector.program.waitUntil(() => judgeLines(collector.output, run, count).lost === 0, "every line");
    const folders = [...Deno.readDirSync(collector.output)].filter((entry) => entry.isDirectory).map(({ name }) =>
      name
    );
    strictEqual(folders.sort().join(), ["new-client.lab", clientName].join());
    // Files are judged by folder name, new-client.lab first: they are whole and each once, in two parts.
    const verdict = judgeLines(collector.output, run, count);
    ok(verdict.duplicates <= 1_024, JSON.stringify(verdict));
    strictEqual(verdict.damaged, perfect(count).damaged);
    ok(!/ERROR|error/.test(collector.program.stderr), collector.program.stderr);
  },
});

async function presentedName(pki: Pki, port: number): Promise<string | undefined> {
  const words = `openssl s_client -connect 127.0.0.1:${port} -CAfile ${pki.ca} </dev/null 2>&1 || true`;
  const { stdout } = await runProgram("sh", ["-c", words]);
  return /subject=.*CN = ([^\s,]+)/.exec(stdout)?.[1];
}
