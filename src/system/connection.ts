/**
 * A connection: chunks in, bytes out, for TCP, TLS and Unix streams alike. Wraps a socket of `node:net` or `node:tls`
 * so that a reader asks for the next chunk (back-pressure: nothing is read that nobody asked for) and a writer knows
 * when its buffer may be used again.
 */
import type { Socket } from "node:net";
import { joinBytes } from "../formats/bytes.ts";
import { PeerError } from "../pipeline/errors.ts";

/** The addresses, without brackets, and ports of a TCP connection. */
export interface ConnectionEnds {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** An open connection. Closed by whoever opened it, with `close` (politely) or `destroy` (at once). */
export class Connection {
  /** `host:port` of the other end, for messages. */
  readonly peerAddress: string;
  readonly #socket: Socket;
  #chunk: Uint8Array | undefined;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  /** Takes over a connected socket; nobody else may use it from here on. */
  constructor(socket: Socket, peerAddress: string) {
    this.peerAddress = peerAddress;
    this.#socket = socket;
    // What comes is a Buffer, whose slice() is a view: readers get what the type says.
    socket.on("data", ({ buffer, byteOffset, byteLength }: Uint8Array) => {
      this.#deliver(new Uint8Array(buffer, byteOffset, byteLength));
    });
    socket.on("end", () => this.#end(undefined));
    socket.on("close", () => this.#end(undefined));
    socket.on("error", (error: Error) => this.#end(error));
  }

  /**
   * The next bytes from the peer; undefined after its orderly end. One call at a time.
   * @throws {PeerError} when the connection broke
   */
  async read(): Promise<Uint8Array | undefined> {
    while (this.#chunk === undefined && !this.#ended) {
      this.#socket.resume();
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const chunk = this.#chunk;
    this.#chunk = undefined;
    if (chunk === undefined && this.#error !== undefined) throw this.#broken("read from", this.#error);
    return chunk;
  }

  /**
   * Writes all of `bytes`; resolves when they are with the kernel, so that the buffer may be used again.
   * @throws {PeerError} when the connection broke or ended
   */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined || this.#socket.destroyed) {
        reject(this.#broken("write to", this.#error ?? new Error("the connection is closed")));
        return;
      }
      const failed = (): void =>
        reject(this.#broken("write to", this.#error ?? new Error("the connection was closed")));
      this.#socket.once("close", failed);
      this.#socket.write(bytes, (error) => {
        this.#socket.off("close", failed);
        if (error) reject(this.#broken("write to", this.#error ?? error));
        else resolve();
      });
    });
  }

  /** Ends the reading alone: a pending `read` returns undefined, writing goes on. */
  stopReading(): void {
    this.#socket.pause();
    this.#end(undefined);
  }

  /** Resolves when the socket is closed on both sides; a peer that ended its side is not waited for longer than 10 s. */
  whenClosed(): Promise<void> {
    if (this.#socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.destroy(), 10_000);
      this.#socket.once("close", () => (clearTimeout(timer), resolve()));
    });
  }

  /** Both ends of a TCP connection, TLS or not; undefined once it is closed and for Unix streams. */
  get ends(): ConnectionEnds | undefined {
    const { localAddress, localPort, remoteAddress, remotePort } = this.#socket;
    if (localAddress === undefined || localPort === undefined) return undefined;
    if (remoteAddress === undefined || remotePort === undefined) return undefined;
    return { localAddress, localPort, remoteAddress, remotePort };
  }

  /** Whether the connection can no longer be written to. */
  get closed(): boolean {
    return this.#socket.destroyed;
  }

  /** Sends what is written, then ends the connection; after `deadlineMs` it is cut. */
  async close(deadlineMs = 1_000): Promise<void> {
    if (this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadlineMs);
      this.#socket.once("close", () => (clearTimeout(timer), resolve()));
      this.#socket.resume();
      this.#socket.end();
    });
    this.#socket.destroy();
  }

  /** Cuts the connection at once; a pending `read` or `write` rejects or ends. */
  destroy(): void {
    this.#socket.destroy();
    this.#end(undefined);
  }

  #deliver(chunk: Uint8Array): void {
    this.#socket.pause();
    this.#chunk = this.#chunk === undefined ? chunk : joinBytes([this.#chunk, chunk]);
    this.#wakeReader();
  }

  #end(error: Error | undefined): void {
    this.#ended = true;
    this.#error ??= error;
    this.#wakeReader();
  }

  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #broken(action: string, cause: Error): PeerError {
    return new PeerError(`Cannot ${action} ${this.peerAddress}: ${cause.message}`, { cause });
  }
}
