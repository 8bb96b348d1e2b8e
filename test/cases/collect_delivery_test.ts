/** rsyslog's own RELP client delivers to `agent collect`: every line once and in order, plain and over TLS. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { startCollector } from "../peers/collector.ts";
import { judgeLines, newRun, numberedLine, perfect, writeNumberedLines } from "../peers/numbered_lines.ts";
import { clientName, Pki } from "../peers/pki.ts";
import { exchange, frameText, openFrame } from "../peers/relp_script.ts";
import { startRelpClient } from "../peers/rsyslog.ts";
import { needs } from "../peers/skip.ts";

/** Lines per run: 1,000,000 for the full proof, fewer here. */
const lines = Number(Deno.env.get("AGENT_TEST_LINES") ?? 50_000);
const deadlineMs = 30_000 + lines / 10;

for (const library of [undefined, "gnutls", "openssl"] as const) {
  Deno.test({
    name: `agent collect takes every line of omrelp once and in order, ${library ?? "plain"}`,
    ...needs("rsyslogd", "openssl"),
    fn: async () => {
      using pki = await Pki.make();
      const run = newRun();
      const file = join(pki.folder, "in.log");
      writeNumberedLines(file, run, 0, lines);
      await using collector = await startCollector(library === undefined ? {} : { pki });
      await using _client = startRelpClient({
        file,
        port: collector.port,
        ...(library === undefined ? {} : { tls: { pki, library } }),
      });
      await collector.waitForLines(lines, deadlineMs);
      deepStrictEqual(judgeLines(collector.output, run, lines), perfect(lines));
      if (library !== undefined) {
        deepStrictEqual([...Deno.readDirSync(collector.output)].map(({ name }) => name), [clientName]);
      }
    },
  });
}

Deno.test({
  name: "agent collect serves a client that begins a new session every 100 messages, and repeats none",
  ...needs("rsyslogd"),
  fn: async () => {
    const folder = Deno.makeTempDirSync();
    const run = newRun();
    writeNumberedLines(join(folder, "in.log"), run, 0, 3_500);
    await using collector = await startCollector();
    await using _client = startRelpClient({ file: join(folder, "in.log"), port: collector.port, rebindInterval: 100 });
    await collector.waitForLines(3_500);
    deepStrictEqual(judgeLines(collector.output, run, 3_500), perfect(3_500));
    Deno.removeSync(folder, { recursive: true });
  },
});

Deno.test({
  name: "agent collect keeps several clients apart and loses none of their lines",
  ...needs("rsyslogd", "openssl"),
  fn: async () => {
    using pki = await Pki.make();
    await pki.issue("second", { commonName: "second.lab", alternatives: "DNS:second.lab" });
    const runs = [newRun(), newRun()];
    runs.forEach((run, i) => writeNumberedLines(join(pki.folder, `${i}.log`), run, 0, 10_000));
    await using collector = await startCollector({ pki });
    const port = collector.port;
    const tls = { pki, library: "gnutls" } as const;
    await using _first = startRelpClient({ file: join(pki.folder, "0.log"), port, tls });
    await using _second = startRelpClient({ file: join(pki.folder, "1.log"), port, tls: { ...tls, pair: "second" } });
    await collector.waitForLines(20_000);
    strictEqual([...Deno.readDirSync(collector.output)].length, 2);
    deepStrictEqual(judgeLines(join(collector.output, clientName), runs[0]!, 10_000), perfect(10_000));
    deepStrictEqual(judgeLines(join(collector.output, "second.lab"), runs[1]!, 10_000), perfect(10_000));
  },
});

Deno.test("agent collect serves 400 clients at once and loses none of their lines", async () => {
  const clients = 400; // with both ends well below the usual limit of 1,024 descriptors
  const each = 100;
  const run = newRun();
  await using collector = await startCollector();
  await Promise.all(Array.from({ length: clients }, async (_, client) => {
    let text = openFrame;
    for (let i = 0; i < each; i++) {
      text += frameText(i + 2, "syslog", `<13>1 ${numberedLine(run, client * each + i, 200).trimEnd()}`);
    }
    const { answer } = await exchange(collector.port, text, `${each + 1} rsp 6 200 OK\n`, 30_000);
    strictEqual(answer.match(/ rsp 6 200 OK\n/g)?.length, each);
  }));
  const verdict = judgeLines(collector.output, run, clients * each);
  deepStrictEqual({ ...verdict, outOfOrder: 0 }, perfect(clients * each));
});
