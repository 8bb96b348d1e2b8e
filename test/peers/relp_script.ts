/**
 * Both ends of RELP as scripts over raw TCP, for what a decent peer never does. Knows nothing of `src/`: frames are
 * taken apart here a second time, so that a mistake of the agent is not repeated by its test.
 */

import { stretched } from "./process.ts";

/** One frame. Data is read as Latin-1: a character per octet. */
export interface ScriptFrame {
  readonly transaction: number;
  readonly command: string;
  readonly data: string;
}

/** The server's end of one connection, as a script sees it. */
export class ScriptPeer {
  readonly #connection: Deno.TcpConn;
  readonly #arrived: (frame: ScriptFrame) => void;
  #rest = "";
  #ended = false;

  constructor(connection: Deno.TcpConn, arrived: (frame: ScriptFrame) => void) {
    this.#connection = connection;
    this.#arrived = arrived;
  }

  /** The next frame; undefined when the client has closed or reset the connection. */
  async readFrame(): Promise<ScriptFrame | undefined> {
    for (;;) {
      const frame = this.#cutFrame();
      if (frame !== undefined) {
        this.#arrived(frame);
        return frame;
      }
      if (this.#ended) return undefined;
      await this.#readMore();
    }
  }

  /** Up to `count` frames; fewer when the connection ends. */
  async readFrames(count: number): Promise<readonly ScriptFrame[]> {
    const frames: ScriptFrame[] = [];
    while (frames.length < count) {
      const frame = await this.readFrame();
      if (frame === undefined) break;
      frames.push(frame);
    }
    return frames;
  }

  /** Reads `open` and answers it as librelp does; `data` replaces the whole answer. */
  async answerOpen(data = openAnswer): Promise<void> {
    const frame = await this.readFrame();
    if (frame !== undefined) await this.respond(frame.transaction, data);
  }

  /** Answers a transaction. */
  async respond(transaction: number, data = "200 OK"): Promise<void> {
    await this.write(frameText(transaction, "rsp", data));
  }

  /** Answers everything until the client closes; says `close` back as librelp does. */
  async serve(): Promise<void> {
    for (;;) {
      const frame = await this.readFrame();
      if (frame === undefined) return;
      if (frame.command === "open") await this.respond(frame.transaction, openAnswer);
      else if (frame.command === "syslog") await this.respond(frame.transaction);
      else {
        await this.write(`${frame.transaction} rsp 0\n0 serverclose 0\n`);
        return;
      }
    }
  }

  /** Raw octets. Errors of a client that has gone are not the script's. */
  async write(text: string): Promise<void> {
    const bytes = latin1(text);
    try {
      for (let done = 0; done < bytes.length;) done += await this.#connection.write(bytes.subarray(done));
    } catch {
      this.#ended = true;
    }
  }

  /** Reads and forgets until the client closes: a peer that takes everything and says nothing. */
  async swallow(): Promise<void> {
    while (await this.readFrame() !== undefined);
  }

  /** Ends the connection. With unread octets in the kernel's buffer the client gets a reset, else a FIN. */
  close(): void {
    this.#ended = true;
    try {
      this.#connection.close();
    } catch {
      // closed before
    }
  }

  #cutFrame(): ScriptFrame | undefined {
    const match = /^(\d+) ([A-Za-z]+) (\d+)( ?)/.exec(this.#rest);
    if (match === null) return undefined;
    const length = Number(match[3]);
    const start = match[0].length;
    if (this.#rest.length < start + length + 1) return undefined;
    const frame = {
      transaction: Number(match[1]),
      command: match[2]!,
      data: this.#rest.slice(start, start + length),
    };
    const end = this.#rest[start + length];
    if (end !== "\n") throw new Error(`the agent sent a frame that ends in ${JSON.stringify(end)}`);
    this.#rest = this.#rest.slice(start + length + 1);
    return frame;
  }

  async #readMore(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    const got = await this.#connection.read(buffer).catch(() => null);
    if (got === null) this.#ended = true;
    else this.#rest += fromLatin1(buffer.subarray(0, got));
  }
}

/** What a script does with a connection, the how-manieth it is (from 0). The connection is closed when it returns. */
export type ServerScript = (peer: ScriptPeer, session: number) => Promise<void>;

/** A RELP server that follows a script. Dispose it to end it with all its connections. */
export class ScriptServer implements AsyncDisposable {
  readonly port: number;
  /** Data of all `syslog` frames that arrived, in order over all connections. */
  readonly messages: string[] = [];
  /** Connections so far. */
  sessions = 0;
  /** Frames other than `syslog`, in order over all connections. */
  readonly controls: ScriptFrame[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #peers = new Set<ScriptPeer>();
  readonly #accepting: Promise<void>;
  #failure: unknown;

  /** @param port default: a free one */
  constructor(script: ServerScript, port = 0) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept(script);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const peer of this.#peers) peer.close();
    await this.#accepting;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #accept(script: ServerScript): Promise<void> {
    const running: Promise<void>[] = [];
    try {
      for await (const connection of this.#listener) running.push(this.#run(script, connection, this.sessions++));
    } catch {
      // The listener is closed.
    }
    await Promise.all(running);
  }

  async #run(script: ServerScript, connection: Deno.TcpConn, session: number): Promise<void> {
    const peer = new ScriptPeer(connection, (frame) => {
      if (frame.command === "syslog") this.messages.push(frame.data);
      else this.controls.push(frame);
    });
    this.#peers.add(peer);
    try {
      await script(peer, session);
    } catch (error) {
      this.#failure ??= error;
    } finally {
      peer.close();
      this.#peers.delete(peer);
    }
  }
}

/** Starts a server that follows `script` on each connection. */
export function startScriptServer(script: ServerScript, port = 0): ScriptServer {
  return new ScriptServer(script, port);
}

/** What a server said to a client, and what became of the connection. */
export interface Exchange {
  readonly answer: string;
  readonly closed: boolean;
}

/**
 * Connects to a server, sends `text` (Latin-1) and reads until the server closes or what it said ends in `until`.
 * @throws when neither happens within `deadlineMs`
 */
export async function exchange(port: number, text: string, until: string, deadlineMs = 10_000): Promise<Exchange> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    connection.close(); // the read below then fails
  }, stretched(deadlineMs));
  let answer = "";
  try {
    writeAll(connection, latin1(text));
    const buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const got = await connection.read(buffer).catch(() => null); // a reset is an end too
      if (late) {
        throw new Error(
          `Cannot see the end of an answer: not within ${stretched(deadlineMs)} ms; ${JSON.stringify(answer)}`,
        );
      }
      if (got === null) return { answer, closed: true };
      answer += fromLatin1(buffer.subarray(0, got));
      if (until !== "" && answer.endsWith(until)) return { answer, closed: false };
    }
  } finally {
    clearTimeout(timer);
    if (!late) connection.close();
  }
}

/** A frame as text. */
export function frameText(transaction: number, command: string, data = ""): string {
  return `${transaction} ${command} ${data.length}${data === "" ? "" : " " + data}\n`;
}

/** What librelp 1.11 answers to `open`. */
export const openAnswer =
  "200 OK\nrelp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog";

/** The first frame of omrelp. */
export const openFrame = frameText(1, "open", "relp_version=0\nrelp_software=test\ncommands=syslog");

/** Characters to octets, one each. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function fromLatin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

/** Writes without waiting: a server that drops the connection midway is what some tests are about. */
async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
  } catch {
    // The reader sees what the server made of it.
  }
}
