/** Listens for peers: TCP or TLS, with client certificates demanded and checked. */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { failure } from "../pipeline/errors.ts";
import { Connection } from "../system/connection.ts";
import { type Credentials, loadCredentials } from "./credentials.ts";
import { formatAddress, type TlsOptions } from "./dial.ts";
import { judgePeer, type Verdict } from "./verdict.ts";

/** Where and how to listen. */
export interface ListenOptions {
  readonly host: string;
  /** 0..65535; 0 takes a free one. */
  readonly port: number;
  /** With `ca`, a client must present a certificate that it signed. */
  readonly tls?: TlsOptions;
  /** Deadline for a TLS handshake; default 30 s. */
  readonly handshakeTimeoutMs?: number;
  /** Handshakes at a time; of more, the one that has taken longest is cut. Default: any number. */
  readonly maxHandshakes?: number;
  /** How often the certificate files are looked at; default 10 s. A renewed pair serves the next handshake. */
  readonly reloadMs?: number;
}

/** A peer that came, and the name that it proved with its certificate. */
export interface Arrival {
  readonly connection: Connection;
  readonly peerName?: string;
}

/** A listener; dispose it to stop listening. Connections that it handed out live on. */
export interface Listener extends AsyncDisposable {
  /** `host:port` as bound. */
  readonly address: string;
  readonly port: number;
}

/**
 * Listens until disposed.
 * @param arrived called for each peer that may come in; it owns the connection
 * @param refused called with one line for each that may not
 * @throws when the address cannot be bound or the certificate cannot be used
 */
export function listen(
  options: ListenOptions,
  arrived: (arrival: Arrival) => void,
  refused: (reason: string) => void,
): Promise<Listener> {
  return listenForSockets(options, (socket, address, peerName) => {
    arrived({ connection: new Connection(socket, address), ...(peerName === undefined ? {} : { peerName }) });
  }, refused);
}

/** {@linkcode listen} for those that speak through a server of `node:http`: the sockets as they are. */
export async function listenForSockets(
  options: ListenOptions,
  arrived: (socket: Socket, address: string, peerName: string | undefined) => void,
  refused: (reason: string) => void,
): Promise<Listener> {
  const server = options.tls === undefined ? createServer() : openTlsServer(options, options.tls, refused);
  server.on(options.tls === undefined ? "connection" : "secureConnection", (socket: Socket | TLSSocket) => {
    const address = formatAddress(socket.remoteAddress ?? "?", socket.remotePort ?? 0);
    socket.on("error", () => {}); // until a Connection takes over; it reports for itself
    const verdict = options.tls?.ca === undefined ? { names: [] } : judgeClient(socket as TLSSocket, options.tls);
    if ("refusal" in verdict) {
      refused(`refused ${address}: ${verdict.refusal}`);
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    arrived(socket, address, verdict.names[0]);
  });
  await bind(server, options);
  const port = (server.address() as { port: number }).port;
  return { port, address: formatAddress(options.host, port), [Symbol.asyncDispose]: () => closeServer(server) };
}

function openTlsServer(options: ListenOptions, tls: TlsOptions, refused: (reason: string) => void): Server {
  if (tls.ca === undefined && (tls.permittedPeer.length > 0 || tls.authMode !== "name")) {
    throw new Error(
      "Cannot check clients: no CA certificates are named\nTry: --ca FILE, or the key tls.ca; or permit everybody",
    );
  }
  let credentials = requireServerPair(tls);
  const server = createTlsServer({
    ...secureContext(credentials),
    requestCert: tls.ca !== undefined,
    rejectUnauthorized: false, // decided by judgeClient, where the reason can be told
    minVersion: tls.minVersion ?? "TLSv1.2",
  });
  cutSlowHandshakes(server, options.handshakeTimeoutMs ?? 30_000, options.maxHandshakes ?? Infinity);
  server.on("tlsClientError", (error: Error & { code?: string }, socket: Socket) => {
    if (error.code === "ECONNRESET") return; // came and went without a word: a port scan or a health check
    // The TLS socket has no address any more; the TCP socket below it still knows.
    const { remoteAddress, remotePort } = (socket as { _parent?: Socket } | undefined)?._parent ?? {};
    refused(`refused ${formatAddress(remoteAddress ?? "?", remotePort ?? 0)}: ${error.message}`);
  });
  // A renewed certificate serves the next handshake; a bad file is said once per change and the old pair goes on.
  const timer = setInterval(() => {
    const fresh = reloadPair(tls, credentials, refused);
    if (fresh === undefined) return;
    credentials = fresh;
    server.setSecureContext(secureContext(credentials));
  }, options.reloadMs ?? 10_000);
  server.on("close", () => clearInterval(timer));
  return server;
}

/** The runtime takes node's `handshakeTimeout` and does nothing with it: a mute client would keep its descriptor for ever. */
function cutSlowHandshakes(server: Server, timeoutMs: number, maxHandshakes: number): void {
  const timers = new Map<string, { readonly socket: Socket; readonly timer: ReturnType<typeof setTimeout> }>();
  const addressOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
  const forget = (address: string): void => {
    clearTimeout(timers.get(address)?.timer);
    timers.delete(address);
  };
  server.on("connection", (socket: Socket) => {
    const address = addressOf(socket);
    if (timers.size >= maxHandshakes) {
      const [longest, { socket: mute }] = timers.entries().next().value!;
      forget(longest);
      mute.destroy();
    }
    timers.set(address, { socket, timer: setTimeout(() => socket.destroy(), timeoutMs) });
    socket.once("close", () => forget(address));
  });
  server.on("secureConnection", (socket: TLSSocket) => forget(addressOf(socket)));
}

function secureContext(credentials: Credentials): { ca?: string; cert: string; key: string } {
  return {
    ...(credentials.ca === undefined ? {} : { ca: credentials.ca }),
    cert: credentials.cert!,
    key: credentials.key!,
  };
}

function requireServerPair(tls: TlsOptions): Credentials {
  const credentials = loadCredentials(tls);
  if (credentials.cert === undefined) {
    throw new Error(
      "Cannot serve TLS: no certificate is named\nTry: --cert FILE --key FILE, or the keys tls.cert and tls.key",
    );
  }
  return credentials;
}

const complaints = new WeakMap<TlsOptions, string>();

function reloadPair(tls: TlsOptions, old: Credentials, refused: (reason: string) => void): Credentials | undefined {
  try {
    const fresh = requireServerPair(tls);
    complaints.delete(tls);
    return fresh.cert === old.cert && fresh.key === old.key && fresh.ca === old.ca ? undefined : fresh;
  } catch (error) {
    const text = (error as Error).message;
    if (complaints.get(tls) !== text) refused(`kept the certificate in use: ${text}`);
    complaints.set(tls, text);
    return undefined;
  }
}

/** Without a list whoever the CA signed may come in; with one, the names or fingerprints in it alone. */
function judgeClient(socket: TLSSocket, { authMode, permittedPeer }: TlsOptions): Verdict {
  const mode = authMode === "name" && permittedPeer.length === 0 ? "certvalid" : authMode;
  return judgePeer(socket, mode, permittedPeer);
}

function bind(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: Error & { code?: string }) => {
      const text = error.code === "EADDRINUSE" ? new Error("the address is in use") : error;
      reject(
        failure(
          "listen on",
          formatAddress(options.host, options.port),
          text,
          "stop the other program, or choose another port",
        ),
      );
    });
    server.listen(options.port, options.host, 4096, () => resolve());
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 100); // close waits for connections, which live on by design
    server.close(() => (clearTimeout(timer), resolve()));
  });
}
