/**
 * One HTTP exchange (RFC 9110, 9112) whose bodies stream both ways: a refusal that comes while the body still goes out is
 * seen at once, and a peer that stops moving is left after a while, however large the body is.
 */
import { type ClientRequest, type IncomingMessage, request as requestPlain, type RequestOptions } from "node:http";
import { request as requestTls } from "node:https";
import { errorText, PeerError } from "../pipeline/errors.ts";
import { type CredentialFiles, loadCredentials } from "../tls/credentials.ts";

/** What is asked. */
export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** `http:` or `https:`; user and password in it become `Authorization`. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpBody;
  /** CA to trust instead of the public ones, own pair. */
  readonly tls?: CredentialFiles;
  /** Longest time in which no byte moves, milliseconds. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/** What is sent, with its size said before. */
export interface HttpBody {
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
  /** Told after each piece that the runtime took. */
  onSent?(bytes: number): void;
}

/** The answer's head; its body is read by the caller, who closes it by reading to the end or `cancel`. */
export interface HttpAnswer {
  /** 200..599 */
  readonly status: number;
  /** Names in lower case; of a repeated one the values joined with a comma. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: AsyncIterable<Uint8Array>;
  /** Whether the whole body was sent before the answer came. */
  readonly sentAll: boolean;
  cancel(): void;
}

/** Sends the request; resolves at the answer's head, whatever its status. @throws {PeerError} when there is none */
export async function exchange(options: HttpRequest): Promise<HttpAnswer> {
  const { url, signal, stallMs } = options;
  signal.throwIfAborted();
  const request = start(options);
  const clock = new StallClock(stallMs, () => {
    request.destroy(new Error(`nothing moved for ${Math.round(stallMs / 1_000)} s`));
  });
  const stop = (): void => void request.destroy(new Error("stopped"));
  signal.addEventListener("abort", stop, { once: true });
  request.once("close", () => {
    clock.stop();
    signal.removeEventListener("abort", stop);
  });
  try {
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.once("error", reject);
      request.once("close", () => reject(new Error("the connection was closed without an answer")));
    });
    answered.catch(() => {}); // looked at below
    const sent = { all: false };
    const sending = send(request, options.body, clock, sent);
    const message = await Promise.race([answered, sending.then(() => answered)]);
    return answerOf(message, request, clock, sent.all);
  } catch (error) {
    request.destroy();
    if (signal.aborted) throw new PeerError(`Cannot ask ${url.host}: stopped`, { cause: error });
    throw error instanceof BodyError ? error.cause : new PeerError(`Cannot ask ${url.host}: ${errorText(error)}`);
  }
}

/** The body as text, at most `maxBytes`; what is more is left unread. */
export async function readText(answer: HttpAnswer, maxBytes: number = 64 * 1024): Promise<string> {
  const decoder = new TextDecoder();
  let [text, count] = ["", 0];
  for await (const bytes of answer.body) {
    text += decoder.decode(bytes.subarray(0, maxBytes - count), { stream: true });
    count += bytes.length;
    if (count >= maxBytes) break;
  }
  answer.cancel();
  return text;
}

/** What may be shown of a URL: no user, password or query, which are secrets as often as not. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

function start({ method, url, headers, body, tls }: HttpRequest): ClientRequest {
  const options: RequestOptions = {
    method,
    agent: false,
    headers: {
      "User-Agent": "agent",
      ...(url.username === "" ? {} : { Authorization: basic(url) }),
      ...headers,
      ...(body === undefined ? {} : { "Content-Length": String(body.sizeBytes) }),
      ...(body === undefined || body.sizeBytes === 0 ? {} : { Expect: "100-continue" }),
    },
  };
  const target = new URL(url);
  target.username = target.password = "";
  if (url.protocol === "http:") return requestPlain(target, options);
  const { ca, cert, key } = tls === undefined ? {} : loadCredentials(tls);
  return requestTls(target, {
    ...options,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert, key }),
  });
}

function basic({ username, password }: URL): string {
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${new TextEncoder().encode(text).toBase64()}`;
}

/** Resolves when all is sent, or when the peer has said enough to stop it. */
async function send(
  request: ClientRequest,
  body: HttpBody | undefined,
  clock: StallClock,
  sent: { all: boolean },
): Promise<void> {
  let answered = false;
  request.once("response", () => answered = true);
  const over = (): boolean => answered || request.destroyed;
  if (body !== undefined && body.sizeBytes > 0) {
    // A refusal that comes while the body goes out is lost with the connection: ask first. Not every server answers that.
    request.flushHeaders();
    await eventOf(request, ["continue", "response", "close", "error"], continueWaitMs);
  }
  for await (const bytes of guarded(body?.content)) {
    if (over()) return;
    if (!request.write(bytes)) await eventOf(request, ["drain", "response", "close", "error"]);
    if (over()) return;
    clock.moved();
    body?.onSent?.(bytes.length);
  }
  sent.all = true;
  request.end();
}

/** Failures of our own disk are told apart from those of the peer: repeating does not help. */
async function* guarded(content: AsyncIterable<Uint8Array> | undefined): AsyncGenerator<Uint8Array> {
  if (content === undefined) return;
  try {
    yield* content;
  } catch (error) {
    throw new BodyError("the body cannot be read", { cause: error });
  }
}

class BodyError extends Error {}

/** Resolves at the first of the events, or after `waitMs`. */
function eventOf(request: ClientRequest, names: readonly string[], waitMs?: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const name of names) request.off(name, done);
      resolve();
    };
    const timer = waitMs === undefined ? undefined : setTimeout(done, waitMs);
    for (const name of names) request.on(name, done);
  });
}

function answerOf(message: IncomingMessage, request: ClientRequest, clock: StallClock, sentAll: boolean): HttpAnswer {
  clock.moved();
  return {
    status: message.statusCode ?? 0,
    headers: new Map(
      Object.entries(message.headers).map((
        [name, value],
      ) => [name, Array.isArray(value) ? value.join(", ") : value ?? ""]),
    ),
    body: bodyOf(message, clock),
    sentAll,
    cancel: () => {
      clock.stop();
      request.destroy();
    },
  };
}

async function* bodyOf(message: IncomingMessage, clock: StallClock): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of message) {
      clock.moved();
      yield bytes as Uint8Array;
    }
    if (!message.complete) throw new Error("it ended early");
  } catch (error) {
    throw new PeerError(`the answer was cut off: ${errorText(error)}`, { cause: error });
  } finally {
    clock.stop();
  }
}

/** Runs out when nothing is said to move. */
class StallClock {
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #stallMs: number;
  readonly #onStall: () => void;
  #stopped = false;

  constructor(stallMs: number, onStall: () => void) {
    this.#stallMs = stallMs;
    this.#onStall = onStall;
    this.moved();
  }

  moved(): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(this.#onStall, this.#stallMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}

/** RFC 9110 section 10.1.1: a client does not wait for ever; as long as curl does. */
const continueWaitMs = 1_000;
