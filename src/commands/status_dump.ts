/**
 * A dump for the status server, made by the agent again (`agent dump`): its memory is its own, and it can be ended. It writes into a
 * folder that nobody else may read.
 */
import { resolve } from "node:path";
import { ownProgram } from "../config/apart.ts";
import type { DumpStep, DumpWish, MadeDump, MakeDump } from "../status/server/dumps.ts";

/** What all dumps of a server have in common. */
export interface DumpMaker {
  /** Where they are written; made with mode 0700. */
  readonly folder: string;
  /** The configuration's file; undefined: the dump looks for one itself. */
  readonly configPath?: string;
  readonly profile?: string;
  /** Left over from a process that was killed: what is older than this is removed. */
  readonly keepMs: number;
}

/** The way to make dumps. */
export function dumpMaker(maker: DumpMaker): MakeDump {
  return async (wish, report, signal) => {
    Deno.mkdirSync(maker.folder, { recursive: true, mode: 0o700 });
    Deno.chmodSync(maker.folder, 0o700);
    removeOld(maker.folder, maker.keepMs);
    return await run(argumentsOf(maker, wish), report, signal);
  };
}

function argumentsOf({ folder, configPath, profile }: DumpMaker, wish: DumpWish): string[] {
  const chosen = wish.profile ?? profile;
  return [
    ...ownProgram(),
    "dump",
    "--progress=lines",
    "--log-level=warning",
    `--output=${folder}`,
    ...(configPath === undefined ? [] : [`--config=${configPath}`]),
    ...(chosen === undefined ? [] : [`--profile=${chosen}`]),
    ...(wish.deadlineMs === undefined ? [] : [`--deadline=${wish.deadlineMs}ms`]),
    ...(wish.encrypt ? [] : ["--no-encrypt"]),
    ...(wish.since === undefined ? [] : [`--since=${wish.since.toISOString()}`]),
    ...(wish.until === undefined ? [] : [`--until=${wish.until.toISOString()}`]),
  ];
}

async function run(args: string[], report: (step: DumpStep) => void, signal: AbortSignal): Promise<MadeDump> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true, // a group of its own, to be ended as a whole
  }).spawn();
  const stop = (): void => end(child);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    const words = lastWords(child.stderr);
    let last: string | undefined;
    for await (const line of linesOf(child.stdout)) {
      const step = parseStep(line);
      if (step !== undefined) report(step);
      else if (/^(OK|INCOMPLETE|FAIL):/.test(line)) last = line;
    }
    const status = await child.status;
    return madeBy(last, status, await words);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function madeBy(last: string | undefined, { code, signal }: Deno.CommandStatus, words: string): MadeDump {
  const [, word, text] = /^(OK|INCOMPLETE|FAIL):(.*)$/.exec(last ?? "") ?? [];
  if ((word === "OK" || word === "INCOMPLETE") && text !== undefined && (code === 0 || code === 3)) {
    return { path: text, complete: word === "OK" };
  }
  const reason = word === "FAIL" ? text : undefined;
  throw new Error(reason ?? (words === "" ? `it ended with ${signal ?? `code ${code}`}` : words));
}

/** `PROGRESS:3/17:kernel`; undefined: something else. */
function parseStep(line: string): DumpStep | undefined {
  const [, done, total, doing] = /^PROGRESS:(\d{1,6})\/(\d{1,6}):(.*)$/.exec(line) ?? [];
  if (done === undefined) return undefined;
  return { done: Number(done), total: Number(total), doing: doing!.slice(0, 500) };
}

/** It cleans up behind itself when it is asked to end; what does not listen is killed, with all that it started. */
function end(child: Deno.ChildProcess): void {
  const send = (signal: Deno.Signal, pid: number): void => {
    try {
      Deno.kill(pid, signal);
    } catch {
      // It has ended.
    }
  };
  send("SIGTERM", child.pid);
  const timer = setTimeout(() => send("SIGKILL", -child.pid), graceMs);
  void child.status.finally(() => clearTimeout(timer));
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop()!.slice(-maxLineChars);
    yield* lines;
  }
}

/** The end of what it said, on one line; read to the end, so that it never waits for us. */
async function lastWords(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let tail = "";
  for await (const bytes of stream) tail = (tail + decoder.decode(bytes, { stream: true })).slice(-2_000);
  return tail.trim().replace(/^agent: /, "").replaceAll(/\s*\n\s*/g, "; ").slice(-500);
}

function removeOld(folder: string, keepMs: number): void {
  for (const { name, isFile } of Deno.readDirSync(folder)) {
    if (!isFile || !/^agent-dump-/.test(name)) continue;
    const path = resolve(folder, name);
    const { mtime } = Deno.statSync(path);
    if (mtime !== null && Date.now() - mtime.getTime() > keepMs + hourMs) Deno.removeSync(path);
  }
}

const graceMs = 10_000;
const hourMs = 3_600_000;
const maxLineChars = 4_096;
