/** A real Prometheus scrapes a running agent: every panel of the dashboard has data, every rule can be evaluated. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { formatAlerts } from "../../src/status/monitoring/alerts.ts";
import { rows } from "../../src/status/monitoring/dashboard.ts";
import { agentCommand } from "../peers/agent.ts";
import { startCollector } from "../peers/collector.ts";
import { Device } from "../peers/device.ts";
import { clientName, Pki, serverName } from "../peers/pki.ts";
import { freePort } from "../peers/ports.ts";
import { Prometheus } from "../peers/prometheus.ts";
import { RunningProgram } from "../peers/process.ts";
import { SigningService } from "../peers/signer.ts";
import { needs } from "../peers/skip.ts";

Deno.test({
  name: "a real Prometheus has data for every panel and can evaluate every alert, and none of them fires",
  ...needs("prometheus", "openssl"),
  fn: async () => {
    using pki = await Pki.make();
    await using signer = new SigningService({ words: ["--lifetime", "1h"] });
    signer.adoptCa(pki);
    await signer.start();
    await using collector = await startCollector({ pki });
    using device = new Device();
    const input = join(device.folder, "in.log");
    const statusPort = freePort();
    const tapSocket = join(device.folder, "tap.sock");
    Deno.mkdirSync(join(device.folder, "node/etc/audit"), { recursive: true });
    await using agent = startAgent(device, {
      state: join(device.folder, "state"),
      certificate: {
        url: `https://localhost:${signer.port}/sign`,
        ca: pki.ca,
        subject: `O=tests,CN=${clientName}`,
        challengeFile: device.secret,
        dir: device.dir,
      },
      sources: { in: { type: "file", include: [input] }, console: { type: "tap", socket: tapSocket } },
      rules: [{ message: { regex: "chatter" }, action: "drop" }, {}],
      sinks: {
        loghost: {
          type: "relp",
          target: "127.0.0.1",
          port: collector.port,
          tls: { enabled: true, authMode: "name", permittedPeer: [serverName] },
        },
        archive: { type: "file", dir: join(device.folder, "archive") },
      },
      status: { listen: `127.0.0.1:${statusPort}` },
      auditRules: { root: join(device.folder, "node") }, // a disk alone: no kernel takes them, and the panel says so
    });
    await agent.waitForOutput(/installed certificate/);
    await using prometheus = await Prometheus.start({ targets: [`127.0.0.1:${statusPort}`], rules: formatAlerts() });
    await prometheus.waitFor("agent_build_info");
    using tap = await Deno.connect({ transport: "unix", path: tapSocket });
    for (let i = 0; i < 20; i++) { // counters that move from scrape to scrape
      Deno.writeTextFileSync(input, `line ${i}\nchatter ${i}\n`, { append: true });
      await tap.write(new TextEncoder().encode(`console ${i}\n`));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await prometheus.waitFor(`sum(agent_component_sent_events_total{component_id="loghost"}) >= 40`);
    await haveData(prometheus);
    deepStrictEqual(await prometheus.labelValues("instance", "agent_build_info"), [`127.0.0.1:${statusPort}`]);
    const apart = await prometheus.query(
      "agent_pair_received_events_total - agent_pair_delivered_events_total - agent_pair_dropped_events_total - agent_pair_held_events != 0",
    );
    deepStrictEqual(apart, []);
    await checkRules(prometheus);
  },
});

/** Every query of every panel gives something. The agent may be too young for a rate: each has some seconds. */
async function haveData(prometheus: Prometheus): Promise<void> {
  const queries = Object.values(rows).flat().flatMap(({ queries }) => queries.map(([query]) => query));
  ok(queries.length > 20);
  for (const query of queries) await prometheus.waitFor(query.replaceAll("$instance", ".*"));
}

async function checkRules(prometheus: Prometheus): Promise<void> {
  let rules = await prometheus.rules();
  for (let i = 0; rules.some(({ health }) => health === "unknown") && i < 100; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    rules = await prometheus.rules();
  }
  deepStrictEqual(rules.filter(({ health }) => health !== "ok"), []);
  strictEqual(rules.length, formatAlerts().split("- alert:").length - 1);
  deepStrictEqual(await prometheus.query(`ALERTS{alertstate="firing"}`), []);
}

function startAgent(device: Device, document: unknown): RunningProgram {
  const config = join(device.folder, "agent.yaml");
  Deno.writeTextFileSync(config, JSON.stringify(document, null, 2));
  const { command, args } = agentCommand(["ship", "--config", config]);
  return RunningProgram.start(command, args, { name: "agent ship" });
}
