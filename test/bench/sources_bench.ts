/**
 * Files as a source, beside rsyslog's imfile in one run: to nowhere, with and without rules, and what watching costs when
 * nothing happens. Our null sink is `stdout` into /dev/null, rsyslog's omfile to /dev/null: real ways of both programs.
 *
 * ```text
 *   agent ship   file ─► [rules] ─► stdout > /dev/null
 *   rsyslogd     imfile ─► [the same rules] ─► omfile /dev/null
 * ```
 *
 * How fast the spool is: `deno task bench spool`.
 */
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { newRun, writeNumberedLines } from "../peers/numbered_lines.ts";
import { runProgram } from "../peers/process.ts";
import { type Figures, idleOf, MeasuredProgram, readOffset } from "./measured_program.ts";
import { rsyslogConfig, shipConfig } from "./source_configs.ts";

interface Options {
  readonly lines: number;
  readonly runs: number;
  readonly files: number;
  readonly idleSeconds: number;
}

/**
 * Measures and prints tables in Markdown. Words: `--lines N` (1,000,000 of 200 bytes), `--runs N` (3), `--files N` (2,000
 * watched ones), `--idle-seconds N` (20).
 */
export async function run(words: readonly string[]): Promise<void> {
  const options = parseWords(words);
  await printMachine(options);
  const folder = Deno.makeTempDirSync({ prefix: "sources-bench-" });
  try {
    await measureSpeed(folder, options);
    await measureIdle(folder, options);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

async function measureSpeed(folder: string, { lines, runs }: Options): Promise<void> {
  const file = join(folder, "kubelet.log");
  writeNumberedLines(file, newRun(), 0, lines);
  const turns: Record<string, Figures[]> = {};
  for (let i = 0; i < runs; i++) {
    const all = [false, true].flatMap((rules) => [
      { name: `rsyslog imfile${rules ? ", rules" : ""}`, take: () => rsyslogTurn(folder, file, rules) },
      { name: `agent file${rules ? ", rules" : ""}`, take: () => agentTurn(folder, file, rules) },
    ]);
    for (const { name, take } of i % 2 === 0 ? all : all.toReversed()) (turns[name] ??= []).push(await take());
  }
  const medians = new Map(Object.entries(turns).map(([name, all]) => [name, medianOf(all)]));
  const rows = [...medians].map(([name, { seconds, cpuSeconds, peakMiB }]) => [
    name,
    Math.round(lines / seconds).toLocaleString("en"),
    (cpuSeconds * 1e6 / lines).toFixed(2),
    peakMiB.toFixed(0),
  ]);
  say(`### ${lines.toLocaleString("en")} lines of 200 bytes to nowhere\n\n`);
  say(markdown(["program", "lines/s", "CPU s per million lines", "MiB"], rows) + "\n");
  const ratios = ["", ", rules"].map((rules) => {
    const [ours, theirs] = [medians.get(`agent file${rules}`)!, medians.get(`rsyslog imfile${rules}`)!];
    return [
      rules === "" ? "no rules" : "rules",
      `${(theirs.seconds / ours.seconds).toFixed(2)} ×`,
      `${(ours.cpuSeconds / theirs.cpuSeconds).toFixed(2)} ×`,
      `${(ours.peakMiB / theirs.peakMiB).toFixed(2)} ×`,
    ];
  });
  say(markdown(["agent beside rsyslog", "lines/s", "CPU", "memory"], ratios) + "\n");
}

/** From the start of the program to its end: `--once` ends when all is delivered. */
async function agentTurn(folder: string, file: string, rules: boolean): Promise<Figures> {
  const state = Deno.makeTempDirSync({ dir: folder });
  const config = join(state, "agent.yaml");
  Deno.writeTextFileSync(config, JSON.stringify(shipConfig(state, { sources: { in: fileSource(file) }, rules })));
  const { command, args } = agentCommand(["ship", "--config", config, "--once"]);
  await using program = MeasuredProgram.start(command, args);
  await program.exited;
  return program.figures;
}

/** From the start of the program until it has read the last byte; what is still in its queue then is in its favour. */
async function rsyslogTurn(folder: string, file: string, rules: boolean): Promise<Figures> {
  const work = Deno.makeTempDirSync({ dir: folder });
  const config = join(work, "rsyslog.conf");
  Deno.writeTextFileSync(config, rsyslogConfig({ work, file, rules }));
  await using program = MeasuredProgram.start("rsyslogd", ["-n", "-f", config, "-i", join(work, "pid")]);
  const { size } = Deno.statSync(file);
  while (readOffset(program.pid, file) < size) await new Promise((resolve) => setTimeout(resolve, 5));
  return program.figures;
}

async function measureIdle(folder: string, { files, idleSeconds }: Options): Promise<void> {
  const many = join(folder, "many");
  Deno.mkdirSync(many);
  for (let i = 0; i < files; i++) Deno.writeTextFileSync(join(many, `f${i}.log`), "a line of this file\n");
  const pattern = join(many, "*.log");
  const work = Deno.makeTempDirSync({ dir: folder });
  const kernel = Deno.uid() === 0 ? { kernel: { type: "kernel" } } : {};
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    agentCase(folder, `agent ship, ${files} files`, { in: fileSource(pattern) }),
    rsyslogCase(folder, `rsyslog imfile inotify, ${files} files`, { work, file: pattern, rules: false }),
    rsyslogCase(folder, `rsyslog imfile polling 1 s, ${files} files`, {
      work,
      file: pattern,
      rules: false,
      poll: true,
    }),
    agentCase(folder, `agent ship, file + ${Deno.uid() === 0 ? "kernel + " : ""}tap`, {
      in: fileSource(join(folder, "kubelet.log")),
      tap: { type: "tap", socket: join(folder, "tap.sock") },
      ...kernel,
    }),
  ];
  const rows: string[][] = [];
  for (const [name, command, args] of cases) {
    await using program = MeasuredProgram.start(command, args);
    const { cpuPercent, residentMiB, proportionalMiB } = await idleOf(program, settleSeconds, idleSeconds);
    rows.push([name, cpuPercent.toFixed(3), residentMiB.toFixed(0), proportionalMiB.toFixed(0)]);
  }
  say(`### Idle, ${idleSeconds} s\n\n`);
  say(markdown(["program", "CPU, % of a core", "RSS MiB", "PSS MiB"], rows) + "\n");
}

function agentCase(
  folder: string,
  name: string,
  sources: Record<string, unknown>,
): [string, string, readonly string[]] {
  const state = Deno.makeTempDirSync({ dir: folder });
  const path = join(state, "agent.yaml");
  Deno.writeTextFileSync(path, JSON.stringify(shipConfig(state, { sources, rules: false })));
  const { command, args } = agentCommand(["ship", "--config", path]);
  return [name, command, args];
}

function rsyslogCase(
  folder: string,
  name: string,
  options: Parameters<typeof rsyslogConfig>[0],
): [string, string, readonly string[]] {
  const work = Deno.makeTempDirSync({ dir: folder });
  const path = join(work, "rsyslog.conf");
  Deno.writeTextFileSync(path, rsyslogConfig({ ...options, work }));
  return [name, "rsyslogd", ["-n", "-f", path, "-i", join(work, "pid")]];
}

function fileSource(pattern: string): unknown {
  return { type: "file", include: [pattern] };
}

/** Median of each figure on its own. */
function medianOf(turns: readonly Figures[]): Figures {
  const median = (figure: (turn: Figures) => number): number => {
    const sorted = turns.map(figure).sort((a, b) => a - b);
    return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
  };
  return {
    seconds: median(({ seconds }) => seconds),
    cpuSeconds: median(({ cpuSeconds }) => cpuSeconds),
    peakMiB: median(({ peakMiB }) => peakMiB),
  };
}

async function printMachine({ lines, runs }: Options): Promise<void> {
  const model = /model name\s*: (.*)/.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "unknown";
  const rsyslog = (await runProgram("rsyslogd", ["-v"])).stdout.split(/\s+/).slice(0, 2).join(" ");
  const { command, args } = agentCommand(["version"]);
  const agent = (await runProgram(command, args)).stdout.trim();
  say(
    `${new Date().toISOString().slice(0, 16)}Z, ${navigator.hardwareConcurrency} × ${model}, ` +
      `load ${Deno.loadavg()[0]!.toFixed(2)}, Linux ${Deno.osRelease()}\n` +
      `${agent}, ${rsyslog}; ${lines} lines, ${runs} runs\n\n`,
  );
}

function parseWords(words: readonly string[]): Options {
  const given = new Map<string, string>();
  for (let i = 0; i < words.length; i += 2) given.set(words[i]!, words[i + 1] ?? "");
  const number = (name: string, otherwise: number): number => {
    const value = Number(given.get(name) ?? otherwise);
    given.delete(name);
    if (!Number.isInteger(value) || value < 1) throw new Error(`${name}: a whole number from 1`);
    return value;
  };
  const options = {
    lines: number("--lines", 1_000_000),
    runs: number("--runs", 3),
    files: number("--files", 2_000),
    idleSeconds: number("--idle-seconds", 20),
  };
  if (given.size > 0) {
    throw new Error(`unknown: ${[...given.keys()].join(", ")}\nTry: --lines, --runs, --files, --idle-seconds`);
  }
  return options;
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  return line(head) + line(head.map(() => "---")) + rows.map(line).join("");
}

function say(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

/** Everything is read and whatever a start left to do is done by then. */
const settleSeconds = 12;
