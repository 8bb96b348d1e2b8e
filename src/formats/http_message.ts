/** HTTP/1.1 messages of a client (RFC 9112), one after the other on a connection. Pure. */
import { joinBytes } from "./bytes.ts";

/** A complete answer. */
export interface HttpAnswer {
  /** 200..599; the interim ones are passed over. */
  readonly status: number;
  /** By name in lower case; of a repeated one the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** Whether the connection may be used again. */
  readonly keepsAlive: boolean;
}

/** The head of a request. Values are checked: what would break out of its line is refused. @throws {TypeError} */
export function encodeRequestHead(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Uint8Array {
  const lines = [`${method} ${path} HTTP/1.1`];
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) throw new TypeError(`"${name}" is no name of a header`);
    // The value may be a secret: it is never repeated.
    if (!/^[\t -~]*$/.test(value)) throw new TypeError(`the value of header "${name}" is not printable ASCII`);
    lines.push(`${name}: ${value}`);
  }
  if (!/^[!-~]+$/.test(path)) throw new TypeError(`"${path}" is no path of a request`);
  return encoder.encode(lines.join("\r\n") + "\r\n\r\n");
}

/** Takes an answer apart as it arrives; memory is bounded by `maxBodyBytes` and a head of 64 KiB. */
export class AnswerReader {
  readonly #maxBodyBytes: number;
  #rest: Uint8Array = new Uint8Array(0);
  #status = 0;
  #headers = new Map<string, string>();
  #state: "head" | "sized" | "chunkSize" | "chunk" | "trailer" | "untilEnd" = "head";
  #left = 0;
  readonly #parts: Uint8Array[] = [];
  #bodyBytes = 0;
  #keepsAlive = true;

  constructor(maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes;
  }

  /** Whether nothing of the answer has arrived. */
  get untouched(): boolean {
    return this.#status === 0 && this.#rest.length === 0;
  }

  /** Takes a chunk. @returns the answer when it is complete @throws when it is no HTTP/1.1, or too long */
  push(chunk: Uint8Array): HttpAnswer | undefined {
    this.#rest = this.#rest.length === 0 ? chunk : joinBytes([this.#rest, chunk]);
    for (;;) {
      const step = this.#step();
      if (step === "more") return undefined;
      if (step === "done") return this.#answer();
    }
  }

  /** The peer ended its side. @returns the answer, if that completes it @throws when something is missing */
  end(): HttpAnswer {
    if (this.#state !== "untilEnd") throw new Error("the connection ended within the answer");
    return this.#answer();
  }

  #step(): "more" | "again" | "done" {
    switch (this.#state) {
      case "head":
        return this.#readHead();
      case "sized":
        this.#take(this.#left);
        return this.#left === 0 ? "done" : "more";
      case "untilEnd":
        this.#take(this.#rest.length);
        return "more";
      case "chunk":
        this.#take(this.#left);
        if (this.#left > 0) return "more";
        return this.#line("the end of a chunk") === undefined ? "more" : (this.#state = "chunkSize", "again");
      case "chunkSize":
        return this.#readChunkSize();
      case "trailer": {
        const line = this.#line("a trailer");
        return line === undefined ? "more" : line === "" ? "done" : "again";
      }
    }
  }

  #readHead(): "more" | "again" | "done" {
    const end = headEnd(this.#rest);
    if (end < 0 && this.#rest.length > maxHeadBytes) throw new Error("the head of the answer is too long");
    if (end < 0) return "more";
    const [first, ...lines] = latin1.decode(this.#rest.subarray(0, end)).trimEnd().split(/\r?\n/);
    const match = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: |$)/.exec(first!);
    if (match === null) throw new Error("the peer does not speak HTTP/1.1");
    this.#rest = this.#rest.subarray(end);
    const status = Number(match[2]);
    if (status === 101) throw new Error("the peer changes the protocol");
    if (status < 200) return "again";
    this.#status = status;
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (colon > 0) this.#headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
    }
    const connection = this.#headers.get("connection")?.toLowerCase() ?? "";
    this.#keepsAlive = match[1] === "1" ? !connection.includes("close") : connection.includes("keep-alive");
    return this.#beginBody();
  }

  /** @see RFC 9112 section 6.3 */
  #beginBody(): "again" | "done" {
    if (this.#status === 204 || this.#status === 304) return "done";
    const coding = this.#headers.get("transfer-encoding");
    const length = this.#headers.get("content-length");
    if (coding !== undefined) {
      if (coding.toLowerCase() !== "chunked") throw new Error(`the answer comes in transfer coding "${coding}"`);
      this.#state = "chunkSize";
    } else if (length !== undefined) {
      if (!/^\d{1,15}$/.test(length)) throw new Error("the length of the answer is no number");
      this.#left = Number(length);
      if (this.#left > this.#maxBodyBytes) throw new Error(tooLong);
      this.#state = "sized";
    } else {
      this.#state = "untilEnd";
      this.#keepsAlive = false;
    }
    return "again";
  }

  #readChunkSize(): "more" | "again" {
    const line = this.#line("the size of a chunk");
    if (line === undefined) return "more";
    const match = /^([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?$/.exec(line);
    if (match === null) throw new Error("the size of a chunk is no number");
    this.#left = parseInt(match[1]!, 16);
    this.#state = this.#left === 0 ? "trailer" : "chunk";
    return "again";
  }

  #take(size: number): void {
    const part = this.#rest.subarray(0, Math.min(size, this.#rest.length));
    if (part.length === 0) return;
    this.#bodyBytes += part.length;
    if (this.#bodyBytes > this.#maxBodyBytes) throw new Error(tooLong);
    this.#parts.push(part);
    this.#left -= part.length;
    this.#rest = this.#rest.subarray(part.length);
  }

  #line(what: string): string | undefined {
    const feed = this.#rest.indexOf(10);
    if (feed < 0 && this.#rest.length > maxHeadBytes) throw new Error(`${what} is too long`);
    if (feed < 0) return undefined;
    const line = latin1.decode(this.#rest.subarray(0, feed)).replace(/\r$/, "");
    this.#rest = this.#rest.subarray(feed + 1);
    return line;
  }

  #answer(): HttpAnswer {
    const keepsAlive = this.#keepsAlive && this.#rest.length === 0;
    return {
      status: this.#status,
      headers: this.#headers,
      body: this.#parts.length === 1 ? this.#parts[0]! : joinBytes(this.#parts),
      keepsAlive,
    };
  }
}

/** Milliseconds that a `Retry-After` asks for (RFC 9110 section 10.2.3), seconds or a date; undefined for anything else. */
export function parseRetryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  const dateMs = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

/** Offset behind the empty line that ends a head, or −1. */
function headEnd(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (bytes[at + 1] === 10) return at + 2;
    if (bytes[at + 1] === 13 && bytes[at + 2] === 10) return at + 3;
  }
  return -1;
}

const maxHeadBytes = 64 * 1024;
const tooLong = "the answer is too long";
const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");
