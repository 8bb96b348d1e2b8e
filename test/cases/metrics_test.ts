/** The metrics of a running agent: nothing goes missing between two of them, whatever happens to it. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { startCollector } from "../peers/collector.ts";
import { countLines, writeNumberedLines } from "../peers/numbered_lines.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { Prometheus } from "../peers/prometheus.ts";
import { needs } from "../peers/skip.ts";

/** Values by `name{labels}`. */
type Scrape = ReadonlyMap<string, number>;

/** `agent ship` with figures to ask for; everything in a folder of its own. */
class Shipping implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "metrics" });
  readonly statusPort = freePort();
  readonly config: Record<string, unknown>;
  #program: RunningProgram | undefined;

  constructor(keys: Readonly<Record<string, unknown>>) {
    this.config = { state: join(this.folder, "state"), status: { listen: `127.0.0.1:${this.statusPort}` }, ...keys };
  }

  get program(): RunningProgram {
    return this.#program!;
  }

  writeConfig(): void {
    Deno.writeTextFileSync(join(this.folder, "agent.yaml"), JSON.stringify(this.config));
  }

  async start(): Promise<void> {
    this.writeConfig();
    const { command, args } = agentCommand(["ship", "--config", join(this.folder, "agent.yaml")]);
    this.#program = RunningProgram.start(command, args, { name: "agent ship" });
    await this.#program.waitForOutput(/running: from/);
  }

  async ask(accept = "text/plain"): Promise<Response> {
    return await fetch(`http://127.0.0.1:${this.statusPort}/metrics`, { headers: { accept } });
  }

  async scrape(): Promise<Scrape> {
    const lines = (await (await this.ask()).text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const pairNames = ["received_events_total", "delivered_events_total", "dropped_events_total", "held_events"] as const;

/** received, delivered, dropped and held of every pair, by `source>sink`. */
function pairsOf(scrape: Scrape): ReadonlyMap<string, readonly number[]> {
  const pairs = new Map<string, number[]>();
  for (const [key, value] of scrape) {
    const found = /^agent_pair_(\w+)\{source="([^"]*)",sink="([^"]*)"\}$/.exec(key);
    if (found === null) continue;
    const pair = pairs.get(`${found[2]}>${found[3]}`) ?? [0, 0, 0, 0];
    pair[pairNames.indexOf(found[1] as typeof pairNames[number])] = value;
    pairs.set(`${found[2]}>${found[3]}`, pair);
  }
  return pairs;
}

/** Checks a scrape by itself and against the one before. */
function judge(scrape: Scrape, before: Scrape): void {
  for (const [pair, [received, delivered, dropped, held]] of pairsOf(scrape)) {
    strictEqual(received, delivered! + dropped! + held!, pair);
    ok(held! >= 0, `${pair} holds ${held}`);
  }
  for (const [key, value] of scrape) {
    if (!/_total[{ ]|_total$/.test(key)) continue;
    ok(value >= (before.get(key) ?? 0), `${key} fell from ${before.get(key)} to ${value}`);
  }
}

/** Sends lines to a TCP source. */
async function sendLines(port: number, from: number, to: number): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = new TextEncoder().encode(
    Array.from({ length: to - from }, (_, i) => `tcp ${from + i} ${"x".repeat(600)}\n`).join(""),
  );
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}

Deno.test("received = delivered + dropped + held in every scrape, and no counter falls, over drops, a full spool and reloads", async () => {
  const tcpPort = freePort();
  const deadPort = freePort();
  await using agent = new Shipping({});
  const log = join(agent.folder, "in.log");
  const out = join(agent.folder, "out");
  const retry = { resumeInterval: "50ms", resumeIntervalMax: "200ms" };
  Object.assign(agent.config, {
    sources: {
      messages: { type: "file", include: [log] },
      net: { type: "tcp", listen: `127.0.0.1:${tcpPort}` },
    },
    rules: [{ sources: ["net"], message: { regex: "[05] x" }, action: "drop" }],
    spool: { maxSize: "1MiB", whenFull: "dropOldest" },
    sinks: {
      out: { type: "file", dir: out },
      dead: { type: "relp", target: "127.0.0.1", port: deadPort, ...retry },
    },
  });
  await agent.start();
  const [rounds, lines] = [20, 500];
  let before: Scrape = new Map();
  for (let round = 0; round < rounds; round++) {
    writeNumberedLines(log, "run", round * lines, (round + 1) * lines);
    const sent = sendLines(tcpPort, round * lines, (round + 1) * lines);
    for (let i = 0; i < 5; i++) {
      const scrape = await agent.scrape();
      judge(scrape, before);
      before = scrape;
    }
    await sent;
    if (round === 8 || round === 14) {
      const source = (agent.config.sources as Record<string, Record<string, unknown>>).messages!;
      source["maxLine"] = round === 8 ? "32KiB" : "48KiB"; // something new
      // What a socket has taken and nobody has read goes with a live source: so nothing is on its way now.
      await waitFor(async () => {
        const held = pairsOf(await agent.scrape());
        return held.get("net>spool")![0] === (round + 1) * lines && held.get("net>spool")![3] === 0;
      }, "all of TCP in the spool");
      agent.writeConfig();
      agent.program.signal("SIGHUP");
      await waitFor(() => agent.program.stderr.split("running: from").length === (round === 8 ? 3 : 4), "a reload");
    }
  }
  const total = rounds * lines;
  const settled = async (): Promise<ReadonlyMap<string, readonly number[]>> => {
    const scrape = await agent.scrape();
    judge(scrape, before);
    before = scrape;
    return pairsOf(scrape);
  };
  await waitFor(async () => (await settled()).get("messages>out")![1] === total, "the file delivered");
  await waitFor(async () => (await settled()).get("net>spool")![1] === total, "all of TCP in the spool");
  await waitFor(async () => (await settled()).get("spool>out")![3] === 0, "the spool delivered");
  const pairs = await settled();
  deepStrictEqual(pairs.get("messages>out"), [total, total, 0, 0]);
  deepStrictEqual(pairs.get("net>spool"), [total, total, 0, 0]);
  const [received, delivered, dropped] = pairs.get("spool>out")!;
  strictEqual(received, total, "what went through the spool");
  strictEqual(countLines(out), total + delivered!);
  strictEqual(dropped, total / 5);
  ok(pairs.get("spool>dead")![3]! > 0, "the dead sink holds nothing");
  ok(
    before.get(`agent_buffer_discarded_events_total{reason="spoolFull",intentional="true"}`)! > 0,
    "no spool was full",
  );

  await using collector = await startCollector({ port: deadPort });
  await waitFor(async () => {
    const now = await settled();
    return now.get("messages>dead")![3] === 0 && now.get("spool>dead")![3] === 0;
  }, "all delivered to what was dead");
  const last = await settled();
  deepStrictEqual(last.get("messages>dead"), [total, total, 0, 0]);
  const [, deliveredLate] = last.get("spool>dead")!;
  await waitFor(() => countLines(collector.output) >= total + deliveredLate!, "all lines at the collector");
  const repeated = countLines(collector.output) - total - deliveredLate!;
  strictEqual(repeated, 0, "the collector has as many as were counted");
});

Deno.test({
  name: "promtool takes both forms of the metrics, and the textfile; a real Prometheus scrapes them",
  ...needs("promtool", "prometheus"),
  fn: async () => {
    await using agent = new Shipping({});
    const textfile = join(agent.folder, "agent.prom");
    const log = join(agent.folder, "in.log");
    Object.assign(agent.config, {
      sources: { messages: { type: "file", include: [log] }, net: { type: "syslog", listen: "udp://127.0.0.1:0" } },
      sinks: { out: { type: "file", dir: join(agent.folder, "out") } },
    });
    Object.assign(agent.config.status as object, { textfile });
    writeNumberedLines(log, "run", 0, 100);
    await agent.start();
    await waitFor(async () => pairsOf(await agent.scrape()).get("messages>out")?.[1] === 100, "100 lines");

    const plain = await agent.ask();
    match(plain.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    const body = join(agent.folder, "metrics.txt");
    Deno.writeTextFileSync(body, await plain.text());
    const checked = await runProgram("sh", ["-c", `promtool check metrics < "${body}"`]);
    strictEqual(checked.stdout + checked.stderr, "");
    const open = await agent.ask("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    match(open.headers.get("content-type")!, /^application\/openmetrics-text; version=1\.0\.0/);
    match(await open.text(), /\n# EOF\n$/);

    await using prometheus = await Prometheus.start({ targets: [`127.0.0.1:${agent.statusPort}`] });
    await waitFor(async () => {
      const [series] = await prometheus.query(`agent_component_sent_events_total{component_id="out"}`);
      return series?.value === 100;
    }, "the count in Prometheus");

    agent.program.signal("SIGTERM");
    await agent.program.exited;
    match(Deno.readTextFileSync(textfile), /agent_pair_delivered_events_total\{source="messages",sink="out"\} 100\n/);
    const { stdout, stderr } = await runProgram("sh", ["-c", `promtool check metrics < "${textfile}"`]);
    strictEqual(stdout + stderr, "");
  },
});
