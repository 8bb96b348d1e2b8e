/**
 * Addresses that never answer, in a network of the test's own: packets to them are dropped without a word, as a firewall
 * or a dead route does, so that connecting takes until somebody gives up.
 *
 * ```text
 *   namespace   lo 127.0.0.1          the collector
 *               198.51.100.1          behind a cable whose other end is nobody (RFC 5737: an address for examples)
 * ```
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { judgeLines, newRun, perfect, writeNumberedLines } from "../peers/numbered_lines.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

const here = needs("ip", "root", "mount");
const black = "198.51.100.1";
const count = 2_000;

/** A network with loopback and a dead end; nothing else is in it, and nothing of it is left behind. */
class DeadNetwork implements AsyncDisposable {
  readonly name = `agent-${crypto.randomUUID().slice(0, 8)}`;

  static async make(): Promise<DeadNetwork> {
    const network = new DeadNetwork();
    await runProgram("ip", ["netns", "add", network.name]);
    try {
      await network.#lay();
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  /** Packets that went into the dead end. */
  async lostPackets(): Promise<number> {
    const [link] = JSON.parse(await this.#ip("-s", "-j", "link", "show", "hole")) as [
      { stats64: { tx: { packets: number } } },
    ];
    return link.stats64.tx.packets;
  }

  /** Starts a program in it; `hosts` is its /etc/hosts. */
  start(words: readonly string[], hosts: string): RunningProgram {
    const { command, args } = agentCommand(words);
    const seen = 'mount --bind "$0" /etc/hosts && exec "$@"';
    const inside = ["sh", "-c", seen, hosts, command, ...args]; // `ip netns exec` has mounts of its own
    return RunningProgram.start("ip", ["netns", "exec", this.name, ...inside], { name: `agent ${words[0]}` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await runProgram("ip", ["netns", "delete", this.name]);
  }

  async #lay(): Promise<void> {
    await this.#ip("link", "set", "lo", "up");
    // A cable whose other end is nobody: with the neighbour's address given, the kernel has nothing to complain of.
    await this.#ip("link", "add", "hole", "type", "veth", "peer", "name", "depth");
    await this.#ip("addr", "add", "198.51.100.2/24", "dev", "hole");
    for (const end of ["hole", "depth"]) await this.#ip("link", "set", end, "up", "addrgenmode", "none");
    await this.#ip("neigh", "add", black, "lladdr", "02:00:00:00:00:01", "dev", "hole");
  }

  async #ip(...words: string[]): Promise<string> {
    return (await runProgram("ip", ["-n", this.name, ...words])).stdout;
  }
}

/** Ships lines through a sink with `keys` to a collector on 127.0.0.1; how many milliseconds until all are there. */
async function shipAround(keys: (port: number) => Record<string, unknown>): Promise<number> {
  const folder = Deno.makeTempDirSync({ prefix: "hole" });
  await using network = await DeadNetwork.make();
  try {
    const [run, port, hosts] = [newRun(), freePort(), join(folder, "hosts")];
    Deno.writeTextFileSync(hosts, `127.0.0.1 localhost\n${black} both.test\n127.0.0.1 both.test\n`);
    writeNumberedLines(join(folder, "in.log"), run, 0, count);
    await using collector = network.start([
      "collect",
      ...["--listen", `relp://127.0.0.1:${port}`, "--to", join(folder, "out"), "--state", join(folder, "collect")],
    ], hosts);
    await collector.waitForOutput(/listening|running/);
    const config = join(folder, "agent.yaml");
    Deno.writeTextFileSync(
      config,
      JSON.stringify({
        state: join(folder, "state"),
        sources: { in: { type: "file", include: [join(folder, "in.log")] } },
        sinks: { out: { type: "relp", ...keys(port) } },
      }),
    );
    const startMs = performance.now();
    await using shipper = network.start(["ship", "--config", config, "--once"], hosts);
    const { code } = await shipper.waitForExit();
    strictEqual(code, 0, shipper.stderr);
    deepStrictEqual(judgeLines(join(folder, "out"), run, count), perfect(count));
    ok(await network.lostPackets() > 0, "the dead address was tried");
    return performance.now() - startMs;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test({
  name: "agent ship to a name whose first address never answers delivers to the next",
  ...here,
  fn: async () => {
    await shipAround((port) => ({ target: "both.test", port, connectionTimeout: "30s" }));
  },
});

Deno.test({
  name: "agent ship whose first server never answers goes to the second when connectionTimeout is over",
  ...here,
  fn: async () => {
    const tookMs = await shipAround((port) => ({
      target: [`${black}:${port}`, `127.0.0.1:${port}`],
      connectionTimeout: "2s",
    }));
    ok(tookMs >= 2_000, `the first was tried: ${tookMs} ms`);
  },
});
