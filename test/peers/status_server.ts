/** A status server in this process, with a feed that the test writes, and ways to ask it that no well-behaved client has. */
import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { openStatusServer, type StatusServer, type StatusServerOptions } from "../../src/status/server/server.ts";
import { ScriptedFeed, someState } from "./agent_state.ts";
import { serverName } from "./pki.ts";
import { stretched } from "./process.ts";

/** What is asked; the target goes out as it is. */
export interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For `https:`. */
  readonly tls?: { readonly ca: string; readonly cert?: string; readonly key?: string };
}

/** What came. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
  json(): Record<string, unknown>;
}

/** A server on a free port of loopback. */
export async function startStatusServer(
  options: Partial<StatusServerOptions> = {},
): Promise<StatusServer & { readonly feed: ScriptedFeed }> {
  const feed = new ScriptedFeed(someState());
  const server = await openStatusServer({ listen: { host: "127.0.0.1", port: 0 }, feed, ...options });
  return { ...server, feed };
}

/** Asks on a connection of its own. @throws when the connection ends without an answer */
export function ask(address: string, target: string, question: Question = {}): Promise<Answer> {
  const where = address.startsWith("unix:")
    ? { socketPath: address.slice(5), headers: { host: "localhost", ...question.headers } }
    : { host: new URL(address).hostname, port: Number(new URL(address).port), headers: { ...question.headers } };
  const tls = question.tls === undefined ? {} : { ...question.tls, servername: serverName };
  const options = { ...where, ...tls, path: target, method: question.method ?? "GET", agent: false as const };
  return new Promise((resolve, reject) => {
    const request = (address.startsWith("https:") ? tlsRequest : plainRequest)(options, (answer) => {
      let text = "";
      answer.setEncoding("latin1");
      answer.on("data", (chunk) => text += chunk);
      answer.on("error", reject);
      answer.on("end", () => {
        const headers = answer.headers as Record<string, string | undefined>;
        resolve({ status: answer.statusCode ?? 0, headers, text, json: () => JSON.parse(text) });
      });
    });
    request.on("error", reject);
    request.end(question.body);
  });
}

/** A connection on which a test says what it likes. Dispose it to close it. */
export class RawConnection implements Disposable {
  readonly #connection: Deno.TcpConn;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async open(port: number): Promise<RawConnection> {
    return new RawConnection(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends; a connection that the server has closed is no error. */
  async send(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    try {
      for (let done = 0; done < bytes.length;) done += await this.#connection.write(bytes.subarray(done));
    } catch {
      // What it answered before is still to be read.
    }
  }

  /** What comes until `pattern` matches, the server closes, or the time is over. */
  async read(pattern: RegExp = never, deadlineMs = 10_000): Promise<string> {
    const buffer = new Uint8Array(65_536);
    let text = "";
    const timer = setTimeout(() => this[Symbol.dispose](), stretched(deadlineMs));
    try {
      while (!pattern.test(text)) {
        const count = await this.#connection.read(buffer);
        if (count === null) break;
        text += new TextDecoder().decode(buffer.subarray(0, count));
      }
    } catch {
      // Cut: what came before counts.
    } finally {
      clearTimeout(timer);
    }
    return text;
  }

  /** Whether the server ends the connection in time, whatever it says before. */
  async isEnded(deadlineMs = 10_000): Promise<boolean> {
    let inTime = true;
    const timer = setTimeout(() => {
      inTime = false;
      this[Symbol.dispose]();
    }, stretched(deadlineMs));
    await this.read(never, 2 * deadlineMs);
    clearTimeout(timer);
    return inTime;
  }

  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // It is closed.
    }
  }
}

/** `text` as one whole exchange on a connection of its own: all that the server answered. */
export async function exchangeRaw(port: number, text: string, pattern = /\r\n\r\n/): Promise<string> {
  using connection = await RawConnection.open(port);
  await connection.send(text);
  return await connection.read(pattern);
}

/** Matches no text, not even none. */
const never = /(?!)/;
