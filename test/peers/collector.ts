/** `agent collect` as a program under test, on a free port of 127.0.0.1 and in a temporary folder. */
import { join } from "node:path";
import { agentCommand } from "./agent.ts";
import { LineCounter, textBelow } from "./numbered_lines.ts";
import type { Pki } from "./pki.ts";
import { freePort, isListening } from "./ports.ts";
import { RunningProgram, waitFor } from "./process.ts";

/** How the collector is started. */
export interface CollectorOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** TLS with the pair `server` of this CA; client certificates are demanded. */
  readonly pki?: Pki;
  /** Pair to present instead of `server`. */
  readonly pair?: string;
  /** Names of clients that may come; default: all that the CA signed. */
  readonly permittedPeer?: readonly string[];
  /** Where to write; default: a temporary folder. */
  readonly output?: string;
  /** More words for the command line. */
  readonly words?: readonly string[];
}

/** A collector. It keeps port and folders over `kill` and `start`. Dispose it to end it and to remove its folder. */
export class Collector implements AsyncDisposable {
  readonly port: number;
  readonly folder = Deno.makeTempDirSync({ prefix: "collect" });
  readonly output: string;
  readonly #options: CollectorOptions;
  readonly #counter: LineCounter;
  #program: RunningProgram | undefined;

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.port = options.port ?? freePort();
    this.output = options.output ?? join(this.folder, "out");
    this.#counter = new LineCounter(this.output);
  }

  get program(): RunningProgram {
    return this.#program!;
  }

  /** Where to send to: `relp://…` or `relps://…`. */
  get url(): string {
    return `relp${this.#options.pki === undefined ? "" : "s"}://127.0.0.1:${this.port}`;
  }

  /** The words of its command line, behind `agent`. */
  get words(): readonly string[] {
    const { pki, pair, permittedPeer = [], words = [] } = this.#options;
    const tls = pki === undefined
      ? []
      : ["--ca", pki.ca, "--cert", pki.pair(pair ?? "server").cert, "--key", pki.pair(pair ?? "server").key];
    const permitted = permittedPeer.flatMap((name) => ["--permitted-peer", name]);
    const state = ["--state", join(this.folder, "state")];
    return ["collect", "--listen", this.url, "--to", this.output, ...state, ...tls, ...permitted, ...words];
  }

  /** Starts it, again after a `kill`, and waits until it listens. */
  async start(): Promise<void> {
    const { command, args } = agentCommand(this.words);
    this.#program = RunningProgram.start(command, args, { name: "agent collect" });
    await this.#program.waitUntil(() => isListening(this.port), `agent collect on port ${this.port}`);
  }

  async kill(): Promise<void> {
    await this.#program?.kill();
  }

  /** Lines on disk. */
  get lines(): number {
    return this.#counter.count();
  }

  /** Everything on disk, as Latin-1. */
  text(): string {
    return textBelow(this.output);
  }

  /** Waits until it has written so many lines. */
  async waitForLines(count: number, deadlineMs = 60_000): Promise<void> {
    await waitFor(
      () => {
        const { status, stderr } = this.program;
        if (status !== undefined) throw new Error(`agent collect ended with ${status.code}\n${stderr.slice(-4000)}`);
        return this.lines >= count;
      },
      `${count} lines in "${this.output}" (${this.lines} are there)`,
      deadlineMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Starts `agent collect` and waits until it listens. */
export async function startCollector(options: CollectorOptions = {}): Promise<Collector> {
  const collector = new Collector(options);
  try {
    await collector.start();
  } catch (error) {
    await collector[Symbol.asyncDispose]();
    throw error;
  }
  return collector;
}
