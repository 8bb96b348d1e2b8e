/** Both neighbours of `agent tap`: the programs before and behind it in the pipeline, and listeners of every temper. */
import { createHash } from "node:crypto";
import { agentCommand } from "./agent.ts";
import { stretched, waitFor } from "./process.ts";

/** Bytes per line of {@linkcode numberedLines}, its LF included. */
export const lineBytes = 200;

/** Lines `count` numbers from `first`, 200 bytes each, in blocks of at most 100,000 bytes. */
export function* numberedLines(count: number, first = 0): Generator<Uint8Array> {
  const perBlock = 500;
  for (let done = 0; done < count; done += perBlock) {
    const lines = Math.min(perBlock, count - done);
    const block = new Uint8Array(lines * lineBytes).fill(120);
    for (let i = 0; i < lines; i++) {
      let number = first + done + i;
      for (let digit = 9; digit >= 0; digit--, number = Math.floor(number / 10)) {
        block[i * lineBytes + digit] = 48 + number % 10;
      }
      block[(i + 1) * lineBytes - 1] = 10;
    }
    yield block;
  }
}

/** What a listener or a reader of stdout got. */
export interface Received {
  readonly bytes: number;
  readonly sha256: string;
}

/** SHA-256 and length of all blocks. */
export function digestOf(blocks: Iterable<Uint8Array>): Received {
  const hash = createHash("sha256");
  let bytes = 0;
  for (const block of blocks) {
    hash.update(block);
    bytes += block.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** An `agent tap` between a writer and a reader that the test plays. */
export class RunningTap {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stderr: Promise<string>;
  /** Bytes that `readAll` has read so far. */
  passed = 0;

  constructor(socketPath: string, words: readonly string[] = []) {
    const { command, args } = agentCommand(["tap", "--socket", socketPath, ...words]);
    this.#child = new Deno.Command(command, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#stderr = new Response(this.#child.stderr).text();
  }

  /** Its stdout, for a reader that the test plays. */
  get output(): ReadableStream<Uint8Array> {
    return this.#child.stdout;
  }

  /** Everything on stderr; settles at the end. */
  get complaints(): Promise<string> {
    return this.#stderr;
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  /** Writes all blocks as fast as they are taken. */
  async write(...blocks: readonly (Uint8Array | string)[]): Promise<void> {
    for (const block of blocks) {
      await this.#writer.write(typeof block === "string" ? new TextEncoder().encode(block) : block);
    }
  }

  async writeAll(blocks: Iterable<Uint8Array>): Promise<void> {
    for (const block of blocks) await this.#writer.write(block);
  }

  async endInput(): Promise<void> {
    await this.#writer.close();
  }

  /** Reads stdout to its end. `pauseMs` after each chunk makes a slow reader. */
  async readAll(pauseMs = 0): Promise<Received> {
    const hash = createHash("sha256");
    for await (const chunk of this.#child.stdout) {
      hash.update(chunk);
      this.passed += chunk.length;
      if (pauseMs > 0) await sleep(pauseMs);
    }
    return { bytes: this.passed, sha256: hash.digest("hex") };
  }

  /** The exit code; SIGKILL after the deadline makes it 137. */
  async exitCode(deadlineMs = 30_000): Promise<number> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), stretched(deadlineMs));
    const { code } = await this.#child.status;
    clearTimeout(timer);
    return code;
  }
}

/** How a listener treats what comes. */
export interface ListenerTemper {
  /** Pause after each read, ms. */
  readonly pauseMs?: number;
  /** Accepts, and reads nothing before this. */
  readonly from?: Promise<void>;
  /** Accepts and never reads. */
  readonly isStuck?: boolean;
  /** Reads this much at most at once. */
  readonly readBytes?: number;
}

/** A listener on a Unix socket that keeps what it gets. */
export class TapListener implements AsyncDisposable {
  readonly #listener: Deno.Listener;
  readonly #temper: ListenerTemper;
  readonly #connections: Deno.Conn[] = [];
  readonly #done: Promise<void>;
  readonly #chunks: Uint8Array[] = [];
  #isClosed = false;
  bytes = 0;
  connections = 0;

  constructor(path: string, temper: ListenerTemper = {}) {
    this.#listener = Deno.listen({ transport: "unix", path });
    this.#temper = temper;
    this.#done = this.#accept();
  }

  /** Everything that came, of all connections in turn. */
  get received(): Uint8Array {
    const all = new Uint8Array(this.bytes);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  get text(): string {
    return new TextDecoder().decode(this.received);
  }

  /** Writes to every tap that is connected. */
  async say(bytes: Uint8Array): Promise<void> {
    for (const connection of this.#connections) await connection.write(bytes);
  }

  /** Closes everything at once, whatever is unread. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) this.#listener.close();
    this.#isClosed = true;
    for (const connection of this.#connections.splice(0)) connection.close();
    await this.#done;
  }

  /** Waits until the connections ended of themselves, then closes. */
  async finish(): Promise<void> {
    await waitFor(() => this.#connections.length === 0, "the end of the tap's connection");
    await this[Symbol.asyncDispose]();
  }

  async #accept(): Promise<void> {
    const reading: Promise<void>[] = [];
    try {
      for await (const connection of this.#listener) {
        this.connections++;
        this.#connections.push(connection);
        if (this.#temper.isStuck !== true) reading.push(this.#read(connection));
      }
    } catch {
      // Closed by the test.
    }
    await Promise.all(reading);
  }

  async #read(connection: Deno.Conn): Promise<void> {
    const { from, pauseMs, readBytes } = this.#temper;
    await from;
    try {
      for (;;) {
        const buffer = new Uint8Array(readBytes ?? 64 * 1024);
        const length = await connection.read(buffer);
        if (length === null) break;
        this.#chunks.push(buffer.slice(0, length));
        this.bytes += length;
        if (pauseMs !== undefined) await sleep(pauseMs);
      }
      connection.close();
    } catch {
      // Closed by the test.
    }
    const at = this.#connections.indexOf(connection);
    if (at >= 0) this.#connections.splice(at, 1);
  }
}

/** What the bytes of a listener say: numbers of whole lines and announced gaps. */
export interface Reading {
  readonly lines: number;
  readonly first: number;
  readonly last: number;
  readonly droppedLines: number;
  readonly droppedBytes: number;
  readonly gaps: number;
}

/**
 * Reads numbered lines and gap notices. `first` is the number that is due; by default the stream itself says it. @throws at a line that is not whole, out of order, or missing without a notice
 * exactly where it is missing
 */
export function readNumberedLines(bytes: Uint8Array, first?: number): Reading {
  const decoder = new TextDecoder();
  let expected = first ?? 0;
  let lines = 0;
  let droppedLines = 0;
  let droppedBytes = 0;
  let gaps = 0;
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(10, start);
    if (end < 0) throw new Error(`the last line is not whole: ${decoder.decode(bytes.subarray(start, start + 80))}`);
    const notice = bytes[start] === 0x10 ? decoder.decode(bytes.subarray(start + 1, end)) : undefined;
    const gap = notice === undefined ? null : /^# agent tap: gap of (\d+) lines, (\d+) bytes$/.exec(notice);
    if (gap !== null) {
      expected += Number(gap[1]);
      droppedLines += Number(gap[1]);
      droppedBytes += Number(gap[2]);
      gaps++;
    } else {
      const number = Number(decoder.decode(bytes.subarray(start, start + 10)));
      const isWhole = end - start === lineBytes - 1 && bytes.subarray(start + 10, end).every((byte) => byte === 120);
      if (lines === 0 && first === undefined) {
        first = number - droppedLines;
        expected = number;
      }
      if (number !== expected || !isWhole) {
        const text = decoder.decode(bytes.subarray(start, Math.min(end, start + 80)));
        throw new Error(`line ${expected} was due, here is "${text}" of ${end - start} bytes`);
      }
      expected++;
      lines++;
    }
    start = end + 1;
  }
  return { lines, first: first ?? 0, last: expected - 1, droppedLines, droppedBytes, gaps };
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
