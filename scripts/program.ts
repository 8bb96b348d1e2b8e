/** Running other programs from a script: output kept, a deadline, and the whole process group ended with it. */
import { stripVTControlCharacters } from "node:util";

/** What a program left behind. */
export interface Outcome {
  /** Exit code; 128 + the signal's number where a signal ended it. */
  readonly code: number;
  /** stdout and stderr in the order of arrival, without colours. */
  readonly output: string;
  /** stdout alone, for programs whose answer is read by a machine. */
  readonly stdout: string;
  readonly durationMs: number;
  /** Whether the deadline ended it. */
  readonly timedOut: boolean;
  /** Whether processes of its group were still there at its end; they were ended. */
  readonly leftovers: boolean;
}

/** How a program is run. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** After that long the whole process group is killed; default none. */
  readonly deadlineMs?: number;
}

const running = new Set<number>();
const temporaryFolders = new Set<string>();
const pipeGraceMs = 2_000;

/** Runs `command` to its end, stdin empty. Only a program that cannot be started makes it throw. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const beganMs = performance.now();
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true, // its own process group, so that a deadline ends the grandchildren too
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  }).spawn();
  running.add(child.pid);
  let timedOut = false;
  const deadline = options.deadlineMs === undefined ? undefined : setTimeout(() => {
    timedOut = true;
    killGroup(child.pid, "SIGKILL");
  }, options.deadlineMs);
  const chunks: Uint8Array[] = [];
  const answer: Uint8Array[] = [];
  const pipes = [child.stdout, child.stderr].map((stream) => stream.getReader());
  const reading = Promise.all(pipes.map((pipe, i) => collect(pipe, i === 0 ? [chunks, answer] : [chunks])));
  const status = await child.status;
  clearTimeout(deadline);
  let leftovers = isGroupRunning(child.pid);
  killGroup(child.pid, "SIGKILL");
  running.delete(child.pid);
  // Somebody in a group of its own may hold the pipes for ever: that is said, not waited for.
  const giveUp = setTimeout(() => {
    leftovers = true;
    for (const pipe of pipes) pipe.cancel();
  }, pipeGraceMs);
  await reading;
  clearTimeout(giveUp);
  const durationMs = performance.now() - beganMs;
  return { code: status.code, output: textOf(chunks), stdout: textOf(answer), durationMs, timedOut, leftovers };
}

/** Does `work` with a new temporary folder, which is removed afterwards, also by {@linkcode endProgramsOnSignal}. */
export async function withTemporaryFolder<T>(prefix: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = Deno.makeTempDirSync({ prefix });
  temporaryFolders.add(folder);
  try {
    return await work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
    temporaryFolders.delete(folder);
  }
}

/** Makes SIGINT and SIGTERM end the programs that run and remove the temporary folders, then end this script. */
export function endProgramsOnSignal(): void {
  for (const [name, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    Deno.addSignalListener(name, () => {
      for (const pid of running) killGroup(pid, "SIGKILL");
      for (const folder of temporaryFolders) Deno.removeSync(folder, { recursive: true });
      Deno.exit(code);
    });
  }
}

/** Does `work` for every item, `width` at a time; the results stand in the items' order. */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i]!);
  };
  await Promise.all(Array.from({ length: Math.max(1, width) }, worker));
  return results;
}

/** All files below `folder`, sorted, as paths that begin with it; nothing where there is no such folder. */
export function filesBelow(folder: string, matches: (path: string) => boolean): string[] {
  const found: string[] = [];
  const walk = (path: string): void => {
    for (const entry of Deno.readDirSync(path)) {
      const child = `${path}/${entry.name}`;
      if (entry.isDirectory) walk(child);
      else if (entry.isFile && matches(child)) found.push(child);
    }
  };
  try {
    walk(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found.sort();
}

/** Writes `text` and a line end to stdout. */
export function say(text: string): void {
  const bytes = new TextEncoder().encode(text + "\n");
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

/** Signals the group that `pid` leads. */
function killGroup(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(-pid, signal);
  } catch {
    // nobody is left: that is what we want
  }
}

/** Whether a process of the group runs; one that has ended, and that its new parent has not asked about, does not. */
function isGroupRunning(group: number): boolean {
  return [...Deno.readDirSync("/proc")].some(({ name }) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const [state, , itsGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // behind its name: state, parent, group
      return itsGroup === String(group) && state !== "Z";
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

async function collect(pipe: ReadableStreamDefaultReader<Uint8Array>, into: readonly Uint8Array[][]): Promise<void> {
  for (let part = await pipe.read(); !part.done; part = await pipe.read()) {
    for (const list of into) list.push(part.value);
  }
}

function textOf(chunks: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  const text = chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
  return stripVTControlCharacters(text);
}
