/**
 * RELP side by side with rsyslog, in one run on one machine: a file goes from a client to a server until its last line is
 * written there. Each pair of programs takes its turn, in alternating order, with programs freshly started.
 *
 * ```text
 *   agent ship ─┬─► imrelp          rsyslog's client is tuned (windowSize 4096) unless it says `default`
 *   omrelp ─────┴─► agent collect   agent collect answers after fsync; imrelp answers from memory
 * ```
 */
import { deepStrictEqual } from "node:assert/strict";
import { join } from "node:path";
import { startCollector } from "../peers/collector.ts";
import { judgeLines, newRun, perfect, sizeBelow, writeNumberedLines } from "../peers/numbered_lines.ts";
import { Pki } from "../peers/pki.ts";
import { type RunningProgram, runProgram, type Usage, waitFor } from "../peers/process.ts";
import { startRelpClient, startRelpServer } from "../peers/rsyslog.ts";
import { startShipper } from "../peers/shipper.ts";
import { machineLine, markdown, medianOf, numbersOf, say, takeText } from "./table.ts";

type End = "agent" | "rsyslog";
type Transport = "plain" | "gnutls" | "openssl";

/** Two programs, and what is between them. */
interface Pair {
  readonly client: End;
  readonly server: End;
  readonly transport: Transport;
  /** Both ends with their own default settings. */
  readonly defaults?: boolean;
}

/** What one turn took. */
interface Turn {
  readonly linesPerSecond: number;
  readonly client: Usage;
  readonly server: Usage;
}

interface Options {
  readonly lines: number;
  readonly runs: number;
  readonly defaultLines: number;
  readonly transports: readonly Transport[];
}

/**
 * Measures and prints a table in Markdown, with ratios beside the goals. Words: `--lines N` (default 1,000,000), `--runs N`
 * (3), `--default-lines N` for omrelp with its default settings (20,000: it makes some 700 lines a second there, however
 * many they are, so that a million would take it 25 minutes),
 * `--transports plain,gnutls,openssl` (plain,gnutls).
 */
export async function run(words: readonly string[]): Promise<void> {
  const options = parseWords(words);
  using pki = await Pki.make();
  say(`${await machineLine()}; ${options.lines} lines of 200 bytes, ${options.runs} runs\n\n`);
  for (const transport of options.transports) await measure(transport, options, pki);
}

/** All pairs of a transport. */
async function measure(transport: Transport, options: Options, pki: Pki): Promise<void> {
  const pairs: Pair[] = (["rsyslog", "agent"] as const).flatMap((server) =>
    (["rsyslog", "agent"] as const).map((client) => ({ client, server, transport }))
  );
  const turns = await takeTurns(pairs, options.lines, options.runs, pki);
  if (transport === "plain") {
    for (const client of ["rsyslog", "agent"] as const) {
      const pair = { client, server: "rsyslog", transport, defaults: true } as const;
      for (const [_, all] of await takeTurns([pair], linesOf(pair, options), 1, pki)) turns.set(pair, all);
    }
  }
  printTable(transport, turns, options);
  printRatios(transport, turns);
}

async function takeTurns(
  pairs: readonly Pair[],
  lines: number,
  runs: number,
  pki: Pki,
): Promise<Map<Pair, Turn[]>> {
  const turns = new Map<Pair, Turn[]>(pairs.map((pair) => [pair, []]));
  const name = newRun();
  const file = join(pki.folder, `${name}.log`);
  writeNumberedLines(file, name, 0, lines);
  for (let i = 0; i < runs; i++) {
    for (const pair of i % 2 === 0 ? pairs : pairs.toReversed()) {
      await runProgram("sync", []); // what the turn before left to be written is not this turn's
      const turn = await takeTurn(pair, file, name, lines, pki);
      turns.get(pair)!.push(turn);
      say(`run ${i + 1}: ${title(pair)}: ${describe(turn)}\n`);
    }
  }
  Deno.removeSync(file);
  return turns;
}

async function takeTurn(pair: Pair, file: string, name: string, lines: number, pki: Pki): Promise<Turn> {
  const tls = pair.transport === "plain" ? undefined : { pki, library: pair.transport };
  await using server = pair.server === "agent"
    ? await startCollector(tls === undefined ? {} : { pki })
    : await startRelpServer(tls === undefined ? {} : { tls });
  const before = server.program.usage.cpuSeconds;
  const startMs = performance.now();
  await using client = pair.client === "agent"
    ? startShipper({
      include: file,
      port: server.port,
      ...(pair.defaults === true ? {} : { windowSize }),
      ...(tls === undefined ? {} : { tls: { pki } }),
    })
    : startRelpClient({
      file,
      port: server.port,
      windowSize: pair.defaults === true ? "default" : windowSize,
      ...(tls === undefined ? {} : { tls }),
    });
  await waitForAll(server.output, lines, [client.program, server.program]);
  const seconds = (performance.now() - startMs) / 1_000;
  const turn = {
    linesPerSecond: lines / seconds,
    client: client.program.usage,
    server: { ...server.program.usage, cpuSeconds: server.program.usage.cpuSeconds - before },
  };
  deepStrictEqual(judgeLines(server.output, name, lines), perfect(lines), title(pair));
  return turn;
}

/** Waits for the last line by the size of the output alone, which costs nothing: all lines of a turn are equally long. */
async function waitForAll(output: string, lines: number, watched: readonly RunningProgram[]): Promise<void> {
  let lineBytes: number | undefined;
  await waitFor(
    () => {
      for (const { status, name, stderr } of watched) {
        if (status !== undefined) throw new Error(`"${name}" ended with ${status.code}\n${stderr.slice(-2_000)}`);
      }
      const size = sizeBelow(output);
      if (size === 0) return false;
      lineBytes ??= firstLineBytes(output);
      return lineBytes !== undefined && size >= lines * lineBytes;
    },
    `${lines} lines in "${output}"`,
    30_000 + lines,
  );
}

function firstLineBytes(path: string): number | undefined {
  if (!Deno.statSync(path).isFile) {
    const [entry] = [...Deno.readDirSync(path)].map(({ name }) => name).sort();
    return entry === undefined ? undefined : firstLineBytes(join(path, entry));
  }
  using file = Deno.openSync(path);
  const head = new Uint8Array(4_096);
  const end = head.subarray(0, file.readSync(head) ?? 0).indexOf(10);
  return end < 0 ? undefined : end + 1;
}

function printTable(transport: Transport, turns: ReadonlyMap<Pair, readonly Turn[]>, options: Options): void {
  const rows = [...turns].map(([pair, all]) => {
    const turn = medianTurn(all);
    return [
      title(pair),
      linesOf(pair, options).toLocaleString("en"),
      Math.round(turn.linesPerSecond).toLocaleString("en"),
      Math.round(Math.max(...all.map(({ linesPerSecond }) => linesPerSecond))).toLocaleString("en"),
      turn.client.cpuSeconds.toFixed(2),
      turn.server.cpuSeconds.toFixed(2),
      turn.client.peakMiB.toFixed(0),
      turn.server.peakMiB.toFixed(0),
    ];
  });
  const head = ["pair", "lines", "lines/s, median", "best", "client CPU s", "server CPU s", "client MiB", "server MiB"];
  say(`\n### ${transport}\n\n${markdown(head, rows)}\n`);
}

function linesOf({ client, defaults }: Pair, options: Options): number {
  return defaults === true && client === "rsyslog" ? options.defaultLines : options.lines;
}

/** One promise of the product: a figure of one pair divided by that of another. */
interface Goal {
  readonly what: string;
  readonly ours: Pair | undefined;
  readonly theirs: Pair | undefined;
  readonly figure: (turn: Turn) => number;
  readonly goal: number;
  readonly atLeast: boolean;
}

function printRatios(transport: Transport, turns: ReadonlyMap<Pair, readonly Turn[]>): void {
  const rows = goalsOf(transport, [...turns.keys()]).flatMap(({ what, ours, theirs, figure, goal, atLeast }) => {
    if (ours === undefined || theirs === undefined) return [];
    const ratio = figure(medianTurn(turns.get(ours)!)) / figure(medianTurn(turns.get(theirs)!));
    const reached = atLeast ? ratio >= goal : ratio <= goal;
    return [[what, `${ratio.toFixed(2)} ×`, `${atLeast ? "≥" : "≤"} ${goal} ×`, reached ? "yes" : "**no**"]];
  });
  say(`\n${markdown(["ratio of medians", "measured", "goal", "reached"], rows)}\n`);
}

function goalsOf(transport: Transport, pairs: readonly Pair[]): readonly Goal[] {
  const tls = transport !== "plain";
  const find = (client: End, server: End, defaults = false): Pair | undefined =>
    pairs.find((pair) => pair.client === client && pair.server === server && (pair.defaults ?? false) === defaults);
  const peer = find("rsyslog", "rsyslog");
  const speed = (turn: Turn): number => turn.linesPerSecond;
  const clientCpu = (turn: Turn): number => turn.client.cpuSeconds;
  const serverCpu = (turn: Turn): number => turn.server.cpuSeconds;
  const ship = { ours: find("agent", "rsyslog"), theirs: peer };
  const collect = { ours: find("rsyslog", "agent"), theirs: peer };
  const both = { ours: find("agent", "agent"), theirs: peer };
  return [
    { what: "ship → imrelp: lines/s", ...ship, figure: speed, goal: tls ? 1.3 : 1.1, atLeast: true },
    { what: "ship → imrelp: client CPU", ...ship, figure: clientCpu, goal: tls ? 0.35 : 0.25, atLeast: false },
    { what: "ship → imrelp: client memory", ...ship, figure: (turn) => turn.client.peakMiB, goal: 0.6, atLeast: false },
    { what: "omrelp → collect: lines/s", ...collect, figure: speed, goal: 1, atLeast: true },
    { what: "omrelp → collect: server CPU", ...collect, figure: serverCpu, goal: 0.5, atLeast: false },
    { what: "ship → collect: lines/s", ...both, figure: speed, goal: 2.5, atLeast: true },
    {
      what: "ship → collect: CPU of both ends",
      ...both,
      figure: (turn) => clientCpu(turn) + serverCpu(turn),
      goal: 0.4,
      atLeast: false,
    },
    {
      what: "ship → imrelp, default settings: lines/s",
      ours: find("agent", "rsyslog", true),
      theirs: find("rsyslog", "rsyslog", true),
      figure: speed,
      goal: 100,
      atLeast: true,
    },
  ];
}

/** Median of each figure on its own. */
function medianTurn(turns: readonly Turn[]): Turn {
  const usage = (end: "client" | "server"): Usage => ({
    cpuSeconds: medianOf(turns, (turn) => turn[end].cpuSeconds),
    peakMiB: medianOf(turns, (turn) => turn[end].peakMiB),
  });
  return {
    linesPerSecond: medianOf(turns, ({ linesPerSecond }) => linesPerSecond),
    client: usage("client"),
    server: usage("server"),
  };
}

function title({ client, server, transport, defaults }: Pair): string {
  const sender = client === "agent" ? "agent ship" : "omrelp";
  const receiver = server === "agent" ? "agent collect" : "imrelp";
  return `${sender} → ${receiver}, ${transport}${defaults === true ? ", default settings" : ""}`;
}

function describe({ linesPerSecond, client, server }: Turn): string {
  return `${Math.round(linesPerSecond)} lines/s, client ${client.cpuSeconds.toFixed(2)} CPU s ${
    client.peakMiB.toFixed(0)
  } MiB, server ${server.cpuSeconds.toFixed(2)} CPU s ${server.peakMiB.toFixed(0)} MiB`;
}

function parseWords(words: readonly string[]): Options {
  const { text, rest } = takeText(words, "transports", "plain,gnutls");
  const numbers = numbersOf(rest, { lines: 1_000_000, runs: 3, "default-lines": 20_000 });
  return { ...numbers, defaultLines: numbers["default-lines"], transports: transportsOf(text) };
}

function transportsOf(text: string): readonly Transport[] {
  return text.split(",").map((name) => {
    if (name === "plain" || name === "gnutls" || name === "openssl") return name;
    throw new Error(`--transports: "${name}" is not among plain, gnutls, openssl`);
  });
}

/** Frames without an answer at the most, on both clients: with fewer, omrelp stalls 200 ms per window. */
const windowSize = 4096;
