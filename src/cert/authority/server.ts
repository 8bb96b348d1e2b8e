/**
 * The signing service on the network: HTTPS with client certificates that are asked for and not demanded. Slow and idle peers
 * are cut, a body has a limit, and when all places are taken the connection that has waited longest makes room: whoever
 * comes is served.
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Hono } from "hono";
import { joinBytes } from "../../formats/bytes.ts";
import { errorText, failure } from "../../pipeline/errors.ts";
import { openLog } from "../../system/log.ts";
import { formatAddress } from "../../tls/dial.ts";
import { type Certificate, decodeCertificate } from "../certificate.ts";
import type { Generation } from "../generation.ts";
import type { Caller } from "./app.ts";

/** Where to listen, and the limits. */
export interface SigningServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Octets of a request's body at the most. */
  readonly maxBodyBytes: number;
  /** Connections at the same time. */
  readonly maxConnections: number;
  /** Time for the TLS handshake, and again for a whole request. */
  readonly requestTimeoutMs: number;
}

/** A running service; dispose it to stop. */
export interface SigningServer extends AsyncDisposable {
  /** `host:port` as bound. */
  readonly address: string;
  readonly port: number;
  /** Serves with this pair from the next connection on. */
  usePair(pair: Generation): void;
}

/** Listens. @throws when the address cannot be bound */
export async function openSigningServer(
  app: Hono<{ Bindings: Caller }>,
  pair: Generation,
  options: SigningServerOptions,
): Promise<SigningServer> {
  const places = new Places(options.maxConnections);
  const context = ({ cert, key, ca }: Generation): { cert: string; key: string; ca: string } => ({ cert, key, ca });
  const server = createServer({
    ...context(pair),
    requestCert: true,
    rejectUnauthorized: false, // the application decides: a first certificate is asked for without one
    minVersion: "TLSv1.2",
    handshakeTimeout: options.requestTimeoutMs,
    headersTimeout: options.requestTimeoutMs,
    requestTimeout: options.requestTimeoutMs,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 16 * 1024,
    keepAlive: false,
  }, (message, response) => void serve(app, message, response, options));
  server.on("connection", (socket: Socket) => places.take(socket, options.requestTimeoutMs));
  server.on("tlsClientError", (error: Error) => log.debug(`handshake failed: ${error.message}`));
  server.on("clientError", (error: Error, socket: Socket) => {
    log.debug(`not HTTP: ${error.message}`);
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: Error) => {
      reject(
        failure(
          "listen on",
          formatAddress(options.host, options.port),
          error,
          "stop the other program, or choose another port",
        ),
      );
    });
    server.listen(options.port, options.host, 1024, () => resolve());
  });
  const port = (server.address() as { port: number }).port;
  return {
    port,
    address: formatAddress(options.host, port),
    usePair: (fresh) => server.setSecureContext(context(fresh)),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        places.clear();
        setTimeout(resolve, 1_000);
      }),
  };
}

/** One request: body within its limit, application, answer, end. */
async function serve(
  app: Hono<{ Bindings: Caller }>,
  message: IncomingMessage,
  response: ServerResponse,
  options: SigningServerOptions,
): Promise<void> {
  const address = message.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "?";
  try {
    const body = await readBody(message, options.maxBodyBytes);
    if (body === undefined) {
      log.warning(`refused ${address} (413): a body of more than ${options.maxBodyBytes} bytes`);
      respond(response, 413, { "content-type": "text/plain" }, new TextEncoder().encode("the request is too large\n"));
      return;
    }
    const peer = peerOf(message.socket as TLSSocket);
    const answer = await app.fetch(toRequest(message, body), { address, ...(peer === undefined ? {} : { peer }) });
    respond(response, answer.status, Object.fromEntries(answer.headers), new Uint8Array(await answer.arrayBuffer()));
  } catch (error) {
    log.debug(`request of ${address} ended: ${errorText(error)}`);
    message.socket.destroy();
  }
}

/** Undefined when it is longer than the limit. */
async function readBody(message: IncomingMessage, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (Number(message.headers["content-length"] ?? 0) > maxBytes) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of message) {
    length += (chunk as Uint8Array).length;
    if (length > maxBytes) return undefined;
    chunks.push(chunk as Uint8Array);
  }
  return joinBytes(chunks);
}

function toRequest(message: IncomingMessage, body: Uint8Array<ArrayBuffer>): Request {
  const headers = new Headers();
  for (const name of ["content-type", "authorization"]) {
    const value = message.headers[name];
    if (typeof value === "string") headers.set(name, value);
  }
  const method = message.method ?? "GET";
  const withBody = method !== "GET" && method !== "HEAD";
  return new Request(new URL(message.url ?? "/", "https://localhost"), {
    method,
    headers,
    ...(withBody ? { body } : {}),
  });
}

function respond(response: ServerResponse, status: number, headers: Record<string, string>, body: Uint8Array): void {
  response.writeHead(status, { ...headers, "content-length": String(body.length), connection: "close" });
  response.end(Buffer.from(body));
}

/** The certificate of the connection, whose key the handshake proved; undefined where none was shown or it cannot be read. */
function peerOf(socket: TLSSocket): Certificate | undefined {
  const raw = socket.getPeerCertificate()?.raw as Uint8Array | undefined;
  if (raw === undefined || raw.length === 0) return undefined;
  try {
    return decodeCertificate(new Uint8Array(raw));
  } catch (error) {
    log.debug(`a peer's certificate cannot be read: ${errorText(error)}`);
    return undefined;
  }
}

/** Places for connections. The longest waiting one leaves when all are taken; each leaves when its time is over. */
class Places {
  readonly #limit: number;
  readonly #waiting = new Map<Socket, ReturnType<typeof setTimeout>>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  take(socket: Socket, timeoutMs: number): void {
    if (this.#waiting.size >= this.#limit) this.#waiting.keys().next().value?.destroy();
    const timer = setTimeout(() => socket.destroy(), 2 * timeoutMs); // handshake, then request
    this.#waiting.set(socket, timer);
    socket.on("close", () => this.#leave(socket));
    socket.on("error", () => this.#leave(socket));
  }

  clear(): void {
    for (const socket of this.#waiting.keys()) socket.destroy();
  }

  #leave(socket: Socket): void {
    clearTimeout(this.#waiting.get(socket));
    this.#waiting.delete(socket);
  }
}

const log = openLog("sign");
