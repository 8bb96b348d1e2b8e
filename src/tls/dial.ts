/** Opens connections to peers: TCP or TLS, every address of a name tried, with deadlines and a proof of who answers. */
import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { pause } from "../pipeline/backoff.ts";
import { errorText, PeerError } from "../pipeline/errors.ts";
import { Connection } from "../system/connection.ts";
import { type CredentialFiles, loadCredentials } from "./credentials.ts";
import { type AuthMode, type CertificateFacts, peerIdentity, refusalOfPeer } from "./peer_name.ts";

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
  const refusals: string[] = [];
  try {
    for (const ip of await addressesOf(options.host, options.timeoutMs, signal)) {
      signal.throwIfAborted();
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) break;
      try {
        return new Connection(await dialAddress(ip, leftMs, options, signal), address);
      } catch (error) {
        refusals.push(ip === options.host ? reason(error) : `${ip}: ${reason(error)}`);
      }
    }
  } catch (error) {
    refusals.push(reason(error));
  }
  throw new PeerError(`Cannot connect to ${address}: ${refusals.join("; ")}`);
}

/** All addresses of a name, IPv6 and IPv4, in the system's order. */
async function addressesOf(host: string, timeoutMs: number, signal: AbortSignal): Promise<readonly string[]> {
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

async function dialAddress(ip: string, timeoutMs: number, options: DialOptions, signal: AbortSignal): Promise<Socket> {
  let socket: Socket | undefined;
  try {
    socket = options.tls === undefined ? openTcp(ip, options) : openTls(ip, options, options.tls);
    await established(socket, timeoutMs, options.tls !== undefined, signal);
    if (options.tls !== undefined) provePeer(socket as TLSSocket, options, options.tls);
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
    rejectUnauthorized: false, // decided in provePeer, where the reason can be told
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

/** Fails closed: without a proof of the chain, and of the name where one is asked for, there is no connection. */
function provePeer(socket: TLSSocket, options: DialOptions, tls: TlsOptions): void {
  const certificate = socket.getPeerCertificate() as CertificateFacts | null;
  if (certificate === null || Object.keys(certificate).length === 0) {
    throw new Error("the peer presents no certificate");
  }
  if (!socket.authorized) {
    throw new Error(
      `its certificate is not to be trusted: ${describeRefusal(String(socket.authorizationError), certificate)}`,
    );
  }
  const permitted = tls.permittedPeer.length === 0 && tls.authMode === "name" ? [options.host] : tls.permittedPeer;
  const refusal = refusalOfPeer(peerIdentity(certificate), tls.authMode, permitted);
  if (refusal !== undefined) throw new Error(`the peer is not permitted: ${refusal}`);
}

/** Why a chain does not hold, in words: dates first, which the runtime's code may hide, then its code. */
export function describeRefusal(code: string, certificate: CertificateFacts, now: Date = new Date()): string {
  const { valid_from: from, valid_to: to } = certificate;
  if (to !== undefined && new Date(to) <= now) return `it expired on ${new Date(to).toISOString()}`;
  if (from !== undefined && new Date(from) > now) {
    return `it is valid from ${new Date(from).toISOString()}; is the clock here right?`;
  }
  if (certificate.issuer !== undefined && JSON.stringify(certificate.issuer) === JSON.stringify(certificate.subject)) {
    return "it is self-signed";
  }
  const words: Readonly<Record<string, string>> = {
    DEPTH_ZERO_SELF_SIGNED_CERT: "it is self-signed",
    SELF_SIGNED_CERT_IN_CHAIN: "its chain ends in a CA that is not ours",
    UNABLE_TO_GET_ISSUER_CERT: "none was sent, or its issuer is unknown",
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its issuer is not among our CA certificates",
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: "our CA certificates did not sign it, or not for this use",
  };
  return words[code] === undefined ? code : `${words[code]} (${code})`;
}

function reason(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  if (code === "ECONNREFUSED") return "connection refused: nothing listens there";
  return errorText(error);
}
