/**
 * Case: the only sink is away while more comes in than the spool may hold. Memory stays where it was, and every record is
 * accounted for: sent = received + dropped + held, at the end of the outage and at the end of everything.
 *
 * `SINK_DOWN_LINES=3600000` is the full volume: an hour of 1,000 lines/s against 64 MiB of spool.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { type Collector, startCollector } from "../peers/collector.ts";
import { judgeLines, newRun, numberedLine, type Verdict } from "../peers/numbered_lines.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, waitFor } from "../peers/process.ts";

const fullLines = 3_600_000;
const lines = Number(Deno.env.get("SINK_DOWN_LINES") ?? 60_000);
const spoolMiB = lines >= fullLines ? 64 : 4;
const lineBytes = 200;

/** What `agent spool check --json` tells; the parts that are looked at. */
interface SpoolReport {
  readonly bytes: number;
  readonly segments: readonly { readonly records: number; readonly lastSeq: number }[];
  readonly readers: readonly { readonly held: number }[];
  readonly untold: { readonly full: number; readonly long: number };
  readonly damagedBytes: number;
  /** Notices in the spool, and the records that they tell of. */
  readonly told: { readonly notices: number; readonly records: number };
}

Deno.test("agent ship with its sink down and dropNewest counts what finds no room", async () => {
  await using outage = await Outage.begin("dropNewest");
  await outage.write(0, lines);
  const droppedBy = ({ told, untold }: SpoolReport): number => told.records + untold.full;
  const report = await outage.spoolUntil((now) => now.readers[0]!.held - now.told.notices + droppedBy(now) === lines);
  const verdict = await outage.end();
  const dropped = droppedBy(report);
  // What was told in time; the rest is told at the next start, as the input has ended.
  const { untold } = await outage.spool();
  strictEqual(outage.told(/gap: (\d+) records? not taken by the spool/g) + untold.full, dropped);
  judge(verdict, lines - dropped, report);
  strictEqual(verdict.lost, dropped);
});

Deno.test("agent ship with its sink down and dropOldest keeps the last records and counts the others", async () => {
  await using outage = await Outage.begin("dropOldest");
  await outage.write(0, lines);
  const report = await outage.spoolUntil(({ segments }) => segments.at(-1)?.lastSeq === lines);
  const { held } = report.readers[0]!;
  const verdict = await outage.end();
  const dropped = outage.told(/gap: (\d+) records? dropped/g);
  judge(verdict, lines - dropped, report);
  strictEqual(verdict.lost, dropped);
  // What was under way when the sink went is in memory, and arrives although its segment had to go.
  const underWay = verdict.received - held;
  ok(underWay >= 0 && underWay * lineBytes <= flightBytes, `${underWay} records more than the spool held`);
  ok(outage.endsWithLast(held), "the records that are kept are the last ones");
});

Deno.test("agent ship with its sink down and block holds its source back and loses nothing", async () => {
  await using outage = await Outage.begin("block");
  const writing = outage.write(0, lines);
  await outage.program.waitForOutput(/sources wait until there is room/, 60_000);
  const report = await outage.spool();
  ok(report.readers[0]!.held < lines, "the spool is full before everything is written");
  const verdict = await outage.end();
  await writing;
  judge(verdict, lines, report);
  strictEqual(verdict.lost, 0);
});

/** What arrived is what was held, once and in order; the spool kept to its limit, and the process to its memory. */
function judge(verdict: Verdict, received: number, report: SpoolReport): void {
  deepStrictEqual(
    { ...verdict, lost: 0, foreign: 0 },
    { received, lost: 0, duplicates: 0, outOfOrder: 0, damaged: 0, foreign: 0 },
  );
  ok(report.bytes <= spoolMiB * 2 ** 20, `${report.bytes} bytes in a spool of ${spoolMiB} MiB`);
  strictEqual(report.damagedBytes, 0);
}

/** A shipper of its standard input whose sink is away until the end. */
class Outage implements AsyncDisposable {
  readonly program: RunningProgram;
  readonly #folder: string;
  readonly #port: number;
  readonly #run = newRun();
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #collector: Collector | undefined;

  private constructor(folder: string, port: number, program: RunningProgram) {
    this.#folder = folder;
    this.#port = port;
    this.program = program;
    this.#input = program.stdin.getWriter();
  }

  static async begin(whenFull: string): Promise<Outage> {
    const folder = Deno.makeTempDirSync({ prefix: "down" });
    const port = freePort();
    const config = join(folder, "agent.yaml");
    Deno.writeTextFileSync(
      config,
      JSON.stringify({
        state: join(folder, "state"),
        sources: { input: { type: "stdin" } },
        sinks: { loghost: { type: "relp", target: "127.0.0.1", port, timeout: "5s" } },
        spool: { maxSize: `${spoolMiB}MiB`, whenFull },
      }),
    );
    const { command, args } = agentCommand(["ship", "--config", config]);
    const program = RunningProgram.start(command, args, { name: "agent ship", stdin: "piped" });
    await program.waitForOutput(/running: /);
    return new Outage(folder, port, program);
  }

  /** Writes the lines and ends the input. */
  async write(from: number, to: number): Promise<void> {
    const encoder = new TextEncoder();
    for (let at = from; at < to;) {
      let text = "";
      const end = Math.min(to, at + 500);
      for (; at < end; at++) text += numberedLine(this.#run, at, lineBytes);
      await this.#input.write(encoder.encode(text));
    }
    await this.#input.close();
  }

  /** What is in the spool; read from a copy, because it belongs to the agent. */
  async spool(): Promise<SpoolReport> {
    const copy = Deno.makeTempDirSync({ prefix: "copy" });
    try {
      const source = join(this.#folder, "state", "spool");
      for (const { name, isFile } of Deno.readDirSync(source)) {
        if (isFile) copyIfThere(join(source, name), join(copy, name));
      }
      const report = JSON.parse(await ask("spool", "check", "--json", "--folder", copy));
      const exported = await ask("spool", "export", "--folder", copy);
      const counts = [...exported.matchAll(/gap: (\d+) records? not taken/g)].map(([, count]) => Number(count));
      return { ...report, told: { notices: counts.length, records: counts.reduce((sum, count) => sum + count, 0) } };
    } finally {
      Deno.removeSync(copy, { recursive: true });
    }
  }

  /** The spool when all that was sent is accounted for. */
  async spoolUntil(complete: (report: SpoolReport) => boolean): Promise<SpoolReport> {
    let report: SpoolReport | undefined;
    await waitFor(
      async () => complete(report = await this.spool()),
      "all records, held or counted as dropped",
      60_000,
    ).catch((error) => {
      throw new Error(`${error.message}\n${JSON.stringify(report)}`);
    });
    return report!;
  }

  /** The sink comes back; everything that is held goes there, and the shipper ends as its input has. */
  async end(): Promise<Verdict> {
    const { peakMiB } = this.program.usage;
    this.#collector = await startCollector({ port: this.#port });
    const { code } = await this.program.waitForExit(60_000);
    strictEqual(code, 0, this.program.stderr);
    const report = await this.spool();
    strictEqual(report.readers[0]!.held, 0, "nothing is left in the spool");
    const verdict = judgeLines(this.#collector.output, this.#run, lines, lineBytes);
    if (lines >= fullLines) {
      say(
        `peak ${peakMiB.toFixed(1)} MiB during, ${this.program.usage.peakMiB.toFixed(1)} MiB after the outage; ` +
          `${JSON.stringify(verdict)}\n`,
      );
    }
    ok(peakMiB <= memoryLimitMiB, `${peakMiB} MiB of memory`);
    return verdict;
  }

  /** Sum of the counts in the notices that the collector got. */
  told(pattern: RegExp): number {
    return [...this.#collector!.text().matchAll(pattern)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** Whether the last `count` lines that were written are the last that arrived. */
  endsWithLast(count: number): boolean {
    const numbers = [...this.#collector!.text().matchAll(new RegExp(`${this.#run} (\\d{9}) `, "g"))];
    return numbers.slice(-count).every(([, number], i) => Number(number) === lines - count + i);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.kill();
    await this.#collector?.[Symbol.asyncDispose]();
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** What the agent prints, whatever its exit code: the copy of what is being written may end within a record. */
async function ask(...words: readonly string[]): Promise<string> {
  const { command, args } = agentCommand(words);
  await using program = RunningProgram.start(command, args);
  await program.waitForExit();
  return program.stdout;
}

/** A segment may be dropped since it was listed. */
function copyIfThere(from: string, to: string): void {
  try {
    Deno.copyFileSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

/** What the engine lets be under way to a sink, and a batch. */
const flightBytes = (1_024 + 128) * 1_024;
/** Far below what came in: memory does not grow with the outage. What it is exactly, the full volume prints. */
const memoryLimitMiB = 160;
