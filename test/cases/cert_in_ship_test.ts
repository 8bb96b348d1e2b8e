/**
 * The key `certificate` inside `agent ship`: a device that has a secret and nothing else gets its certificate, ships lines that
 * were written before it had one to a server that checks it, renews it again and again, and is killed in between.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { Device } from "../peers/device.ts";
import { clientName, Pki, serverName } from "../peers/pki.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { type RelpServer, startRelpServer } from "../peers/rsyslog.ts";
import { SigningService } from "../peers/signer.ts";
import { needs } from "../peers/skip.ts";

Deno.test({
  name:
    "agent ship enrols at its first start, ships with the certificate, and renews it while it is killed: no line lost",
  ...needs("rsyslogd", "openssl"),
  fn: async () => {
    using pki = await Pki.make();
    await using service = signerWithCaOf(pki, "6s");
    await using server = await startRelpServer({
      tls: { pki, library: "openssl", permittedPeer: [clientName] },
      direct: true,
    });
    await using shipper = new CertifiedShipper(pki, server.port);
    shipper.write(100);
    shipper.start(freePort()); // where no signing service is, yet
    await shipper.program.waitForOutput(/trying again for as long as it takes/);
    strictEqual(server.lines, 0);
    await service.start();
    await shipper.restart(service.port, "SIGTERM");
    await shipper.program.waitForOutput(/installed certificate/);
    await server.waitForLines(100);
    strictEqual(shipper.keyMode, 0o600);
    await writeThrough(shipper, server, 1_500, [400, 900]);
    ok(service.issued.length >= 3, `${service.issued.length} certificates`);
    match(Deno.readTextFileSync(shipper.hookOutput), /^(cert\n){2,}/);
    const subject = new X509Certificate(Deno.readTextFileSync(shipper.device.cert)).subject;
    deepStrictEqual(subject.split("\n"), ["O=tests", `CN=${clientName}`]);
    deepStrictEqual(missingLines(server, shipper.written), []);
  },
});

Deno.test({
  name: "agent cert status --config tells of the certificate that agent ship keeps",
  ...needs("openssl"),
  fn: async () => {
    using pki = await Pki.make();
    await using service = signerWithCaOf(pki, "1h");
    await service.start();
    await using shipper = new CertifiedShipper(pki, freePort());
    shipper.start(service.port);
    await shipper.program.waitForOutput(/installed certificate/);
    const status = agentCommand(["cert", "status", "--config", shipper.config, "--json"]);
    const { stdout } = await runProgram(status.command, status.args);
    const facts = JSON.parse(stdout) as Record<string, unknown>;
    deepStrictEqual([facts.ok, facts.present, facts.needsRenewal], [true, true, false]);
  },
});

/** `agent ship --config` with the key `certificate`, in a folder of its own. */
class CertifiedShipper implements AsyncDisposable {
  readonly device = new Device();
  readonly config = join(this.device.folder, "agent.yaml");
  readonly hookOutput = join(this.device.folder, "hook");
  readonly #input = join(this.device.folder, "in.log");
  readonly #pki: Pki;
  readonly #sinkPort: number;
  #program: RunningProgram | undefined;
  /** Lines so far. */
  written = 0;
  /** Where it asks for certificates. */
  signerPort = 0;

  constructor(pki: Pki, sinkPort: number) {
    this.#pki = pki;
    this.#sinkPort = sinkPort;
    Deno.writeTextFileSync(this.#input, "");
  }

  get program(): RunningProgram {
    return this.#program!;
  }

  get keyMode(): number {
    return Deno.statSync(join(this.device.dir, "key")).mode! & 0o777;
  }

  start(signerPort: number): void {
    this.signerPort = signerPort;
    Deno.writeTextFileSync(this.config, JSON.stringify(this.#document(signerPort), null, 2));
    const { command, args } = agentCommand(["ship", "--config", this.config]);
    this.#program = RunningProgram.start(command, args, { name: "agent ship" });
  }

  async restart(signerPort: number, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (signal === "SIGKILL") await this.program.kill();
    else await this.program[Symbol.asyncDispose]();
    this.start(signerPort);
  }

  write(count: number): void {
    const lines = Array.from({ length: count }, () => `line ${this.written++}\n`);
    Deno.writeTextFileSync(this.#input, lines.join(""), { append: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    this.device[Symbol.dispose]();
  }

  #document(signerPort: number): unknown {
    return {
      state: join(this.device.folder, "state"),
      certificate: {
        url: `https://localhost:${signerPort}/sign`,
        ca: this.#pki.ca,
        subject: `O=tests,CN=${clientName}`,
        challengeFile: this.device.secret,
        dir: this.device.dir,
        exec: `basename "$CERTFILE" >> ${this.hookOutput}`,
      },
      sources: { in: { type: "file", include: [this.#input] } },
      sinks: {
        out: {
          type: "relp",
          target: "127.0.0.1",
          port: this.#sinkPort,
          rebindInterval: 100, // takes the newest certificate often
          resumeIntervalMax: "1s",
          tls: { enabled: true, authMode: "name", permittedPeer: [serverName] },
        },
      },
    };
  }
}

/** Writes in small steps, waits for each, and kills the shipper at the given counts of lines. */
async function writeThrough(
  shipper: CertifiedShipper,
  server: RelpServer,
  count: number,
  killAt: readonly number[],
): Promise<void> {
  while (shipper.written < count) {
    shipper.write(20);
    if (killAt.includes(shipper.written)) await shipper.restart(shipper.signerPort, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await shipper.program.waitUntil(
    () => missingLines(server, shipper.written).length === 0,
    `all of ${shipper.written} lines`,
  );
}

function missingLines(server: RelpServer, count: number): readonly number[] {
  const seen = new Set([...Deno.readTextFileSync(server.output).matchAll(/line (\d+)\n/g)].map(([, n]) => Number(n)));
  return Array.from({ length: count }, (_, i) => i).filter((i) => !seen.has(i));
}

/** `agent sign`, not yet started, with the CA that `pki` made: the one that rsyslog trusts. */
function signerWithCaOf(pki: Pki, lifetime: string): SigningService {
  const service = new SigningService({ words: ["--lifetime", lifetime] });
  service.adoptCa(pki);
  return service;
}
