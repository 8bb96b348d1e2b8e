/** `agent ship` with any sources, towards one RELP collector that may be away; state and configuration in its own folder. */
import { join } from "node:path";
import { agentCommand } from "./agent.ts";
import { RunningProgram } from "./process.ts";

/** What is shipped, and where to. */
export interface ShipWithOptions {
  /** The key `sources`. */
  readonly sources: Readonly<Record<string, unknown>>;
  /** Port of the RELP server on 127.0.0.1. */
  readonly port: number;
  /** The key `spool`. */
  readonly spool?: Readonly<Record<string, unknown>>;
  /** Default: a folder of its own. */
  readonly state?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A shipper that keeps its state over `kill` and `start`. Dispose it to end it and to remove its folder. */
export class ShipWith implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "shipwith" });
  readonly configPath: string;
  readonly state: string;
  options: ShipWithOptions;
  #program: RunningProgram | undefined;

  constructor(options: ShipWithOptions) {
    this.options = options;
    this.configPath = join(this.folder, "agent.yaml");
    this.state = options.state ?? join(this.folder, "state");
  }

  get program(): RunningProgram {
    return this.#program!;
  }

  /** Writes the configuration; a running shipper takes it at SIGHUP. */
  writeConfig(): void {
    const { sources, port, spool } = this.options;
    const retry = { resumeInterval: "50ms", resumeIntervalMax: "200ms" };
    const sinks = { loghost: { type: "relp", target: "127.0.0.1", port, ...retry } };
    const config = { state: this.state, sources, sinks, ...(spool === undefined ? {} : { spool }) };
    Deno.writeTextFileSync(this.configPath, JSON.stringify(config, null, 2) + "\n");
  }

  /** Starts it, again after a `kill`. */
  start(): RunningProgram {
    this.writeConfig();
    const { command, args } = agentCommand(["ship", "--config", this.configPath]);
    const { env } = this.options;
    this.#program = RunningProgram.start(command, args, { name: "agent ship", ...(env === undefined ? {} : { env }) });
    return this.#program;
  }

  /** Starts it and waits until it runs. */
  async startAndWait(): Promise<RunningProgram> {
    const program = this.start();
    await program.waitForOutput(/running: from/);
    return program;
  }

  async kill(): Promise<void> {
    await this.#program?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}
