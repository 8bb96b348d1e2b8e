/**
 * The status server: what a running agent tells of itself, over HTTP. On this machine alone unless callers are asked who they are.
 *
 * ```text
 *   socket (plain, TLS, Unix) ─► a place ─► head and body within limits ─► guard: host, origin, token ─► route
 *                                 └► 503     └► 400 405 413 414 431         └► 401 403 421
 * ```
 */
import { createServer } from "node:http";
import { createServer as createSocketServer, type Socket } from "node:net";
import { UsageError } from "../../pipeline/errors.ts";
import { openLog } from "../../system/log.ts";
import { makeTokenFile, TokenFile } from "../../system/token_file.ts";
import { listenWithServer } from "../../system/unix_socket.ts";
import { listenForSockets } from "../../tls/listen.ts";
import type { AgentFeed } from "../state.ts";
import { type Access, complaintOfAccess, warningOfAccess } from "./access.ts";
import { statusApp } from "./app.ts";
import { type ConnectionLimits, Connections } from "./connections.ts";
import { Dumps, type DumpTimes, type MakeDump } from "./dumps.ts";
import { serve } from "./exchange.ts";
import { Sessions } from "./sessions.ts";

/** What a server is told. */
export interface StatusServerOptions extends Access {
  readonly feed: AgentFeed;
  /** Names beside the host's own that callers may address the server by. */
  readonly hosts?: readonly string[];
  /** Undefined: no dumps can be asked for. */
  readonly dumps?: { readonly make: MakeDump } & DumpTimes;
  /** Whether there is anything to follow; a server alone has nothing. Default true. */
  readonly canTail?: boolean;
  /** Defaults: 100 connections, 30 s for a request, 30 s for taking an answer. */
  readonly limits?: Partial<ConnectionLimits>;
}

/** A server that listens. Dispose it to stop: a dump that runs is cancelled. */
export interface StatusServer extends AsyncDisposable {
  /** `http://host:port`, `https://host:port` or `unix:PATH`. */
  readonly address: string;
  /** 0 for a Unix socket. */
  readonly port: number;
}

/**
 * Begins to listen.
 * @throws {UsageError} when others could read what it shows
 * @throws when it cannot listen, or the token or certificate cannot be used
 */
export async function openStatusServer(options: StatusServerOptions): Promise<StatusServer> {
  const complaint = complaintOfAccess(options);
  if (complaint !== undefined) throw new UsageError(`Cannot open the status server: ${complaint}`);
  const warning = warningOfAccess(options);
  if (warning !== undefined) log.warning(warning);
  const tokens = openTokens(options.tokenFile);
  const stop = new AbortController();
  const dumps = options.dumps === undefined ? undefined : new Dumps(options.dumps.make, options.dumps);
  const connections = new Connections({ ...defaultLimits, ...options.limits });
  const app = statusApp({
    ...options,
    canTail: options.canTail ?? true,
    dumps,
    sessions: new Sessions(tokens),
    own: { scheme: options.tls === undefined ? "http" : "https", names: namesOf(options) },
    stop: stop.signal,
  });
  const http = createServer(
    { maxHeaderSize: maxHeaderBytes },
    (message, response) => void serve(app, message, response, connections, stop.signal),
  );
  http.on("clientError", (error: Error & { code?: string }, socket: Socket) => refuseGarbage(error, socket));
  const accept = (socket: Socket): void => {
    socket.on("error", () => {}); // a caller that goes is no news
    if (!stop.signal.aborted && connections.admit(socket)) http.emit("connection", socket);
    else if (stop.signal.aborted) socket.destroy();
  };
  const listener = await listen(options, accept);
  log.info(`listening on ${listener.address}`);
  return {
    ...listener,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      const closed = listener.close();
      connections.destroyAll();
      await dumps?.[Symbol.asyncDispose]();
      await closed;
    },
  };
}

interface Bound {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

async function listen({ listen, tls }: Access, accept: (socket: Socket) => void): Promise<Bound> {
  if ("path" in listen) {
    const server = createSocketServer(accept);
    await listenWithServer(server, listen.path, 0o660);
    return {
      address: `unix:${listen.path}`,
      port: 0,
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  }
  const listener = await listenForSockets(
    { ...listen, maxHandshakes: defaultLimits.maxConnections, ...(tls === undefined ? {} : { tls }) },
    accept,
    (reason) => log.debug(reason),
  );
  return {
    address: `${tls === undefined ? "http" : "https"}://${listener.address}`,
    port: listener.port,
    close: async () => await listener[Symbol.asyncDispose](),
  };
}

function openTokens(path: string | undefined): TokenFile | undefined {
  if (path === undefined) return undefined;
  if (makeTokenFile(path)) log.info(`made a token, in "${path}"`);
  return new TokenFile(path, (text) => log.warning(text));
}

/** The host's own name is one when callers come from elsewhere; on the machine itself it is `localhost`. */
function namesOf({ listen, hosts = [], feed }: StatusServerOptions): readonly string[] {
  const bound = "path" in listen ? [] : [listen.host];
  return [...bound, ...hosts, feed.state().hostname].map((name) => name.toLowerCase());
}

function refuseGarbage({ code }: { readonly code?: string }, socket: Socket): void {
  if (!socket.writable) return void socket.destroy();
  const status = code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  setTimeout(() => socket.destroy(), 250);
}

const maxHeaderBytes = 8 * 1024;
const defaultLimits: ConnectionLimits = { maxConnections: 100, requestTimeoutMs: 30_000, stallMs: 30_000 };
const log = openLog("status");
