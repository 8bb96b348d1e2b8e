/**
 * `agent tap` beside `tee`, in one run on one machine: `cat FILE | X | cat >/dev/null`, with nobody else listening and
 * with one more reader. The contestants take turns; the time is that of the whole pipeline, the start of X included.
 *
 * ```text
 *   agent tap, no listener   |  tee /dev/null          deno task bench tap --megabytes 2000 --runs 5
 *   agent tap, one listener  |  tee >(cat >/dev/null)
 * ```
 */
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { readUsage, RunningProgram, type Usage, waitFor } from "../peers/process.ts";
import { lineBytes, numberedLines } from "../peers/tap_peers.ts";
import { medianOf, say } from "./table.ts";

/** What is measured, and how often. */
export interface TapBenchOptions {
  /** Input, MB of 10^6 bytes. */
  readonly megabytes: number;
  /** Turns of each contestant. */
  readonly runs: number;
}

interface Contestant {
  readonly name: string;
  /** Shell words of X. */
  readonly words: string;
  readonly hasListener?: boolean;
}

interface Turn extends Usage {
  readonly megabytesPerSecond: number;
  /** What the listener got, MB. */
  readonly listenerMegabytes?: number;
}

/** Runs the bench with `--megabytes N` (default 1000) and `--runs N` (default 3). */
export async function run(words: readonly string[]): Promise<void> {
  const valueOf = (name: string, otherwise: number): number => {
    const at = words.indexOf(name);
    return at < 0 ? otherwise : Number(words[at + 1]);
  };
  await measureTap({ megabytes: valueOf("--megabytes", 1_000), runs: valueOf("--runs", 3) });
}

/** Measures and prints a table, then the ratios. */
export async function measureTap(options: TapBenchOptions): Promise<void> {
  const folder = Deno.makeTempDirSync({ dir: memoryFolder() });
  try {
    const contestants = contestantsIn(folder);
    writeInput(join(folder, "input"), options.megabytes);
    const turns = new Map<Contestant, Turn[]>(contestants.map((contestant) => [contestant, []]));
    for (let i = 0; i < options.runs; i++) {
      const order = i % 2 === 0 ? contestants : contestants.toReversed();
      for (const contestant of order) turns.get(contestant)!.push(await takeTurn(contestant, folder, options));
    }
    print(turns, options);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function contestantsIn(folder: string): readonly Contestant[] {
  const tap = (socket: string): string => {
    const { command, args } = agentCommand(["tap", "--socket", join(folder, socket)]);
    return [command, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  };
  return [
    { name: "agent tap, no listener", words: tap("nobody.sock") },
    { name: "tee /dev/null", words: "tee /dev/null" },
    { name: "agent tap, one listener", words: tap("listener.sock"), hasListener: true },
    { name: "tee >(cat >/dev/null)", words: "tee >(cat >/dev/null)" },
  ];
}

async function takeTurn(contestant: Contestant, folder: string, { megabytes }: TapBenchOptions): Promise<Turn> {
  const pidPath = join(folder, "pid");
  Deno.writeTextFileSync(pidPath, "");
  const listener = contestant.hasListener === true ? startListener(join(folder, "listener.sock")) : undefined;
  await listener?.waitForOutput(/listening/);
  const x = `bash -c 'echo $$ >"$0"; exec '${quoted(contestant.words)} ${pidPath}`;
  const startMs = performance.now();
  const pipeline = RunningProgram.start("bash", ["-c", `cat '${join(folder, "input")}' | ${x} | cat >/dev/null`]);
  await waitFor(() => Deno.readTextFileSync(pidPath).endsWith("\n"), "the process id");
  const usage = watchUsage(Number(Deno.readTextFileSync(pidPath)));
  await pipeline.waitForExit(120_000);
  const seconds = (performance.now() - startMs) / 1_000;
  const turn = { megabytesPerSecond: megabytes / seconds, ...usage.stop() };
  if (listener === undefined) return turn;
  const [, bytes] = await listener.waitForOutput(/got (\d+)/);
  await listener.waitForExit();
  return { ...turn, listenerMegabytes: Number(bytes) / 1e6 };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Samples until the process is gone; the last sample misses 5 ms at the most. */
function watchUsage(pid: number): { stop(): Usage } {
  let last: Usage = { cpuSeconds: 0, peakMiB: 0 };
  const sample = (): void => {
    try {
      const now = readUsage(pid);
      last = { cpuSeconds: now.cpuSeconds, peakMiB: Math.max(last.peakMiB, now.peakMiB) };
    } catch {
      // It has ended.
    }
  };
  const timer = setInterval(sample, 5);
  return { stop: () => (clearInterval(timer), last) };
}

/** One reader in a process of its own, so that its work is not ours. */
function startListener(path: string): RunningProgram {
  const program = `const listener = Deno.listen({ transport: "unix", path: ${JSON.stringify(path)} });
    console.log("listening");
    const connection = await listener.accept();
    const buffer = new Uint8Array(65536);
    let bytes = 0;
    for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) bytes += n;
    listener.close();
    console.log("got " + bytes);`;
  return RunningProgram.start(Deno.execPath(), ["eval", program]);
}

function writeInput(path: string, megabytes: number): void {
  using file = Deno.openSync(path, { write: true, create: true });
  for (const block of numberedLines(Math.ceil(megabytes * 1e6 / lineBytes))) {
    for (let done = 0; done < block.length;) done += file.writeSync(block.subarray(done));
  }
}

function print(turns: ReadonlyMap<Contestant, readonly Turn[]>, { megabytes, runs }: TapBenchOptions): void {
  say(`cat FILE | X | cat >/dev/null: ${megabytes} MB of ${lineBytes}-byte lines, ${runs} turns each\n`);
  say(
    `${"X".padEnd(26)}${"best MB/s".padStart(10)}${"median".padStart(10)}${"CPU s".padStart(8)}${"MiB".padStart(7)}\n`,
  );
  const medians: number[] = [];
  for (const [{ name }, all] of turns) {
    const speed = medianOf(all, (turn) => turn.megabytesPerSecond);
    medians.push(speed);
    const best = Math.max(...all.map((turn) => turn.megabytesPerSecond));
    const cpu = medianOf(all, (turn) => turn.cpuSeconds);
    const peak = medianOf(all, (turn) => turn.peakMiB);
    const heard = all[0]!.listenerMegabytes === undefined
      ? ""
      : `  listener got ${medianOf(all, (turn) => turn.listenerMegabytes!).toFixed(0)} MB`;
    const numbers = `${best.toFixed(0).padStart(10)}${speed.toFixed(0).padStart(10)}${cpu.toFixed(2).padStart(8)}`;
    say(`${name.padEnd(26)}${numbers}${peak.toFixed(0).padStart(7)}${heard}\n`);
  }
  say(
    `agent tap : tee, medians: alone ${(medians[0]! / medians[1]!).toFixed(2)}, with one reader ${
      (medians[2]! / medians[3]!).toFixed(2)
    }\n`,
  );
}

/** Memory where there is some, so that no disk is measured. */
function memoryFolder(): string {
  try {
    return Deno.statSync("/dev/shm").isDirectory ? "/dev/shm" : "/tmp";
  } catch {
    return Deno.env.get("TMPDIR") ?? "/tmp";
  }
}
