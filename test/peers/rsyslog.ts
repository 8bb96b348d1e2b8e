/**
 * The real rsyslog as RELP server and as RELP client, each with a configuration of its own in a temporary folder,
 * listening on loopback alone.
 *
 * ```text
 *   agent ship ──► imrelp ─► omfile (raw message, one per line)
 *   imfile ─► omrelp ──► agent collect
 * ```
 */
import { join } from "node:path";
import { filesBelow, LineCounter, textBelow } from "./numbered_lines.ts";
import type { Pki } from "./pki.ts";
import { clientName, serverName } from "./pki.ts";
import { freePort, isListening } from "./ports.ts";
import { RunningProgram } from "./process.ts";

/** TLS on rsyslog's side; certificates are those of `pki`. */
export interface RsyslogTls {
  readonly pki: Pki;
  /** librelp's `tls.tlslib`. */
  readonly library: "gnutls" | "openssl";
  /** Default: `name`. */
  readonly authMode?: "name" | "fingerprint" | "certvalid";
  /** Default: the other end's name in the certificates of `pki`. */
  readonly permittedPeer?: readonly string[];
  /** Pair to present instead of `server` or `client`. */
  readonly pair?: string;
}

/** How the server is started. */
export interface RelpServerOptions {
  readonly tls?: RsyslogTls;
  /** Where to write; default: a file in a temporary folder. */
  readonly output?: string;
  /** Largest message; default 8 KiB, rsyslog's own. */
  readonly maxMessageBytes?: number;
  /** No queue in memory: an acknowledgement means that the line is written, so that a kill of the server loses nothing. */
  readonly direct?: boolean;
}

/** rsyslog with imrelp. It keeps its port over `restart`. Dispose it to end it and to remove its folder. */
export class RelpServer implements AsyncDisposable {
  readonly port = freePort();
  readonly folder = Deno.makeTempDirSync({ prefix: "imrelp" });
  readonly output: string;
  /** May be changed before the next `start`. */
  options: RelpServerOptions;
  readonly #counter: LineCounter;
  #program: RunningProgram | undefined;

  constructor(options: RelpServerOptions) {
    this.options = options;
    this.output = options.output ?? join(this.folder, "received.log");
    this.#counter = new LineCounter(this.output);
  }

  get program(): RunningProgram {
    return this.#program!;
  }

  /** Starts it, again after a `kill`, and waits until it listens. */
  async start(): Promise<void> {
    const config = join(this.folder, "server.conf");
    Deno.writeTextFileSync(config, serverConfig(this.port, this.folder, this.output, this.options));
    this.#program = startRsyslog(config, this.folder, "server");
    await this.#program.waitUntil(() => isListening(this.port), `imrelp on port ${this.port}`);
  }

  /**
   * SIGKILL; what it had taken and not written is lost, as a crash of it would. A line that this tore is cut off: it was
   * not acknowledged and comes again, but rsyslog would write the next one behind it, and then both are damaged.
   */
  async kill(): Promise<void> {
    await this.#program?.kill();
    for (const path of filesBelow(this.output)) {
      Deno.truncateSync(path, Deno.readFileSync(path).lastIndexOf(10) + 1);
    }
  }

  /** Lines on disk. */
  get lines(): number {
    return this.#counter.count();
  }

  /** Waits until it has written so many lines. */
  async waitForLines(count: number, deadlineMs = 60_000): Promise<void> {
    await this.program.waitUntil(() => this.lines >= count, `${count} lines (${this.lines} are there)`, deadlineMs);
  }

  /** Waits until a line with this text is on disk: after a kill of the client, a count may be made of repeated lines. */
  async waitForText(text: string): Promise<void> {
    await this.program.waitUntil(() => textBelow(this.output).includes(text), `"${text}"`, 60_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Starts rsyslog with imrelp on a free port of 127.0.0.1. */
export async function startRelpServer(options: RelpServerOptions = {}): Promise<RelpServer> {
  const server = new RelpServer(options);
  await server.start();
  return server;
}

/** How the client is started. */
export interface RelpClientOptions {
  /** Input of imfile, read from its start. */
  readonly file: string;
  /** Port of the RELP server on 127.0.0.1. */
  readonly port: number;
  readonly tls?: RsyslogTls;
  /** omrelp's windowSize; default 4096. `"default"` leaves it out: 128. */
  readonly windowSize?: number | "default";
  /** Messages per session; default: no limit. */
  readonly rebindInterval?: number;
  /** Seconds that it waits for answers, also at its end; default 90 as omrelp. */
  readonly timeoutSeconds?: number;
}

/** rsyslog with imfile and omrelp. Dispose it to end it and to remove its folder. */
export class RelpClient implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "omrelp" });
  readonly #options: RelpClientOptions;
  #program: RunningProgram | undefined;

  constructor(options: RelpClientOptions) {
    this.#options = options;
  }

  get program(): RunningProgram {
    return this.#program!;
  }

  /** Starts it, again after a `kill`; imfile then goes on where its state file says. */
  start(): void {
    const config = join(this.folder, "client.conf");
    Deno.writeTextFileSync(config, clientConfig(this.folder, this.#options));
    this.#program = startRsyslog(config, this.folder, "client");
  }

  async kill(): Promise<void> {
    await this.#program?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Starts rsyslog as the client of a RELP server. */
export function startRelpClient(options: RelpClientOptions): RelpClient {
  const client = new RelpClient(options);
  client.start();
  return client;
}

function startRsyslog(config: string, folder: string, role: string): RunningProgram {
  const pidFile = join(folder, `${role}.pid`);
  try {
    Deno.removeSync(pidFile); // one that was killed leaves it, and the next refuses to start
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return RunningProgram.start("rsyslogd", ["-n", "-f", config, "-i", pidFile], { name: `rsyslog ${role}` });
}

function serverConfig(port: number, folder: string, output: string, options: RelpServerOptions): string {
  const { tls, maxMessageBytes, direct = false } = options;
  return [
    `global(workDirectory="${folder}"${maxMessageBytes === undefined ? "" : ` maxMessageSize="${maxMessageBytes}"`})`,
    moduleLine("imrelp", tls),
    `template(name="rawline" type="string" string="%rawmsg%\\n")`,
    `ruleset(name="recv"${direct ? ' queue.type="Direct"' : ""}) {`,
    `  action(type="omfile" file="${output}" template="rawline" ioBufferSize="64k")`,
    `}`,
    `input(type="imrelp" port="${port}" address="127.0.0.1" ruleset="recv"${tlsWords(tls, "server", clientName)})`,
    "",
  ].join("\n");
}

function clientConfig(folder: string, options: RelpClientOptions): string {
  const { tls, windowSize = 4096, rebindInterval, timeoutSeconds } = options;
  const words = [
    windowSize === "default" ? "" : ` windowSize="${windowSize}"`,
    rebindInterval === undefined ? "" : ` rebindInterval="${rebindInterval}"`,
    timeoutSeconds === undefined ? "" : ` timeout="${timeoutSeconds}"`,
    tlsWords(tls, "client", serverName),
  ];
  return [
    `global(workDirectory="${folder}")`,
    `module(load="imfile")`,
    moduleLine("omrelp", tls),
    `ruleset(name="send" queue.type="LinkedList" queue.size="100000") {`,
    `  action(type="omrelp" target="127.0.0.1" port="${options.port}" action.resumeRetryCount="-1"` +
    ` action.resumeInterval="1"${words.join("")})`,
    `}`,
    `input(type="imfile" file="${options.file}" tag="bench" ruleset="send" freshStartTail="off")`,
    "",
  ].join("\n");
}

function moduleLine(name: string, tls: RsyslogTls | undefined): string {
  return `module(load="${name}"${tls === undefined ? "" : ` tls.tlslib="${tls.library}"`})`;
}

function tlsWords(tls: RsyslogTls | undefined, ownPair: string, peerName: string): string {
  if (tls === undefined) return "";
  const { cert, key } = tls.pki.pair(tls.pair ?? ownPair);
  const permitted = (tls.permittedPeer ?? [peerName]).map((name) => `"${name}"`).join(",");
  return ` tls="on" tls.authMode="${tls.authMode ?? "name"}" tls.permittedPeer=[${permitted}]` +
    ` tls.caCert="${tls.pki.ca}" tls.myCert="${cert}" tls.myPrivKey="${key}"`;
}
