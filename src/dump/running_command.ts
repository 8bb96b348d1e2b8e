/**
 * Commands that collectors run, held to their deadline. A process group of their own, killed as a whole: a grandchild
 * that holds the pipe would otherwise keep us waiting for ever. nice 19 and, where `ionice` is there, idle I/O.
 */
import { setPriority } from "node:os";
import type { CommandOutcome, CommandSpec, RunningCommand } from "./collector.ts";
import type { Machine } from "./machine.ts";
import { ownerMark, ownerVariable } from "./stale_commands.ts";

/** What a command is run with. */
export interface CommandSurroundings {
  readonly machine: Machine;
  /** Aborts at the collector's deadline and at the user's stop. */
  readonly signal: AbortSignal;
  /** Deadline of commands by program, milliseconds: `--timeout kubectl=1s`. */
  readonly timeoutMs?: ReadonlyMap<string, number>;
}

/** Starts a command; what cannot be started is in its outcome. Never throws. */
export function startCommand(spec: CommandSpec, around: CommandSurroundings): RunningCommand {
  const { machine, signal } = around;
  const path = spec.program.includes("/") ? spec.program : machine.which(spec.program);
  if (!machine.live) return notStarted("missing", "commands are not run for another root than /");
  if (path === undefined) return notStarted("missing", `there is no "${spec.program}" on this machine`);
  if (signal.aborted) return notStarted("timeout", "the deadline had passed");
  try {
    return new Run(spawn(path, spec, machine), spec, around).running;
  } catch (error) {
    const denied = error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable;
    const missing = error instanceof Deno.errors.NotFound;
    return notStarted(denied ? "denied" : missing ? "missing" : "error", (error as Error).message);
  }
}

function spawn(path: string, spec: CommandSpec, machine: Machine): Deno.ChildProcess {
  const ionice = machine.which("ionice");
  const [command, args] = ionice === undefined ? [path, spec.args] : [ionice, ["-c", "3", path, ...spec.args]];
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
    clearEnv: true,
    env: { ...commandEnvironment(), ...spec.environment },
  }).spawn();
  try {
    setPriority(child.pid, 19); // its children inherit it
  } catch {
    // It has ended already, or may not be made nicer: it is bounded by its deadline all the same.
  }
  return child;
}

/** Nothing of ours but what programs need to find themselves and their cluster; output that does not depend on the user. */
function commandEnvironment(): Record<string, string> {
  const kept = ["HOME", "USER", "LOGNAME", "KUBECONFIG", "XDG_RUNTIME_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
  const environment: Record<string, string> = {
    PATH: `${Deno.env.get("PATH") ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`,
    LC_ALL: "C",
    TZ: "UTC",
    SYSTEMD_PAGER: "",
    [ownerVariable]: mark ??= ownerMark(),
  };
  for (const name of [...kept, ...kept.map((one) => one.toLowerCase())]) {
    const value = Deno.env.get(name);
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

class Run {
  readonly running: RunningCommand;
  readonly #child: Deno.ChildProcess;
  readonly #stdout: ReadableStreamDefaultReader<Uint8Array>;
  readonly #stderr: ReadableStreamDefaultReader<Uint8Array>;
  readonly #ended = Promise.withResolvers<void>();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#kill("timeout");
  #killed: "timeout" | "given up" | undefined;

  constructor(child: Deno.ChildProcess, spec: CommandSpec, around: CommandSurroundings) {
    this.#child = child;
    this.#stdout = child.stdout.getReader();
    this.#stderr = child.stderr.getReader();
    this.#signal = around.signal;
    around.signal.addEventListener("abort", this.#onAbort);
    const timeoutMs = shorter(spec.timeoutMs, around.timeoutMs?.get(spec.program));
    if (timeoutMs !== undefined) this.#timer = setTimeout(this.#onAbort, timeoutMs);
    this.running = { stdout: this.#read(), outcome: this.#wait() };
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    let finished = false;
    try {
      for (;;) {
        const { value, done } = await this.#stdout.read();
        if (done) break;
        yield value;
      }
      finished = true;
    } finally {
      if (!finished) this.#kill("given up");
      this.#ended.resolve();
    }
  }

  async #wait(): Promise<CommandOutcome> {
    const stderr = this.#gatherStderr();
    const status = await this.#child.status;
    // Children that it left behind may still write for a moment; then they go too, and the pipe ends.
    const leftovers = setTimeout(() => killGroup(this.#child.pid), leftoverMs);
    await this.#ended.promise;
    clearTimeout(leftovers);
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.#onAbort);
    const holder = setTimeout(() => void this.#stderr.cancel().catch(() => {}), pipeGraceMs);
    const words = await stderr;
    clearTimeout(holder);
    if (this.#killed === "timeout") return { state: "timeout", signal: "SIGKILL", stderr: words };
    const state = status.success || this.#killed !== undefined ? "ok" : status.code === 126 ? "denied" : "error";
    const { code: exitCode, signal } = status;
    return { state, exitCode, ...(signal === null ? {} : { signal }), stderr: words };
  }

  #kill(why: "timeout" | "given up"): void {
    if (this.#killed !== undefined) return;
    this.#killed = why;
    killGroup(this.#child.pid);
    // A descendant that left the group can hold the pipes: what is in them is read, then they are let go.
    setTimeout(() => {
      void this.#stdout.cancel().catch(() => {});
      void this.#stderr.cancel().catch(() => {});
      this.#ended.resolve();
    }, pipeGraceMs);
  }

  async #gatherStderr(): Promise<string> {
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { value, done } = await this.#stderr.read().catch(() => ({ value: undefined, done: true }));
      if (done || value === undefined) return text;
      if (text.length < maxStderrChars) {
        text = (text + decoder.decode(value, { stream: true })).slice(0, maxStderrChars);
      }
    }
  }
}

function killGroup(pid: number): void {
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left in it.
  }
}

function notStarted(state: CommandOutcome["state"], stderr: string): RunningCommand {
  return { stdout: nothing(), outcome: Promise.resolve({ state, stderr }) };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function shorter(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b);
}

let mark: string | undefined;
const maxStderrChars = 64 * 1024;
const leftoverMs = 500;
const pipeGraceMs = 200;
