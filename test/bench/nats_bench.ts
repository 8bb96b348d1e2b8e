/**
 * `deno task bench nats [--records N]`: what it costs that several collectors share a stream. Eight devices' records lie in a stream
 * of Debian's nats-server; one, two and three `agent collect` store them, each record acknowledged once it is on disk.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { agentCommand } from "../peers/agent.ts";
import { startNats } from "../peers/nats.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { machineLine, markdown, say } from "./table.ts";

/** Measures and prints. */
export async function run(words: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...words], options: { records: { type: "string", default: "200000" } } });
  const records = Number(values.records);
  const rows: string[][] = [];
  for (const consumers of [1, 2, 3]) rows.push(await measure(records, consumers));
  say(`\n${await machineLine()}\n\n${markdown(["consumers", "records/s", "CPU s of all", "peak MiB of each"], rows)}`);
}

async function measure(records: number, consumers: number): Promise<string[]> {
  await using servers = await startNats();
  const folder = Deno.makeTempDirSync({ prefix: "nats-bench" });
  try {
    await publish(folder, records, servers.addresses);
    const collectors = Array.from({ length: consumers }, (_, i) => collector(folder, i, servers.addresses));
    await using _ended = { [Symbol.asyncDispose]: () => endAll(collectors) };
    const beganMs = performance.now();
    await collectors[0]!.waitUntil(
      async () => await unanswered(servers) === 0,
      "every record acknowledged",
      600_000,
    );
    const seconds = (performance.now() - beganMs) / 1_000;
    const usages = collectors.map(({ usage }) => usage);
    return [
      String(consumers),
      Math.round(records / seconds).toLocaleString("en"),
      usages.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0).toFixed(2),
      usages.map(({ peakMiB }) => Math.round(peakMiB)).join(", "),
    ];
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** What the consumer has still to hand out or to hear of; all of it before the consumer is made. */
async function unanswered(servers: Awaited<ReturnType<typeof startNats>>): Promise<number> {
  return await servers.withManager(async (manager) => {
    const { num_pending: pending, num_ack_pending: open } = await manager.consumers.info("LOGS", "stores");
    return pending + open;
  }).catch(() => 1);
}

async function publish(folder: string, records: number, servers: readonly string[]): Promise<void> {
  const line = (i: number): string => `${String(i).padStart(9, "0")} ${"x".repeat(189)}\n`;
  const input = join(folder, "in.log");
  for (let first = 0; first < records; first += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, records - first) }, (_, i) => line(first + i)).join("");
    Deno.writeTextFileSync(input, lines, { append: true });
  }
  const config = join(folder, "ship.json");
  Deno.writeTextFileSync(
    config,
    JSON.stringify({
      state: join(folder, "ship-state"),
      sources: { in: { type: "file", include: [input] } },
      sinks: { out: { type: "nats", target: servers, stream: "LOGS", createStream: 1 } },
    }),
  );
  const { command, args } = agentCommand(["ship", "--once", "--config", config]);
  await runProgram(command, args);
}

function collector(folder: string, index: number, servers: readonly string[]): RunningProgram {
  const config = join(folder, `collect${index}.json`);
  Deno.writeTextFileSync(
    config,
    JSON.stringify({
      state: join(folder, `collect-state${index}`),
      sources: { in: { type: "nats", target: servers, stream: "LOGS", consumer: "stores" } },
      sinks: { out: { type: "file", dir: join(folder, `out${index}`) } },
    }),
  );
  const { command, args } = agentCommand(["collect", "--config", config]);
  return RunningProgram.start(command, args, { name: `agent collect ${index}` });
}

async function endAll(programs: readonly RunningProgram[]): Promise<void> {
  await Promise.all(programs.map((program) => program[Symbol.asyncDispose]()));
}
