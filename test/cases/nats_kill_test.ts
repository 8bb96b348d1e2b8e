/**
 * Case 25: the shipper is killed without warning, again and again, while its file is rotated by name, and the sink knows
 * duplicates: a record of a file is named by device, inode, generation and offset, and a stream keeps the first of a name.
 */
import { deepStrictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { type NatsServers, startNats } from "../peers/nats.ts";
import { RunningProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

const kills = 12;
const linesPerKill = 10_000;

Deno.test({
  name: `agent ship is killed ${kills} times while its file is renamed: a JetStream stream has every line once`,
  ...needs("nats-server"),
  fn: async () => {
    await using servers = await startNats();
    const folder = Deno.makeTempDirSync({ prefix: "nats-kill" });
    let program: RunningProgram | undefined;
    try {
      const config = writeConfig(folder, servers);
      const start = (): RunningProgram => {
        const { command, args } = agentCommand(["ship", "--config", config]);
        return program = RunningProgram.start(command, args, { name: "agent ship" });
      };
      let lines = 1_000;
      writeLines(join(folder, "in.log"), 0, lines);
      await start().waitUntil(async () => await countOf(servers) > 0, "the first line", 60_000);
      for (let kill = 0; kill < kills; kill++) {
        const before = await countOf(servers);
        for (let i = 0; i < 4; i++) {
          writeLines(join(folder, "in.log"), lines, lines += linesPerKill / 4);
          if (i === 1) rotate(join(folder, "in.log"));
        }
        await program!.waitUntil(async () => await countOf(servers) > before, `progress before kill ${kill}`, 60_000);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
        await program!.kill();
        start();
      }
      await program!.waitUntil(async () => await countOf(servers) >= lines, "the last line", 120_000);
      const arrivals = await arrivalsIn(servers, await countOf(servers), lines);
      deepStrictEqual(
        arrivals.flatMap((times, line) => times === 1 ? [] : [`${times} × line ${line}`]).slice(0, 10),
        [],
      );
    } finally {
      await program?.[Symbol.asyncDispose]();
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

function writeConfig(folder: string, servers: NatsServers): string {
  const path = join(folder, "agent.yaml");
  const sink = { type: "nats", target: servers.addresses, stream: "LOGS", createStream: 1, resumeInterval: "50ms" };
  const sources = { in: { type: "file", include: [join(folder, "in.log")] } };
  Deno.writeTextFileSync(path, JSON.stringify({ state: join(folder, "state"), sources, sinks: { out: sink } }));
  return path;
}

function writeLines(path: string, from: number, to: number): void {
  const text = Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join("");
  Deno.writeTextFileSync(path, text, { append: true });
}

function rotate(path: string): void {
  const names = [...Deno.readDirSync(join(path, ".."))].map(({ name }) => name);
  const rotated = names.filter((name) => /^in\.log\.\d+$/.test(name)).length;
  for (let i = rotated; i > 0; i--) Deno.renameSync(`${path}.${i}`, `${path}.${i + 1}`);
  Deno.renameSync(path, `${path}.1`);
}

/** Messages so far; 0 while there is no stream. */
async function countOf(servers: NatsServers): Promise<number> {
  return await servers.count("LOGS").catch(() => 0);
}

/** How often each of `lines` is among the `messages` of the stream. */
async function arrivalsIn(servers: NatsServers, messages: number, lines: number): Promise<readonly number[]> {
  const connection = await servers.connect();
  try {
    const { jetstream, DeliverPolicy } = await import("@nats-io/jetstream");
    const ordered = await jetstream(connection).consumers.get("LOGS", { deliver_policy: DeliverPolicy.All });
    const arrivals = Array<number>(lines).fill(0);
    let left = messages;
    for await (const message of await ordered.consume({ max_messages: 5_000 })) {
      arrivals[Number(/line (\d+)$/.exec(message.string())![1])]!++;
      if (--left === 0) break;
    }
    return arrivals;
  } finally {
    await connection.close();
  }
}
