/** The audit source over real files, through rotation and restarts, and over the socket of auditd's plugin. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Batch, recordText } from "../../src/pipeline/batch.ts";
import { mergePosition, type Position } from "../../src/pipeline/checkpoint.ts";
import type { Source } from "../../src/pipeline/source.ts";
import { openAuditSocket } from "../../src/sources/audit/socket.ts";
import { type AuditSourceOptions, openAuditSource } from "../../src/sources/audit/source.ts";
import { openFileSource } from "../../src/sources/file/file_source.ts";
import { waitFor } from "../peers/process.ts";

const sample = Deno.readTextFileSync(fileURLToPath(new URL("../data/audit/enriched.log", import.meta.url)));
const limits = { maxRecords: 100, maxBytes: 64 * 1024 };

function fileSource(folder: string, once: boolean): Source {
  return openFileSource({
    id: "audit",
    include: [join(folder, "audit.log")],
    start: "beginning",
    once,
    hostname: "here",
    tuning: { sweepMs: 40, maxPollMs: 60, idlePollMs: 60, graceMs: 150 },
    report: () => {},
  });
}

function audit(inner: Source, more: Partial<AuditSourceOptions> = {}): Source {
  return openAuditSource({ id: "audit", host: "here", inner, ...more });
}

/** A source that is read in the background. */
class Reader {
  readonly records: string[] = [];
  position: Position | undefined;
  readonly #stop = new AbortController();
  readonly done: Promise<void>;

  constructor(source: Source, from?: Position, batchLimits = limits) {
    this.position = from;
    this.done = this.#run(source.read(from, batchLimits, this.#stop.signal));
    this.done.catch(() => {}); // looked at by whoever waits for it
  }

  async #run(batches: AsyncIterable<Batch>): Promise<void> {
    for await (const batch of batches) {
      for (let i = 0; i < batch.count; i++) this.records.push(recordText(batch, i));
      this.position = mergePosition(this.position, batch.position);
      batch.release();
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.done;
  }
}

function auditCase(name: string, run: (folder: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = Deno.makeTempDirSync();
    try {
      await run(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

/** One event of four records; `serial` counts milliseconds, too. */
function eventLines(serial: number): string[] {
  const id = `msg=audit(${1_700_000_000 + Math.floor(serial / 1_000)}.${
    String(serial % 1_000).padStart(3, "0")
  }:${serial}):`;
  return [
    `type=SYSCALL ${id} arch=c000003e syscall=2 n=${serial}`,
    `type=CWD ${id} cwd="/"`,
    `type=PATH ${id} item=0 name="/etc"`,
    `type=PROCTITLE ${id} proctitle="cat"`,
  ];
}

const text = (lines: readonly string[]) => lines.map((line) => line + "\n").join("");
const serialOf = (record: string) => Number(/audit\(\d+\.\d+:(\d+)\):/.exec(record)?.[1]);
const isWhole = (record: string) => /SYSCALL .*type=CWD .*type=PATH .*type=PROCTITLE /.test(record);
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

auditCase("openAuditSource() joins records and keeps them as auditd wrote them", async (folder) => {
  Deno.writeTextFileSync(join(folder, "audit.log"), sample);
  const reader = new Reader(audit(fileSource(folder, true)));
  await reader.done;
  strictEqual(reader.records.length, 5);
  const lines = sample.trimEnd().split("\n").map((line) => line.replace("\x1d", " "));
  const header = "<110>2013-03-28T14:36:03.243000+00:00 here audit: ";
  strictEqual(
    reader.records[1],
    `${header}audit(1364481363.243:24287): ${[lines[1], lines[3], lines[5], lines[6]].join(" ")}`,
  );
  deepStrictEqual(reader.records.map(serialOf), [1, 24287, 24288, 24289, 24290]);
});

auditCase("openAuditSource() decodes hexadecimal text where it is told to", async (folder) => {
  Deno.writeTextFileSync(join(folder, "audit.log"), "node=router1 " + sample + "not of auditd\n");
  const reader = new Reader(audit(fileSource(folder, true), { decode: true, program: "audisp-syslog", priority: 14 }));
  await reader.done;
  match(
    reader.records[0]!,
    /^<14>\S+ router1 audisp-syslog: audit\(\S+:1\): type=DAEMON_START op=start .* AUID="unset"/,
  );
  const execve = reader.records[2]!;
  match(execve, / comm="my sh" exe="\/bin\/sh" key=\(null\) ARCH=x86_64 SYSCALL=execve /);
  match(
    execve,
    / type=EXECVE argc=3 a0="sh" a1="-c" a2="echo \\"hä\\"" type=PROCTITLE proctitle="sh -c echo \\"hä\\""$/,
  );
  match(reader.records[3]!, /msg='cwd="\/root" cmd="ls -l" exe=/);
  ok(reader.records.some((record) => record.endsWith(" here audisp-syslog: not of auditd")));
});

auditCase("openAuditSource() loses and tears no event over restarts and a rotation within one", async (folder) => {
  const path = join(folder, "audit.log");
  const lines = numbers(0, 120).flatMap(eventLines);
  let written = 0;
  let position: Position | undefined;
  const records: string[] = [];
  while (written < lines.length) {
    const end = Math.min(lines.length, written + 29); // never the end of an event, but by chance
    if (written === 29 * 8) Deno.renameSync(path, path + ".1");
    Deno.writeTextFileSync(path, text(lines.slice(written, end)), { append: true, create: true });
    written = end;
    // A huge timeout: what is open at the end of this run is left for the next one.
    const reader = new Reader(audit(fileSource(folder, false), { timeoutMs: 600_000 }), position, {
      maxRecords: 7,
      maxBytes: 2_000,
    });
    const complete = Math.floor(end / 4);
    await waitFor(
      () => new Set([...records, ...reader.records].map(serialOf)).size >= complete,
      `${complete} events`,
    );
    await reader.stop();
    position = reader.position;
    records.push(...reader.records);
  }
  deepStrictEqual([...new Set(records.map(serialOf))].sort((a, b) => a - b), numbers(0, 120));
  deepStrictEqual(records.filter((record) => !isWhole(record)), []);
  ok(records.length <= 120 + 17 * 8, `${records.length} records for 120 events: too many came twice`);
});

auditCase("openAuditSource() gives an event without an end when nothing more comes", async (folder) => {
  Deno.writeTextFileSync(join(folder, "audit.log"), text(eventLines(1).slice(0, 2)));
  const reader = new Reader(audit(fileSource(folder, false), { timeoutMs: 50 }));
  await waitFor(() => reader.records.length === 1, "the event");
  match(reader.records[0]!, /type=SYSCALL .* type=CWD /);
  await waitFor(() => Object.keys(reader.position ?? {}).length > 0, "its position");
  await reader.stop();
  const again = new Reader(audit(fileSource(folder, true)), reader.position);
  await again.done;
  deepStrictEqual(again.records, []);
});

auditCase("openAuditSocket() reads auditd's socket, and connects again when auditd restarts", async (folder) => {
  const path = join(folder, "audispd_events");
  const reader = new Reader(audit(openAuditSocket({ id: "audit", host: "here", path, once: false })));
  for (const round of [0, 1]) {
    const listener = Deno.listen({ transport: "unix", path });
    using connection = await listener.accept();
    const bytes = new TextEncoder().encode(text([
      ...eventLines(round),
      `type=EOE msg=audit(1700000000.000:${round}): `,
      ...eventLines(10 + round).slice(0, 3),
    ]));
    await connection.write(bytes.subarray(0, 100)); // in two pieces, torn within a line
    await connection.write(bytes.subarray(100));
    await waitFor(() => reader.records.some((record) => serialOf(record) === round), `event ${round}`);
    listener.close();
  }
  await reader.stop();
  deepStrictEqual(
    reader.records.map(serialOf).sort((a, b) => a - b),
    [0, 1, 10, 11],
    "open events are given at a stop",
  );
  deepStrictEqual(reader.records.filter(isWhole).map(serialOf), [0, 1]);
  strictEqual(reader.position && Object.keys(reader.position).length, 0);
});

auditCase("openAuditSocket() says what to do where auditd has no socket", async (folder) => {
  const path = join(folder, "none");
  const reader = new Reader(audit(openAuditSocket({ id: "audit", host: "here", path, once: true })));
  await rejects(reader.done, /^Error: Cannot read audit events from ".*none": .*\nTry: active = yes/);
});
