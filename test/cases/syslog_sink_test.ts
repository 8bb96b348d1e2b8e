/** The `syslog` sink to the real rsyslog: imudp, imtcp plain and with TLS, killed and started again. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { type Batch, batchOfLines, type Origin } from "../../src/pipeline/batch.ts";
import type { Checkpoints } from "../../src/pipeline/checkpoint.ts";
import { pump } from "../../src/pipeline/pump.ts";
import type { Source } from "../../src/pipeline/source.ts";
import { openSyslogSink, type SyslogSinkOptions } from "../../src/sinks/syslog/sink.ts";
import { Pki, serverName } from "../peers/pki.ts";
import { freePort, isListening } from "../peers/ports.ts";
import { RunningProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

const never = new AbortController().signal;
const origin: Origin = {
  source: "t",
  host: "router1",
  program: "kubelet",
  priority: 30,
  form: "plain",
  readAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
};

/** rsyslog with imtcp and imudp on one port; writes `host|program|message`. */
class SyslogServer implements AsyncDisposable {
  readonly port = freePort();
  readonly folder = Deno.makeTempDirSync({ prefix: "imtcp" });
  readonly output = join(this.folder, "out");
  readonly #pki: Pki | undefined;
  program: RunningProgram | undefined;
  #starts = 0;

  constructor(pki?: Pki) {
    this.#pki = pki;
  }

  async start(): Promise<void> {
    const { port, folder, output } = this;
    const pki = this.#pki;
    const config = join(folder, "rsyslog.conf");
    const global = pki === undefined ? "" : `defaultNetstreamDriverCAFile="${pki.ca}"
  defaultNetstreamDriverCertFile="${pki.server.cert}" defaultNetstreamDriverKeyFile="${pki.server.key}"`;
    const driver = pki === undefined
      ? ""
      : `streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid"`;
    const udp = pki === undefined ? `input(type="imudp" port="${port}" address="127.0.0.1" ruleset="recv")` : "";
    Deno.writeTextFileSync(
      config,
      `
global(workDirectory="${folder}" ${global})
module(load="imtcp" ${driver})
module(load="imudp")
template(name="parts" type="string" string="%hostname%|%app-name%|%timereported:::date-rfc3339%|%msg:::drop-last-lf%\\n")
ruleset(name="recv" queue.type="Direct") { action(type="omfile" file="${output}" template="parts") }
input(type="imtcp" port="${port}" address="127.0.0.1" ruleset="recv")
${udp}
`,
    );
    const pidFile = join(folder, `pid${this.#starts++}`); // one that was killed leaves its own
    this.program = RunningProgram.start("rsyslogd", ["-n", "-f", config, "-i", pidFile], {
      name: "rsyslog",
    });
    await this.program.waitUntil(() => isListening(port), "imtcp");
  }

  get lines(): readonly string[] {
    try {
      return Deno.readTextFileSync(this.output).split("\n").slice(0, -1);
    } catch {
      return [];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function options(port: number, given: Partial<SyslogSinkOptions>): SyslogSinkOptions {
  return {
    id: "s",
    transport: "tcp",
    host: "127.0.0.1",
    port,
    format: "rfc5424",
    framing: "octetCounted",
    connectionTimeoutMs: 5_000,
    timeoutMs: 20_000,
    ...given,
  };
}

Deno.test({
  name: "openSyslogSink() is read by rsyslog in every transport, format and framing",
  ...needs("rsyslogd"),
  fn: async () => {
    await using server = new SyslogServer();
    await server.start();
    const expected: string[] = [];
    for (const transport of ["udp", "tcp"] as const) {
      for (const format of ["rfc5424", "rfc3164", "forward"] as const) {
        for (const framing of ["octetCounted", "newline"] as const) {
          const text = `${transport} ${format} ${framing}`;
          await using sink = openSyslogSink(options(server.port, { transport, format, framing }));
          await sink.send(batchOfLines([text], origin), never);
          expected.push(`router1|kubelet|01-02 03:04:05|${text}`);
        }
      }
    }
    await server.program!.waitUntil(() => server.lines.length >= expected.length, "all records");
    // The year of RFC 3164 is rsyslog's guess, and RFC 3164 messages keep their space.
    const seen = server.lines.map((line) => line.replace(/\|\d{4}-(\d\d-\d\d)T([\d:]+)[^|]*\| ?/, "|$1 $2|"));
    deepStrictEqual([...seen].sort(), expected.sort());
  },
});

Deno.test({
  name: "openSyslogSink() delivers over TLS with octet counting, as RFC 5425 asks",
  ...needs("rsyslogd", "openssl"),
  fn: async () => {
    using pki = await Pki.make();
    await using server = new SyslogServer(pki);
    await server.start();
    const tls = { ca: pki.ca, ...pki.client, authMode: "name", permittedPeer: [serverName] } as const;
    await using sink = openSyslogSink(options(server.port, { transport: "tls", tls }));
    const texts = Array.from({ length: 5_000 }, (_, n) => `line ${n}`);
    for (let at = 0; at < texts.length; at += 500) {
      await sink.send(batchOfLines(texts.slice(at, at + 500), origin), never);
    }
    await server.program!.waitUntil(() => server.lines.length >= texts.length, "all lines");
    deepStrictEqual(server.lines.map((line) => line.split("|")[3]), texts);
  },
});

Deno.test("openSyslogSink() cuts a datagram at the limit without tearing a character, and says so", async () => {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  let truncated = 0;
  await using sink = openSyslogSink(
    options((socket.addr as Deno.NetAddr).port, {
      transport: "udp",
      format: "forward",
      maxDatagramBytes: 10,
      onTruncated: (records) => truncated += records,
    }),
  );
  const received = (async () => [(await socket.receive())[0], (await socket.receive())[0]])();
  await sink.send(batchOfLines(["<1>456789ä", "<1>fits"], { ...origin, form: "syslog" }), never);
  const texts = (await received).map((bytes) => new TextDecoder().decode(bytes));
  deepStrictEqual(texts, ["<1>456789", "<1>fits"]);
  strictEqual(truncated, 1);
  socket.close();
});

Deno.test({
  name: "pump() through openSyslogSink() survives the server's restarts: what was not confirmed comes again",
  ...needs("rsyslogd"),
  fn: async () => {
    await using server = new SyslogServer();
    await server.start();
    await using sink = openSyslogSink(options(server.port, { framing: "newline" }));
    const total = 400;
    let committed = 0;
    let downs = 0;
    const source: Source = {
      id: "t",
      replayable: true,
      async *read(): AsyncGenerator<Batch> {
        for (let n = 0; n < total; n++) {
          yield batchOfLines([`line ${n}`], origin, {});
          // Paced, so that what a killed rsyslog had taken and not read is nothing.
          if (n % 100 === 99) await waitFor(() => committed > n, `line ${n} committed`);
          if (n === 99 || n === 299) {
            await waitFor(() => server.lines.length > 0 && server.lines.at(-1)!.endsWith(`line ${n}`), `line ${n}`);
            await server.program!.kill();
            setTimeout(() => server.start(), 300);
          }
        }
      },
    };
    const checkpoints: Checkpoints = { get: () => Promise.resolve(undefined), commit: async () => {} };
    const parts = { source, sink, checkpoints, id: "t@s", maxFlightBytes: 1 << 20, maxBatchBytes: 1 << 16 };
    const observer = { delivered: (records: number) => committed += records, down: () => downs++ };
    const left = await pump({ ...parts, backoff: { firstMs: 50, maxMs: 200 }, observer }, never, never);
    strictEqual(left, 0);
    await waitFor(() => new Set(server.lines.map((line) => line.split("|")[3])).size >= total, "every line");
    const numbers = server.lines.map((line) => Number(line.split("line ")[1]));
    deepStrictEqual([...new Set(numbers)], Array.from({ length: total }, (_, n) => n));
    ok(downs >= 1, "the kills were seen");
  },
});
