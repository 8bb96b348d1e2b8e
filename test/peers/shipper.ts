/** `agent ship` as a program under test: file to RELP, with its state and configuration in a temporary folder. */
import { join } from "node:path";
import { agentCommand } from "./agent.ts";
import type { Pki } from "./pki.ts";
import { serverName } from "./pki.ts";
import { RunningProgram } from "./process.ts";

/** How the shipper is started. */
export interface ShipperOptions {
  /** Glob of the files to read. */
  readonly include: string;
  /** Port of the RELP server on 127.0.0.1. */
  readonly port: number;
  readonly tls?: ShipperTls;
  readonly windowSize?: number;
  /** Silence of the server that ends a session, for example `90s`. */
  readonly timeout?: string;
  /** Ends when everything is delivered. */
  readonly once?: boolean;
  /** Default: a folder of its own. */
  readonly state?: string;
  /** More keys of the file source. */
  readonly source?: Readonly<Record<string, unknown>>;
  /** More keys of the relp sink. */
  readonly sink?: Readonly<Record<string, unknown>>;
  /** Default: the agent's own, `info`. */
  readonly logLevel?: "debug";
}

/** TLS on the shipper's side. */
export interface ShipperTls {
  readonly pki: Pki;
  /** Default: `name`. */
  readonly authMode?: "name" | "fingerprint" | "certvalid";
  /** Default: the server's name in the certificates of `pki`. */
  readonly permittedPeer?: readonly string[];
  /** Pair to present instead of `client`; `none` for none. */
  readonly pair?: string;
  /** CA to trust instead of that of `pki`. */
  readonly ca?: string;
}

/** A shipper. It keeps its state over `kill` and `start`. Dispose it to end it and to remove its folder. */
export class Shipper implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "ship" });
  readonly configPath: string;
  readonly state: string;
  options: ShipperOptions;
  #program: RunningProgram | undefined;

  constructor(options: ShipperOptions) {
    this.options = options;
    this.configPath = join(this.folder, "agent.yaml");
    this.state = options.state ?? join(this.folder, "state");
  }

  get program(): RunningProgram {
    return this.#program!;
  }

  /** Writes the configuration that `options` describe; a running shipper takes it at SIGHUP. */
  writeConfig(): void {
    Deno.writeTextFileSync(this.configPath, JSON.stringify(this.#config(), null, 2) + "\n");
  }

  /** Starts it, again after a `kill`. */
  start(): RunningProgram {
    this.writeConfig();
    const once = this.options.once === true ? ["--once"] : [];
    const level = this.options.logLevel === undefined ? [] : ["--log-level", this.options.logLevel];
    const { command, args } = agentCommand(["ship", "--config", this.configPath, ...once, ...level]);
    this.#program = RunningProgram.start(command, args, { name: "agent ship" });
    return this.#program;
  }

  async kill(): Promise<void> {
    await this.#program?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }

  #config(): unknown {
    const { include, port, tls, windowSize, timeout, source = {}, sink = {} } = this.options;
    return {
      state: this.state,
      sources: { messages: { type: "file", include: [include], ...source } },
      sinks: {
        loghost: {
          type: "relp",
          target: "127.0.0.1",
          port,
          ...(windowSize === undefined ? {} : { windowSize }),
          ...(timeout === undefined ? {} : { timeout }),
          ...(tls === undefined ? {} : { tls: tlsKeys(tls) }),
          ...sink,
        },
      },
    };
  }
}

/** Starts `agent ship`. */
export function startShipper(options: ShipperOptions): Shipper {
  const shipper = new Shipper(options);
  shipper.start();
  return shipper;
}

function tlsKeys(tls: ShipperTls): unknown {
  const { cert, key } = tls.pki.pair(tls.pair ?? "client");
  return {
    enabled: true,
    authMode: tls.authMode ?? "name",
    permittedPeer: tls.permittedPeer ?? [serverName],
    ca: tls.ca ?? tls.pki.ca,
    ...(tls.pair === "none" ? {} : { cert, key }),
  };
}
