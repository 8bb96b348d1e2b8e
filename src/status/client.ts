/** Asks a running agent over its status server: TCP, TLS or a Unix socket. What it answers is checked and bounded, whoever it is. */
import { type IncomingMessage, request as requestPlain, type RequestOptions } from "node:http";
import { request as requestTls } from "node:https";
import { errorText, TryLaterError } from "../pipeline/errors.ts";
import { type CredentialFiles, loadCredentials } from "../tls/credentials.ts";
import { parseState, parseTailRecord } from "./answers.ts";
import type { AgentState, TailFilter, TailRecord } from "./state.ts";

/** Where an agent answers: a URL with `http:` or `https:`, or a socket's path. */
export type ClientAddress = URL | { readonly path: string };

/** How an agent is asked. */
export interface ClientOptions {
  readonly address: ClientAddress;
  /** Shown to the agent, RFC 6750 section 2.1. */
  readonly token?: string;
  /** CA to trust, own pair; for `https:`. */
  readonly tls?: CredentialFiles;
  /** Longest time in which nothing moves; default 10 s, and 60 s while following. */
  readonly timeoutMs?: number;
}

/** `127.0.0.1:7514`, `http://…`, `https://…` or `unix:PATH`. @throws with what is allowed */
export function parseClientAddress(text: string): ClientAddress {
  if (text.startsWith("unix:") && text.length > 5) return { path: text.slice(5) };
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `http://${text}`);
  if (url === null || url.hostname === "" || !["", "/"].includes(url.pathname) || url.search !== "") {
    throw new Error(`"${text}" is no address of an agent; allowed: http://HOST:PORT, https://HOST:PORT, unix:PATH`);
  }
  if (url.username !== "" || url.password !== "") throw new Error("an address holds no password; see --token-file");
  if (url.port === "" && !/^https?:\/\/.*:\d+\/?$/.test(text)) url.port = String(defaultPort);
  return url;
}

/** An address as people write it. */
export function addressText(address: ClientAddress): string {
  return "path" in address ? `unix:${address.path}` : address.origin;
}

/** One agent. Each question is a connection of its own. */
export class StatusClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** `http://127.0.0.1:7514`, `unix:PATH`. */
  get name(): string {
    return addressText(this.#options.address);
  }

  /** What the agent tells of itself now. @throws {TryLaterError} when nobody answers; when it is no agent, or wants a token */
  async readState(signal: AbortSignal): Promise<AgentState> {
    const message = await this.#get("/api/status", "application/json", this.#options.timeoutMs ?? 10_000, signal);
    const decoder = new TextDecoder();
    let text = "";
    try {
      for await (const chunk of message as AsyncIterable<Uint8Array>) {
        text += decoder.decode(chunk, { stream: true });
        if (text.length > maxStateChars) throw new Error(`the answer is longer than ${maxStateChars} characters`);
      }
      return parseState(JSON.parse(text));
    } catch (error) {
      signal.throwIfAborted();
      throw new Error(`Cannot understand the agent "${this.name}": ${errorText(error)}\nTry: ${otherAgent}`);
    } finally {
      message.destroy();
    }
  }

  /** Records as they pass, until `signal` aborts. @throws {TryLaterError} when the agent goes away */
  async *follow(filter: TailFilter, signal: AbortSignal): AsyncGenerator<TailRecord> {
    const words = new URLSearchParams(filter.sources.map((source) => ["source", source]));
    words.set("severity", String(filter.severity));
    if (filter.contains !== "") words.set("contains", filter.contains);
    const message = await this.#get(
      `/api/tail?${words}`,
      "text/event-stream",
      this.#options.timeoutMs ?? 60_000,
      signal,
    );
    try {
      for await (const event of eventsOf(message)) yield parseTailRecord(JSON.parse(event));
    } catch (error) {
      if (signal.aborted) return;
      throw new TryLaterError(
        `The agent "${this.name}" went away: ${errorText(error)}\nTry: agent status --tail again`,
      );
    } finally {
      message.destroy();
    }
    if (!signal.aborted) {
      throw new TryLaterError(`The agent "${this.name}" has stopped\nTry: agent status --tail again`);
    }
  }

  /** The answer's head; a connection on which nothing moves for `timeoutMs` is ended. */
  async #get(path: string, accept: string, timeoutMs: number, signal: AbortSignal): Promise<IncomingMessage> {
    const { address, token } = this.#options;
    signal.throwIfAborted();
    const options: RequestOptions = {
      path,
      agent: false,
      timeout: timeoutMs,
      headers: {
        Accept: accept,
        "User-Agent": "agent status",
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...("path" in address ? { Host: "localhost" } : {}),
      },
    };
    const request = "path" in address
      ? requestPlain({ ...options, socketPath: address.path })
      : address.protocol === "https:"
      ? requestTls(new URL(path, address), { ...options, ...loadTls(this.#options.tls) })
      : requestPlain(new URL(path, address), options);
    const stop = (): void => void request.destroy(new Error("stopped"));
    signal.addEventListener("abort", stop, { once: true });
    request.once("close", () => signal.removeEventListener("abort", stop));
    request.on("timeout", () => request.destroy(new Error(`nothing came for ${timeoutMs / 1_000} s`)));
    let message: IncomingMessage;
    try {
      message = await new Promise<IncomingMessage>((resolve, reject) => {
        request.once("response", resolve);
        request.on("error", reject);
        request.end();
      });
    } catch (error) {
      signal.throwIfAborted();
      throw new TryLaterError(`Cannot ask the agent "${this.name}": ${stateOf(error)}\nTry: ${startIt}`);
    }
    if (message.statusCode === 200) return message;
    message.destroy();
    throw new Error(refusal(this.name, message.statusCode ?? 0));
  }
}

function loadTls(files: CredentialFiles | undefined): RequestOptions & { ca?: string } {
  const { ca, cert, key } = files === undefined ? {} : loadCredentials(files);
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert, key }) } as RequestOptions;
}

function stateOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  if (code === "ECONNREFUSED" || code === "ENOENT") return "nothing answers there";
  if (code === "EACCES") return "the socket is not for this user";
  return errorText(error);
}

function refusal(name: string, status: number): string {
  if (status === 401 || status === 403) {
    return `Cannot ask the agent "${name}": it wants a token (${status})\nTry: --token-file FILE, the tokenFile of its status`;
  }
  return `Cannot ask the agent "${name}": it answers ${status}\nTry: ${otherAgent}`;
}

/** The data of each event (Server-Sent Events, WHATWG HTML section 9.2.6); comments and other fields are passed over. */
async function* eventsOf(message: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  for await (const chunk of message) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop()!;
    if (rest.length > maxEventChars) throw new Error("it sends an event without an end");
    for (const line of lines) {
      if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
      else if (line === "" && data.length > 0) {
        yield data.join("\n");
        data = [];
      }
    }
  }
}

const defaultPort = 7_514;
const maxStateChars = 16 * 2 ** 20;
const maxEventChars = 4 * 2 ** 20;
const startIt = "does it run (agent ship --config FILE) with status: {listen: …}? Another address: --address";
const otherAgent = "is this the address of an agent? See --address";
