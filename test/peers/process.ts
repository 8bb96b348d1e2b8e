/**
 * Programs under test: started, watched, ended by their own id, and measured. Everything that waits has a deadline and
 * fails with what the program said so far, so that a test never hangs and never guesses with a sleep.
 */

/** How a program is started. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Whether `stdin` can be written; otherwise it is empty. */
  readonly stdin?: "piped" | "null";
  /** Name in error texts; default: the command. */
  readonly name?: string;
}

/** What a program has used since its start. */
export interface Usage {
  /** User and system time of all its threads, seconds; exact to about 10 ms. */
  readonly cpuSeconds: number;
  /** Peak of the resident set, MiB. */
  readonly peakMiB: number;
}

/** A started program. Dispose it: SIGTERM, SIGKILL after `stopGraceMs`, and waited for. */
export class RunningProgram implements AsyncDisposable {
  readonly pid: number;
  readonly name: string;
  /** Settles when the program has ended and all of its output is here. */
  readonly exited: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;
  readonly #usage: UsageSampler;
  #stdout = "";
  #stderr = "";
  #status: Deno.CommandStatus | undefined;
  #isAllHere = false;
  #onOutput: (() => void) | undefined;

  private constructor(child: Deno.ChildProcess, name: string) {
    this.#child = child;
    this.pid = child.pid;
    this.name = name;
    this.#usage = new UsageSampler(child.pid);
    const outputs = Promise.all([
      this.#gather(child.stdout, (text) => this.#stdout = keepTail(this.#stdout + text)),
      this.#gather(child.stderr, (text) => this.#stderr = keepTail(this.#stderr + text)),
    ]);
    this.exited = child.status.then(async (status) => {
      this.#usage.stop();
      this.#status = status;
      await outputs;
      this.#isAllHere = true;
      this.#onOutput?.();
      return status;
    });
  }

  /** Starts `command`. @throws when there is no such program */
  static start(command: string, args: readonly string[], options: StartOptions = {}): RunningProgram {
    const child = new Deno.Command(command, {
      args: [...args],
      stdin: options.stdin ?? "null",
      stdout: "piped",
      stderr: "piped",
      ...(options.env === undefined ? {} : { env: { ...options.env } }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    }).spawn();
    return new RunningProgram(child, options.name ?? command);
  }

  /** The last 1 MiB of each stream. */
  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Undefined while it runs. */
  get status(): Deno.CommandStatus | undefined {
    return this.#status;
  }

  /** CPU and memory so far; after the end, what the last sample (at most 20 ms earlier) saw. */
  get usage(): Usage {
    return this.#usage.read();
  }

  /** For a program started with `stdin: "piped"`; the caller closes it. */
  get stdin(): WritableStream<Uint8Array> {
    return this.#child.stdin;
  }

  /** Waits until stdout or stderr matches. @throws at the deadline or when the program ends without it */
  async waitForOutput(pattern: RegExp, deadlineMs = 20_000): Promise<RegExpExecArray> {
    const found = (): RegExpExecArray | null => pattern.exec(this.#stderr) ?? pattern.exec(this.#stdout);
    await this.waitUntil(() => found() !== null, `output like ${pattern}`, deadlineMs);
    return found()!;
  }

  /** Waits until `condition` holds. @throws at the deadline or when the program ends first */
  async waitUntil(
    condition: () => boolean | Promise<boolean>,
    what: string,
    deadlineMs = 20_000,
  ): Promise<void> {
    const endMs = performance.now() + stretched(deadlineMs);
    while (!await condition()) {
      // Its last words may come after its end.
      if (this.#isAllHere && !await condition()) throw new Error(this.#complaint(what, "it ended first"));
      if (performance.now() > endMs) throw new Error(this.#complaint(what, `not within ${stretched(deadlineMs)} ms`));
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 10);
        this.#onOutput = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Waits for the end. @throws at the deadline; the program is then still running */
  async waitForExit(deadlineMs = 20_000): Promise<Deno.CommandStatus> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(this.#complaint("its end", `not within ${stretched(deadlineMs)} ms`))),
        stretched(deadlineMs),
      );
    });
    try {
      return await Promise.race([this.exited, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends a signal; nothing happens when it has ended. */
  signal(name: Deno.Signal): void {
    if (this.#status !== undefined) return;
    try {
      this.#child.kill(name);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** SIGKILL, and the end waited for: what a power cut leaves of a process. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), stretched(stopGraceMs));
    await this.exited;
    clearTimeout(timer);
  }

  async #gather(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      take(decoder.decode(chunk, { stream: true }));
      this.#onOutput?.();
    }
  }

  #complaint(what: string, state: string): string {
    const ended = this.#status === undefined ? "" : ` (exit code ${this.#status.code})`;
    return `Cannot see ${what} of "${this.name}": ${state}${ended}\nstdout: ${this.#stdout.slice(-4000)}\nstderr: ${
      this.#stderr.slice(-4000)
    }`;
  }
}

/** Runs a program to its end. @throws when it ends with another code than `expectCode` (default 0) */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: StartOptions & { readonly expectCode?: number; readonly deadlineMs?: number } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  await using program = RunningProgram.start(command, args, options);
  const { code } = await program.waitForExit(options.deadlineMs ?? 60_000);
  if (code !== (options.expectCode ?? 0)) {
    throw new Error(`"${command} ${args.join(" ")}" ended with ${code}\n${program.stdout}${program.stderr}`);
  }
  return { code, stdout: program.stdout, stderr: program.stderr };
}

/** Waits until `condition` holds, asking every 10 ms. @throws at the deadline */
export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  what: string,
  deadlineMs = 20_000,
): Promise<void> {
  const endMs = performance.now() + stretched(deadlineMs);
  while (!await condition()) {
    if (performance.now() > endMs) throw new Error(`Cannot see ${what}: not within ${stretched(deadlineMs)} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * A deadline as long as this machine may need. Deadlines say that something does not hang; how fast it is, benches say.
 * `TEST_DEADLINE_FACTOR` is for emulators.
 */
export function stretched(deadlineMs: number): number {
  return deadlineMs * deadlineFactor;
}

/** CPU and memory of a process that is alive. @throws when it is not */
export function readUsage(pid: number): Usage {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // Field 2 is the name in parentheses and may contain anything; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  const peak = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  return { cpuSeconds: ticks / ticksPerSecond, peakMiB: peak === null ? 0 : Number(peak[1]) / 1024 };
}

/** Keeps the last usage seen, because /proc forgets a process when it ends. */
class UsageSampler {
  readonly #pid: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #last: Usage = { cpuSeconds: 0, peakMiB: 0 };

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.#sample(), 20);
  }

  read(): Usage {
    this.#sample();
    return this.#last;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    try {
      const now = readUsage(this.#pid);
      // A zombie has no memory left to report.
      this.#last = { cpuSeconds: now.cpuSeconds, peakMiB: Math.max(now.peakMiB, this.#last.peakMiB) };
    } catch {
      // It has ended: the last sample stands.
    }
  }
}

function keepTail(text: string): string {
  return text.length > 2 * tailLength ? text.slice(-tailLength) : text;
}

/** USER_HZ of Linux; 100 on every machine that we build for. */
const ticksPerSecond = 100;
const tailLength = 1024 * 1024;
const stopGraceMs = 8_000;
/** Deadlines are written for a machine with nothing else to do. */
const deadlineFactor = Number(Deno.env.get("TEST_DEADLINE_FACTOR") ?? "3");
