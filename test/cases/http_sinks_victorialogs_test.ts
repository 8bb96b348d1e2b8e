/** The sinks over HTTP towards a real VictoriaLogs, which takes four of their protocols. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { victoriaLogsPath } from "../../scripts/go_peers.ts";
import { agentCommand } from "../peers/agent.ts";
import { newRun, writeNumberedLines } from "../peers/numbered_lines.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { findProgram, onlyIf } from "../peers/skip.ts";
import { VictoriaLogs } from "../peers/victorialogs.ts";

const bulkPath = "/insert/elasticsearch/_bulk?_stream_fields=host.name&_time_field=@timestamp&_msg_field=message";
const kinds = {
  jsonline: { type: "victorialogs" },
  bulk: { type: "elasticsearch", path: bulkPath },
  loki: { type: "loki", path: "/insert/loki/api/v1/push" },
  otlp: { type: "otlp", path: "/insert/opentelemetry/v1/logs" },
  lokiUnpacked: { type: "loki", path: "/insert/loki/api/v1/push", compression: "none" },
} as const;

/** A sink of each kind, each with a tenant of its own: 1, 2, 3 … */
function sinksTo(port: number, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(kinds).map(([name, kind], i) => [name, {
      target: "127.0.0.1",
      port,
      headers: { AccountID: String(i + 1), ProjectID: "0" },
      resumeInterval: "50ms",
      resumeIntervalMax: "200ms",
      batchWait: "10ms",
      ...more,
      ...kind,
    }]),
  );
}

const tenants = Object.keys(kinds).map((_, i) => i + 1);

function writeConfig(folder: string, sinks: Readonly<Record<string, unknown>>): string {
  const path = join(folder, "agent.yaml");
  const sources = { messages: { type: "file", include: [join(folder, "*.log")], program: "su", severity: "err" } };
  const document = {
    state: join(folder, "state"),
    hostname: "router1",
    metadata: { project: "garden" },
    sources,
    sinks,
  };
  Deno.writeTextFileSync(path, JSON.stringify(document));
  return path;
}

Deno.test({
  name: "ship to VictoriaLogs over jsonline, _bulk, Loki and OTLP: counts and fields are equal",
  ...onlyIf(findProgram(victoriaLogsPath()) !== undefined, "VictoriaLogs is not built"),
  fn: async () => {
    await using store = new VictoriaLogs();
    await store.start();
    const folder = Deno.makeTempDirSync();
    try {
      const lines = 20_000;
      writeNumberedLines(join(folder, "a.log"), newRun(), 0, lines);
      const odd = `ünïcode \t "quoted" \\ back [x] {"a":1}`;
      Deno.writeTextFileSync(join(folder, "b.log"), odd + "\n");
      const { command, args } = agentCommand(["ship", "--once", "--config", writeConfig(folder, sinksTo(store.port))]);
      await runProgram(command, args);
      for (const tenant of tenants) {
        await waitFor(async () => (await store.count(tenant)).records >= lines + 1, `the records of tenant ${tenant}`);
        deepStrictEqual(await store.count(tenant), { records: lines + 1, different: lines + 1 });
      }
      const found: Record<string, string>[][] = [];
      for (const tenant of tenants) {
        // Under load, queries of rows were seen to find nothing for a moment, while the counts were exact.
        let rows: Record<string, string>[] = [];
        const isFound = async (): Promise<boolean> =>
          (rows = await store.query("quoted | limit 10", tenant)).length > 0;
        await waitFor(isFound, `the row of tenant ${tenant}`);
        found.push(rows);
      }
      const [jsonline, bulk, loki, otlp] = found.map(([row]) => row!);
      deepStrictEqual(found.map((rows) => rows.map(({ _msg }) => _msg)), tenants.map(() => [odd]));
      const plain = { source: "messages", host: "router1", program: "su", severity: "err", project: "garden" };
      for (const row of [jsonline!, loki!]) deepStrictEqual(pick(row, plain), plain);
      const ecs = {
        "labels.source": "messages",
        "host.name": "router1",
        "log.syslog.appname": "su",
        "log.level": "err",
        "log.syslog.severity.code": "3",
        "labels.project": "garden",
      };
      deepStrictEqual(pick(bulk!, ecs), ecs);
      const resource = { "log.source": "messages", "host.name": "router1", "service.name": "su", project: "garden" };
      deepStrictEqual(pick(otlp!, resource), resource);
      for (const row of found.flat()) ok(Math.abs(Date.parse(row._time!) - Date.now()) < 3_600_000, row._time);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "ship to VictoriaLogs loses nothing when that is restarted in the middle",
  ...onlyIf(findProgram(victoriaLogsPath()) !== undefined, "VictoriaLogs is not built"),
  fn: async () => {
    await using store = new VictoriaLogs();
    await store.start();
    const folder = Deno.makeTempDirSync();
    try {
      const run = newRun();
      const log = join(folder, "a.log");
      writeNumberedLines(log, run, 0, 20_000);
      const config = writeConfig(folder, sinksTo(store.port, { maxRequest: "32KiB" }));
      const { command, args } = agentCommand(["ship", "--config", config]);
      await using shipper = RunningProgram.start(command, args, { name: "agent ship" });
      await shipper.waitUntil(async () => (await store.count(1)).records > 0, "the first records");
      await store.stop();
      writeNumberedLines(log, run, 20_000, 30_000);
      await shipper.waitForOutput(/sink.* is down|cannot deliver|Cannot connect/i);
      await store.start();
      for (const tenant of tenants) {
        await shipper.waitUntil(
          async () => (await store.count(tenant)).different === 30_000,
          `all of tenant ${tenant}`,
        );
      }
      strictEqual(shipper.status, undefined);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

function pick(row: Readonly<Record<string, string>>, like: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(Object.keys(like).map((name) => [name, row[name]]));
}
