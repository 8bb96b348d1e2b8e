/** Syslog with the real syslog-ng, both ways: RFC 3164 in lines and RFC 5424 by count, over UDP, TCP and TLS. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { readSyslogHeader, SyslogHeader } from "../../src/formats/syslog.ts";
import { type Batch, batchOfLines, type Origin } from "../../src/pipeline/batch.ts";
import { openSyslogSink } from "../../src/sinks/syslog/sink.ts";
import { openSyslogSource } from "../../src/sources/syslog/source.ts";
import { clientName, Pki, serverName } from "../peers/pki.ts";
import { waitFor } from "../peers/process.ts";
import { needsSyslogNg, SyslogNg, type SyslogNgWay } from "../peers/syslog_ng.ts";

const origin: Origin = {
  source: "t",
  host: "router1",
  program: "kubelet",
  priority: 30,
  form: "plain",
  readAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
};
const ways = (["udp", "tcp", "tls"] as const).flatMap((transport) =>
  (["network", "syslog"] as const).map((driver) => ({ driver, transport }))
);
const texts = Array.from({ length: 500 }, (_, i) => `message ${i}: "ä" <${"x".repeat(i)}>`);

async function withPki(
  way: SyslogNgWay,
  use: (way: SyslogNgWay, pki: Pki | undefined) => Promise<void>,
): Promise<void> {
  if (way.transport !== "tls") return await use(way, undefined);
  using pki = await Pki.make();
  await use({ ...way, pki }, pki);
}

for (const way of ways) {
  Deno.test({
    name: `openSyslogSink() is read by syslog-ng over ${way.transport}, driver ${way.driver}`,
    ...needsSyslogNg(),
    fn: () =>
      withPki(way, async (way, pki) => {
        await using server = await SyslogNg.listen(way);
        await using sink = openSyslogSink({
          id: "s",
          transport: way.transport,
          host: "127.0.0.1",
          port: server.port,
          format: way.driver === "network" ? "rfc3164" : "rfc5424",
          framing: way.driver === "network" ? "newline" : "octetCounted",
          connectionTimeoutMs: 5_000,
          timeoutMs: 20_000,
          ...(pki === undefined
            ? {}
            : { tls: { ca: pki.ca, ...pki.client, authMode: "name", permittedPeer: [serverName] } }),
        });
        const lines = (): string[] => readLines(server.output);
        for (let at = 0; at < texts.length; at += 50) {
          await sink.send(batchOfLines(texts.slice(at, at + 50), origin), new AbortController().signal);
          // Nobody slows a sender of datagrams down.
          if (way.transport === "udp") {
            await server.program.waitUntil(() => lines().length >= at + 50, "what was sent so far");
          }
        }
        await server.program.waitUntil(() => lines().length >= texts.length, "all messages");
        deepStrictEqual(lines(), texts.map((text) => `router1|kubelet|${text}`));
      }),
  });

  Deno.test({
    name: `openSyslogSource() takes what syslog-ng sends over ${way.transport}, driver ${way.driver}`,
    ...needsSyslogNg(),
    fn: () =>
      withPki(way, async (way, pki) => {
        const folder = Deno.makeTempDirSync({ prefix: "feed" });
        const tls = pki === undefined
          ? {}
          : { tls: { ca: pki.ca, ...pki.server, authMode: "name", permittedPeer: [clientName] } as const };
        const source = await openSyslogSource({
          id: "in",
          hostname: "here",
          priority: 13,
          maxMessageBytes: 64 * 1024,
          listen: way.transport === "udp"
            ? { transport: "udp", host: "127.0.0.1", port: 0 }
            : { transport: "tcp", host: "127.0.0.1", port: 0, ...tls },
        });
        const stop = new AbortController();
        const batches: Batch[] = [];
        const reading = (async () => {
          const limits = { maxRecords: 1_000, maxBytes: 1 << 20 };
          for await (const batch of source.read(undefined, limits, stop.signal)) batches.push(batch);
        })();
        try {
          const feed = join(folder, "feed.log");
          Deno.writeTextFileSync(feed, "");
          await using client = SyslogNg.send(feed, source.port!, way);
          const count = (): number => batches.reduce((sum, batch) => sum + batch.count, 0);
          // A kernel holds some 200 datagrams; streams may come all at once.
          const step = way.transport === "udp" ? 100 : texts.length;
          for (let at = 0; at < texts.length; at += step) {
            const more = texts.slice(at, at + step).map((text) => text + "\n").join("");
            Deno.writeTextFileSync(feed, more, { append: true });
            await client.program.waitUntil(() => count() >= at + step, `${at + step} messages`);
          }
          deepStrictEqual(batches.flatMap(readBatch), texts.map((text) => `feeder|${text}`));
          if (pki !== undefined) strictEqual(batches[0]!.origin.peer, clientName);
        } finally {
          stop.abort();
          await reading;
          Deno.removeSync(folder, { recursive: true });
        }
      }),
  });
}

Deno.test({
  name:
    "syslog-ng keeps what openSyslogSource() does not take: it is turned away for its certificate, and says nothing",
  ...needsSyslogNg(),
  fn: async () => {
    using pki = await Pki.make();
    const tls = { ca: pki.ca, ...pki.server, authMode: "name", permittedPeer: ["somebody.else"] } as const;
    const listen = { transport: "tcp", host: "127.0.0.1", port: 0, tls } as const;
    await using source = await openSyslogSource({
      id: "in",
      hostname: "h",
      priority: 13,
      maxMessageBytes: 9_000,
      listen,
    });
    const stop = new AbortController();
    let count = 0;
    const reading = (async () => {
      for await (const batch of source.read(undefined, { maxRecords: 9, maxBytes: 9_000 }, stop.signal)) {
        count += batch.count;
      }
    })();
    const feed = join(pki.folder, "feed.log");
    Deno.writeTextFileSync(feed, "secret\n");
    await using client = SyslogNg.send(feed, source.port!, { driver: "syslog", transport: "tls", pki });
    await waitFor(() => /Syslog connection (broken|closed)|EOF|reset/i.test(client.program.stderr), "the refusal");
    stop.abort();
    await reading;
    strictEqual(count, 0);
  },
});

function readLines(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split("\n").slice(0, -1);
  } catch {
    return [];
  }
}

/** `program|message` of each record, read by our own parser. */
function readBatch({ bytes, bounds, count }: Batch): string[] {
  return Array.from({ length: count }, (_, i) => {
    const header = new SyslogHeader();
    readSyslogHeader(bytes, bounds[2 * i]!, bounds[2 * i + 1]!, header);
    const text = (start: number, end: number): string => new TextDecoder().decode(bytes.subarray(start, end));
    return `${text(header.programStart, header.programEnd)}|${text(header.messageStart, header.messageEnd)}`;
  });
}
