/**
 * Datagrams to a syslog server (RFC 5426). Delivered means that our kernel took them: nobody answers, a server that is
 * down or slow loses records without a sign, and nothing is repeated. That is what UDP is; it is for networks and
 * servers that offer nothing else.
 */
import { isIP } from "node:net";
import { errorText, PeerError } from "../../pipeline/errors.ts";
import type { Outlet } from "../../system/outlet.ts";
import { addressesOf } from "../../tls/dial.ts";

/** Where to. */
export interface DatagramOutletOptions {
  readonly host: string;
  readonly port: number;
  /** Deadline for the name. */
  readonly connectionTimeoutMs: number;
  readonly localAddress?: string;
}

/** A UDP socket. The name is resolved anew every minute, as an address may change and nobody would tell. */
export class DatagramOutlet implements Outlet {
  readonly #socket: Deno.DatagramConn;
  readonly #address: Deno.NetAddr;
  readonly #openedAtMs = performance.now();
  readonly #named: boolean;
  #broken = false;

  private constructor(socket: Deno.DatagramConn, address: Deno.NetAddr, named: boolean) {
    this.#socket = socket;
    this.#address = address;
    this.#named = named;
  }

  /** @throws {PeerError} when the name cannot be resolved or no socket be had */
  static async open(
    { host, port, connectionTimeoutMs, localAddress }: DatagramOutletOptions,
    signal: AbortSignal,
  ): Promise<DatagramOutlet> {
    try {
      const hostname = (await addressesOf(host, connectionTimeoutMs, signal))[0]!;
      const any = isIP(hostname) === 6 ? "::" : "0.0.0.0";
      const socket = Deno.listenDatagram({ transport: "udp", hostname: localAddress ?? any, port: 0 });
      return new DatagramOutlet(socket, { transport: "udp", hostname, port }, hostname !== host);
    } catch (error) {
      throw new PeerError(`Cannot send datagrams to ${host} port ${port}: ${errorText(error)}`, { cause: error });
    }
  }

  get broken(): boolean {
    return this.#broken || (this.#named && performance.now() - this.#openedAtMs > nameLifeMs);
  }

  async write(datagram: Uint8Array): Promise<void> {
    const { hostname, port } = this.#address;
    try {
      await this.#socket.send(datagram, this.#address);
    } catch (error) {
      throw new PeerError(`Cannot send datagrams to ${hostname} port ${port}: ${errorText(error)}`, { cause: error });
    }
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }

  destroy(): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#socket.close();
  }
}

const nameLifeMs = 60_000;
