/**
 * The `exec` sink: lines on the standard input of a command, which may be any shipper. It is started at the first batch and
 * again, after the pump's pause, when it ends; its standard error (and output, unless that acknowledges) goes to our log.
 *
 * - With `acknowledge` the command prints, on a line of its own and as often as it likes, how many lines it holds since
 *   its start: `awk '{print > "/data/log"; fflush("/data/log"); print NR; fflush()}'`. Only those are delivered; a crash of
 *   the command loses nothing and doubles what it held and had not said.
 * - Without, a line is delivered when the command must have read it, because more than a pipe holds (64 KiB) was written
 *   after it, or when the command is still alive 200 ms after the pipe took it. A command that dies with lines in its
 *   pipe that it had not read for longer than that, or in its own memory, loses them.
 */
import { pause } from "../pipeline/backoff.ts";
import type { Batch } from "../pipeline/batch.ts";
import { errorText, PeerError } from "../pipeline/errors.ts";
import type { Sink } from "../pipeline/sink.ts";
import { LineBuffer } from "../formats/line_buffer.ts";
import { openLog } from "../system/log.ts";
import { openOutletSink, type Outlet } from "../system/outlet.ts";

/** What to run. */
export interface ExecSinkOptions {
  readonly id: string;
  /** For `sh -c`. */
  readonly command: string;
  /** Whether the command prints how many lines it holds. */
  readonly acknowledge: boolean;
  /** Time in which the command takes, or acknowledges, nothing of what is waiting that ends it; default 90 s. */
  readonly timeoutMs?: number;
  /** Told of each line that the command says; default: our log. */
  readonly report?: (line: string) => void;
}

/** Opens the sink. The caller disposes it, which ends the command: end of input, SIGTERM a second later, then SIGKILL. */
export function openExecSink(options: ExecSinkOptions): Sink {
  const buffer = new LineBuffer(64 * 1024);
  return openOutletSink({
    id: options.id,
    batchRecords: 1_024,
    open: () => Promise.resolve(new CommandOutlet(options)),
    write: (batch, outlet) => writeLines(batch, buffer, outlet),
  });
}

async function writeLines(batch: Batch, buffer: LineBuffer, outlet: Outlet): Promise<void> {
  buffer.clear();
  for (let i = 0; i < batch.count; i++) {
    const start = batch.bounds[2 * i]!;
    const end = batch.bounds[2 * i + 1]!;
    while (!buffer.append("newline", noHeader, batch.bytes, start, end, !batch.packed)) {
      await outlet.write(buffer.written, buffer.records);
      buffer.clear();
    }
  }
  if (buffer.records > 0) await outlet.write(buffer.written, buffer.records);
}

interface Waiter extends PromiseWithResolvers<void> {
  readonly endBytes: number;
  readonly endRecords: number;
  /** When the pipe had taken it all. */
  readonly atMs: number;
}

/** One run of the command. */
class CommandOutlet implements Outlet {
  readonly #options: ExecSinkOptions;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #timer: ReturnType<typeof setInterval>;
  /** Oldest first. */
  readonly #waiters: Waiter[] = [];
  #writtenBytes = 0;
  /** Records given to the pipe, those that are being written included. */
  #offeredRecords = 0;
  #heldRecords = 0;
  #writing = false;
  #progressAtMs = performance.now();
  #failure: PeerError | undefined;
  /** The command ended and its last words were read. */
  readonly #ending: Promise<void>;
  #ended = false;

  /** @throws {PeerError} when there is no shell */
  constructor(options: ExecSinkOptions) {
    this.#options = options;
    try {
      this.#child = new Deno.Command("/bin/sh", {
        args: ["-c", options.command],
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
        detached: true, // its own process group, so that what it starts can be ended with it
      }).spawn();
    } catch (error) {
      throw new PeerError(`Cannot run "${options.command}": ${errorText(error)}`, { cause: error });
    }
    this.#input = this.#child.stdin.getWriter();
    this.#input.closed.catch(() => {}); // told by the write that fails, and by the end of the command
    this.#timer = setInterval(() => this.#check(), settleMs / 4);
    const report = options.report ?? openLog(`exec ${options.id}`).info;
    this.#readLines(this.#child.stderr, report);
    const said = this.#readLines(this.#child.stdout, options.acknowledge ? (line) => this.#acknowledge(line) : report);
    this.#ending = this.#child.status.then(async ({ code, signal }) => {
      this.#ended = true;
      // What it acknowledged before it died may still be in the pipe; what it started may hold that pipe for ever.
      await Promise.race([said, pause(lastWordsMs)]);
      this.destroy(signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`);
    });
  }

  get broken(): boolean {
    return this.#failure !== undefined;
  }

  async write(bytes: Uint8Array, records: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#progress();
    this.#offeredRecords += records;
    this.#writing = true;
    const { promise: gone, reject } = Promise.withResolvers<never>();
    this.#giveUpWrite = reject;
    try {
      await Promise.race([this.#input.write(bytes), gone]);
    } catch (error) {
      await Promise.race([this.#ending, pause(lastWordsMs)]); // that it ended says more than that its pipe is broken
      this.destroy(`it does not take its input: ${errorText(error)}`);
      throw this.#failure ?? error;
    } finally {
      this.#writing = false;
      this.#giveUpWrite = undefined;
    }
    this.#writtenBytes += bytes.length;
    this.#progress();
    if (!this.#options.acknowledge) this.#resolveWhile((waiter) => waiter.endBytes + pipeBytes <= this.#writtenBytes);
  }

  settled(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const waiter = {
      ...Promise.withResolvers<void>(),
      endBytes: this.#writtenBytes,
      endRecords: this.#offeredRecords,
      atMs: performance.now(),
    };
    this.#waiters.push(waiter);
    if (this.#options.acknowledge) this.#resolveWhile(({ endRecords }) => endRecords <= this.#heldRecords);
    return waiter.promise;
  }

  async close(): Promise<void> {
    this.#input.close().catch(() => {});
    if (!await this.#endsWithin(1_000)) {
      this.#killGroup("SIGTERM");
      if (!await this.#endsWithin(2_000)) this.#killGroup("SIGKILL");
    }
    await this.#child.status;
    this.destroy("the sink is closed");
  }

  /** SIGTERM to the whole group, SIGKILL 2 s later to what is left of it. */
  destroy(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = new PeerError(`Cannot deliver to command "${this.#options.command}": ${reason}`);
    clearInterval(this.#timer);
    this.#giveUpWrite?.(this.#failure);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure);
    this.#input.abort().catch(() => {});
    this.#killGroup("SIGTERM");
    const timer = setTimeout(() => this.#killGroup("SIGKILL"), 2_000);
    if (this.#ended) Deno.unrefTimer(timer); // what it left behind must not hold up our own end
  }

  #giveUpWrite: ((error: unknown) => void) | undefined;

  #progress(): void {
    this.#progressAtMs = performance.now();
  }

  #resolveWhile(held: (waiter: Waiter) => boolean): void {
    while (this.#waiters.length > 0 && held(this.#waiters[0]!)) {
      this.#waiters.shift()!.resolve();
      this.#progress();
    }
  }

  #check(): void {
    const nowMs = performance.now();
    if (!this.#options.acknowledge) this.#resolveWhile(({ atMs }) => nowMs - atMs >= settleMs);
    const timeoutMs = this.#options.timeoutMs ?? 90_000;
    if (!this.#writing && this.#waiters.length === 0) return;
    if (nowMs - this.#progressAtMs >= timeoutMs) this.destroy(`it took nothing for ${timeoutMs} ms`);
  }

  #acknowledge(line: string): void {
    const records = /^\d{1,15}$/.test(line.trim()) ? Number(line) : NaN;
    if (!(records >= this.#heldRecords && records <= this.#offeredRecords)) {
      const state = `${this.#offeredRecords} lines were given, ${this.#heldRecords} held`;
      this.destroy(`it acknowledges "${line.slice(0, 80)}" where ${state}`);
      return;
    }
    if (records > this.#heldRecords) this.#progress();
    this.#heldRecords = records;
    this.#resolveWhile(({ endRecords }) => endRecords <= records);
  }

  async #readLines(stream: Deno.ChildProcess["stdout"], take: (line: string) => void): Promise<void> {
    let rest = "";
    try {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!.slice(-maxLineChars);
        for (const line of lines) if (line.trim() !== "") take(line);
      }
    } catch {
      // The command is gone; its end is told elsewhere.
    }
  }

  async #endsWithin(deadlineMs: number): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), deadlineMs));
    const ended = await Promise.race([this.#child.status.then(() => true), late]);
    clearTimeout(timer);
    return ended;
  }

  #killGroup(signal: Deno.Signal): void {
    try {
      Deno.kill(-this.#child.pid, signal);
    } catch {
      // Nobody of it is left.
    }
  }
}

const noHeader = new Uint8Array(0);
/** What a pipe of Linux holds at the most by default (pipe(7)). */
const pipeBytes = 64 * 1024;
const settleMs = 200;
const lastWordsMs = 500;
const maxLineChars = 4_096;
