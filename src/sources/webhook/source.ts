/**
 * Source `webhook`: an HTTP server for what can only push. A request is answered with 2xx when, and only when, the spool
 * holds its records; until then the sender has them, and it is told to come again when that takes too long.
 *
 * ```text
 *   socket (plain, TLS, Unix) ─► who? what? how long? ─► records ─► batches ─► spool ─► commit ─► 200
 *                                └► 401 403 404 405 413 415    └► 400     └► late: 503, Retry-After
 * ```
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSocketServer, type Socket } from "node:net";
import type { LineRun } from "../../formats/lines.ts";
import type { Batch, Origin } from "../../pipeline/batch.ts";
import type { Checkpoints, Position } from "../../pipeline/checkpoint.ts";
import { errorText } from "../../pipeline/errors.ts";
import type { BatchLimits, SpooledServer } from "../../pipeline/source.ts";
import { Channel } from "../../system/channel.ts";
import { openLog } from "../../system/log.ts";
import { TokenFile } from "../../system/token_file.ts";
import { listenWithServer } from "../../system/unix_socket.ts";
import type { TlsOptions } from "../../tls/dial.ts";
import { listenForSockets } from "../../tls/listen.ts";
import { isLocal, refuseStrangers, type WebhookAddress } from "./access.ts";
import { bodyTypeOf, checkLength, readRecords, Refusal, retryAfter, Room, Share } from "./body.ts";
import { batchesOfRecords } from "./batches.ts";
import { PendingRequests } from "./pending.ts";

/** What a webhook is told. */
export interface WebhookOptions {
  /** Name in the configuration. */
  readonly id: string;
  readonly listen: WebhookAddress;
  /** The one path that is served; a query behind it is passed over. */
  readonly path: string;
  /** File with tokens that callers show (`Authorization: Bearer …`); mode 0600 is demanded. */
  readonly tokenFile?: string;
  /** With `ca`, callers must present a certificate that it signed. */
  readonly tls?: TlsOptions;
  /** Longest body, packed and unpacked, in bytes. */
  readonly maxBodyBytes: number;
  /** Connections at once; more are told to come again. Default 256. */
  readonly maxConnections?: number;
  /** Bytes that all requests may hold at once; default the larger of 16 MiB and four bodies. */
  readonly maxHeldBytes?: number;
  /** Time for a request to arrive in full, and for an idle connection; default 60 s. */
  readonly requestTimeoutMs?: number;
  /** How long records may take to be safe before the caller is told to come again; default 30 s. */
  readonly storeTimeoutMs?: number;
  /** Host of records that come from this machine. */
  readonly hostname: string;
  readonly program: string;
  /** Facility × 8 + severity. */
  readonly priority: number;
  /** Makes several records of one: for senders that post lists. @throws for what is none: it is refused with 400 */
  readonly unfold?: (run: LineRun) => LineRun;
}

/** A webhook, listening. */
export type WebhookSource = SpooledServer;

/** Begins to listen. @throws when it cannot, and when anybody could push from elsewhere unasked */
export async function openWebhookSource(options: WebhookOptions): Promise<WebhookSource> {
  refuseStrangers(options);
  const webhook = new Webhook(options);
  await webhook.listen();
  return webhook;
}

class Webhook implements WebhookSource {
  readonly id: string;
  readonly replayable = false;
  readonly spooled = true;
  readonly acknowledgements: Checkpoints;
  readonly #options: WebhookOptions;
  readonly #http: Server;
  readonly #token: TokenFile | undefined;
  readonly #pending = new PendingRequests();
  readonly #room: Room;
  readonly #channel = new Channel<Batch>(64);
  readonly #sockets = new Map<Socket, ReturnType<typeof setTimeout> | undefined>();
  readonly #peers = new WeakMap<Socket, string>();
  #limits: BatchLimits = { maxRecords: 1_024, maxBytes: 128 * 1024 };
  #listener: { readonly address: string; close(): Promise<void> } | undefined;
  #stopping = false;
  #turnedAway = 0;

  constructor(options: WebhookOptions) {
    this.id = options.id;
    this.#options = options;
    this.#room = new Room(options.maxHeldBytes ?? Math.max(16 * 2 ** 20, 4 * options.maxBodyBytes));
    this.#token = options.tokenFile === undefined
      ? undefined
      : new TokenFile(options.tokenFile, (text) => log.warning(text));
    this.acknowledgements = {
      get: () => Promise.resolve(undefined),
      commit: (_, position) => this.#pending.confirm(position),
    };
    this.#http = createServer({ maxHeaderSize: 16 * 1024 }, (message, response) => void this.#serve(message, response));
    this.#http.on("clientError", (_error: Error, socket: Socket) => socket.destroy());
  }

  get address(): string {
    return this.#listener!.address;
  }

  async listen(): Promise<void> {
    const { listen, tls } = this.#options;
    if ("path" in listen) {
      const server = createSocketServer((socket) => this.#accept(socket, undefined));
      await listenWithServer(server, listen.path, 0o660);
      this.#listener = { address: listen.path, close: () => new Promise((resolve) => server.close(() => resolve())) };
      return;
    }
    const listener = await listenForSockets(
      { ...listen, ...(tls === undefined ? {} : { tls }) },
      (socket, _address, peerName) => this.#accept(socket, peerName),
      (reason) => log.warning(reason),
    );
    this.#listener = { address: listener.address, close: async () => await listener[Symbol.asyncDispose]() };
  }

  async *read(_from: Position | undefined, limits: BatchLimits, signal: AbortSignal): AsyncGenerator<Batch> {
    this.#limits = limits;
    const stop = (): void => {
      this.#stopping = true;
      this.#channel.close();
    };
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      yield* this.#channel.values();
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  refuse(position: Position): void {
    this.#pending.refuse(position);
  }

  readonly [Symbol.asyncDispose] = async (): Promise<void> => {
    this.#stopping = true;
    this.#channel.close();
    this.#pending.giveUp();
    const closed = this.#listener?.close();
    // Answers that were given a moment ago are on their way; a caller that does not take its answer is not waited for.
    for (const socket of this.#sockets.keys()) this.#expire(socket, lastWordsMs);
    const deadline = new Promise((resolve) => setTimeout(resolve, lastWordsMs + 100));
    await Promise.race([Promise.all([...this.#sockets.keys()].map(whenClosed)), deadline]);
    for (const socket of this.#sockets.keys()) socket.destroy();
    await closed;
  };

  #accept(socket: Socket, peerName: string | undefined): void {
    socket.on("error", () => {}); // a caller that goes is no news
    if (this.#stopping || this.#sockets.size >= (this.#options.maxConnections ?? 256)) return this.#turnAway(socket);
    if (peerName !== undefined) this.#peers.set(socket, peerName);
    this.#sockets.set(socket, undefined);
    this.#expire(socket, this.#requestTimeoutMs);
    socket.once("close", () => {
      clearTimeout(this.#sockets.get(socket));
      this.#sockets.delete(socket);
    });
    this.#http.emit("connection", socket);
  }

  #turnAway(socket: Socket): void {
    if (this.#turnedAway++ === 0 && !this.#stopping) {
      log.warning(`turned a caller of ${this.id} away: ${this.#sockets.size} connections are open, the limit`);
    }
    const status = this.#stopping ? "503 Service Unavailable" : "429 Too Many Requests";
    socket.end(`HTTP/1.1 ${status}\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    const timer = setTimeout(() => socket.destroy(), 1_000);
    socket.once("close", () => clearTimeout(timer));
    socket.resume();
  }

  /** Cuts the connection in `afterMs` unless this is called again. */
  #expire(socket: Socket, afterMs: number): void {
    clearTimeout(this.#sockets.get(socket));
    if (socket.destroyed) return;
    this.#sockets.set(socket, setTimeout(() => socket.destroy(), afterMs));
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = message;
    const share = new Share(this.#room);
    response.on("error", () => {});
    try {
      const count = await this.#take(message, share);
      respond(response, 200, { "content-type": "application/json" }, `{"records":${count}}\n`);
      this.#expire(socket, this.#requestTimeoutMs);
    } catch (error) {
      if (!(error instanceof Refusal)) {
        log.debug(`a request of ${this.id} ended: ${errorText(error)}`);
        return void socket.destroy();
      }
      log.debug(`refused a request of ${this.id} (${error.status}): ${error.message}`);
      const whole = message.complete;
      respond(response, error.status, { ...error.headers, ...(whole ? {} : { connection: "close" }) }, error.message);
      if (whole) return this.#expire(socket, this.#requestTimeoutMs);
      // The rest of the body is passed over, for a while: cut at once, the answer would be lost with it.
      message.resume();
      this.#expire(socket, lingerMs);
    }
  }

  /** The number of records, all of them safe. @throws {Refusal} when they are not */
  async #take(message: IncomingMessage, share: Share): Promise<number> {
    let run: LineRun;
    try {
      this.#checkCaller(message);
      const form = bodyTypeOf(message);
      checkLength(message, this.#options.maxBodyBytes);
      run = this.#unfolded(await readRecords(message, form, this.#options.maxBodyBytes, share));
      if (this.#stopping) throw new Refusal(503, "going down", retryAfter);
    } catch (error) {
      share.giveBack();
      throw error;
    }
    if (run.count > 0) await this.#store(run, message.socket, share);
    else share.giveBack();
    return run.count;
  }

  #unfolded(run: LineRun): LineRun {
    try {
      return this.#options.unfold?.(run) ?? run;
    } catch (error) {
      throw new Refusal(400, errorText(error));
    }
  }

  /** Resolves when the records are safe; the share is given back when nobody holds them any more. @throws {Refusal} */
  async #store(run: LineRun, socket: Socket, share: Share): Promise<void> {
    const { storeTimeoutMs = 30_000 } = this.#options;
    const batches = batchesOfRecords(run, this.#limits, this.#originOf(socket));
    const { key, outcome } = this.#pending.open(batches.length, storeTimeoutMs);
    this.#expire(socket, storeTimeoutMs + this.#requestTimeoutMs); // from here on it is we who take time
    let held = batches.length;
    const release = (): void => {
      if (--held === 0) share.giveBack();
    };
    void this.#give(batches.map((batch) => ({ ...batch, position: { [key]: 1 }, release: once(release) })));
    const became = await outcome;
    if (became === "stored") return;
    const text = became === "late" ? "the records are not stored yet" : "the queue is full";
    throw new Refusal(503, `${text}; send them again`, retryAfter);
  }

  async #give(batches: readonly Batch[]): Promise<void> {
    for (const [i, batch] of batches.entries()) {
      if (await this.#channel.give(batch)) continue;
      for (const left of batches.slice(i)) left.release();
      return;
    }
  }

  /** @throws {Refusal} for callers and words that are not served */
  #checkCaller(message: IncomingMessage): void {
    const { headers, url = "", method } = message;
    if (this.#token !== undefined && !this.#token.accepts(headers.authorization)) {
      throw new Refusal(401, "a token is needed", { "www-authenticate": "Bearer" });
    }
    // A web page that a person on this machine looks at could push, too: browsers say where such a request comes from.
    if (this.#token === undefined && headers.origin !== undefined) throw new Refusal(403, "not for web pages");
    if (url.split("?", 1)[0] !== this.#options.path) throw new Refusal(404, "there is nothing here");
    if (method !== "POST") throw new Refusal(405, "POST is served alone", { allow: "POST" });
    if (this.#stopping) throw new Refusal(503, "going down", retryAfter);
  }

  #originOf(socket: Socket): Origin {
    const { id, hostname, program, priority } = this.#options;
    const peer = this.#peers.get(socket);
    const address = socket.remoteAddress?.replace(/^::ffff:/, "");
    const elsewhere = address !== undefined && !isLocal({ host: address, port: 0 });
    const host = peer ?? (elsewhere ? address : hostname);
    const record = { source: id, host, program, priority, form: "plain", readAtMs: Date.now() } as const;
    return peer === undefined ? record : { ...record, peer };
  }

  get #requestTimeoutMs(): number {
    return this.#options.requestTimeoutMs ?? 60_000;
  }
}

function respond(response: ServerResponse, status: number, headers: Record<string, string>, text: string): void {
  const body = text.endsWith("\n") ? text : `${text}\n`;
  const plain = { "content-type": "text/plain; charset=utf-8", "content-length": String(body.length) };
  response.writeHead(status, { ...plain, ...headers });
  response.end(body);
}

/** `action`, the first time alone: a batch is released by whoever has it last. */
function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}

function whenClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.destroyed ? resolve() : socket.once("close", () => resolve()));
}

const lingerMs = 2_000;
const lastWordsMs = 300;
const log = openLog("webhook");
