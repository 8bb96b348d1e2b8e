/**
 * A client of Fluentd's Forward Protocol, written after its specification and not after our server: messages of all modes,
 * the handshake, and acknowledgements. Encodes with `@msgpack/msgpack`, which the server does not read with.
 */
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { gzipSync } from "node:zlib";
import { decode, DecodeError, encode, ExtData } from "@msgpack/msgpack";

/** One event: seconds since 1970 or an EventTime, and its record. */
export type ForwardEvent = readonly [number | ExtData | null, Readonly<Record<string, unknown>>];

/** Where and how to connect. */
export interface ForwardClientOptions {
  readonly port?: number;
  readonly path?: string;
  readonly tls?: { readonly ca: string; readonly cert?: string; readonly key?: string; readonly servername: string };
}

/** EventTime: ext type 0, seconds and nanoseconds in 32 bits each. */
export function eventTime(seconds: number, nanoseconds: number): ExtData {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, seconds);
  view.setUint32(4, nanoseconds);
  return new ExtData(0, bytes);
}

/** A message of one event. */
export function messageMode(tag: string, [time, record]: ForwardEvent, option?: Record<string, unknown>): Uint8Array {
  return encode(option === undefined ? [tag, time, record] : [tag, time, record, option]);
}

/** A message with an array of events. */
export function forwardMode(
  tag: string,
  events: readonly ForwardEvent[],
  option?: Record<string, unknown>,
): Uint8Array {
  return encode(option === undefined ? [tag, events] : [tag, events, option]);
}

/** A message with the events packed in a bin, gzipped when asked for. */
export function packedMode(
  tag: string,
  events: readonly ForwardEvent[],
  option: Record<string, unknown> = {},
  zip = false,
): Uint8Array {
  const packed = Buffer.concat(events.map((event) => encode(event)));
  if (!zip) return encode([tag, new Uint8Array(packed), option]);
  return encode([tag, new Uint8Array(gzipSync(packed)), { ...option, compressed: "gzip" }]);
}

/** An open connection. */
export class ForwardClient implements Disposable {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    socket.on("error", end);
    socket.on("close", end);
  }

  /** @throws when nobody listens, or the TLS handshake fails */
  static async open({ port = 0, path, tls }: ForwardClientOptions): Promise<ForwardClient> {
    const where = path === undefined ? { host: "127.0.0.1", port } : { path };
    const socket = tls === undefined ? connect(where) : connectTls({ ...where, ...tls });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.once(tls === undefined ? "connect" : "secureConnect", () => resolve());
    });
    return new ForwardClient(socket);
  }

  /** Resolves when the bytes are with the kernel, or the connection is gone. */
  send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (this.#ended) return resolve();
      const closed = (): void => resolve();
      this.#socket.once("close", closed);
      this.#socket.write(bytes, () => (this.#socket.off("close", closed), resolve()));
    });
  }

  /** The next value that the server says; undefined when the connection ended. */
  async receive(): Promise<unknown> {
    for (;;) {
      const whole = this.#takeValue();
      if (whole !== undefined) return whole.value;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Waits for HELO, sends PING, and gives what PONG says; undefined when the server closed. Checks the server's proof. */
  async shakeHands(key: string, hostname = "client.test"): Promise<boolean | undefined> {
    const [helo, options] = await this.receive() as [string, { readonly nonce: Uint8Array }];
    if (helo !== "HELO") throw new Error(`Cannot shake hands with "forward": it says ${helo}`);
    const salt = randomBytes(16).toString("hex");
    const digest = (name: string): string =>
      createHash("sha512").update(salt).update(name).update(options.nonce).update(key).digest("hex");
    await this.send(encode(["PING", hostname, salt, digest(hostname), "", ""]));
    const pong = await this.receive() as [string, boolean, string, string, string] | undefined;
    if (pong === undefined) return undefined;
    const [word, accepted, , serverName, proof] = pong;
    if (word !== "PONG") throw new Error(`Cannot shake hands with "forward": it says ${word}`);
    if (accepted && proof !== digest(serverName)) throw new Error('Cannot trust "forward": its proof is wrong');
    return accepted;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  /** Answers are short: whether one is whole is tried out. */
  #takeValue(): { readonly value: unknown } | undefined {
    for (let length = 1; length <= this.#received.length; length++) {
      try {
        const value = decode(this.#received.subarray(0, length));
        this.#received = this.#received.subarray(length);
        return { value };
      } catch (error) {
        if (!(error instanceof RangeError || error instanceof DecodeError)) throw error;
      }
    }
    return undefined;
  }
}
