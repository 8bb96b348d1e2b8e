/**
 * What RELP costs with the window, the length of the lines and the number of connections, and what syslog over TCP costs
 * beside rsyslog's omfwd: a table each. All clients and servers are fresh for every figure.
 */
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { startCollector } from "../peers/collector.ts";
import { LineCounter, newRun, numberedLine, writeNumberedLines } from "../peers/numbered_lines.ts";
import { freePort, isListening } from "../peers/ports.ts";
import { RunningProgram, waitFor } from "../peers/process.ts";
import { frameText, latin1, openFrame } from "../peers/relp_script.ts";
import { startRelpServer } from "../peers/rsyslog.ts";
import { startShipper } from "../peers/shipper.ts";
import { machineLine, markdown, numbersOf, say } from "./table.ts";

/** Words: `--megabytes N` per figure (100), `--lines N` of the tables with lines of 200 bytes (500,000). */
export async function run(words: readonly string[]): Promise<void> {
  const { megabytes, lines } = numbersOf(words, { megabytes: 100, lines: 500_000 });
  say(`${await machineLine()}\n`);
  await windowTable(megabytes);
  await connectionTable(lines);
  await syslogTable(lines);
}

/** Lines a second and client CPU per million lines. */
interface Figure {
  readonly linesPerSecond: number;
  readonly clientCpu: number;
  readonly serverCpu: number;
}

async function windowTable(megabytes: number): Promise<void> {
  const windows = [128, 1_024, 4_096];
  for (const server of ["agent", "rsyslog"] as const) {
    const rows: string[][] = [];
    for (const lineBytes of [50, 200, 1_024, 8_192]) {
      const cells: string[] = [];
      for (const windowSize of windows) {
        // imrelp takes some thousand lines a second where windows are small: a tenth is enough to see it.
        const lines = Math.ceil(megabytes * 1e6 / lineBytes / (server === "rsyslog" ? 10 : 1));
        const { linesPerSecond, clientCpu } = await ship(server, windowSize, lineBytes, Math.min(lines, 1_000_000));
        const rate = Math.round(linesPerSecond).toLocaleString("en");
        cells.push(`${rate} · ${(linesPerSecond * lineBytes / 1e6).toFixed(0)} MB/s · ${clientCpu.toFixed(2)} s`);
      }
      rows.push([String(lineBytes), ...cells]);
    }
    const head = ["line bytes", ...windows.map((size) => `window ${size}: lines/s · MB/s · client CPU s per million`)];
    say(`\nagent ship → ${server === "agent" ? "agent collect" : "imrelp"}\n\n${markdown(head, rows)}`);
  }
}

async function ship(
  server: "agent" | "rsyslog",
  windowSize: number,
  lineBytes: number,
  lines: number,
): Promise<Figure> {
  const folder = Deno.makeTempDirSync({ prefix: "bench" });
  try {
    const include = join(folder, "in.log");
    writeNumberedLines(include, newRun(), 0, lines, lineBytes);
    await using receiver = server === "agent"
      ? await startCollector()
      : await startRelpServer({ maxMessageBytes: 65_536 });
    const before = receiver.program.usage.cpuSeconds;
    const startMs = performance.now();
    await using sender = startShipper({ include, port: receiver.port, windowSize });
    await receiver.waitForLines(lines, 120_000);
    return figure(lines, startMs, sender.program, receiver.program, before);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function figure(
  lines: number,
  startMs: number,
  client: RunningProgram | undefined,
  server: RunningProgram,
  serverCpuBefore: number,
): Figure {
  const millions = lines / 1e6;
  return {
    linesPerSecond: lines / (performance.now() - startMs) * 1_000,
    clientCpu: (client?.usage.cpuSeconds ?? NaN) / millions,
    serverCpu: (server.usage.cpuSeconds - serverCpuBefore) / millions,
  };
}

async function connectionTable(lines: number): Promise<void> {
  const rows: string[][] = [];
  for (const connections of [1, 10, 100, 1_000]) {
    const cells: string[] = [];
    for (const server of ["agent", "rsyslog"] as const) {
      await using receiver = server === "agent" ? await startCollector() : await startRelpServer();
      const before = receiver.program.usage.cpuSeconds;
      const each = Math.floor(lines / connections);
      const startMs = performance.now();
      try {
        await Promise.all(Array.from({ length: connections }, () => talk(receiver.port, each)));
      } catch (error) {
        cells.push(`failed: ${(error as Error).message}`); // imrelp resets connections that come all at once
        continue;
      }
      await receiver.waitForLines(each * connections, 120_000);
      const { linesPerSecond, serverCpu } = figure(each * connections, startMs, undefined, receiver.program, before);
      cells.push(`${Math.round(linesPerSecond).toLocaleString("en")} · ${serverCpu.toFixed(2)} s`);
    }
    rows.push([connections.toLocaleString("en"), ...cells]);
  }
  const head = ["connections", "agent collect: lines/s · server CPU s per million", "imrelp"];
  say(`\nClients of this process, without a window\n\n${markdown(head, rows)}`);
}

/** One client that sends all it has and waits for the last answer. */
async function talk(port: number, count: number): Promise<void> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const run = newRun();
  const reading = (async () => {
    const buffer = new Uint8Array(64 * 1024);
    let answers = 0;
    while (answers <= count) {
      const length = await connection.read(buffer);
      if (length === null) throw new Error(`the server closed after ${answers} answers of ${count}`);
      for (let i = 0; i < length; i++) if (buffer[i] === 75) answers++; // the K of each OK, that of open included
    }
  })();
  reading.catch(() => {}); // told when it is awaited
  const write = async (bytes: Uint8Array): Promise<void> => {
    for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
  };
  await write(latin1(openFrame));
  for (let i = 0; i < count; i += 500) {
    let text = "";
    for (let k = i; k < Math.min(count, i + 500); k++) {
      text += frameText(k + 2, "syslog", `<13>1 - ${numberedLine(run, k, 190).trimEnd()}`);
    }
    await write(latin1(text));
  }
  await reading;
  connection.close();
}

async function syslogTable(lines: number): Promise<void> {
  const rows: string[][] = [];
  for (const client of ["agent", "rsyslog"] as const) {
    const folder = Deno.makeTempDirSync({ prefix: "bench" });
    try {
      const file = join(folder, "in.log");
      writeNumberedLines(file, newRun(), 0, lines);
      const port = freePort();
      const output = join(folder, "out.log");
      await using server = rsyslog(
        folder,
        "server",
        `module(load="imtcp") ruleset(name="recv") { action(type="omfile" file="${output}" ioBufferSize="64k") }
input(type="imtcp" port="${port}" address="127.0.0.1" ruleset="recv")`,
      );
      await server.waitUntil(() => isListening(port), "imtcp");
      const before = server.usage.cpuSeconds;
      const startMs = performance.now();
      await using sender = client === "agent" ? agentSyslog(folder, file, port) : rsyslog(
        folder,
        "client",
        `module(load="imfile") ruleset(name="send" queue.type="LinkedList" queue.size="100000") {
  action(type="omfwd" target="127.0.0.1" port="${port}" protocol="tcp" action.resumeRetryCount="-1") }
input(type="imfile" file="${file}" tag="bench" ruleset="send" freshStartTail="off")`,
      );
      const counter = new LineCounter(output);
      await waitFor(() => counter.count() >= lines, "all lines", 120_000);
      const { linesPerSecond, clientCpu } = figure(lines, startMs, sender, server, before);
      const name = client === "agent" ? "agent ship → imtcp" : "omfwd → imtcp";
      const memory = sender.usage.peakMiB.toFixed(0);
      rows.push([name, Math.round(linesPerSecond).toLocaleString("en"), clientCpu.toFixed(2), memory]);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  }
  say(`\n${markdown(["file → syslog over TCP", "lines/s", "client CPU s per million", "client MiB"], rows)}\n`);
}

function agentSyslog(folder: string, file: string, port: number): RunningProgram {
  const words = ["ship", "--from", `file:${file}`, "--to", `syslog+tcp://127.0.0.1:${port}`];
  const { command, args } = agentCommand([...words, "--state", join(folder, "state")]);
  return RunningProgram.start(command, args, { name: "agent ship" });
}

function rsyslog(folder: string, role: string, body: string): RunningProgram {
  const config = join(folder, `${role}.conf`);
  Deno.writeTextFileSync(config, `global(workDirectory="${folder}")\n${body}\n`);
  return RunningProgram.start("rsyslogd", ["-n", "-f", config, "-i", join(folder, `${role}.pid`)], { name: role });
}
