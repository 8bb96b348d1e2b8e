/**
 * `agent ship` to the real rsyslog, which checks client certificates, while `agent cert watch` renews a short-lived one again and
 * again: every connection takes the newest pair, and no line is lost. `CERT_SHIP_SECONDS=300` makes it the long run, with
 * certificates of 60 s.
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { Device } from "../peers/device.ts";
import { clientName, Pki, serverName } from "../peers/pki.ts";
import { RunningProgram } from "../peers/process.ts";
import { startRelpServer } from "../peers/rsyslog.ts";
import { SigningService } from "../peers/signer.ts";
import { needs } from "../peers/skip.ts";

const longSeconds = Number(Deno.env.get("CERT_SHIP_SECONDS") ?? "0");
const seconds = longSeconds > 0 ? longSeconds : 16;
const lifetime = longSeconds > 0 ? "60s" : "6s";

Deno.test({
  name: "agent ship loses no line to rsyslog while its certificate is renewed again and again",
  ...needs("rsyslogd", "openssl"),
  fn: async () => {
    using pki = await Pki.make();
    await using service = await startWithCa(pki);
    await using server = await startRelpServer({ tls: { pki, library: "openssl", permittedPeer: [clientName] } });
    using device = new Device();
    await using watch = device.watch(`${service.origin}/sign`, pki.ca, ["--subject", `O=tests,CN=${clientName}`]);
    await watch.waitForOutput(/installed certificate/);
    const input = join(device.folder, "in.log");
    const config = join(device.folder, "agent.yaml");
    const tls = `enabled: true, authMode: name, permittedPeer: [${serverName}], ca: ${pki.ca}, ` +
      `cert: ${device.cert}, key: ${join(device.dir, "key")}`;
    Deno.writeTextFileSync(
      config,
      `state: ${device.folder}/state\nsources: {in: {type: file, include: [${input}]}}\n` +
        `sinks: {out: {type: relp, target: 127.0.0.1, port: ${server.port}, rebindInterval: 1000, tls: {${tls}}}}\n`,
    );
    const { command, args } = agentCommand(["ship", "--config", config]);
    await using _ship = RunningProgram.start(command, args, { name: "agent ship" });
    const count = await writeLines(input, seconds);
    await server.waitForLines(count);
    const seen = new Set(
      [...Deno.readTextFileSync(server.output).matchAll(/line (\d+)\n/g)].map(([, number]) => number),
    );
    deepStrictEqual({ missing: count - seen.size, twice: server.lines - seen.size }, { missing: 0, twice: 0 });
    ok(service.issued.length >= 3, `${service.issued.length} certificates`);
  },
});

/** `agent sign` with a CA that openssl made: the one that rsyslog trusts. */
async function startWithCa(pki: Pki): Promise<SigningService> {
  const service = new SigningService({ words: ["--lifetime", lifetime] });
  service.adoptCa(pki);
  await service.start();
  return service;
}

/** Writes about 500 lines a second. @returns how many */
async function writeLines(path: string, forSeconds: number): Promise<number> {
  using file = Deno.openSync(path, { create: true, append: true });
  let count = 0;
  for (const endMs = performance.now() + forSeconds * 1_000; performance.now() < endMs;) {
    for (let i = 0; i < 10; i++) file.writeSync(new TextEncoder().encode(`line ${count++}\n`));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return count;
}
