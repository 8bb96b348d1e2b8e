/**
 * Source `forward`: a server for the Forward Protocol of Fluentd and Fluent Bit. A client that asks for acknowledgements
 * gets one when, and only when, the spool holds its events; until then it has them, and sends them again.
 *
 * ```text
 *   socket (plain, TLS, Unix) ─► HELO PING PONG ─► messages ─► records ─► batches ─► spool ─► commit ─► {"ack": chunk}
 * ```
 */
import { createServer } from "node:net";
import type { Batch } from "../../pipeline/batch.ts";
import type { Checkpoints, Position } from "../../pipeline/checkpoint.ts";
import { DropCounter, type Drops } from "../../pipeline/drops.ts";
import type { BatchLimits, SourceFigures, SpooledServer } from "../../pipeline/source.ts";
import { Channel } from "../../system/channel.ts";
import { Connection } from "../../system/connection.ts";
import { openLog } from "../../system/log.ts";
import { listenWithServer } from "../../system/unix_socket.ts";
import type { TlsOptions } from "../../tls/dial.ts";
import { listen } from "../../tls/listen.ts";
import { BufferRoom } from "./message_reader.ts";
import { Session, type SessionContext } from "./session.ts";
import { SharedKeyFile } from "./shared_key.ts";

/** Where to listen, and what is taken. */
export interface ForwardOptions {
  /** Name in the configuration. */
  readonly id: string;
  readonly listen: { readonly host: string; readonly port: number } | { readonly path: string };
  /** File with keys that clients must prove to hold; mode 0600 is demanded. */
  readonly sharedKeyFile?: string;
  /** With `ca`, clients must present a certificate that it signed. */
  readonly tls?: TlsOptions;
  /** Longest message, packed and unpacked, in bytes; a client sends a chunk of its buffer as one message. */
  readonly maxMessageBytes: number;
  /** Longest record, as it is written; longer ones are left out and counted. Default 1 MiB. */
  readonly maxRecordBytes?: number;
  /** Connections at once; more are closed. */
  readonly maxConnections: number;
  /** Bytes of unfinished messages, of all connections; default the larger of 64 MiB and four messages. */
  readonly maxHeldBytes?: number;
  /** Silence between messages that ends a connection; 0: any. */
  readonly idleTimeoutMs: number;
  /** From the first byte of a message to its last; default 2 minutes. */
  readonly messageTimeoutMs?: number;
  /** From the connection to the proof of the shared key; default 10 s. */
  readonly handshakeTimeoutMs?: number;
  /** Host of records that come from this machine; part of the proof that the shared key is known. */
  readonly hostname: string;
  /** Default: the tag of each message. */
  readonly program?: string;
  /** Facility × 8 + severity. */
  readonly priority: number;
}

/** A forward source, listening. */
export type ForwardSource = SpooledServer;

/** Begins to listen. @throws when it cannot, or the shared key cannot be used */
export async function openForwardSource(options: ForwardOptions): Promise<ForwardSource> {
  const server = new ForwardServer(options);
  await server.listen();
  return server;
}

/** A batch on its way to the spool. */
interface Waiting {
  readonly session: Session;
  readonly chunks: string[];
}

class ForwardServer implements ForwardSource {
  readonly id: string;
  readonly replayable = false;
  readonly spooled = true;
  readonly acknowledgements: Checkpoints;
  readonly #options: ForwardOptions;
  readonly #context: SessionContext;
  readonly #channel = new Channel<Batch>(16);
  readonly #waiting = new Map<string, Waiting>();
  readonly #sessions = new Set<Session>();
  readonly #runs = new Set<Promise<void>>();
  readonly #drops = new DropCounter();
  #limits: BatchLimits = { maxRecords: 1_024, maxBytes: 128 * 1024 };
  #listener: { readonly address: string; close(): Promise<void> } | undefined;
  #unpacking: Promise<void> = Promise.resolve();
  #given = 0;
  #stopping = false;
  #turnedAway = 0;

  constructor(options: ForwardOptions) {
    this.id = options.id;
    this.#options = options;
    this.#context = this.#contextOf(options);
    this.acknowledgements = {
      get: () => Promise.resolve(undefined),
      commit: (_, position) => this.#confirm(position),
    };
  }

  get address(): string {
    return this.#listener!.address;
  }

  drops(): Drops {
    return this.#drops.drops;
  }

  figures(): SourceFigures {
    return { sessions: this.#sessions.size };
  }

  async listen(): Promise<void> {
    const { listen: where, tls } = this.#options;
    if ("path" in where) {
      const server = createServer((socket) => {
        socket.on("error", () => {});
        this.#begin(new Connection(socket, "a local program"), undefined);
      });
      await listenWithServer(server, where.path, 0o660);
      // It calls back when the last connection is closed, which is not waited for.
      this.#listener = { address: where.path, close: () => Promise.resolve(void server.close()) };
      return;
    }
    const listener = await listen(
      { ...where, ...(tls === undefined ? {} : { tls }) },
      ({ connection, peerName }) => this.#begin(connection, peerName),
      (reason) => log.warning(reason),
    );
    this.#listener = { address: listener.address, close: async () => await listener[Symbol.asyncDispose]() };
  }

  async *read(_from: Position | undefined, limits: BatchLimits, signal: AbortSignal): AsyncGenerator<Batch> {
    this.#limits = limits;
    const stop = (): void => void this.#stop();
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      yield* this.#channel.values();
    } finally {
      signal.removeEventListener("abort", stop);
      this.#channel.close();
    }
  }

  refuse(position: Position): void {
    for (const key of Object.keys(position)) {
      this.#waiting.get(key)?.session.refuse();
      this.#waiting.delete(key);
    }
  }

  readonly [Symbol.asyncDispose] = async (): Promise<void> => {
    this.#stopping = true;
    this.#channel.close();
    await this.#listener?.close();
    await Promise.all([...this.#sessions].map((session) => session.close(lastWordsMs)));
    await Promise.all(this.#runs);
  };

  /** No new clients; what clients have handed to the network gets a moment to come in, then nothing more is read. */
  async #stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    void this.#listener?.close();
    if (this.#sessions.size > 0) await new Promise((resolve) => setTimeout(resolve, graceMs));
    for (const session of this.#sessions) session.stop();
    await Promise.all(this.#runs);
    this.#channel.close();
  }

  #begin(connection: Connection, peerName: string | undefined): void {
    const { maxConnections, hostname } = this.#options;
    if (this.#stopping || this.#sessions.size >= maxConnections) {
      if (!this.#stopping && this.#turnedAway++ === 0) {
        log.warning(`turned ${connection.peerAddress} away: ${this.#sessions.size} connections are open, the limit`);
      }
      return connection.destroy();
    }
    const host = peerName ?? remoteHost(connection) ?? hostname;
    const session = new Session(this.#context, connection, { host, ...(peerName === undefined ? {} : { peerName }) });
    this.#sessions.add(session);
    const run = session.run().then(() => {
      this.#runs.delete(run);
      if (!this.#stopping) this.#forget(session);
    });
    this.#runs.add(run);
  }

  #forget(session: Session): void {
    this.#sessions.delete(session);
    if (this.#sessions.size < this.#options.maxConnections) this.#turnedAway = 0;
  }

  #contextOf(options: ForwardOptions): SessionContext {
    const { maxMessageBytes, maxRecordBytes = 2 ** 20, maxHeldBytes, sharedKeyFile } = options;
    const { messageTimeoutMs = 120_000, handshakeTimeoutMs = 10_000 } = options;
    const file = sharedKeyFile === undefined
      ? undefined
      : new SharedKeyFile(sharedKeyFile, (text) => log.warning(`${this.id}: ${text}`));
    return {
      ...options,
      maxRecordBytes,
      messageTimeoutMs,
      handshakeTimeoutMs,
      room: new BufferRoom(maxHeldBytes ?? Math.max(64 * 2 ** 20, 4 * maxMessageBytes)),
      ...(file === undefined ? {} : { keys: () => file.keys }),
      limits: () => this.#limits,
      onDrop: (reason, bytes) => this.#drops.add(reason, 1, bytes),
      give: (batch, chunks, session) => this.#give(batch, chunks, session),
      alone: (action) => this.#alone(action),
    };
  }

  #give(batch: Batch, chunks: string[], session: Session): Promise<boolean> {
    const key = String(++this.#given);
    this.#waiting.set(key, { session, chunks });
    return this.#channel.give({ ...batch, position: { [key]: 1 } });
  }

  #confirm(position: Position): void {
    for (const key of Object.keys(position)) {
      const waiting = this.#waiting.get(key);
      this.#waiting.delete(key);
      waiting?.session.confirm(waiting.chunks);
    }
  }

  #alone(action: () => Promise<void>): Promise<void> {
    const done = this.#unpacking.then(action);
    this.#unpacking = done.catch(() => {});
    return done;
  }
}

/** The address of a client that is elsewhere. */
function remoteHost({ ends }: Connection): string | undefined {
  const address = ends?.remoteAddress.replace(/^::ffff:/, "");
  return address === undefined || /^(127\.|::1$)/.test(address) ? undefined : address;
}

const log = openLog("forward");
const graceMs = 200;
const lastWordsMs = 300;
