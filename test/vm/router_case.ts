/**
 * The agent on a router: a virtual machine with Debian's kernel, busybox and s6, whose logs go to `agent collect` and to rsyslog
 * on the host, over mutual TLS with a certificate of `agent sign`. The network is cut, the power too, and every line that was on
 * the machine's disk, and every record of its kernel, is at both ends.
 */
import { match } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { debianRoot } from "../../scripts/debian_root.ts";
import { say } from "../../scripts/program.ts";
import { agentCommand } from "../peers/agent.ts";
import { startCollector } from "../peers/collector.ts";
import { filesBelow, newRun } from "../peers/numbered_lines.ts";
import { Pki, serverName } from "../peers/pki.ts";
import { runProgram } from "../peers/process.ts";
import { startRelpServer } from "../peers/rsyslog.ts";
import { SigningService } from "../peers/signer.ts";
import { needs, onlyIf } from "../peers/skip.ts";
import { type VirtualMachine, vmKinds } from "../peers/vm.ts";
import { sayMemory } from "./memory.ts";
import { packedAgent } from "./packed.ts";
import { startRouter } from "./router.ts";
import { type Case, Story } from "./story.ts";

/** Registers the test of one machine. */
export function testRouter(machine: Case): void {
  const programs = needs(vmKinds[machine.architecture].emulator, "rsyslogd", "openssl", "mkfs.ext4", "age-keygen");
  const there = onlyIf(debianRoot(machine.architecture) !== undefined, `no kernel and libraries of ${machine.target}`);
  Deno.test({
    name: `agent on a router of ${machine.target}: nothing on its disk is lost when cable and power are cut`,
    ignore: programs.ignore || there.ignore,
    fn: async () => {
      const folder = Deno.makeTempDirSync({ prefix: "router" });
      try {
        await runCase(machine, folder);
      } finally {
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

async function runCase(machine: Case, folder: string): Promise<void> {
  using pki = await Pki.make();
  await using signer = new SigningService({ challenge: "of all routers", words: ["--name", "loghost"] });
  signer.adoptCa(pki);
  await signer.start();
  await using collector = await startCollector({ pki, permittedPeer: ["router1"] });
  await using rsyslog = await startRelpServer({
    tls: { pki, library: "openssl", permittedPeer: ["router1"] },
    direct: true,
  });
  const run = newRun();
  await using router = await startRouter(folder, {
    architecture: machine.architecture,
    agent: await packedAgent(machine.target, folder),
    memoryMiB: machine.memoryMiB,
    isUnpacked: machine.isShort,
    pauseSeconds: machine.pauseSeconds,
    run,
    config: JSON.stringify(configFor(signer.port, collector.port, rsyslog.port)),
    ca: Deno.readTextFileSync(pki.ca),
    challenge: "of all routers",
  });
  const story = new Story(machine, router, collector, rsyslog, run);
  try {
    await story.cutCable();
    await story.cutPowerBehindCutCable();
    if (!machine.isShort) await story.cutPower();
    await story.end();
    await sayMemory(machine.target, router);
    await dumpOverConsole(machine, router, folder);
  } catch (error) {
    throw new Error(
      `${(error as Error).stack}\n--- machine\n${router.said.slice(-3_000)}\n--- agent ship there\n${await shipSaid(
        router,
      )}`,
    );
  }
  match(JSON.stringify(signer.issued), /CN=router1/);
}

async function shipSaid(router: VirtualMachine): Promise<string> {
  try {
    return await router.console("tail -n 30 /var/log/agent/current; free", 20_000);
  } catch (error) {
    return (error as Error).message;
  }
}

/** Encrypted in the machine, as text over its console, opened on the host. */
async function dumpOverConsole(machine: Case, router: VirtualMachine, folder: string): Promise<void> {
  const identity = join(folder, "identity");
  const { stderr } = await runProgram("age-keygen", ["-o", identity]);
  const recipient = /age1\w+/.exec(stderr)![0];
  const beganMs = performance.now();
  const words = `dump --config /etc/agent.yaml --profile speed --deadline 1m --recipient ${recipient}`;
  const made = await router.console(
    `agent ${words} --output - 2>/run/dump.err | base64; cat /run/dump.err >/dev/console; ps -o vsz,rss,args >/dev/console; free >/dev/console`,
    machine.bootDeadlineMs,
  );
  const bundle = join(folder, "router1.tar.gz.age");
  Deno.writeFileSync(bundle, new Uint8Array(Buffer.from(made, "base64")));
  const { command, args } = agentCommand(["open", bundle, "--identity", identity, "--extract", join(folder, "dump")]);
  await runProgram(command, args);
  const names = filesBelow(join(folder, "dump"));
  say(
    `  ${machine.target}: dump of ${Deno.statSync(bundle).size} bytes in ${Math.round(performance.now() - beganMs)} ms`,
  );
  const kernelLog = names.find((name) => name.includes("/kernel/"));
  match(kernelLog === undefined ? names.join("\n") : Deno.readTextFileSync(kernelLog), /Linux version 6/);
}

function configFor(signerPort: number, collectPort: number, rsyslogPort: number): unknown {
  const sink = (port: number): unknown => ({
    type: "relp",
    target: "loghost",
    port,
    timeout: "5s",
    resumeInterval: "200ms",
    resumeIntervalMax: "1s",
    tls: { enabled: true, authMode: "name", permittedPeer: [serverName], ca: "/etc/ca.crt" },
  });
  return {
    state: "/var/lib/agent",
    certificate: {
      url: `https://loghost:${signerPort}/sign`,
      ca: "/etc/ca.crt",
      subject: "O=tests,CN=${hostname}",
      challengeFile: "/etc/challenge",
    },
    sources: {
      app: { type: "tap", socket: "/run/agent/tap.sock", backfill: "/var/log/app" },
      messages: { type: "file", include: ["/var/log/messages"] },
      kernel: { type: "kernel" },
    },
    sinks: { collect: sink(collectPort), rsyslog: sink(rsyslogPort) },
  };
}
