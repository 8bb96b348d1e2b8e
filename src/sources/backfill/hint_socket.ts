/**
 * The socket of a `tap` with `backfill`: whoever writes there says that something new is being logged. What is written is
 * read, so that no tap waits, and thrown away: the log directory has it, or is about to.
 */
import { errorText } from "../../pipeline/errors.ts";
import { openLog } from "../../system/log.ts";
import { listenOnUnixSocket } from "../../system/unix_socket.ts";

/** A listening socket. Dispose it to stop listening and to cut the connections. */
export interface HintSocket extends AsyncDisposable {
  /** Connections now. */
  readonly connections: number;
}

/** Where to listen, and whom to tell. */
export interface HintSocketOptions {
  /** At most 107 bytes; its folder is made where it is missing. */
  readonly socketPath: string;
  /** Permission bits of the socket; default 0660. */
  readonly mode?: number;
  /** Connections at once; more are turned away. Default 64. */
  readonly maxTaps?: number;
  /** Called at each piece that comes; must not throw. */
  onHint(): void;
}

/** Begins to listen. @throws when the path cannot be used or another program listens there */
export async function openHintSocket(options: HintSocketOptions): Promise<HintSocket> {
  return new HintServer(options, await listenOnUnixSocket(options.socketPath, options.mode ?? 0o660));
}

class HintServer implements HintSocket {
  readonly #options: HintSocketOptions;
  readonly #listener: Deno.Listener;
  readonly #open = new Set<Deno.Conn>();
  readonly #sessions = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  readonly #buffer = new Uint8Array(64 * 1024);
  #closed = false;

  constructor(options: HintSocketOptions, listener: Deno.Listener) {
    this.#options = options;
    this.#listener = listener;
    this.#accepting = this.#acceptAll();
  }

  get connections(): number {
    return this.#open.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) this.#listener.close();
    this.#closed = true;
    for (const connection of this.#open) closeQuietly(connection);
    await Promise.all([this.#accepting, ...this.#sessions]);
  }

  async #acceptAll(): Promise<void> {
    while (!this.#closed) {
      try {
        const connection = await this.#listener.accept();
        if (this.#open.size < (this.#options.maxTaps ?? 64)) this.#begin(connection);
        else closeQuietly(connection);
      } catch (error) {
        if (this.#closed) return;
        log.warning(`Cannot accept a tap on "${this.#options.socketPath}": ${errorText(error)}`);
        await new Promise((resolve) => setTimeout(resolve, acceptPauseMs));
      }
    }
  }

  #begin(connection: Deno.Conn): void {
    this.#open.add(connection);
    const session = this.#drain(connection).finally(() => {
      this.#open.delete(connection);
      this.#sessions.delete(session);
      closeQuietly(connection);
    });
    this.#sessions.add(session);
  }

  /** All connections read into the same bytes: nobody looks at them. */
  async #drain(connection: Deno.Conn): Promise<void> {
    try {
      while (await connection.read(this.#buffer) !== null) this.#options.onHint();
    } catch (error) {
      if (!this.#closed) log.debug(`a tap's connection ended: ${errorText(error)}`);
    }
  }
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}

const acceptPauseMs = 200;
const log = openLog("tap");
