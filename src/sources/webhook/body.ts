/** The body of a request: read within its limits, unpacked, and cut to records by its type. */
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { MalformedError, parseJsonRecords, parseNdjsonRecords, splitBody } from "../../formats/json_records.ts";
import type { LineRun } from "../../formats/lines.ts";

/** A request that is not taken: the status and the words for its sender. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** How the bytes of a body become records. */
export type BodyType = "lines" | "ndjson" | "json";

/** What is to be known of a body before it is read. @throws {Refusal} 415 for types and encodings that are not read here */
export function bodyTypeOf(message: IncomingMessage): { readonly type: BodyType; readonly packed: boolean } {
  const [mediaType = "", ...parameters] = (message.headers["content-type"] ?? "").split(";");
  const type = bodyTypes[mediaType.trim().toLowerCase()];
  if (type === undefined) throw new Refusal(415, `allowed types: ${Object.keys(bodyTypes).join(", ")}`);
  const charset = /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/i;
  const odd = parameters.map((parameter) => charset.exec(parameter)?.[1]?.toLowerCase()).find((name) =>
    name !== undefined && name !== "utf-8" && name !== "us-ascii"
  );
  if (odd !== undefined) throw new Refusal(415, "allowed charset: utf-8");
  const encoding = (message.headers["content-encoding"] ?? "identity").trim().toLowerCase();
  if (!["identity", "gzip", "x-gzip"].includes(encoding)) {
    throw new Refusal(415, "allowed encodings: gzip, identity", { "accept-encoding": "gzip, identity" });
  }
  return { type, packed: encoding !== "identity" };
}

/** Bytes that requests may hold in memory, all of them together. */
export class Room {
  readonly #limitBytes: number;
  #takenBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** @throws {Refusal} 429 when there is no room */
  take(bytes: number): void {
    if (this.#takenBytes + bytes > this.#limitBytes) {
      throw new Refusal(429, "too much is waiting to be stored", retryAfter);
    }
    this.#takenBytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#takenBytes -= bytes;
  }
}

/** A part of a {@linkcode Room} that one request holds, given back at once with all else it took. */
export class Share {
  readonly #room: Room;
  #bytes = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  /** @throws {Refusal} when there is no room */
  take(bytes: number): void {
    this.#room.take(bytes);
    this.#bytes += bytes;
  }

  giveBack(): void {
    this.#room.giveBack(this.#bytes);
    this.#bytes = 0;
  }
}

/** Looks at the length that the sender names. @throws {Refusal} 413 when it is too long */
export function checkLength(message: IncomingMessage, maxBytes: number): void {
  if (Number(message.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

/** The records of a body. @throws {Refusal} when it is too long, damaged, or there is no room for it */
export async function readRecords(
  message: IncomingMessage,
  form: { readonly type: BodyType; readonly packed: boolean },
  maxBytes: number,
  share: Share,
): Promise<LineRun> {
  const raw = await readBody(message, maxBytes, share);
  const body = form.packed ? await unpack(raw, maxBytes, share) : raw;
  try {
    if (form.type === "lines") return splitBody(body);
    if (form.type === "ndjson") return parseNdjsonRecords(body);
    share.take(body.length); // its objects are copied
    return parseJsonRecords(body);
  } catch (error) {
    throw error instanceof MalformedError ? new Refusal(400, error.message) : error;
  }
}

async function readBody(message: IncomingMessage, maxBytes: number, share: Share): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge(maxBytes);
    share.take(chunk.length);
    chunks.push(chunk);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

/** The limit holds for what comes out, too: a few bytes can unpack to any number. */
async function unpack(body: Uint8Array, maxBytes: number, share: Share): Promise<Uint8Array> {
  share.take(maxBytes);
  try {
    return await promisify(gunzip)(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(maxBytes);
    throw new Refusal(400, "the body is not gzip, or it is damaged");
  }
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal(413, `a body has ${maxBytes} bytes at the most; send it in pieces`);
}

/** When to come again, in seconds. */
export const retryAfter: Readonly<Record<string, string>> = { "retry-after": "5" };

const bodyTypes: Readonly<Record<string, BodyType | undefined>> = {
  "text/plain": "lines",
  "application/x-ndjson": "ndjson",
  "application/ndjson": "ndjson",
  "application/jsonl": "ndjson",
  "application/json": "json",
};
