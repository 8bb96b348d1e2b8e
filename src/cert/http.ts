/**
 * One HTTP exchange over TLS with a signing end, trusting one CA alone (RFC 9112). Small on purpose: one request per connection,
 * one deadline for all of it, a bounded answer, and peers that end TLS without a farewell are forgiven, because the
 * certificate in the answer proves itself.
 */
import { joinBytes } from "../formats/bytes.ts";
import { PeerError } from "../pipeline/errors.ts";
import type { Connection } from "../system/connection.ts";
import { dial } from "../tls/dial.ts";

/** What is sent, and over which TLS. */
export interface HttpRequest {
  readonly method: "GET" | "POST";
  /** `https:` only. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Files of the TLS connection: the CA that is trusted, and the own pair where the peer should see it. */
  readonly ca: string;
  readonly pair?: { readonly cert: string; readonly key: string };
  /** Deadline for everything. */
  readonly timeoutMs: number;
}

/** What came back. */
export interface HttpAnswer {
  /** 200..599 */
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** Sends a request and reads the answer. @throws {PeerError} when there is none within the deadline */
export async function exchangeHttp(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
  const { url, ca, pair, timeoutMs } = request;
  const late = AbortSignal.timeout(timeoutMs);
  const ended = AbortSignal.any([signal, late]);
  const connection = await dial({
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? 443 : Number(url.port),
    tls: { ca, ...pair, authMode: "name", permittedPeer: [] },
    timeoutMs,
  }, ended);
  const cut = (): void => connection.destroy();
  ended.addEventListener("abort", cut, { once: true });
  try {
    await connection.write(encodeHead(request));
    return await readAnswer(connection);
  } catch (error) {
    if (signal.aborted) throw new PeerError(`Cannot ask ${url.host}: stopped`, { cause: error });
    if (late.aborted) throw new PeerError(`Cannot ask ${url.host}: no whole answer within ${timeoutMs} ms`);
    throw error;
  } finally {
    ended.removeEventListener("abort", cut);
    connection.destroy();
  }
}

function encodeHead({ method, url, headers, body }: HttpRequest): Uint8Array {
  const lines = [
    `${method} ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    "User-Agent: agent",
    "Connection: close",
    ...Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : [`Content-Length: ${body.length}`]),
  ];
  return joinBytes([new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"), body ?? new Uint8Array()]);
}

/** Gathers octets until the answer is whole. */
async function readAnswer(connection: Connection): Promise<HttpAnswer> {
  let bytes: Uint8Array = new Uint8Array();
  for (;;) {
    const parsed = parseAnswer(bytes, false);
    if (parsed !== undefined) return parsed;
    if (bytes.length > maxAnswerBytes) throw new PeerError(`the answer is larger than ${maxAnswerBytes} bytes`);
    let chunk: Uint8Array | undefined;
    try {
      chunk = await connection.read();
    } catch (error) {
      const whole = parseAnswer(bytes, true);
      if (whole !== undefined) return whole;
      throw error;
    }
    if (chunk === undefined) {
      const whole = parseAnswer(bytes, true);
      if (whole === undefined) {
        throw new PeerError(`${connection.peerAddress} closed the connection without a whole answer`);
      }
      return whole;
    }
    bytes = joinBytes([bytes, chunk]);
  }
}

/**
 * The answer in `bytes`; undefined while more must come.
 * @param ended whether nothing more comes: then a body without a length is whole
 * @throws {PeerError} on what is not HTTP
 */
export function parseAnswer(bytes: Uint8Array, ended: boolean): HttpAnswer | undefined {
  const text = latin1.decode(bytes);
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) {
    if (text.length > 5 && !text.startsWith("HTTP/")) throw new PeerError("the answer is not HTTP");
    return undefined;
  }
  const [statusLine, ...lines] = text.slice(0, headEnd).split("\r\n");
  const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine!)?.[1]);
  if (Number.isNaN(status)) throw new PeerError("the answer is not HTTP/1.1");
  const rest = bytes.subarray(headEnd + 4);
  if (status < 200) return parseAnswer(rest, ended); // 100 Continue comes before the answer proper
  const headers = parseHeaders(lines);
  const body = bodyOf(rest, headers, status, ended);
  return body === undefined ? undefined : { status, headers, body };
}

function parseHeaders(lines: readonly string[]): ReadonlyMap<string, string> {
  return new Map(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
  }));
}

function bodyOf(
  rest: Uint8Array,
  headers: ReadonlyMap<string, string>,
  status: number,
  ended: boolean,
): Uint8Array | undefined {
  if (status === 204 || status === 304) return new Uint8Array();
  if (headers.get("transfer-encoding")?.toLowerCase().includes("chunked")) return joinChunks(rest);
  const length = headers.get("content-length");
  if (length === undefined) return ended ? rest : undefined;
  if (!/^\d{1,9}$/.test(length)) throw new PeerError(`the answer has the length "${length}"`);
  return rest.length < Number(length) ? undefined : rest.subarray(0, Number(length));
}

function joinChunks(rest: Uint8Array): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  for (let at = 0;;) {
    const lineEnd = rest.indexOf(0x0a, at);
    if (lineEnd < 0) return undefined;
    const size = /^([0-9a-fA-F]{1,7})[ \t]*(?:;.*)?\r?$/.exec(latin1.decode(rest.subarray(at, lineEnd)))?.[1];
    if (size === undefined) throw new PeerError("the answer's chunks have no length");
    const length = parseInt(size, 16);
    if (length === 0) return joinBytes(parts);
    if (rest.length < lineEnd + 1 + length + 2) return undefined;
    parts.push(rest.subarray(lineEnd + 1, lineEnd + 1 + length));
    at = lineEnd + 1 + length + 2;
  }
}

const latin1 = new TextDecoder("latin1");
const maxAnswerBytes = 256 * 1024;
