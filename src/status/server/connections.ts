/**
 * The connections of a server: how many there may be, and how long each may keep a caller waiting. When all places are taken, the one
 * that has been idle longest makes room, so that idle ones keep nobody out.
 */
import type { Socket } from "node:net";

/** Limits. */
export interface ConnectionLimits {
  readonly maxConnections: number;
  /** Time for a request to arrive in full, and between two of them. */
  readonly requestTimeoutMs: number;
  /** Time for a caller to take what was sent. */
  readonly stallMs: number;
}

/** Who is connected. */
export class Connections {
  readonly #limits: ConnectionLimits;
  /** In the order in which they became idle or busy. */
  readonly #places = new Map<Socket, Place>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#places.size;
  }

  /** Gives the socket a place. False: all are busy, and the socket is gone. */
  admit(socket: Socket): boolean {
    if (this.#places.size >= this.#limits.maxConnections) {
      const idle = [...this.#places].find(([, { busy }]) => !busy)?.[0];
      if (idle === undefined) {
        turnAway(socket);
        return false;
      }
      this.#leave(idle);
      idle.destroy();
    }
    this.idle(socket, true);
    socket.once("close", () => this.#leave(socket));
    return true;
  }

  /** A request has arrived: nothing is waited for but us. */
  busy(socket: Socket): void {
    this.#set(socket, true, undefined);
  }

  /** What was sent waits for the caller to take it. */
  waitsForReader(socket: Socket): void {
    this.#set(socket, true, this.#limits.stallMs);
  }

  /** The next request is waited for. */
  idle(socket: Socket, isNew = false): void {
    if (isNew || this.#places.has(socket)) this.#set(socket, false, this.#limits.requestTimeoutMs);
  }

  /** An answer was sent before the request was here: the rest is passed over for a moment, so that the answer arrives. */
  linger(socket: Socket): void {
    this.#set(socket, true, lingerMs);
  }

  destroyAll(): void {
    for (const socket of [...this.#places.keys()]) socket.destroy();
  }

  #set(socket: Socket, busy: boolean, timeoutMs: number | undefined): void {
    this.#leave(socket);
    if (socket.destroyed) return;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => socket.destroy(), timeoutMs);
    this.#places.set(socket, { busy, timer });
  }

  #leave(socket: Socket): void {
    clearTimeout(this.#places.get(socket)?.timer);
    this.#places.delete(socket);
  }
}

interface Place {
  readonly busy: boolean;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

function turnAway(socket: Socket): void {
  socket.end("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  const timer = setTimeout(() => socket.destroy(), 1_000);
  socket.once("close", () => clearTimeout(timer));
  socket.resume();
}

const lingerMs = 2_000;
