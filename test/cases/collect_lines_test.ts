/** `agent collect` for plain lines and for syslog, over TCP and TLS: each device's lines whole and apart. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import {
  countLines,
  judgeLines,
  newRun,
  numberedLine,
  perfect,
  textBelow,
  writeNumberedLines,
} from "../peers/numbered_lines.ts";
import { clientName, Pki, serverName } from "../peers/pki.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

/** `agent collect` in its quick form, on one listener. */
class LineCollector implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "lines" });
  readonly output = join(this.folder, "out");
  readonly port = freePort();
  readonly #words: readonly string[];
  #program: RunningProgram | undefined;

  /** @param words what follows `collect`, with PORT for the port */
  constructor(...words: readonly string[]) {
    this.#words = words.map((word) => word.replace("PORT", String(this.port)));
  }

  get program(): RunningProgram {
    return this.#program!;
  }

  async start(): Promise<this> {
    const rest = ["--to", this.output, "--state", join(this.folder, "state")];
    const { command, args } = agentCommand(["collect", ...this.#words, ...rest]);
    this.#program = RunningProgram.start(command, args, { name: "agent collect" });
    await this.#program.waitForOutput(/listening on/);
    return this;
  }

  /** What is kept of one host. */
  lines(host: string): number {
    return countLines(join(this.output, host));
  }

  text(host: string): string {
    const path = join(this.output, host);
    return [...Deno.readDirSync(path)].map(({ name }) => Deno.readTextFileSync(join(path, name))).join("");
  }

  /** Whether a text is on the disk: among what is kept, or on its way there. */
  holds(text: string): boolean {
    return textBelow(this.folder).includes(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function tlsWords(pki: Pki, listen: string): string[] {
  return ["--listen", listen, "--ca", pki.ca, "--cert", pki.server.cert, "--key", pki.server.key];
}

Deno.test({
  name: "agent collect keeps the lines of socat, openssl and agent ship over TLS whole and apart, by certificate",
  ...needs("socat", "openssl"),
  fn: async () => {
    using pki = await Pki.make();
    const count = 20_000;
    const names = ["socat.lab", "openssl.lab", "agent.lab"] as const;
    for (const name of names) await pki.issue(name, { commonName: name, alternatives: `DNS:${name}` });
    await using collector = await new LineCollector(...tlsWords(pki, "tls://127.0.0.1:PORT")).start();
    const runs = names.map((name) => {
      const run = newRun();
      writeNumberedLines(join(pki.folder, `${name}.log`), run, 0, count);
      return run;
    });
    const to = (name: string) => ({ ...pki.pair(name), file: join(pki.folder, `${name}.log`) });
    const socat = to("socat.lab");
    const openssl = to("openssl.lab");
    const agent = to("agent.lab");
    const { command, args } = agentCommand([
      ...["ship", "--once", "--from", `file:${agent.file}`, "--to", `tls://127.0.0.1:${collector.port}`],
      ...["--ca", pki.ca, "--cert", agent.cert, "--key", agent.key, "--permitted-peer", serverName],
      ...["--state", join(pki.folder, "state")],
    ]);
    // It stays after the end of its input; without -quiet it would take lines that begin with Q or R as commands.
    await using _client = RunningProgram.start("sh", [
      "-c",
      `exec openssl s_client -quiet -connect 127.0.0.1:${collector.port} -CAfile ${pki.ca} ` +
      `-cert ${openssl.cert} -key ${openssl.key} < ${openssl.file}`,
    ]);
    await Promise.all([
      runProgram("socat", [
        "-u",
        `open:${socat.file}`,
        `openssl-connect:127.0.0.1:${collector.port},cert=${socat.cert},key=${socat.key},cafile=${pki.ca},verify=1,commonname=${serverName}`,
      ]),
      runProgram(command, args),
    ]);
    for (const [i, name] of names.entries()) {
      await collector.program.waitUntil(() => collector.lines(name) >= count, `the lines of ${name}`);
      deepStrictEqual(judgeLines(join(collector.output, name), runs[i]!, count), perfect(count), name);
    }
    deepStrictEqual(
      [...Deno.readDirSync(collector.output)].filter((e) => e.isDirectory).map((e) => e.name).sort(),
      [
        ...names,
      ].sort(),
    );
  },
});

Deno.test("agent collect takes lines over TCP as they are: headers, counts, CR, empty ones, and the last without LF", async () => {
  await using collector = await new LineCollector("--listen", "tcp://127.0.0.1:PORT").start();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: collector.port });
  const text = "<13>Oct 11 22:14:15 elsewhere app: x\n5 hello\n\nends with CR\r\n  blanks  \nlast";
  await connection.write(new TextEncoder().encode(text));
  connection.close();
  await collector.program.waitUntil(() => collector.lines("127.0.0.1") === 6, "six lines");
  strictEqual(collector.text("127.0.0.1"), text + "\n");
});

Deno.test({
  name: "agent collect confirms no line that a kill could lose: lines that are in the spool come out after a kill -9",
  fn: async () => {
    await using collector = await new LineCollector("--listen", "tcp://127.0.0.1:PORT").start();
    const run = newRun();
    const count = 30_000;
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: collector.port });
    for (let i = 0; i < count; i += 1_000) {
      const text = Array.from({ length: 1_000 }, (_, k) => numberedLine(run, i + k, 200)).join("");
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    }
    connection.close();
    await collector.program.waitUntil(() => collector.lines("127.0.0.1") > 0, "the first lines");
    const last = numberedLine(run, count - 1, 200).trimEnd();
    await waitFor(() => collector.holds(last), "the last line in the spool, or beyond it");
    await collector.program.kill();
    await collector.start();
    await collector.program.waitUntil(() => {
      const { lost } = judgeLines(collector.output, run, count);
      return lost === 0;
    }, "every line");
    await collector.program[Symbol.asyncDispose](); // nothing is written any more
    strictEqual(judgeLines(collector.output, run, count).damaged, 0);
  },
});

Deno.test({
  name: "agent collect over TLS turns away who has no certificate of its CA, says who, and keeps nothing of theirs",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    for (const kind of ["tls", "syslog+tls"]) {
      await using collector = await new LineCollector(...tlsWords(pki, `${kind}://127.0.0.1:PORT`)).start();
      const say = (pair: readonly string[]) =>
        new Deno.Command("sh", {
          args: [
            "-c",
            `echo "<13>1 - - x - - - hello" | timeout 60 openssl s_client -quiet -no_ign_eof -connect 127.0.0.1:${collector.port} -CAfile ${pki.ca} ${
              pair.join(" ")
            }`,
          ],
        }).output();
      await say([]);
      await collector.program.waitForOutput(/presents no certificate, and one is demanded/);
      const { cert, key } = await pki.issue("self", { commonName: clientName, selfSigned: true });
      await say(["-cert", cert, "-key", key]);
      await collector.program.waitForOutput(
        /refused 127\.0\.0\.1:\d+: the certificate of relp-client\.lab .* self-signed/,
      );
      await say(["-cert", pki.client.cert, "-key", pki.client.key]);
      await collector.program.waitUntil(() => collector.lines(clientName) === 1, "the good one's line");
      match(collector.text(clientName), /hello/);
      ok(![...Deno.readDirSync(collector.output)].some(({ name }) => name === "127.0.0.1"));
    }
  },
});
