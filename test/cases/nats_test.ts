/**
 * JetStream as a sink and as a source, with Debian's nats-server: nothing is lost and nothing is stored twice while servers die, and
 * several collectors share a stream. `NATS_RECORDS=1000000` makes the cluster's case the long run.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { type NatsServers, startNats } from "../peers/nats.ts";
import { Pki } from "../peers/pki.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

const records = Number(Deno.env.get("NATS_RECORDS") ?? "40000");

Deno.test({
  name: "agent ship stores every line once in a stream of three servers, while one is killed and comes back",
  ...needs("nats-server"),
  fn: async () => {
    await using servers = await startNats({ size: 3 });
    using files = new Files();
    files.writeLines("in.log", records);
    const config = files.config({
      sources: { in: { type: "file", include: [files.path("in.log")] } },
      sinks: {
        out: {
          type: "nats",
          target: servers.addresses,
          stream: "LOGS",
          createStream: 3,
          timeout: "3s",
          resumeIntervalMax: "1s",
        },
      },
    });
    const beganMs = performance.now();
    await using ship = files.start(["ship", "--once", "--config", config]);
    await ship.waitUntil(async () => await countOf(servers) >= records / 10, "a tenth of the records", 60_000);
    await servers.kill(1);
    await ship.waitUntil(async () => await countOf(servers) >= records / 2, "half of the records", 240_000);
    await servers.start(1);
    strictEqual((await ship.waitForExit(480_000)).code, 0, ship.stderr);
    const seconds = (performance.now() - beganMs) / 1_000;
    if (records > 100_000) {
      const { peakMiB, cpuSeconds } = ship.usage;
      const rate = Math.round(records / seconds);
      Deno.writeTextFileSync(
        "/dev/stderr",
        `${records} records: ${rate} a second, ${cpuSeconds.toFixed(1)} CPU s, peak ${Math.round(peakMiB)} MiB\n`,
      );
    }
    strictEqual(await servers.count("LOGS"), records, "each once");
    deepStrictEqual(await missingIn(servers, records), []);
  },
});

Deno.test({
  name: "three collectors share what eight devices publish, and one of them is killed: every line is stored",
  ...needs("nats-server"),
  fn: async () => {
    await using servers = await startNats();
    using files = new Files();
    const perDevice = 2_000;
    const devices = Array.from({ length: 8 }, (_, i) => `device${i}`);
    await servers.withManager((manager) => manager.streams.add({ name: "LOGS", subjects: ["LOGS.>"] }));
    const start = (i: number): RunningProgram =>
      files.start(["collect", "--config", files.config(collector(servers, files.path(`out${i}`)), `collect${i}.yaml`)]);
    await using first = start(0);
    await using second = start(1);
    await Promise.all([first, second].map((one) => one.waitForOutput(/running/)));
    const publishing = Promise.all(devices.map(async (device) => {
      files.writeLines(`${device}.log`, perDevice, device);
      const config = files.config({
        hostname: device,
        state: files.path(`state-${device}`),
        sources: { in: { type: "file", include: [files.path(`${device}.log`)] } },
        sinks: { out: { type: "nats", target: servers.addresses, stream: "LOGS" } },
      }, `${device}.yaml`);
      const { command, args } = agentCommand(["ship", "--once", "--config", config]);
      await runProgram(command, args);
    }));
    await first.waitUntil(() => files.linesBelow("out0").size > 0, "lines at the first collector");
    await first.kill();
    await publishing;
    strictEqual(await servers.count("LOGS"), devices.length * perDevice);
    const subjects = await servers.withManager(async (manager) =>
      (await manager.streams.info("LOGS", { subjects_filter: ">" })).state.subjects ?? {}
    );
    deepStrictEqual(
      Object.keys(subjects).sort(),
      devices.map((device) => `LOGS.${device}.${device}`),
      "host and program",
    );
    await using third = start(2);
    const all = (): ReadonlySet<string> =>
      new Set(["out0", "out1", "out2"].flatMap((folder) => [...files.linesBelow(folder)]));
    await third.waitUntil(() => all().size >= devices.length * perDevice, "every line at some collector", 60_000);
    strictEqual(all().size, devices.length * perDevice);
    ok(files.linesBelow("out1").size > 0 && second.status === undefined);
  },
});

Deno.test({
  name: "agent ship and agent collect speak to servers that want TLS, client certificates and a password",
  ...needs("nats-server", "openssl"),
  fn: async () => {
    using pki = await Pki.make();
    const [server, client] = [pki.pair("server"), pki.pair("client")];
    await using servers = await startNats({
      config: `tls { cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${pki.ca}", verify: true }
authorization { user: agent, password: "correct horse" }`,
      access: {
        user: "agent",
        pass: "correct horse",
        tls: { caFile: pki.ca, certFile: client.cert, keyFile: client.key },
      },
    });
    using files = new Files();
    files.writeLines("in.log", 500);
    Deno.writeTextFileSync(files.path("password"), "correct horse\n", { mode: 0o600 });
    const peer = {
      type: "nats",
      target: servers.addresses,
      stream: "LOGS",
      auth: "password",
      user: "agent",
      secretFile: files.path("password"),
      tls: { enabled: true, ca: pki.ca, cert: client.cert, key: client.key },
    };
    const document = {
      sources: { in: { type: "file", include: [files.path("in.log")] } },
      sinks: { out: { ...peer, createStream: 1 } },
    };
    const ship = agentCommand(["ship", "--once", "--config", files.config(document)]);
    const check = agentCommand(["check", "--config", files.path("agent.yaml")]);
    match((await runProgram(check.command, check.args)).stdout, /can be reached; the stream will be made/);
    await runProgram(ship.command, ship.args);
    const collect = files.config({
      sources: { in: peer },
      sinks: { out: { type: "file", dir: files.path("out") } },
    }, "collect.yaml");
    await using collector = files.start(["collect", "--config", collect]);
    await collector.waitUntil(() => files.linesBelow("out").size === 500, "all lines");
    Deno.writeTextFileSync(files.path("password"), "wrong\n");
    match((await runProgram(check.command, check.args, { expectCode: 1 })).stdout, /Authorization Violation/i);
  },
});

Deno.test({
  name: "agent ship waits for a stream that is missing, and keeps aside what is larger than a server takes",
  ...needs("nats-server"),
  fn: async () => {
    await using servers = await startNats({ config: "max_payload: 4096" });
    using files = new Files();
    Deno.writeTextFileSync(files.path("in.log"), `line 0\n${"x".repeat(10_000)}\nline 1\n`);
    const config = files.config({
      sources: { in: { type: "file", include: [files.path("in.log")] } },
      sinks: {
        out: {
          type: "nats",
          target: servers.addresses,
          stream: "LOGS",
          resumeInterval: "100ms",
          resumeIntervalMax: "200ms",
        },
      },
    });
    await using ship = files.start(["ship", "--config", config]);
    await ship.waitForOutput(/out is down: .*there is no stream "LOGS"/);
    await servers.withManager((manager) => manager.streams.add({ name: "LOGS", subjects: ["all.*"] }));
    await ship.waitUntil(async () => await countOf(servers) === 2, "two records");
    await ship.waitForOutput(/max_payload/);
    const dead = join(files.folder, "state", "dead", "out");
    await ship.waitUntil(() => [...readTexts(dead)].join("").includes("xxxx"), "the dead letter");
    ship.signal("SIGTERM");
    strictEqual((await ship.waitForExit()).code, 143);
  },
});

Deno.test({
  name: "agent ship --to nats:// is enough for a stream that is there",
  ...needs("nats-server"),
  fn: async () => {
    await using servers = await startNats();
    using files = new Files();
    files.writeLines("in.log", 100);
    await servers.withManager((manager) => manager.streams.add({ name: "LOGS", subjects: ["site.>"] }));
    const { command, args } = agentCommand([
      ...["ship", "--once", "--state", files.path("state"), "--from", `file:${files.path("in.log")}`],
      ...["--to", `nats://${servers.addresses[0]}/LOGS`],
    ]);
    await runProgram(command, args);
    strictEqual(await servers.count("LOGS"), 100);
  },
});

/** A folder for one test. */
class Files implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "nats-case" });

  path(name: string): string {
    return join(this.folder, name);
  }

  writeLines(name: string, count: number, prefix = "line"): void {
    using file = Deno.openSync(this.path(name), { write: true, create: true });
    for (let first = 0; first < count; first += 10_000) {
      const lines = Array.from({ length: Math.min(10_000, count - first) }, (_, i) => `${prefix} ${first + i}\n`).join(
        "",
      );
      file.writeSync(new TextEncoder().encode(lines));
    }
  }

  config(document: Readonly<Record<string, unknown>>, name = "agent.yaml"): string {
    Deno.writeTextFileSync(this.path(name), JSON.stringify({ state: this.path("state"), ...document }));
    return this.path(name);
  }

  start(words: readonly string[]): RunningProgram {
    const { command, args } = agentCommand(words);
    return RunningProgram.start(command, args, { name: `agent ${words[0]}` });
  }

  /** Lines of all files below a folder, without what stands before `deviceN`. */
  linesBelow(name: string): ReadonlySet<string> {
    // What stands behind the last LF of a file is half a line: being written, or torn by a kill.
    const lines = [...readTexts(this.path(name))].flatMap((text) => text.split("\n").slice(0, -1));
    return new Set(lines.map((line) => /device\d \d+$/.exec(line)?.[0] ?? line));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function collector(servers: NatsServers, folder: string): Readonly<Record<string, unknown>> {
  return {
    state: `${folder}-state`,
    sources: { in: { type: "nats", target: servers.addresses, stream: "LOGS", consumer: "stores", ackWait: "3s" } },
    sinks: { out: { type: "file", dir: folder } },
  };
}

function* readTexts(folder: string): Generator<string> {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch {
    return; // not there yet
  }
  for (const { name, isDirectory } of entries) {
    if (isDirectory) yield* readTexts(join(folder, name));
    else yield Deno.readTextFileSync(join(folder, name));
  }
}

/** Messages so far; 0 while there is no stream, or no leader. */
async function countOf(servers: NatsServers): Promise<number> {
  return await servers.count("LOGS").catch(() => 0);
}

/** Numbers of lines that no message has; the first ten. */
async function missingIn(servers: NatsServers, count: number): Promise<readonly number[]> {
  const connection = await servers.connect();
  try {
    const { jetstream, DeliverPolicy } = await import("@nats-io/jetstream");
    const ordered = await jetstream(connection).consumers.get("LOGS", { deliver_policy: DeliverPolicy.All });
    const seen = new Uint8Array(count);
    let left = count;
    for await (const message of await ordered.consume({ max_messages: 5_000 })) {
      seen[Number(/line (\d+)$/.exec(message.string())![1])] = 1;
      if (--left === 0) break;
    }
    return [...seen.entries()].filter(([, there]) => there === 0).map(([number]) => number).slice(0, 10);
  } finally {
    await connection.close();
  }
}
