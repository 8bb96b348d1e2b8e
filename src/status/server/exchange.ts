/** One request of `node:http` through an application of web requests and answers; bodies come limited and go out as fast as they are taken. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { errorText } from "../../pipeline/errors.ts";
import { openLog } from "../../system/log.ts";
import type { Connections } from "./connections.ts";
import { complaintOfTarget, type RequestHead } from "./guard.ts";

/** What the application knows of a request beside the request. */
export interface Caller {
  /** The head as it was sent. */
  readonly head: RequestHead;
  /** Aborts when the connection is gone or the server stops. */
  readonly gone: AbortSignal;
}

/** Answers a request. */
export type Application = (request: Request, caller: Caller) => Response | Promise<Response>;

/** Serves one request. Never throws. */
export async function serve(
  application: Application,
  message: IncomingMessage,
  response: ServerResponse,
  connections: Connections,
  stop: AbortSignal,
): Promise<void> {
  const { socket } = message;
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  socket.once("close", leave);
  response.on("error", () => {});
  stop.addEventListener("abort", leave, { once: true });
  try {
    const request = await readRequest(message);
    connections.busy(socket);
    const answer = request instanceof Response
      ? request
      : await application(request, { head: headOf(message), gone: gone.signal });
    await send(answer, message, response, connections, gone.signal);
  } catch (error) {
    log.debug(`a request ended: ${errorText(error)}`);
    socket.destroy();
  } finally {
    socket.off("close", leave);
    stop.removeEventListener("abort", leave);
  }
}

/** The request, or the answer to what is none. */
async function readRequest(message: IncomingMessage): Promise<Request | Response> {
  const target = message.url ?? "";
  const complaint = complaintOfTarget(target);
  if (complaint !== undefined) return plain(complaint.status, complaint.text);
  const hosts = message.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === "host").length;
  if (hosts !== 1) return plain(400, "one header Host is needed");
  const method = message.method ?? "GET";
  if (!methods.includes(method)) return plain(405, "this method is not served", { allow: methods.join(", ") });
  const body = await readBody(message);
  if (body === undefined) return plain(413, `a body has ${maxBodyBytes} bytes at the most`);
  const headers = new Headers();
  for (const [name, value] of Object.entries(message.headers)) {
    if (typeof value === "string") headers.set(name, value);
  }
  const withBody = method === "POST" && body.length > 0;
  return new Request(new URL(target, "http://status"), { method, headers, ...(withBody ? { body } : {}) });
}

/** Undefined when it is longer than the limit. */
async function readBody(message: IncomingMessage): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (Number(message.headers["content-length"] ?? 0) > maxBodyBytes) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  // No iterator: leaving one would destroy the connection, and the answer with it.
  await new Promise<void>((resolve, reject) => {
    message.on("data", (chunk: Uint8Array) => {
      length += chunk.length;
      if (length > maxBodyBytes) resolve();
      else chunks.push(chunk);
    });
    message.once("end", resolve);
    message.once("error", reject);
    message.once("close", () => reject(new Error("the caller is gone")));
  });
  if (length > maxBodyBytes) return undefined;
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

async function send(
  answer: Response,
  message: IncomingMessage,
  response: ServerResponse,
  connections: Connections,
  gone: AbortSignal,
): Promise<void> {
  const { socket } = message;
  const whole = message.complete;
  const headers: Record<string, string> = { ...securityHeaders, ...Object.fromEntries(answer.headers) };
  if (!whole || answer.headers.get("connection") === "close") headers["connection"] = "close";
  response.writeHead(answer.status, headers);
  if (message.method !== "HEAD" && answer.body !== null) await pour(answer.body, response, socket, connections, gone);
  else await answer.body?.cancel();
  await new Promise<void>((resolve) => {
    connections.waitsForReader(socket);
    socket.once("close", resolve);
    response.end(() => resolve());
  });
  if (whole) return connections.idle(socket);
  message.resume();
  connections.linger(socket);
}

/** Reads the body no faster than the caller takes it: what waits for a slow one is a piece and the socket's buffer. */
async function pour(
  body: ReadableStream<Uint8Array>,
  response: ServerResponse,
  socket: Socket,
  connections: Connections,
  gone: AbortSignal,
): Promise<void> {
  const reader = body.getReader();
  const leave = (): void => void reader.cancel().catch(() => {});
  gone.addEventListener("abort", leave, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (gone.aborted && !done) throw new Error("the caller is gone");
      if (done) return;
      if (response.write(value)) continue;
      connections.waitsForReader(socket);
      await drained(response, gone);
      connections.busy(socket);
    }
  } finally {
    gone.removeEventListener("abort", leave);
    reader.releaseLock();
  }
}

function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      response.off("drain", settle);
      gone.removeEventListener("abort", settle);
      if (gone.aborted) reject(new Error("the caller is gone"));
      else resolve();
    };
    response.on("drain", settle);
    gone.addEventListener("abort", settle, { once: true });
    if (gone.aborted) settle();
  });
}

/** Headers that come several times are joined by the runtime; those that may not are looked at in {@linkcode readRequest}. */
function headOf(message: IncomingMessage): RequestHead {
  return {
    method: message.method ?? "GET",
    target: message.url ?? "",
    header: (name) => {
      const value = message.headers[name];
      return Array.isArray(value) ? value.join("; ") : value;
    },
  };
}

/** An answer in one line of text. */
export function plain(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
}

/** For every answer. Nothing but our own files is loaded, nothing of ours is shown in a frame, nothing is kept by caches. */
const securityHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "same-origin", // with no-referrer browsers send the forms of our own page with "Origin: null"
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-store",
};
const methods: readonly string[] = ["GET", "HEAD", "POST", "DELETE"];
const maxBodyBytes = 64 * 1024;
const log = openLog("status");
