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
import { type Figures, idleOf, MeasuredProgram, readOffset } from "./measured_program.ts";
import { rsyslogConfig, shipConfig } from "./source_configs.ts";
import { machineLine, markdown, medianOf, numbersOf, say } from "./table.ts";

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
  say(`${await machineLine()}; ${options.lines} lines, ${options.runs} runs\n\n`);
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
  const medians = new Map(Object.entries(turns).map(([name, all]) => [name, medianFigures(all)]));
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
function medianFigures(turns: readonly Figures[]): Figures {
  return {
    seconds: medianOf(turns, ({ seconds }) => seconds),
    cpuSeconds: medianOf(turns, ({ cpuSeconds }) => cpuSeconds),
    peakMiB: medianOf(turns, ({ peakMiB }) => peakMiB),
  };
}

function parseWords(words: readonly string[]): Options {
  const numbers = numbersOf(words, { lines: 1_000_000, runs: 3, files: 2_000, "idle-seconds": 20 });
  return { ...numbers, idleSeconds: numbers["idle-seconds"] };
}

/** Everything is read and whatever a start left to do is done by then: the engine collects its heap half a minute later. */
const settleSeconds = 45;
