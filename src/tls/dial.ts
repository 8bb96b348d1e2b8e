/** Opens connections to peers: TCP or TLS, every address of a name tried, with deadlines and a proof of who answers. */
import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { pause } from "../pipeline/backoff.ts";
import { errorText, PeerError } from "../pipeline/errors.ts";
import { Connection } from "../system/connection.ts";
import { AllFailedError, type Attempt, firstOf, inTurns } from "./race.ts";
import { type CredentialFiles, loadCredentials } from "./credentials.ts";
import type { AuthMode } from "./peer_name.ts";
import { judgePeer } from "./verdict.ts";

/** TLS on one end of a connection. */
export interface TlsOptions extends CredentialFiles {
  readonly authMode: AuthMode;
  /** Names (wildcards per label) or fingerprints of peers; for a client an empty list means the host it asked for. */
  readonly permittedPeer: readonly string[];
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
}

/** Where and how to connect. */
export interface DialOptions {
  readonly host: string;
  /** 1..65535 */
  readonly port: number;
  readonly tls?: TlsOptions;
  /** Deadline for TCP and TLS together. */
  readonly timeoutMs: number;
  /** Source address. */
  readonly localAddress?: string;
  /** Idle time before the first TCP keepalive probe; default 60 s. */
  readonly keepAliveMs?: number;
}

/**
 * Connects, and for TLS proves the peer's chain and name. Certificate files are read anew each time, so a renewed pair
 * takes effect at the next connection. The caller closes the connection.
 * @throws {PeerError} with host, port and reason: also when the own certificate cannot be used at this moment
 */
export async function dial(options: DialOptions, signal: AbortSignal): Promise<Connection> {
  const address = formatAddress(options.host, options.port);
  const deadlineMs = performance.now() + options.timeoutMs;
  const attempt: Attempt<Socket> = (ip, onTcp, stop) =>
    dialAddress(ip, Math.max(0, deadlineMs - performance.now()), options, stop, onTcp);
  try {
    const ips = inTurns(await addressesOf(options.host, options.timeoutMs, signal));
    signal.throwIfAborted();
    const discard = (socket: Socket): void => void socket.destroy();
    return new Connection(await firstOf(ips, attempt, { delayMs: attemptDelayMs, discard, signal }), address);
  } catch (error) {
    throw new PeerError(`Cannot connect to ${address}: ${reasons(error, options.host)}`);
  }
}

function reasons(error: unknown, host: string): string {
  if (!(error instanceof AllFailedError)) return reason(error);
  return error.failures.map(({ way, error }) => way === host ? reason(error) : `${way}: ${reason(error)}`).join("; ");
}

/** All addresses of a name, IPv6 and IPv4, in the system's order. */
export async function addressesOf(host: string, timeoutMs: number, signal: AbortSignal): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const found = lookup(host, { all: true }).catch(() => {
    throw new Error("the name cannot be resolved");
  });
  const done = new AbortController();
  const late = pause(timeoutMs, signal, done.signal).then((): never => {
    throw new Error(`the name was not resolved within ${timeoutMs} ms`);
  });
  late.catch(() => {});
  try {
    return [...new Set((await Promise.race([found, late])).map(({ address }) => address))];
  } finally {
    done.abort();
  }
}

async function dialAddress(
  ip: string,
  timeoutMs: number,
  options: DialOptions,
  signal: AbortSignal,
  onTcp: () => void,
): Promise<Socket> {
  let socket: Socket | undefined;
  try {
    socket = options.tls === undefined ? openTcp(ip, options) : openTls(ip, options, options.tls);
    socket.once("connect", onTcp);
    await established(socket, timeoutMs, options.tls !== undefined, signal);
    if (options.tls !== undefined) provePeer(socket as TLSSocket, options.host, options.tls);
  } catch (error) {
    socket?.destroy();
    throw error;
  }
  socket.setNoDelay(true); // frames are gathered by us; Nagle and delayed acknowledgements cost 40 ms a window
  socket.setKeepAlive(true, options.keepAliveMs ?? 60_000);
  return socket;
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function openTcp(ip: string, { port, localAddress }: DialOptions): Socket {
  return connect({ host: ip, port, ...(localAddress === undefined ? {} : { localAddress }) });
}

function openTls(ip: string, { host, port, localAddress }: DialOptions, tls: TlsOptions): TLSSocket {
  const { ca, cert, key } = loadCredentials(tls);
  return connectTls({
    host: ip,
    port,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    minVersion: tls.minVersion ?? "TLSv1.2",
    rejectUnauthorized: false, // decided by provePeer, where the reason can be told
    checkServerIdentity: () => undefined,
  });
}

function established(socket: Socket, timeoutMs: number, isTls: boolean, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${Math.round(timeoutMs)} ms`)), timeoutMs);
    const abort = (): void => settle(() => reject(new Error("stopped")));
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      finish();
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.once(isTls ? "secureConnect" : "connect", () => settle(resolve));
    socket.on("error", (error: Error) => settle(() => reject(error)));
    socket.once("close", () => settle(() => reject(new Error("the peer closed the connection during the handshake"))));
  });
}

/** @throws unless the peer is one that is permitted; without a list it must be the host that was asked for */
function provePeer(socket: TLSSocket, host: string, { authMode, permittedPeer }: TlsOptions): void {
  const permitted = permittedPeer.length === 0 && authMode === "name" ? [host] : permittedPeer;
  const verdict = judgePeer(socket, authMode, permitted);
  if ("refusal" in verdict) throw new Error(`the peer is refused: ${verdict.refusal}`);
}

function reason(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  if (code === "ECONNREFUSED") return "connection refused: nothing listens there";
  return errorText(error);
}

/** RFC 8305 section 8: between 100 ms and 2 s; 250 ms is its recommendation. */
const attemptDelayMs = 250;
