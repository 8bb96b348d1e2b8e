/**
 * A server that bundles are uploaded to, strict about what it is sent and scripted about what it does: PUT objects, and tus
 * 1.0.0 as its specification demands it (version header, content type, offsets, lengths).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";

/** What the server does to one request, by its number from 0. */
export type Mischief =
  /** Answers so, before it has read the body. */
  | { readonly status: number; readonly body?: string; readonly headers?: Readonly<Record<string, string>> }
  /** Takes that part of the body (0..1), keeps it if the protocol can, and breaks the connection. */
  | { readonly cutAt: number }
  /** Takes all and breaks the connection instead of answering. */
  | { readonly mute: true }
  /** Takes the beginning and never moves again. */
  | { readonly stall: true }
  /** Takes that part of the body (0..1; 1 is all of it) and never says a word: no answer, no break. */
  | { readonly stallAt: number };

/** One request as it came. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

/** How the server behaves. */
export interface UploadServerOptions {
  readonly mischief?: (index: number, request: SeenRequest) => Mischief | undefined;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Largest body of a PATCH that a proxy in front lets pass. */
  readonly maxPatchBytes?: number;
}

/** A running server on loopback. Dispose it to end it. */
export class UploadServer implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  /** By path: finished objects of PUT, and uploads of tus as far as they came. */
  readonly objects = new Map<string, Uint8Array>();
  readonly #server: Server;
  readonly #options: UploadServerOptions;
  readonly #lengths = new Map<string, number>();
  #requests = 0;

  private constructor(options: UploadServerOptions) {
    this.#options = options;
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      request.on("error", () => {});
      const { socket } = request; // a request whose reading was broken off does not know it any more
      sockets.set(request, socket);
      this.#serve(request, response).catch(() => socket.destroy());
    };
    this.#server = options.tls === undefined ? createServer(serve) : createTlsServer(
      { cert: Deno.readTextFileSync(options.tls.cert), key: Deno.readTextFileSync(options.tls.key) },
      serve,
    );
  }

  /** Starts it on a free port. */
  static async start(options: UploadServerOptions = {}): Promise<UploadServer> {
    const server = new UploadServer(options);
    server.#server.on("checkContinue", (request, response) => server.#server.emit("request", request, response));
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  /** `http://127.0.0.1:PORT`, or `https:` with TLS. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http${this.#options.tls === undefined ? "" : "s"}://127.0.0.1:${port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = { method: request.method!, path: request.url!, headers: request.headers };
    this.seen.push(seen);
    const mischief = this.#options.mischief?.(this.#requests++, seen);
    if (mischief !== undefined && "status" in mischief) {
      response.writeHead(mischief.status, { Connection: "close", ...mischief.headers });
      response.end(mischief.body ?? "");
      return;
    }
    if (seen.method === "PUT") return await this.#put(request, response, mischief);
    if (seen.path.startsWith("/tus")) return await this.#tus(request, response, mischief);
    response.writeHead(404).end();
  }

  async #put(request: IncomingMessage, response: ServerResponse, mischief: Mischief | undefined): Promise<void> {
    const path = request.url!.split("?")[0]!;
    const length = Number(request.headers["content-length"]);
    if (!Number.isInteger(length)) return void response.writeHead(411, { Connection: "close" }).end();
    if (request.headers["if-none-match"] === "*" && this.objects.has(path)) {
      return void response.writeHead(412, { Connection: "close" }).end();
    }
    const body = await readBody(request, response, length, mischief);
    if (body.length < length) return void sockets.get(request)!.destroy();
    this.objects.set(path, body);
    if (mischief !== undefined) return void sockets.get(request)!.destroy();
    response.writeHead(200).end();
  }

  async #tus(request: IncomingMessage, response: ServerResponse, mischief: Mischief | undefined): Promise<void> {
    const answer = (status: number, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { "Tus-Resumable": "1.0.0", ...headers }).end();
    };
    const [path, method] = [request.url!, request.method!];
    if (request.headers["tus-resumable"] !== "1.0.0") return answer(412, { "Tus-Version": "1.0.0" });
    if (method === "POST" && path === "/tus") {
      const length = Number(request.headers["upload-length"]);
      if (!Number.isInteger(length) || length < 0) return answer(400);
      const made = `/tus/${this.#lengths.size + 1}`;
      this.#lengths.set(made, length);
      this.objects.set(made, new Uint8Array());
      return answer(201, { Location: made });
    }
    const held = this.objects.get(path);
    if (held === undefined) return answer(404);
    const length = this.#lengths.get(path)!;
    if (method === "HEAD") {
      return answer(200, {
        "Upload-Offset": String(held.length),
        "Upload-Length": String(length),
        "Cache-Control": "no-store",
      });
    }
    if (method !== "PATCH") return answer(405);
    if (request.headers["content-type"] !== "application/offset+octet-stream") return answer(415);
    if (request.headers["upload-offset"] !== String(held.length)) return answer(409);
    const size = Number(request.headers["content-length"]);
    if (size > (this.#options.maxPatchBytes ?? Infinity)) return answer(413, { Connection: "close" });
    if (held.length + size > length) return answer(400);
    const body = await readBody(request, response, size, mischief);
    this.objects.set(path, new Uint8Array([...held, ...body]));
    if (body.length < size || mischief !== undefined) return void sockets.get(request)!.destroy();
    answer(204, { "Upload-Offset": String(held.length + size) });
  }
}

const sockets = new WeakMap<IncomingMessage, Socket>();

/** All of the body, or as much of it as the mischief lets come. */
async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  length: number,
  mischief: Mischief | undefined,
): Promise<Uint8Array> {
  const limit = mischief !== undefined && "cutAt" in mischief ? Math.floor(length * mischief.cutAt) : length;
  const parts: Uint8Array[] = [];
  let count = 0;
  if (request.headers.expect !== undefined) response.writeContinue();
  for await (const piece of request) {
    if (mischief !== undefined && "stall" in mischief) await new Promise(() => {});
    parts.push(piece as Uint8Array);
    count += (piece as Uint8Array).length;
    if (mischief !== undefined && "stallAt" in mischief && count >= mischief.stallAt * length) {
      await new Promise(() => {});
    }
    if (count >= limit) break;
  }
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer()).subarray(0, limit);
}
