/** Debian's nats-server with JetStream, alone or as a cluster, on loopback, with its storage in temporary folders. */
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type ConnectionOptions, type NatsConnection } from "@nats-io/transport-node";
import { freePort, isListening } from "./ports.ts";
import { RunningProgram, stretched } from "./process.ts";

/** How the servers are started. */
export interface NatsOptions {
  /** Servers of the cluster; 1: no cluster. */
  readonly size?: number;
  /** More lines of the configuration of each. */
  readonly config?: string;
  /** How the tests themselves connect, where the configuration asks for more than an address. */
  readonly access?: Omit<ConnectionOptions, "servers">;
}

/** Servers. They keep ports and storage over `kill` and `start`. Dispose them to end them and to remove their folders. */
export class NatsServers implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "nats" });
  readonly ports: readonly number[];
  readonly #routes: readonly number[];
  readonly #config: string;
  readonly #access: Omit<ConnectionOptions, "servers">;
  readonly #programs: RunningProgram[] = [];

  constructor({ size = 1, config = "", access = {} }: NatsOptions) {
    this.#access = access;
    this.ports = Array.from({ length: size }, freePort);
    this.#routes = Array.from({ length: size }, freePort);
    this.#config = config;
  }

  /** `localhost:PORT` of each. */
  get addresses(): readonly string[] {
    return this.ports.map((port) => `localhost:${port}`);
  }

  program(index: number): RunningProgram {
    return this.#programs[index]!;
  }

  async start(index: number): Promise<void> {
    const path = join(this.folder, `server${index}.conf`);
    Deno.writeTextFileSync(path, this.#configOf(index));
    const program = RunningProgram.start("nats-server", ["-c", path], { name: `nats-server ${index}` });
    this.#programs[index] = program;
    await program.waitUntil(() => isListening(this.ports[index]!), `nats-server on port ${this.ports[index]}`);
  }

  async kill(index: number): Promise<void> {
    await this.#programs[index]!.kill();
  }

  /** Waits until JetStream answers: a cluster elects a leader first. */
  async waitUntilReady(): Promise<void> {
    await this.#programs[0]!.waitUntil(
      async () => {
        try {
          await this.withManager((manager) => manager.getAccountInfo());
          return true;
        } catch {
          return false;
        }
      },
      "JetStream",
      40_000,
    );
  }

  /** Runs `action` with a manager, on a connection of its own. */
  async withManager<T>(action: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<T>): Promise<T> {
    const connection = await this.connect();
    try {
      return await action(await jetstreamManager(connection, { timeout: stretched(5_000) }));
    } finally {
      await connection.close();
    }
  }

  async connect(): Promise<NatsConnection> {
    return await connect({
      servers: [...this.addresses],
      timeout: stretched(5_000),
      reconnect: false,
      ...this.#access,
    });
  }

  /** Messages in a stream. */
  async count(stream: string): Promise<number> {
    return await this.withManager(async (manager) => (await manager.streams.info(stream)).state.messages);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map((program) => program[Symbol.asyncDispose]()));
    Deno.removeSync(this.folder, { recursive: true });
  }

  #configOf(index: number): string {
    const cluster = this.ports.length === 1 ? "" : `cluster {
  name: tests
  listen: "127.0.0.1:${this.#routes[index]}"
  routes: [${this.#routes.map((port) => `"nats-route://127.0.0.1:${port}"`).join(", ")}]
}`;
    return `server_name: s${index}
listen: "127.0.0.1:${this.ports[index]}"
jetstream { store_dir: "${join(this.folder, `store${index}`)}" }
${cluster}
${this.#config}
`;
  }
}

/** Starts the servers and waits until JetStream is ready. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServers> {
  const servers = new NatsServers(options);
  await Promise.all(servers.ports.map((_, index) => servers.start(index)));
  await servers.waitUntilReady();
  return servers;
}
