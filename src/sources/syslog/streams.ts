/**
 * Syslog and plain lines in streams: TCP (RFC 6587), TLS (RFC 5425) and Unix stream sockets. Each connection is read only
 * when there is room for what it sends: a slow consumer slows its senders, and nothing is dropped.
 */
import type { Batch, Origin } from "../../pipeline/batch.ts";
import { errorText } from "../../pipeline/errors.ts";
import { openLog } from "../../system/log.ts";
import { listenOnUnixSocket } from "../../system/unix_socket.ts";
import type { TlsOptions } from "../../tls/dial.ts";
import { listen } from "../../tls/listen.ts";
import { type Give, graceMs, type Intake, originOf, type RecordDefaults } from "./intake.ts";
import { openSplitter } from "./splitter.ts";

/** Where to listen. */
export interface StreamOptions extends RecordDefaults {
  readonly listen:
    | { readonly transport: "tcp"; readonly host: string; readonly port: number; readonly tls?: TlsOptions }
    | { readonly transport: "unix-stream"; readonly path: string; readonly mode: number };
  readonly records: "syslog" | "lines";
  /** Connections at once; more are turned away. */
  readonly maxConnections: number;
}

/** Listens and begins to read. @throws when the address cannot be bound or the certificate cannot be used */
export async function openStreamIntake(options: StreamOptions, give: Give): Promise<Intake> {
  const intake = new StreamIntake(options, give);
  const { listen: where } = options;
  if (where.transport === "unix-stream") {
    intake.acceptFrom(await listenOnUnixSocket(where.path, where.mode), where.path);
    return intake;
  }
  const listener = await listen(
    where,
    ({ connection, peerName }) => intake.begin(connection, hostOf(connection.peerAddress), peerName),
    (reason) => log.warning(reason),
  );
  const kind = where.tls === undefined ? "tcp" : "tls";
  intake.owns(`${kind} ${listener.address}`, listener.port, () => void listener[Symbol.asyncDispose]());
  return intake;
}

/** What a connection must be able to do. */
interface Stream {
  /** `host:port` of the sender, for messages. */
  readonly peerAddress: string;
  /** The next bytes; undefined at the end. */
  read(): Promise<Uint8Array | undefined>;
  /** A pending `read` ends. */
  stopReading(): void;
  destroy(): void;
}

class StreamIntake implements Intake {
  address = "";
  port?: number;
  readonly done: Promise<void>;
  readonly #options: StreamOptions;
  readonly #give: Give;
  readonly #streams = new Set<Stream>();
  readonly #sessions = new Set<Promise<void>>();
  #closeListener: () => void = () => {};
  #resolveDone: () => void;
  #stopped = false;
  #turnedAway = 0;

  constructor(options: StreamOptions, give: Give) {
    this.#options = options;
    this.#give = give;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolveDone = resolve;
  }

  /** Takes over a listener that calls `begin` by itself. */
  owns(address: string, port: number, close: () => void): void {
    this.address = address;
    this.port = port;
    this.#closeListener = close;
  }

  /** Takes over a listener of a Unix socket. */
  acceptFrom(listener: Deno.Listener, path: string): void {
    this.address = `unix ${path}`;
    this.#closeListener = () => listener.close();
    this.#acceptAll(listener);
  }

  /** Takes a connection over. */
  begin(stream: Stream, host: string, peer?: string): void {
    if (this.#stopped || this.#streams.size >= this.#options.maxConnections) {
      if (!this.#stopped && this.#turnedAway++ === 0) {
        log.warning(`turned ${stream.peerAddress} away: ${this.#streams.size} connections are open, the limit`);
      }
      stream.destroy();
      return;
    }
    this.#streams.add(stream);
    const session = this.#serve(stream, host, peer).finally(() => {
      this.#streams.delete(stream);
      this.#sessions.delete(session);
      stream.destroy();
      if (this.#streams.size < this.#options.maxConnections) this.#turnedAway = 0;
    });
    this.#sessions.add(session);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#endListening();
    // What the senders have handed to the network is theirs no longer: give it a moment to come in.
    if (this.#streams.size > 0) setTimeout(() => this.close(), graceMs);
    else this.close();
  }

  close(): void {
    this.#endListening();
    for (const stream of this.#streams) stream.stopReading();
    Promise.all(this.#sessions).then(() => this.#resolveDone());
  }

  #endListening(): void {
    this.#stopped = true;
    const close = this.#closeListener;
    this.#closeListener = () => {};
    close();
  }

  async #serve(stream: Stream, host: string, peer: string | undefined): Promise<void> {
    const { maxMessageBytes, listen, records } = this.#options;
    const splitter = openSplitter(records, maxMessageBytes, listen.transport === "unix-stream");
    const giveAll = async (batches: Iterable<Batch>): Promise<boolean> => {
      for (const batch of batches) if (!await this.#give(batch)) return false;
      return true;
    };
    const origin = (): Origin => originOf(this.#options, host, peer);
    try {
      for (;;) {
        const chunk = await stream.read();
        if (chunk === undefined) break;
        if (!await giveAll(splitter.push(chunk, origin()))) return;
      }
    } catch (error) {
      log.debug(`connection of ${stream.peerAddress} broke: ${errorText(error)}`);
      if (splitter.restBytes > 0) {
        log.warning(
          `connection of ${stream.peerAddress} broke within a record: its first ${splitter.restBytes} bytes are kept`,
        );
      }
    }
    await giveAll(splitter.flush(origin()));
    if (splitter.splitRecords > 0) {
      log.warning(
        `split ${splitter.splitRecords} messages of ${stream.peerAddress} longer than ${maxMessageBytes} bytes`,
      );
    }
  }

  async #acceptAll(listener: Deno.Listener): Promise<void> {
    while (!this.#stopped) {
      try {
        this.begin(new UnixStream(await listener.accept()), this.#options.hostname);
      } catch (error) {
        if (this.#stopped) return;
        // Out of descriptors, most likely: it passes, and a tight loop would not help.
        log.warning(`Cannot accept a connection on ${this.address}: ${errorText(error)}`);
        await new Promise((resolve) => setTimeout(resolve, acceptPauseMs));
      }
    }
  }
}

/** A connection of a Unix socket. */
class UnixStream implements Stream {
  readonly peerAddress = "a local program";
  readonly #connection: Deno.Conn;
  #closed = false;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  async read(): Promise<Uint8Array | undefined> {
    const buffer = new Uint8Array(readBytes);
    try {
      const length = await this.#connection.read(buffer);
      // A trickle must not keep whole buffers alive.
      return length === null
        ? undefined
        : length < readBytes / 4
        ? buffer.slice(0, length)
        : buffer.subarray(0, length);
    } catch (error) {
      if (this.#closed) return undefined;
      throw error;
    }
  }

  stopReading(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
  }
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "").replace(/^::ffff:/, "");
}

const log = openLog("syslog");
const readBytes = 64 * 1024;
const acceptPauseMs = 200;
