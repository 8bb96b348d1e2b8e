/** An HTTP server that answers by a script and is strict about what it is sent: for what sinks do with each answer. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { gunzipSync, zstdDecompressSync } from "node:zlib";

/** One request as it came. */
export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Unpacked. */
  readonly body: Uint8Array;
  readonly text: string;
  /** Bytes on the wire. */
  readonly packedBytes: number;
}

/** What the server does: answers, or breaks in one of the ways that peers break. */
export type ScriptedAnswer =
  | {
    readonly status: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | Uint8Array;
  }
  | "hang"
  | "close"
  | "closeWithin";

/** How the server is started. */
export interface ScriptedOptions {
  /** Called for each request, in their order. */
  readonly answer: (request: SeenRequest, index: number) => ScriptedAnswer;
  /** PEM; with a CA, clients must show a certificate. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
}

/** The server. Dispose it: open connections are cut. */
export class ScriptedHttp implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  /** What a strict server would have refused, in words. */
  readonly complaints: string[] = [];
  readonly port: number;
  readonly #server: Server;
  /** Requests that are being answered, at the most at once. */
  maxOpen = 0;
  connections = 0;
  #open = 0;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on(server instanceof TlsServer ? "secureConnection" : "connection", (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(options: ScriptedOptions): Promise<ScriptedHttp> {
    const started: { self?: ScriptedHttp } = {};
    const handle = (request: IncomingMessage, response: ServerResponse): void =>
      void started.self!.#handle(request, response, options);
    const server = options.tls === undefined ? createServer(handle) : createTlsServer({
      ...options.tls,
      ...(options.tls.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true }),
    }, handle) as unknown as Server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return started.self = new ScriptedHttp(server);
  }

  /** Ends every connection politely, as servers do with those that are idle; resolves when they are closed. */
  async closeIdle(): Promise<void> {
    const closed = [...this.#sockets].map((socket) =>
      new Promise<void>((resolve) => socket.once("close", () => resolve()))
    );
    for (const socket of this.#sockets) socket.destroySoon();
    await Promise.all(closed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse, { answer }: ScriptedOptions): Promise<void> {
    this.maxOpen = Math.max(this.maxOpen, ++this.#open);
    try {
      const seen = await this.#read(request);
      if (seen === undefined) return;
      this.requests.push(seen);
      this.#reply(response, answer(seen, this.requests.length - 1));
    } finally {
      this.#open--;
    }
  }

  async #read(request: IncomingMessage): Promise<SeenRequest | undefined> {
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Uint8Array);
    } catch {
      return undefined; // the client went away
    }
    const packed = new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
    const { headers, method = "", url = "" } = request;
    if (headers["content-length"] !== String(packed.length)) this.complaints.push("the length is wrong");
    if (headers.host === undefined) this.complaints.push("no Host");
    const coding = headers["content-encoding"];
    const body = coding === "gzip" ? gunzipSync(packed) : coding === "zstd" ? zstdDecompressSync(packed) : packed;
    const text = new TextDecoder("utf-8", { fatal: false }).decode(body);
    return { method, path: url, headers, body, text, packedBytes: packed.length };
  }

  #reply(response: ServerResponse, answer: ScriptedAnswer): void {
    if (answer === "hang") return;
    if (answer === "close") return void response.socket?.destroy();
    if (answer === "closeWithin") {
      response.writeHead(200, { "Content-Length": "100" });
      response.write("half an answer");
      setTimeout(() => response.socket?.destroy(), 20);
      return;
    }
    response.writeHead(answer.status, answer.headers ?? {});
    response.end(answer.body ?? "");
  }
}

/** The documents of a `_bulk` body, with what stands in the lines before them. @throws when it is no such body */
export function parseBulkBody(text: string): { action: Record<string, string>; document: Record<string, unknown> }[] {
  if (!text.endsWith("\n")) throw new Error("a _bulk body ends with a line feed");
  const lines = text.slice(0, -1).split("\n");
  if (lines.length % 2 !== 0) throw new Error("a _bulk body has pairs of lines");
  const found: { action: Record<string, string>; document: Record<string, unknown> }[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const action = (JSON.parse(lines[i]!) as { create?: Record<string, string> }).create;
    if (action === undefined) throw new Error(`"${lines[i]}" is no create`);
    found.push({ action, document: JSON.parse(lines[i + 1]!) as Record<string, unknown> });
  }
  return found;
}
